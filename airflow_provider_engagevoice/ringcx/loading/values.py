"""Values of a source as RingCX takes them in a lead."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from airflow_provider_engagevoice.ringcx.leads.identifiers import (
    IdNormalizer,
    InvalidIdentifier,
    remove_invisible,
)
from airflow_provider_engagevoice.ringcx.loading.mapping import EXTENDED_PREFIX
from airflow_provider_engagevoice.ringcx.spec.lead_fields import (
    EXTENDED_DATA,
    KEY_FIELD,
    LEAD_FIELDS,
    PHONE_FIELDS,
    FieldKind,
)

_LARGEST_INTEGER = 2**63 - 1
_MAX_DEPTH = 20


class RowRejected(ValueError):
    """A row cannot be loaded. The message names the field and the rule, never the value.

    :param field: the field of the lead.
    :param reason: completes the sentence that begins with the field's name.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field


def to_lead(row: Mapping[str, Any], targets: Mapping[str, str]) -> dict[str, Any]:
    """Return the lead of a row. Blank values are left out: RingCX may reject an empty text (observed).

    :param row: values by column.
    :param targets: fields by column.
    :return: the lead, as RingCX's ``CampaignLead``.
    :raises RowRejected: if a value is not valid; the message names the field, never the value.
    """
    lead: dict[str, Any] = {}
    extended: dict[str, Any] = {}
    for column, target in targets.items():
        value = lead_value(target.partition(".")[0], row.get(column), is_extended="." in target)
        if value is None:
            continue
        if target.startswith(EXTENDED_PREFIX):
            extended[target.removeprefix(EXTENDED_PREFIX)] = value
        else:
            lead[target] = value
    if extended:
        lead[EXTENDED_DATA] = {**lead.get(EXTENDED_DATA, {}), **extended}
    return lead


def lead_value(field: str, value: Any, *, is_extended: bool = False) -> Any:
    """Return the value of a field.

    :param field: the field, as in ``LEAD_FIELDS``.
    :param value: the value of the source.
    :param is_extended: it is one entry of ``extendedLeadData``, which may be any value of JSON.
    :return: the value; None if it is missing: None, blank text or not a number (NaN).
    :raises RowRejected: if the field cannot have it.
    """
    if value is None or (isinstance(value, (float, Decimal)) and math.isnan(value)):
        return None
    if isinstance(value, str) and not remove_invisible(value)[0]:
        return None
    if is_extended:
        return _json_value(field, value)
    if field == KEY_FIELD:
        return _identifier(field, "externIds", value)[0]
    if field in PHONE_FIELDS:
        return "|".join(_identifier(field, "leadPhoneNumbers", value))
    return _CONVERTERS[LEAD_FIELDS[field]](field, value)


def _identifier(field: str, key: str, value: Any) -> list[str]:
    """Return an id or phone numbers by the rules of the ids of lead actions, so that an action finds them."""
    try:
        return IdNormalizer(key).normalize(value)
    except InvalidIdentifier as error:
        raise RowRejected(field, str(error)) from None


def _text(field: str, value: Any) -> str:
    """Return a scalar as text, such as a date in ISO 8601."""
    if isinstance(value, (date, time)):
        value = value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    elif isinstance(value, (UUID, Decimal)):
        value = str(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise RowRejected(field, "must be text or a finite number")
        value = repr(value)
    if not isinstance(value, str):
        raise RowRejected(field, f"must be text, not a value of type {type(value).__name__}")
    return _check_text(field, value)


def _check_text(field: str, value: str) -> str:
    if "\0" in value:
        raise RowRejected(field, "contains a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RowRejected(field, "contains half of a character, as if it was cut inside an emoji") from None
    return value


def _integer(field: str, value: Any) -> int:
    text = str(value).strip()
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        text = str(int(value))
    digits = text.removeprefix("-")
    if isinstance(value, (bool, float)) or not (digits.isascii() and digits.isdecimal()) or len(text) > 20:
        raise RowRejected(field, "must be a whole number")
    if abs(int(text)) > _LARGEST_INTEGER:
        raise RowRejected(field, "is too large")
    return int(text)


def _object(field: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise RowRejected(field, f"must be a mapping, not a value of type {type(value).__name__}")
    return _json_value(field, value)


def _list(field: str, value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        raise RowRejected(field, f"must be a list, not a value of type {type(value).__name__}")
    return _json_value(field, value)


def _json_value(field: str, value: Any, depth: int = 0) -> Any:
    """Return a value of JSON: numbers, booleans, lists and mappings stay what they are."""
    if depth > _MAX_DEPTH:
        raise RowRejected(field, f"is nested deeper than {_MAX_DEPTH} levels")
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise RowRejected(field, "contains a number that is not finite")
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise RowRejected(field, "must have keys of text")
        return {_check_text(field, key): _json_value(field, each, depth + 1) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(field, each, depth + 1) for each in value]
    return _text(field, value)


_CONVERTERS: Mapping[FieldKind, Callable[[str, Any], Any]] = {
    FieldKind.TEXT: _text,
    FieldKind.INTEGER: _integer,
    FieldKind.OBJECT: _object,
    FieldKind.LIST: _list,
}
