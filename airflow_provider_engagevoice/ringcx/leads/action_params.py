"""Checking the parameters of a lead action against the table of actions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from functools import partial
from typing import Any

from airflow_provider_engagevoice.ringcx.criteria import is_data
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria, InvalidParameter, did_you_mean
from airflow_provider_engagevoice.ringcx.leads.coercion import (
    MOMENT,
    as_boolean,
    is_blank,
    parse_text,
    read_moment,
    reader,
    stable_order,
    to_int,
    type_name,
)
from airflow_provider_engagevoice.ringcx.spec.enums import format_datetime
from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS, NEW_LIST, Action, Kind, Parameter

_ADDRESS = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+\.[^\s@,;<>\"]+")


def find_action(name: object) -> Action:
    """Look up a lead action by name.

    :param name: RingCX's name, such as ``CANCEL_LEADS``.
    :return: the row of the table.
    :raises InvalidParameter: where RingCX has no such action; names the nearest.
    """
    if isinstance(name, str) and name in ACTIONS:
        return ACTIONS[name]
    hint = did_you_mean(name, ACTIONS) or f"; it is one of {', '.join(ACTIONS)}"
    raise InvalidParameter(f"RingCX has no lead action {name!r}{hint}")


def read_params(action: Action, params: object) -> dict[str, Any]:
    """Check an action's parameters, write them as RingCX takes them, and fill in what it insists on.

    :param action: the action.
    :param params: as for :func:`parse_params`.
    :return: the ``paramMap`` to send.
    :raises InvalidParameter: as :func:`parse_params` does.
    """
    return with_defaults(action, parse_params(action, params))


def with_defaults(action: Action, given: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in what RingCX insists on and the guide does not mention.

    :param action: the action.
    :param given: its parameters, read.
    :return: the ``paramMap`` to send.
    """
    if action.name == "AGENT_RESERVATION":
        # Observed: RingCX refuses the action without a moment.
        return {"CALLBACK_DTS": format_datetime(datetime.now(timezone.utc)), **given}
    return dict(given)


def parse_params(action: Action, params: object) -> dict[str, Any]:
    """Check an action's parameters and write them as RingCX takes them.

    :param action: the action.
    :param params: rendered parameters: a dict with RingCX's names, text that is one, or None.
    :return: the ``paramMap``: ids and minutes as ints, booleans as booleans, choices as text,
        moments in RingCX's notation. Both spellings of values are taken (guide 2024: texts;
        guide 2026: numbers and booleans).
    :raises InvalidParameter: where one is unknown, missing or wrong; names it.
    """
    given = _as_mapping(params)
    _check_names(action, given)
    read = {
        parameter.name: _read(action, parameter, given[parameter.name])
        for parameter in action.parameters
        if not is_blank(given.get(parameter.name))
    }
    for parameter in action.parameters:
        if not _applies(parameter, read):
            _refuse_stray(action, parameter, read)
            continue
        if parameter.name in read:
            continue
        if parameter.required:
            raise _missing(action, parameter)
        if parameter.name in given:
            # A date that a template emptied must not become "now".
            raise InvalidParameter(f"{action.name}: {parameter.name} came out empty; leave it out or fill it")
    if action.name == "MOVE_TO_CAMPAIGN" and str(read["LIST_ID"]) == NEW_LIST and "LIST_NAME" not in read:
        raise InvalidParameter(
            "MOVE_TO_CAMPAIGN needs LIST_NAME: the name of the new list that LIST_ID 0 makes"
        )
    return read


def validate_authored_params(action: object, params: object) -> None:
    """Check what can be known of an action and its parameters before their templates are rendered.

    :param action: the action's name as written in the DAG.
    :param params: its parameters as written in the DAG.
    :raises InvalidParameter: on an unknown action or parameter, a missing one, or a wrong literal.
    """
    if is_data(action):
        return
    row = find_action(action)
    if is_data(params) and not isinstance(params, Mapping):
        return
    given = _as_mapping(params)
    _check_names(row, given)
    for parameter in row.parameters:
        if parameter.required and parameter.only_with is None and parameter.name not in given:
            raise _missing(row, parameter)
        value = given.get(parameter.name)
        if not is_data(value) and not is_blank(value):
            _read(row, parameter, value)
    if not is_data(params):
        read_params(row, params)


