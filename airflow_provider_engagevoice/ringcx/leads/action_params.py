"""Parameters of lead actions, validated against the table of actions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from functools import partial
from typing import Any

from airflow_provider_engagevoice.ringcx.criteria import is_runtime_value
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria, InvalidParameter, did_you_mean
from airflow_provider_engagevoice.ringcx.leads.coercion import (
    DATETIME_HINT,
    make_coercer,
    stable_order,
    to_bool,
    to_int,
    to_ringcx_datetime,
    type_name,
)
from airflow_provider_engagevoice.ringcx.leads.literals import is_blank, parse_text
from airflow_provider_engagevoice.ringcx.spec.enums import format_datetime
from airflow_provider_engagevoice.ringcx.spec.lead_actions import (
    ACTIONS,
    NEW_LIST,
    Action,
    Parameter,
    ParameterKind,
)

_ADDRESS = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+\.[^\s@,;<>\"]+")


def find_action(name: object) -> Action:
    """Return a lead action by name.

    :param name: RingCX's name, for example ``CANCEL_LEADS``.
    :return: the row of the table.
    :raises InvalidParameter: if RingCX has no such action; the message suggests a similar name.
    """
    if isinstance(name, str) and name in ACTIONS:
        return ACTIONS[name]
    hint = did_you_mean(name, ACTIONS) or f"; the actions are {', '.join(ACTIONS)}"
    raise InvalidParameter(f"RingCX has no lead action {name!r}{hint}")


def read_params(action: Action, params: object) -> dict[str, Any]:
    """Parse an action's parameters and add the defaults that RingCX requires.

    :param action: the action.
    :param params: as for :func:`parse_params`.
    :return: the ``paramMap`` to send.
    :raises InvalidParameter: as :func:`parse_params` does.
    """
    return with_defaults(action, parse_params(action, params))


def with_defaults(action: Action, authored_params: Mapping[str, Any]) -> dict[str, Any]:
    """Add the parameters that RingCX requires although the guide does not list them.

    :param action: the action.
    :param authored_params: the parsed parameters that the author set.
    :return: the ``paramMap`` to send.
    """
    if action.name == "AGENT_RESERVATION":
        # Observed: RingCX rejects the action without a time.
        return {"CALLBACK_DTS": format_datetime(datetime.now(timezone.utc)), **authored_params}
    return dict(authored_params)


def parse_params(action: Action, params: object) -> dict[str, Any]:
    """Parse an action's parameters to the types that RingCX expects.

    :param action: the action.
    :param params: rendered parameters: a dict with RingCX's names, text that contains one, or None.
    :return: the ``paramMap``: ids and minutes as ints, booleans as booleans, choices as text, datetimes
        in RingCX's format. Values are accepted in the types of both guides (guide 2024: text; guide 2026:
        numbers and booleans).
    :raises InvalidParameter: if a parameter is unknown, missing or wrong; the message names it.
    """
    rendered = _to_mapping(params)
    _check_names(action, rendered)
    parsed = {
        parameter.name: _parse_value(action, parameter, rendered[parameter.name])
        for parameter in action.parameters
        if not is_blank(rendered.get(parameter.name))
    }
    _require(action, [each for each in action.parameters if _applies(each, parsed)], parsed)
    for parameter in action.parameters:
        if not _applies(parameter, parsed):
            _reject_if_set(action, parameter, parsed)
            continue
        if parameter.name in parsed:
            continue
        if parameter.name in rendered:
            # A date whose template rendered empty must not become "now".
            raise InvalidParameter(f"{action.name}: {parameter.name} rendered empty; set it or leave it out")
    if action.name == "MOVE_TO_CAMPAIGN" and str(parsed["LIST_ID"]) == NEW_LIST and "LIST_NAME" not in parsed:
        raise InvalidParameter(
            "MOVE_TO_CAMPAIGN needs LIST_NAME: the name of the new list that LIST_ID 0 creates"
        )
    return parsed


def validate_authored_params(action: object, params: object) -> None:
    """Validate an action and the literal parts of its parameters before templates are rendered.

    :param action: the action's name as written in the DAG.
    :param params: its parameters as written in the DAG.
    :raises InvalidParameter: on an unknown action or parameter, a missing one, or a wrong literal.
    """
    if is_runtime_value(action):
        return
    row = find_action(action)
    if is_runtime_value(params) and not isinstance(params, Mapping):
        return
    authored = _to_mapping(params)
    _check_names(row, authored)
    _require(row, [each for each in row.parameters if each.only_with is None], authored)
    for parameter in row.parameters:
        value = authored.get(parameter.name)
        if not is_runtime_value(value) and not is_blank(value):
            _parse_value(row, parameter, value)
    if not is_runtime_value(params):
        read_params(row, params)


def email_addresses(value: object) -> str:
    """Return validated email addresses in the format of ``EMAIL_TO``.

    :param value: one address, several separated by commas, or a list of them.
    :return: the addresses separated by commas. Source: guide, "Email Leads".
    :raises InvalidParameter: if there is no address, or one is invalid.
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
        raise InvalidParameter("EMAIL_TO must contain at least one email address")
    for number, address in enumerate(addresses, start=1):
        if not _ADDRESS.fullmatch(address):
            raise InvalidParameter(f"EMAIL_TO: address {number} of {len(addresses)} is not an email address")
    return ",".join(dict.fromkeys(addresses))


