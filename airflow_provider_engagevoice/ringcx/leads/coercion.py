"""Coercion of criterion values, in any shape that Airflow passes, to RingCX's types."""

from __future__ import annotations

import ast
import json
import numbers
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timezone
from typing import Any

from airflow_provider_engagevoice.ringcx.criteria import KINDS, CriterionKind
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, InvalidCriteria, did_you_mean
from airflow_provider_engagevoice.ringcx.leads.id_spool import deduplicate
from airflow_provider_engagevoice.ringcx.spec.enums import (
    COMPARISONS,
    LEAD_STATES,
    SUPPRESSED,
    SYSTEM_DISPOSITIONS,
    format_datetime,
)

_BLANK_TEXTS = frozenset({"", "None", "null", "[]", "{}", "()", "set()", '""', "''"})
_MIN_PHONE_DIGITS = 7
_LARGEST_NUMBER = 2**63 - 1
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*["]""", re.DOTALL)
_ALTERED_BY_PYTHON = re.compile(r"[+]|[0-9]_|0[box]|''\s*[a-z]*''", re.IGNORECASE)
"""Literals whose value in Python differs from their text: +1, 1_000, 0x1F, and 'A' 'B' without a comma."""


class EmptyValue(Exception):
    """The value is empty."""


def coerce(key: str, value: Any, *, lenient: bool) -> Any:
    """Coerce the value of one criterion to the type that RingCX expects.

    :param key: RingCX's name of the criterion.
    :param value: the rendered value. An iterable may have a method ``location(index)`` that describes the
        position of the entry it yielded last; error messages show it instead of the index.
    :param lenient: skip blank entries of a list, which runtime values may contain, instead of raising.
    :return: the value to send.
    :raises EmptyValue: if the value is blank or has no entry that is not blank.
    :raises InvalidCriteria: if it has a wrong type or is not one of RingCX's values.
    """
    kind = KINDS[key]
    if kind in _ITEM:
        return _coerce_list(key, value, lenient=lenient)
    if is_blank(value):
        raise EmptyValue
    if key == "campaignId" and isinstance(value, (list, tuple, set, frozenset)):
        raise InvalidCriteria(
            f"{key} must be an id, not {type_name(value)}; did you mean campaignIds (campaign_ids)?"
        )
    return _SCALAR[kind](key, value)


def is_list(key: str) -> bool:
    """Return whether a criterion takes a list.

    :param key: RingCX's name of the criterion.
    :return: True for a list, False for a single value.
    """
    return KINDS[key] in _ITEM


def is_blank(value: Any) -> bool:
    """Return whether a rendered value is blank.

    :param value: the value, or its text as rendered by Jinja: ``"None"`` and ``"[]"`` are blank too.
    :return: True if it is blank.
    """
    if isinstance(value, str):
        return value.strip() in _BLANK_TEXTS
    return value is None or (isinstance(value, (list, tuple, set, frozenset, Mapping)) and not value)


def parse_text(text: str, name: str) -> Any:
    """Parse text that Jinja rendered: JSON, or a Python literal.

    :param text: the text.
    :param name: name of the argument, for the error.
    :return: the value; None if the text is blank.
    :raises InvalidCriteria: if it is neither.
    """
    if is_blank(text):
        return None
    text = text.strip()
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if (texts := _split_simple_list(text)) is not None:
        return texts
    try:
        if _ALTERED_BY_PYTHON.search(_QUOTED.sub("''", text)):
            raise ValueError("Python would change an id")
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise InvalidCriteria(
            f"{name} is text that is neither JSON nor a Python literal; pass a list, or the output of "
            "another task (task.output) without a template"
        ) from None


def _split_simple_list(text: str) -> list[str] | None:
    """Return the items of a list as Python writes it, if all are texts without quotes and escapes.

    Python's own parser needs about 1 KB of memory for each item.
    """
    is_simple = text.isprintable() and "\\" not in text and '"' not in text
    if not (is_simple and text.startswith("['") and text.endswith("']")):
        return None
    items = text[2:-2].split("', '")
    # Each quote belongs to a separator, or to an end of the list.
    return items if text.count("'") == 2 * len(items) else None


