"""Parses the ``paramMap`` of a lead action according to the table of actions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from airflow_provider_engagevoice.ringcx.spec.lead_actions import Action, Parameter, ParameterKind
from airflow_provider_engagevoice.sandbox.http.parsing import (
    parse_boolean,
    parse_integer,
    parse_text,
    parse_timestamp,
)

# Labels must not contain a dot, to prevent catastrophic backtracking on long texts.
_ADDRESS = re.compile(r"[^@\s,;]+@[^@\s,;.]+(?:\.[^@\s,;.]+)+")
_MOST_MINUTES = 2**31 - 1


class ActionRejected(Exception):
    """Raised for an action that ends with 200 and ``success: false``; the message becomes ``errorMessage``.

    :param parameter: name of the missing or invalid parameter.
    :param problem: what is wrong with it.
    """

    def __init__(self, parameter: str, problem: str) -> None:
        super().__init__(f"{parameter} {problem}")
        self.parameter = parameter
        self.problem = problem


def parse_parameters(action: Action, raw_params: Mapping[str, object]) -> dict[str, object]:
    """Parse an action's parameters; other keys are ignored (observed), null and blank count as missing.

    :param action: the action.
    :param raw_params: the untrusted ``paramMap``.
    :return: the typed values; missing parameters are None.
    :raises ActionRejected: if a value is missing or invalid.
    """
    values: dict[str, object] = {}
    for parameter in action.parameters:
        # Parameters of a choice that was not made are ignored (assumed).
        if not _applies(parameter, values):
            values[parameter.name] = None
            continue
        values[parameter.name] = _parse(parameter, raw_params.get(parameter.name))
    return values


def require_param(values: Mapping[str, object], name: str) -> None:
    """Reject an action if a parameter that the table marks optional is missing."""
    if values.get(name) is None:
        raise ActionRejected(name, "is required")


def _applies(parameter: Parameter, values: Mapping[str, object]) -> bool:
    """Return whether the choice that a parameter depends on was made."""
    if parameter.only_with is None:
        return True
    name, required_value = parameter.only_with
    return str(values[name]) == required_value


def _parse(parameter: Parameter, value: object) -> object:
    """Parse one value."""
    if value is None or (isinstance(value, str) and not value.strip()):
        if parameter.required:
            raise ActionRejected(parameter.name, "is required")
        return None
    try:
        if parameter.kind is ParameterKind.CHOICE:
            return _parse_choice(value, parameter.choices)
        return _PARSERS[parameter.kind](value)
    except ValueError as error:
        raise ActionRejected(parameter.name, str(error)) from error


def _parse_choice(value: object, choices: tuple[str, ...]) -> str:
    """Parse a choice, case-insensitively; JSON booleans are accepted for true and false (observed)."""
    text = str(value).casefold() if isinstance(value, (str, bool)) else ""
    for choice in choices:
        if text == choice.casefold():
            return choice
    raise ValueError(f"must be one of {', '.join(choices)}")


def _parse_id(value: object) -> int:
    """Parse an id; 0 means none."""
    number = parse_integer(value)
    if number < 0:
        raise ValueError("must not be negative")
    return number


def _parse_minutes(value: object) -> int:
    """Parse a number of minutes."""
    minutes = parse_integer(value)
    if not 0 <= minutes <= _MOST_MINUTES:
        raise ValueError("must be a number of minutes, 0 for none")
    return minutes


def _parse_addresses(value: object) -> list[str]:
    """Parse comma-separated email addresses. Source: guide, "Email Leads"."""
    addresses = [part.strip() for part in parse_text(value).split(",")]
    if not all(_ADDRESS.fullmatch(address) for address in addresses):
        raise ValueError("must be email addresses separated by commas")
    return addresses


_PARSERS: Mapping[ParameterKind, Callable[[object], object]] = {
    ParameterKind.ID: _parse_id,
    ParameterKind.MINUTES: _parse_minutes,
    ParameterKind.BOOLEAN: parse_boolean,
    ParameterKind.TEXT: parse_text,
    ParameterKind.DATETIME: parse_timestamp,
    ParameterKind.ADDRESSES: _parse_addresses,
}