def _to_mapping(params: object) -> Mapping[str, Any]:
    parsed = _parse(params, "action_params") if isinstance(params, str) else params
    if parsed is None:
        return {}
    if not isinstance(parsed, Mapping):
        raise InvalidParameter(f"action_params must be a dict, not {type_name(parsed)}")
    return parsed


def _parse(text: str, name: str) -> Any:
    try:
        return parse_text(text, name)
    except InvalidCriteria as error:
        raise InvalidParameter(str(error)) from None


def _check_names(action: Action, params: Mapping[str, Any]) -> None:
    known = [parameter.name for parameter in action.parameters]
    for name in params:
        if not isinstance(name, str):
            raise InvalidParameter(f"{action.name}: parameter names must be text, not {type_name(name)}")
        if name not in known:
            hint = did_you_mean(name, known) or f"; its parameters: {', '.join(known) or 'none'}"
            raise InvalidParameter(f"{action.name} has no parameter {name!r}{hint}")


def _require(action: Action, parameters: Iterable[Parameter], given: Mapping[str, Any]) -> None:
    """Raise if required parameters are missing; the message names all of them."""
    missing = [each for each in parameters if each.required and each.name not in given]
    if len(missing) == 1:
        raise InvalidParameter(f"{action.name} needs {missing[0].name}: {missing[0].description}")
    if missing:
        raise InvalidParameter(f"{action.name} needs {', '.join(each.name for each in missing)}")


def _reject_if_set(action: Action, parameter: Parameter, params: Mapping[str, Any]) -> None:
    """Reject a parameter that RingCX would ignore, since its author expects it to have an effect."""
    if parameter.name in params and parameter.only_with is not None:
        other, value = parameter.only_with
        raise InvalidParameter(f"{action.name}: {parameter.name} applies only with {other} {value}")


def _applies(parameter: Parameter, params: Mapping[str, Any]) -> bool:
    if parameter.only_with is None:
        return True
    other, value = parameter.only_with
    return str(params.get(other)) == value


def _parse_value(action: Action, parameter: Parameter, value: Any) -> Any:
    name = f"{action.name}: {parameter.name}"
    if parameter.kind is ParameterKind.CHOICE:
        return _choice(name, value, parameter.choices)
    return _COERCERS[parameter.kind](name, value)


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    word = str(value).strip().lower() if isinstance(value, (str, bool)) else ""
    for choice in choices:
        if word == choice.lower():
            return choice
    raise InvalidParameter(f"{name} must be one of {', '.join(choices)}")


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError("not text")
    return str(value)


_coercer = partial(make_coercer, error=InvalidParameter)

_COERCERS: Mapping[ParameterKind, Callable[[str, Any], Any]] = {
    ParameterKind.ID: _coercer(to_int, "an id (a whole number)"),
    ParameterKind.MINUTES: _coercer(to_int, "a whole number of minutes"),
    ParameterKind.BOOLEAN: _coercer(to_bool, "true or false"),
    ParameterKind.TEXT: _coercer(_text, "text"),
    ParameterKind.DATETIME: _coercer(to_ringcx_datetime, DATETIME_HINT),
    ParameterKind.ADDRESSES: lambda name, value: email_addresses(value),
}