def email_addresses(value: object) -> str:
    """Check mail addresses and write them as ``EMAIL_TO`` takes them.

    :param value: one address, several separated by commas, or a list of them.
    :return: the addresses separated by commas. Source: guide, "Email Leads".
    :raises InvalidParameter: where there is none or one is no address.
    """
    if isinstance(value, str) and value.strip().startswith(("[", "(", "{")):
        value = _parse(value, "EMAIL_TO")
    entries = value.split(",") if isinstance(value, str) else value
    if isinstance(entries, (bytes, Mapping)) or not isinstance(entries, Iterable):
        raise InvalidParameter(f"EMAIL_TO must be an address or a list of addresses, not {type_name(value)}")
    if isinstance(entries, (set, frozenset)):
        entries = stable_order(entries)
    addresses = [entry.strip() if isinstance(entry, str) else "" for entry in entries]
    if not addresses:
        raise InvalidParameter("EMAIL_TO names no address")
    for number, address in enumerate(addresses, start=1):
        if not _ADDRESS.fullmatch(address):
            raise InvalidParameter(f"EMAIL_TO: address {number} of {len(addresses)} is no mail address")
    return ",".join(dict.fromkeys(addresses))


def _as_mapping(params: object) -> Mapping[str, Any]:
    read = _parse(params, "action_params") if isinstance(params, str) else params
    if read is None:
        return {}
    if not isinstance(read, Mapping):
        raise InvalidParameter(f"action_params must be a dict, not {type_name(read)}")
    return read


def _parse(text: str, name: str) -> Any:
    try:
        return parse_text(text, name)
    except InvalidCriteria as error:
        raise InvalidParameter(str(error)) from None


def _check_names(action: Action, given: Mapping[str, Any]) -> None:
    known = [parameter.name for parameter in action.parameters]
    for name in given:
        if not isinstance(name, str):
            raise InvalidParameter(f"{action.name}: names of parameters are text, not {type_name(name)}")
        if name not in known:
            hint = did_you_mean(name, known) or f"; it takes {', '.join(known) or 'none'}"
            raise InvalidParameter(f"{action.name} has no parameter {name!r}{hint}")


def _missing(action: Action, parameter: Parameter) -> InvalidParameter:
    return InvalidParameter(f"{action.name} needs {parameter.name}: {parameter.help}")


def _refuse_stray(action: Action, parameter: Parameter, read: Mapping[str, Any]) -> None:
    """Refuse what RingCX would pass over: its author meant to narrow or to name something by it."""
    if parameter.name in read and parameter.only_with is not None:
        other, value = parameter.only_with
        raise InvalidParameter(f"{action.name}: {parameter.name} counts only with {other} {value}")


def _applies(parameter: Parameter, read: Mapping[str, Any]) -> bool:
    if parameter.only_with is None:
        return True
    other, value = parameter.only_with
    return str(read.get(other)) == value


def _read(action: Action, parameter: Parameter, value: Any) -> Any:
    where = f"{action.name}: {parameter.name}"
    if parameter.kind is Kind.CHOICE:
        return _choice(where, value, parameter.choices)
    return _READERS[parameter.kind](where, value)


def _choice(where: str, value: Any, choices: tuple[str, ...]) -> str:
    word = str(value).strip().lower() if isinstance(value, (str, bool)) else ""
    for choice in choices:
        if word == choice.lower():
            return choice
    raise InvalidParameter(f"{where} must be one of {', '.join(choices)}")


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError("no text")
    return str(value)


_reader = partial(reader, error=InvalidParameter)

_READERS: Mapping[Kind, Callable[[str, Any], Any]] = {
    Kind.ID: _reader(to_int, "an id (a whole number)"),
    Kind.MINUTES: _reader(to_int, "a whole number of minutes"),
    Kind.BOOLEAN: _reader(as_boolean, "true or false"),
    Kind.TEXT: _reader(_text, "text"),
    Kind.MOMENT: _reader(read_moment, MOMENT),
    Kind.ADDRESSES: lambda where, value: email_addresses(value),
}