def to_datetime(value: Any) -> datetime:
    """Coerce a datetime, a date, or text in ISO or RingCX's format to a datetime.

    :param value: the value. A date becomes midnight UTC.
    :return: the datetime; without a time zone if the value has none, which means UTC.
    :raises ValueError: if the value is not a date and time.
    """
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
    if not isinstance(value, str):
        raise ValueError("not a date")
    text = value.strip().replace("Z", "+00:00")
    if text[10:11] in ("+", "-"):
        raise ValueError("a time zone without a time")
    if "T" in text and text[-5:-4] in ("+", "-") and text[-4:].isdecimal():
        text = f"{text[:-2]}:{text[-2:]}"
    return datetime.fromisoformat(text)


def to_int(value: Any, minimum: int = 0) -> int:
    """Coerce an int or its digits to an int.

    :param value: the number.
    :param minimum: the smallest number allowed.
    :return: the number.
    :raises ValueError: if the value is not a whole number, or is too small, or too large for RingCX.
    """
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError("not a whole number")
    if not minimum <= int(value) <= _LARGEST_NUMBER:
        raise ValueError("out of range")
    return int(value)


def to_bool(value: Any) -> bool:
    """Coerce a bool or its name to a bool.

    :param value: True, False, or text such as ``"true"``.
    :return: the bool.
    :raises ValueError: if the value is neither.
    """
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if not isinstance(value, bool):
        raise ValueError("not a boolean")
    return value


def make_coercer(
    convert: Callable[[Any], Any], expected: str, error: type[EngageVoiceError] = InvalidCriteria
) -> Callable[[str, Any], Any]:
    """Make a coercer that raises an error with the name and the expected type of the value.

    :param convert: converts a value, or raises ValueError.
    :param expected: the expected type, for the message.
    :param error: class of the error.
    :return: a function of the value's name (or location) and the value.
    """

    def coercer(name: str, value: Any) -> Any:
        try:
            return convert(value)
        except (ValueError, OverflowError):
            raise error(f"{name} must be {expected}, not {type_name(value)}") from None

    return coercer


def to_ringcx_datetime(value: Any) -> str:
    """Coerce a date and time to RingCX's format.

    :param value: as for :func:`to_datetime`.
    :return: the text.
    :raises ValueError: if the value is not a date and time.
    """
    return format_datetime(to_datetime(value))


DATETIME_HINT = "a date and time such as 2026-07-24T16:00:00Z"


def stable_order(values: Collection[Any]) -> list[Any]:
    """Return the values of a set in an order that is the same in every process.

    A retry in another process then finds the same ids in the same chunks.

    :param values: the set.
    :return: its values.
    """
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=lambda value: (type(value).__name__, repr(value)))


def type_name(value: object) -> str:
    """Return the name of a value's type, for an error message.

    :param value: the value; it is not shown, since it may be a lead's data.
    :return: for example ``a dict`` or ``text``.
    """
    name = type(value).__name__
    return "text" if isinstance(value, str) else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _coerce_list(key: str, value: Any, *, lenient: bool) -> Sequence[Any]:
    if isinstance(value, str):
        value = parse_text(value, key)
    if is_blank(value):
        raise EmptyValue
    kind = KINDS[key]
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise InvalidCriteria(f"{key} must be {kind.value}, not {type_name(value)}")
    if isinstance(value, (set, frozenset)):
        value = stable_order(value)
    entries = _coerce_entries(key, value, lenient=lenient)
    items = list(entries) if kind is CriterionKind.TIMEZONES else deduplicate(entries)
    if not items:
        raise EmptyValue
    return items


def _coerce_entries(key: str, value: Iterable[Any], *, lenient: bool) -> Iterator[Any]:
    coerce_entry = _ITEM[KINDS[key]]
    location = getattr(value, "location", f"{key}[{{}}]".format)
    for index, entry in enumerate(value):
        if not is_blank(entry):
            yield coerce_entry(location(index), entry)
        elif not lenient:
            raise InvalidCriteria(f"{location(index)} is empty")


def _text(name: str, value: Any) -> str:
    try:
        text = value if isinstance(value, str) else str(to_int(value, minimum=-_LARGEST_NUMBER))
    except ValueError:
        raise InvalidCriteria(f"{name} must be text, not {type_name(value)}") from None
    if _is_collection_literal(text):
        raise InvalidCriteria(f"{name} was rendered as a list; remove the brackets around its template")
    if not any(character.isalnum() for character in text):
        raise InvalidCriteria(f"{name} must contain a letter or a digit; otherwise it could match any lead")
    return text


