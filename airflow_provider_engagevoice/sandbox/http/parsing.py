"""Reads single values of untrusted JSON; each reader returns the value or raises ValueError."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from airflow_provider_engagevoice.sandbox.http.timestamps import parse_moment

T = TypeVar("T")

_DIGITS = re.compile(r"-?\d{1,19}", re.ASCII)
_LARGEST = 2**63 - 1
_WORDS = {"true": True, "false": False}


def read_integer(value: object) -> int:
    """Read a whole number, or a text of digits (observed: programs send both)."""
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")
    if abs(value) > _LARGEST:
        raise ValueError("is out of range")
    return value


def read_number(value: object) -> float:
    """Read a number, whole or not."""
    return value if isinstance(value, float) else read_integer(value)


def read_text(value: object) -> str:
    """Read a text; a whole number is taken as its digits (observed with external ids)."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError("must be a text")
    return str(value)


def read_boolean(value: object) -> bool:
    """Read true or false, or the word in any case (observed: programs send both)."""
    if isinstance(value, bool):
        return value
    word = _WORDS.get(value.strip().lower()) if isinstance(value, str) else None
    if word is None:
        raise ValueError("must be true or false")
    return word


def read_moment(value: object) -> int:
    """Read a moment as milliseconds since 1970."""
    if not isinstance(value, str):
        raise ValueError("must be a text with a date")
    return parse_moment(value)


def read_object(value: object) -> dict[str, object]:
    """Read a JSON object."""
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return value


def read_list(item: Callable[[object], T]) -> Callable[[object], list[T]]:
    """Make a reader of lists.

    :param item: the reader of one entry.
    :return: the reader of a whole list.
    """

    def read(value: object) -> list[T]:
        if not isinstance(value, list):
            raise ValueError("must be a list")
        return [item(entry) for entry in value]

    return read


def read_choice(choices: tuple[str, ...]) -> Callable[[object], str]:
    """Make a reader of one word out of several.

    :param choices: the words, spelt exactly.
    :return: the reader.
    """

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return read
