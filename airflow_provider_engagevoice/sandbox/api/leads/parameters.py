"""Reads the ``paramMap`` of a lead action against the table of actions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from airflow_provider_engagevoice.ringcx.spec.lead_actions import Action, Kind, Parameter
from airflow_provider_engagevoice.sandbox.http.parsing import (
    read_boolean,
    read_integer,
    read_moment,
    read_text,
)

# Labels hold no dot, so that a long text cannot be matched in many ways, which takes minutes.
_ADDRESS = re.compile(r"[^@\s,;]+@[^@\s,;.]+(?:\.[^@\s,;.]+)+")
_MOST_MINUTES = 2**31 - 1


class ActionRefused(Exception):
    """An action that ends with 200 and ``success: false``; the message becomes ``errorMessage``.

    :param parameter: name of the parameter that is missing or wrong.
    :param problem: what is wrong with it.
    """

    def __init__(self, parameter: str, problem: str) -> None:
        super().__init__(f"{parameter} {problem}")
        self.parameter = parameter
        self.problem = problem


def read_parameters(action: Action, given: Mapping[str, object]) -> dict[str, object]:
    """Read what an action takes; other keys are ignored (observed), null and blank count as missing.

    :param action: the action.
    :param given: the untrusted ``paramMap``.
    :return: the values, typed; parameters not given are None.
    :raises ActionRefused: a value is missing or wrong.
    """
    values: dict[str, object] = {}
    for parameter in action.parameters:
        # A parameter that belongs to another choice is ignored (assumed).
        if not _applies(parameter, values):
            values[parameter.name] = None
            continue
        values[parameter.name] = _read(parameter, given.get(parameter.name))
    return values


def require(values: Mapping[str, object], name: str) -> None:
    """Refuse an action that lacks a parameter which the table calls optional."""
    if values.get(name) is None:
        raise ActionRefused(name, "is required")


def _applies(parameter: Parameter, values: Mapping[str, object]) -> bool:
    """Tell whether the choice a parameter belongs to was made."""
    if parameter.only_with is None:
        return True
    name, wanted = parameter.only_with
    return str(values[name]) == wanted


def _read(parameter: Parameter, value: object) -> object:
    """Read one value."""
    if value is None or (isinstance(value, str) and not value.strip()):
        if parameter.required:
            raise ActionRefused(parameter.name, "is required")
        return None
    try:
        if parameter.kind is Kind.CHOICE:
            return _read_choice(value, parameter.choices)
        return _READERS[parameter.kind](value)
    except ValueError as error:
        raise ActionRefused(parameter.name, str(error)) from error


def _read_choice(value: object, choices: tuple[str, ...]) -> str:
    """Read a choice in any case; true and false may also be JSON's own (observed)."""
    word = str(value).casefold() if isinstance(value, (str, bool)) else ""
    for choice in choices:
        if word == choice.casefold():
            return choice
    raise ValueError(f"must be one of {', '.join(choices)}")


def _read_id(value: object) -> int:
    """Read an id; 0 stands for none."""
    number = read_integer(value)
    if number < 0:
        raise ValueError("must not be negative")
    return number


def _read_minutes(value: object) -> int:
    """Read a number of minutes."""
    minutes = read_integer(value)
    if not 0 <= minutes <= _MOST_MINUTES:
        raise ValueError("must be a number of minutes, 0 for none")
    return minutes


def _read_addresses(value: object) -> list[str]:
    """Read mail addresses separated by commas. Source: guide, "Email Leads"."""
    addresses = [part.strip() for part in read_text(value).split(",")]
    if not all(_ADDRESS.fullmatch(address) for address in addresses):
        raise ValueError("must be mail addresses separated by commas")
    return addresses


_READERS: Mapping[Kind, Callable[[object], object]] = {
    Kind.ID: _read_id,
    Kind.MINUTES: _read_minutes,
    Kind.BOOLEAN: read_boolean,
    Kind.TEXT: read_text,
    Kind.MOMENT: read_moment,
    Kind.ADDRESSES: _read_addresses,
}
