"""Coercion of criterion values, in any shape that Airflow passes, to RingCX's types."""

from __future__ import annotations

import numbers
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any

from airflow_provider_engagevoice.ringcx.criteria import KINDS, ROLES, CriterionKind, Role
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, InvalidCriteria, did_you_mean
from airflow_provider_engagevoice.ringcx.leads.id_spool import deduplicate
from airflow_provider_engagevoice.ringcx.leads.literals import is_blank, parse_text
from airflow_provider_engagevoice.ringcx.spec.enums import (
    COMPARISONS,
    LEAD_STATES,
    SUPPRESSED,
    SYSTEM_DISPOSITIONS,
    format_datetime,
)

_LARGEST_NUMBER = 2**63 - 1


class EmptyValue(Exception):
    """The value is empty."""


def coerce(
    key: str, value: Any, *, lenient: bool, invalid: list[Any] | None = None, log_changes: bool = False
) -> Any:
    """Coerce the value of one criterion to the type that RingCX expects.

    :param key: RingCX's name of the criterion.
    :param value: the rendered value. An iterable may have a method ``location(index)`` that describes the
        position of the entry it yielded last; error messages show it instead of the index.
    :param lenient: skip blank entries of a list, which runtime values may contain, instead of raising.
    :param invalid: list to which invalid identifiers are added, which are then left out; None to raise.
    :param log_changes: log how many identifiers were normalized.
    :return: the value to send.
    :raises EmptyValue: if the value is blank or has no entry that is not blank.
    :raises InvalidCriteria: if it has a wrong type or is not one of RingCX's values.
    """
    kind = KINDS[key]
    if kind in _ITEM:
        return _coerce_list(key, value, lenient=lenient, invalid=invalid, log_changes=log_changes)
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
    return _parse_datetime(value.strip())


def parse_time(value: Any) -> datetime | None:
    """Return a time that RingCX shows, with its time zone.

    :param value: RingCX's value.
    :return: the time; None if the value is not a date and time.
    """
    try:
        time = to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=timezone.utc)


#: Compiled on use, since few DAGs have dates as literals.
_DATETIME = (
    r"(?a)(\d{4})-?(\d\d)-?(\d\d)(?:[Tt ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?)?"
    r" ?(Z|z|[+-]\d\d(?::?\d\d)?)?"
)


def _parse_datetime(text: str) -> datetime:
    """Parse ISO 8601; ``datetime.fromisoformat`` of Python 3.10 accepts 3 or 6 digits of a second only."""
    match = re.fullmatch(_DATETIME, text)
    if match is None:
        raise ValueError("not a date")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if zone and hour is None:
        raise ValueError("a time zone without a time")
    result = datetime(
        int(year),
        int(month),
        int(day),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        int((fraction or "0").ljust(6, "0")[:6]),
    )
    return result.replace(tzinfo=_parse_zone(zone)) if zone else result


def _parse_zone(text: str) -> timezone:
    if text in ("Z", "z"):
        return timezone.utc
    digits = text[1:].replace(":", "").ljust(4, "0")
    if int(digits[2:]) > 59:
        raise ValueError("not a time zone")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


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


def _coerce_list(
    key: str, value: Any, *, lenient: bool, invalid: list[Any] | None, log_changes: bool
) -> Sequence[Any]:
    if isinstance(value, str):
        value = parse_text(value, key)
    if is_blank(value):
        raise EmptyValue
    kind = KINDS[key]
    if hasattr(value, "columns"):
        raise InvalidCriteria(f"{key} must be {kind.value}, not {type_name(value)}; pass one column of it")
    if isinstance(value, (str, bytes, bytearray, memoryview, Mapping)) or not isinstance(value, Iterable):
        raise InvalidCriteria(f"{key} must be {kind.value}, not {type_name(value)}")
    if isinstance(value, (set, frozenset)):
        value = stable_order(value)
    if ROLES[key] is Role.IDENTITY:
        items = _coerce_identifiers(key, value, lenient=lenient, invalid=invalid, log_changes=log_changes)
    else:
        entries = _coerce_entries(key, value, lenient=lenient)
        items = list(entries) if kind is CriterionKind.TIMEZONES else deduplicate(entries)
    if not items:
        raise EmptyValue
    return items


def _coerce_entries(key: str, value: Iterable[Any], *, lenient: bool) -> Iterator[Any]:
    coerce_entry = _ITEM[KINDS[key]]
    for location, entry in _filled_entries(key, value, is_blank, lenient=lenient):
        yield coerce_entry(location, entry)


def _filled_entries(
    key: str, value: Iterable[Any], is_empty: Callable[[Any], bool], *, lenient: bool
) -> Iterator[tuple[str, Any]]:
    """Yield the entries that are not empty, each with its location."""
    location = getattr(value, "location", f"{key}[{{}}]".format)
    for index, entry in enumerate(value):
        if not is_empty(entry):
            yield location(index), entry
        elif not lenient:
            raise InvalidCriteria(f"{location(index)} is empty")


def _coerce_identifiers(
    key: str, value: Iterable[Any], *, lenient: bool, invalid: list[Any] | None, log_changes: bool
) -> Sequence[Any]:
    # Not loaded when a DAG without identifiers is parsed.
    from airflow_provider_engagevoice.ringcx.leads.identifiers import (
        IdNormalizer,
        InvalidIdentifier,
        is_missing,
    )

    normalizer = IdNormalizer(key)

    def is_empty(entry: Any) -> bool:
        return is_blank(entry) or is_missing(entry)

    def normalized() -> Iterator[Any]:
        for location, entry in _filled_entries(key, value, is_empty, lenient=lenient):
            try:
                if isinstance(entry, str) and _is_collection_literal(entry):
                    raise InvalidIdentifier("was rendered as a list; remove the brackets around its template")
                yield from normalizer.normalize(entry)
            except InvalidIdentifier as error:
                if invalid is None:
                    raise _invalid_entry(location, entry, error) from None
                invalid.append(entry)

    identifiers = deduplicate(normalized())
    if log_changes:
        normalizer.log_changes(len(identifiers))
    return identifiers


def _invalid_entry(location: str, entry: Any, error: ValueError) -> InvalidCriteria:
    described = "" if isinstance(entry, str) else f", not {type_name(entry)}"
    return InvalidCriteria(f"{location} {error}{described if 'must be' in str(error) else ''}")


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


def _phone_fragment(name: str, value: Any) -> str:
    from airflow_provider_engagevoice.ringcx.leads.identifiers import remove_invisible

    text, _ = remove_invisible(_text(name, value))
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


def _id(name: str, value: Any) -> int:
    if type(value) is int and 1 <= value <= _LARGEST_NUMBER:
        return value
    from airflow_provider_engagevoice.ringcx.leads.identifiers import IdNormalizer, InvalidIdentifier

    try:
        number: int = IdNormalizer("").normalize(value)[0]
    except InvalidIdentifier as error:
        raise _invalid_entry(name, value, error) from None
    return number


_datetime = make_coercer(to_ringcx_datetime, DATETIME_HINT)

_ITEM: Mapping[CriterionKind, Callable[[str, Any], Any]] = {
    CriterionKind.IDS: _id,
    CriterionKind.TEXTS: _text,
    CriterionKind.PHONES: _text,
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
