"""Reading the values of search criteria, whatever shape Airflow handed them over in."""

from __future__ import annotations

import ast
import json
import numbers
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timezone
from typing import Any

from airflow_provider_engagevoice.ringcx.criteria import KINDS, Kind
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, InvalidCriteria, did_you_mean
from airflow_provider_engagevoice.ringcx.leads.id_spool import unique
from airflow_provider_engagevoice.ringcx.spec.enums import (
    COMPARISONS,
    LEAD_STATES,
    SUPPRESSED,
    SYSTEM_DISPOSITIONS,
    format_datetime,
)

_BLANK_TEXTS = frozenset({"", "None", "null", "[]", "{}", "()", "set()", '""', "''"})
_FEWEST_PHONE_DIGITS = 7
_LARGEST_NUMBER = 2**63 - 1
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*["]""", re.DOTALL)
_RESPELT = re.compile(r"[+]|[0-9]_|0[box]|''\s*[a-z]*''", re.IGNORECASE)
"""What Python reads as another value than is written: +1, 1_000, 0x1F, and 'A' 'B' without a comma."""


class EmptyValue(Exception):
    """The value came out empty."""


def coerce(key: str, value: Any, *, lenient: bool) -> Any:
    """Check the value of one criterion and write it as RingCX takes it.

    :param key: RingCX's name of the criterion.
    :param value: the rendered value. An iterable may have a method ``place`` that names, in place of its
        number, where the entry stands that it gave last.
    :param lenient: leave out blank entries of a list, as data may have them, instead of refusing.
    :return: the value to send.
    :raises Empty: where nothing is left of it.
    :raises InvalidCriteria: where it is of a wrong type or not in RingCX's vocabulary.
    """
    kind = KINDS[key]
    if kind in _ITEM:
        return _read_list(key, value, lenient=lenient)
    if is_blank(value):
        raise EmptyValue
    return _SCALAR[kind](key, value)


def is_list(key: str) -> bool:
    """Tell whether a criterion takes a list.

    :param key: RingCX's name of the criterion.
    :return: True for a list, False for a single value.
    """
    return KINDS[key] in _ITEM


def is_blank(value: Any) -> bool:
    """Tell whether a rendered value stands for nothing at all.

    :param value: the value, or what Jinja made text of: ``"None"`` and ``"[]"`` are blank too.
    :return: True where it is blank.
    """
    if isinstance(value, str):
        return value.strip() in _BLANK_TEXTS
    return value is None or (isinstance(value, (list, tuple, set, frozenset, Mapping)) and not value)


def parse_text(text: str, name: str) -> Any:
    """Read back what Jinja made text of: JSON, or a Python literal.

    :param text: the text.
    :param name: what it is, for the error.
    :return: the value; None where the text is blank.
    :raises InvalidCriteria: where it is neither.
    """
    if is_blank(text):
        return None
    text = text.strip()
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        if _RESPELT.search(_QUOTED.sub("''", text)):
            raise ValueError("an id would become another one")
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise InvalidCriteria(
            f"{name} is text that reads neither as JSON nor as a Python literal; write a list, or feed it "
            "another task's output itself (task.output)"
        ) from None


def as_datetime(value: Any) -> datetime:
    """Read a moment from a datetime, a date or ISO text, RingCX's own notation included.

    :param value: the moment; without a zone it is taken as UTC.
    :return: the moment.
    :raises ValueError: where it is none.
    """
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
    if not isinstance(value, str):
        raise ValueError("no date")
    text = value.strip().replace("Z", "+00:00")
    if text[10:11] in ("+", "-"):
        raise ValueError("a zone without a time")
    if "T" in text and text[-5:-4] in ("+", "-") and text[-4:].isdecimal():
        text = f"{text[:-2]}:{text[-2:]}"
    return datetime.fromisoformat(text)


def to_int(value: Any, least: int = 0) -> int:
    """Read a whole number from an int or from digits.

    :param value: the number.
    :param least: the smallest one allowed.
    :return: the number.
    :raises ValueError: where it is none, or one too small or too large for RingCX.
    """
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError("no whole number")
    if not least <= int(value) <= _LARGEST_NUMBER:
        raise ValueError("out of range")
    return int(value)


def as_boolean(value: Any) -> bool:
    """Read a boolean from a bool or from its name.

    :param value: True, False, or text such as ``"true"``.
    :return: the boolean.
    :raises ValueError: where it is none.
    """
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if not isinstance(value, bool):
        raise ValueError("no boolean")
    return value


def reader(
    read: Callable[[Any], Any], what: str, error: type[EngageVoiceError] = InvalidCriteria
) -> Callable[[str, Any], Any]:
    """Make a reader that refuses in words.

    :param read: reads a value, or raises ValueError.
    :param what: what it must be, for the message.
    :param error: class of the error.
    :return: a function of where the value stands and the value.
    """

    def checked(where: str, value: Any) -> Any:
        try:
            return read(value)
        except (ValueError, OverflowError):
            raise error(f"{where} must be {what}, not {type_name(value)}") from None

    return checked


def read_moment(value: Any) -> str:
    """Read a moment and write it in RingCX's notation.

    :param value: as for :func:`as_datetime`.
    :return: the text.
    :raises ValueError: where it is no moment.
    """
    return format_datetime(as_datetime(value))


MOMENT = "a date and time such as 2026-07-24T16:00:00Z"


def stable_order(values: Collection[Any]) -> list[Any]:
    """Put a set into an order that is the same in every process, so that another try knows what was done.

    :param values: the set.
    :return: its values.
    """
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=lambda value: (type(value).__name__, repr(value)))