def _is_collection_literal(text: str) -> bool:
    if not text.strip().startswith(("[", "{", "(")):
        return False
    try:
        return isinstance(parse_text(text, ""), (list, dict, tuple, set))
    except InvalidCriteria:
        return False


def _phone(name: str, value: Any) -> str:
    text = _text(name, value)
    if _count_digits(text) < _MIN_PHONE_DIGITS:
        raise InvalidCriteria(
            f"{name} must be a phone number of {_MIN_PHONE_DIGITS} or more digits; fewer could match any lead"
        )
    return text


def _phone_fragment(name: str, value: Any) -> str:
    text = _text(name, value)
    if not _count_digits(text):
        raise InvalidCriteria(f"{name} must contain a digit; otherwise it could match any phone number")
    return text


def _count_digits(text: str) -> int:
    return sum(character.isascii() and character.isdecimal() for character in text)


def _choice(choices: Collection[str]) -> Callable[[str, Any], str]:
    # The guides of 2020 and 2024 show states with underscores; the wire format has hyphens.
    spellings = {choice.replace("-", "_"): choice for choice in choices}

    def choose(name: str, value: Any) -> str:
        text = _text(name, value).strip().upper().replace("-", "_")
        if text not in spellings:
            hint = did_you_mean(text, choices)
            # A value that resembles none of RingCX's may be a lead's data, so it is not shown.
            raise InvalidCriteria(
                f"{name} is {value!r}{hint}" if hint else f"{name} must be one of {', '.join(choices)}"
            )
        return spellings[text]

    return choose


def _timezone(name: str, value: Any) -> dict[str, str]:
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping) or not value.keys() <= {"name", "description"} or "name" not in value:
        raise InvalidCriteria(f'{name} must be a name or {{"name": ...}}')
    if is_blank(value["name"]):
        raise InvalidCriteria(f"{name} has an empty name")
    return {part: _text(f"{name}.{part}", text) for part, text in value.items()}


def _comparison(coerce_value: Callable[[str, Any], Any]) -> Callable[[str, Any], dict[str, Any]]:
    coerce_operator = _choice(COMPARISONS)

    def coerce_comparison(name: str, value: Any) -> dict[str, Any]:
        if isinstance(value, str):
            value = parse_text(value, name)
        if not isinstance(value, Mapping) or value.keys() != {"operator", "value"}:
            raise InvalidCriteria(f'{name} must be {{"operator": ..., "value": ...}}')
        if is_blank(value["operator"]) or is_blank(value["value"]):
            raise EmptyValue
        return {
            "operator": coerce_operator(f"{name}.operator", value["operator"]),
            "value": coerce_value(f"{name}.value", value["value"]),
        }

    return coerce_comparison


_id = make_coercer(lambda value: to_int(value, minimum=1), "an id (a positive whole number)")
_datetime = make_coercer(to_ringcx_datetime, DATETIME_HINT)

_ITEM: Mapping[CriterionKind, Callable[[str, Any], Any]] = {
    CriterionKind.IDS: _id,
    CriterionKind.TEXTS: _text,
    CriterionKind.PHONES: _phone,
    CriterionKind.STATES: _choice(LEAD_STATES),
    CriterionKind.DISPOSITIONS: _choice(SYSTEM_DISPOSITIONS),
    CriterionKind.TIMEZONES: _timezone,
}

_SCALAR: Mapping[CriterionKind, Callable[[str, Any], Any]] = {
    CriterionKind.ID: _id,
    CriterionKind.TEXT: _text,
    CriterionKind.PHONE_FRAGMENT: _phone_fragment,
    CriterionKind.BOOLEAN: make_coercer(to_bool, "true or false"),
    CriterionKind.SUPPRESSED: _choice(SUPPRESSED),
    CriterionKind.DATETIME: _datetime,
    CriterionKind.NUMBER_COMPARISON: _comparison(make_coercer(to_int, "a whole number")),
    CriterionKind.DATETIME_COMPARISON: _comparison(_datetime),
}
