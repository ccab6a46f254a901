"""Parsers of untrusted JSON values; each returns the value or raises ValueError."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from airflow_provider_engagevoice.sandbox.http.timestamps import parse_datetime

T = TypeVar("T")

_DIGITS = re.compile(r"-?\d{1,19}", re.ASCII)
_LARGEST = 2**63 - 1
_BOOLEANS = {"true": True, "false": False}


def parse_integer(value: object) -> int:
    """Parse a whole number, or a string of digits (observed: programs send both)."""
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")
    if abs(value) > _LARGEST:
        raise ValueError("is out of range")
    return value


def parse_number(value: object) -> float:
    """Parse a whole or decimal number."""
    return value if isinstance(value, float) else parse_integer(value)


def parse_text(value: object) -> str:
    """Parse a string; a whole number is converted to its digits (observed for external ids)."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError("must be a text")
    return str(value)


def parse_boolean(value: object) -> bool:
    """Parse a boolean, or its name in any case (observed: programs send both)."""
    if isinstance(value, bool):
        return value
    boolean = _BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else None
    if boolean is None:
        raise ValueError("must be true or false")
    return boolean


def parse_timestamp(value: object) -> int:
    """Parse a datetime string; return milliseconds since 1970."""
    if not isinstance(value, str):
        raise ValueError("must be a text with a date")
    return parse_datetime(value)


def parse_object(value: object) -> dict[str, object]:
    """Parse a JSON object."""
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return value


def list_parser(item: Callable[[object], T]) -> Callable[[object], list[T]]:
    """Return a parser of lists.

    :param item: parser of one entry.
    :return: parser of the whole list.
    """

    def parse(value: object) -> list[T]:
        if not isinstance(value, list):
            raise ValueError("must be a list")
        return [item(entry) for entry in value]

    return parse


def choice_parser(choices: tuple[str, ...]) -> Callable[[object], str]:
    """Return a parser of enumerated strings.

    :param choices: the valid values; case matters.
    :return: the parser.
    """

    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return parse