def type_name(value: object) -> str:
    """Name a value's type for an error, in the words of a DAG author.

    :param value: the value; it is not shown, since it may be a lead's.
    :return: such as ``a dict`` or ``text``.
    """
    name = type(value).__name__
    return "text" if isinstance(value, str) else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _read_list(key: str, value: Any, *, lenient: bool) -> Sequence[Any]:
    if isinstance(value, str):
        value = parse_text(value, key)
    if is_blank(value):
        raise EmptyValue
    kind = KINDS[key]
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise InvalidCriteria(f"{key} must be {kind.value}, not {type_name(value)}")
    if isinstance(value, (set, frozenset)):
        value = stable_order(value)
    entries = _read_entries(key, value, lenient=lenient)
    items = list(entries) if kind is Kind.TIMEZONES else unique(entries)
    if not items:
        raise EmptyValue
    return items


def _read_entries(key: str, value: Iterable[Any], *, lenient: bool) -> Iterator[Any]:
    read = _ITEM[KINDS[key]]
    place = getattr(value, "place", f"{key}[{{}}]".format)
    for index, entry in enumerate(value):
        if not is_blank(entry):
            yield read(place(index), entry)
        elif not lenient:
            raise InvalidCriteria(f"{place(index)} is empty")


def _text(where: str, value: Any) -> str:
    try:
        text = value if isinstance(value, str) else str(to_int(value, least=-_LARGEST_NUMBER))
    except ValueError:
        raise InvalidCriteria(f"{where} must be text, not {type_name(value)}") from None
    if _reads_as_collection(text):
        raise InvalidCriteria(f"{where} came out as a list; take it out of the brackets it was written in")
    if not any(character.isalnum() for character in text):
        raise InvalidCriteria(f"{where} has no letter and no digit in it, so it could match anything")
    return text


def _reads_as_collection(text: str) -> bool:
    if not text.strip().startswith(("[", "{", "(")):
        return False
    try:
        return isinstance(parse_text(text, ""), (list, dict, tuple, set))
    except InvalidCriteria:
        return False


def _phone(where: str, value: Any) -> str:
    text = _text(where, value)
    if _digits(text) < _FEWEST_PHONE_DIGITS:
        raise InvalidCriteria(f"{where} is no phone number: so few digits could match anything")
    return text


def _part_of_phone(where: str, value: Any) -> str:
    text = _text(where, value)
    if not _digits(text):
        raise InvalidCriteria(f"{where} has no digit in it, so it could match any phone number")
    return text


def _digits(text: str) -> int:
    return sum(character.isascii() and character.isdecimal() for character in text)


def _choice(choices: Collection[str]) -> Callable[[str, Any], str]:
    # The guides of 2020 and 2024 print states with underscores; the wire has hyphens.
    spellings = {choice.replace("-", "_"): choice for choice in choices}

    def read(where: str, value: Any) -> str:
        text = _text(where, value).strip().upper().replace("-", "_")
        if text not in spellings:
            near = did_you_mean(text, choices)
            # What resembles no word of RingCX's may be a lead's, so it is not repeated.
            raise InvalidCriteria(
                f"{where} is {value!r}{near}" if near else f"{where} is none of {', '.join(choices)}"
            )
        return spellings[text]

    return read


def _timezone(where: str, value: Any) -> dict[str, str]:
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping) or not value.keys() <= {"name", "description"} or "name" not in value:
        raise InvalidCriteria(f'{where} must be a name or {{"name": ...}}')
    if is_blank(value["name"]):
        raise InvalidCriteria(f"{where} has an empty name")
    return {part: _text(f"{where}.{part}", text) for part, text in value.items()}


def _comparison(read: Callable[[str, Any], Any]) -> Callable[[str, Any], dict[str, Any]]:
    operator = _choice(COMPARISONS)

    def read_comparison(where: str, value: Any) -> dict[str, Any]:
        if isinstance(value, str):
            value = parse_text(value, where)
        if not isinstance(value, Mapping) or value.keys() != {"operator", "value"}:
            raise InvalidCriteria(f'{where} must be {{"operator": ..., "value": ...}}')
        if is_blank(value["operator"]) or is_blank(value["value"]):
            raise EmptyValue
        return {
            "operator": operator(f"{where}.operator", value["operator"]),
            "value": read(f"{where}.value", value["value"]),
        }

    return read_comparison


_id = reader(lambda value: to_int(value, least=1), "an id (a positive whole number)")
_moment = reader(read_moment, MOMENT)

_ITEM: Mapping[Kind, Callable[[str, Any], Any]] = {
    Kind.IDS: _id,
    Kind.TEXTS: _text,
    Kind.PHONES: _phone,
    Kind.STATES: _choice(LEAD_STATES),
    Kind.DISPOSITIONS: _choice(SYSTEM_DISPOSITIONS),
    Kind.TIMEZONES: _timezone,
}

_SCALAR: Mapping[Kind, Callable[[str, Any], Any]] = {
    Kind.ID: _id,
    Kind.TEXT: _text,
    Kind.PART_OF_PHONE: _part_of_phone,
    Kind.BOOLEAN: reader(as_boolean, "true or false"),
    Kind.SUPPRESSED: _choice(SUPPRESSED),
    Kind.MOMENT: _moment,
    Kind.NUMBER_COMPARISON: _comparison(reader(to_int, "a whole number")),
    Kind.MOMENT_COMPARISON: _comparison(_moment),
}
