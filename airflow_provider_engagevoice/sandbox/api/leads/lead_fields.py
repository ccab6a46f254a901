"""Parsers for the fields of a loaded or updated lead. Source of the fields: contract, CampaignLead.

Every parser raises ValueError with a message that names the field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from airflow_provider_engagevoice.sandbox.api.admin.records import MAX_JSON_DEPTH, exceeds_depth
from airflow_provider_engagevoice.sandbox.http.parsing import parse_integer
from airflow_provider_engagevoice.sandbox.state import demo_data
from airflow_provider_engagevoice.sandbox.state.phones import first_number, has_several_numbers, phone_digits

Row = dict[str, object]

NUMBERS = {"maxPasses": 2**31 - 1, "leadPriority": 2**31 - 1, "dupeKeyOverride": 2**63 - 1}
"""Integer fields and their maximum values. Source: contract."""

#: Time zone of leads whose location is not in the sandbox's table. Assumed.
_DEFAULT_ZONE = "EST"

_ZONE_OF_AREA_CODE = {area: zone for _, _, _, area, zone in demo_data.PLACES}
_ZONE_OF_ZIP_PREFIX = {start: zone for _, _, start, _, zone in demo_data.PLACES}
_PHONE = re.compile(r"\+?[\d\s().\-]+", re.ASCII)


def get_text(entry: Row, name: str) -> str:
    """Return a field as text; a number becomes its digits (guide's sample), null becomes empty (assumed)."""
    value = entry.get(name)
    if isinstance(value, (dict, list)):
        raise ValueError(f"{name} must be a text")
    return to_text(value)


def to_text(value: object) -> str:
    """Return a scalar JSON value as text."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def parse_number_field(entry: Row, name: str) -> int | None:
    """Parse an integer field; null and blank count as missing."""
    value = entry.get(name)
    if value is None or value == "":
        return None
    try:
        number = parse_integer(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error
    if abs(number) > NUMBERS[name]:
        raise ValueError(f"{name} is out of range")
    return number


def parse_us_phone(number: str) -> str:
    """Parse a US phone number: ten digits, with or without a leading 1. Source: guide."""
    digits = phone_digits(number)
    if len(digits) != 10:
        raise ValueError("must be a phone number of ten digits")
    return digits


def parse_international_phone(number: str) -> str:
    """Parse an international phone number; a leading plus sign is kept. The length limits are E.164's."""
    digits = re.sub(r"\D", "", number, flags=re.ASCII)
    if not 7 <= len(digits) <= 15:
        raise ValueError("must be a phone number of 7 to 15 digits")
    return f"+{digits}" if number.lstrip().startswith("+") else digits


def parse_phone(number: str) -> str:
    """Parse a phone number of any country; a US number is stored as ten digits."""
    digits = phone_digits(number)
    return digits if len(digits) == 10 else parse_international_phone(number)


def parse_phones(text: str, name: str, parse: Callable[[str], str]) -> str:
    """Parse phone numbers joined by pipes (guide); spaces and punctuation are removed (assumed)."""
    parts = [part.strip() for part in text.split("|") if part.strip()]
    try:
        return "|".join(parse(_check_phone(part)) for part in parts)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error


def _check_phone(number: str) -> str:
    """Reject a phone number that holds anything but digits and usual punctuation."""
    if not _PHONE.fullmatch(number):
        raise ValueError("must be a phone number")
    return number


def parse_personas(entry: Row) -> dict[str, str]:
    """Parse the numbers of ``personaPhoneConfig`` by label; any label is accepted (assumed)."""
    config = entry.get("personaPhoneConfig")
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise ValueError("personaPhoneConfig must be an object")
    phones = {
        label: parse_phones(get_text(config, label), f"personaPhoneConfig {label}", parse_international_phone)
        for label in config
    }
    return {label: number for label, number in phones.items() if number}


def check_personas(lead_phone: str, has_personas: bool) -> None:
    """Reject several numbers in ``leadPhone`` combined with persona phones. Source: guide, persona phones."""
    if has_personas and has_several_numbers(lead_phone):
        raise ValueError("leadPhone must be one number if personaPhoneConfig is given")


def parse_extra_data(entry: Row) -> str | None:
    """Parse ``extendedLeadData``, a free object, to the JSON that ``extraData`` returns (assumed)."""
    value = entry.get("extendedLeadData")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError("extendedLeadData must be an object")
    if exceeds_depth(value, MAX_JSON_DEPTH):
        raise ValueError(f"extendedLeadData is nested more than {MAX_JSON_DEPTH} levels deep")
    return json.dumps(value)


def _zone_by_phone(entry: Row, phone: str) -> str | None:
    """NPA_NXX: derive the zone from the area code of the first number."""
    return _ZONE_OF_AREA_CODE.get(phone_digits(first_number(phone))[:3], _DEFAULT_ZONE)


def _zone_by_zip(entry: Row, phone: str) -> str | None:
    """ZIPCODE: derive the zone from the first three digits of the ZIP code."""
    return _ZONE_OF_ZIP_PREFIX.get(get_text(entry, "zip").strip()[:3], _DEFAULT_ZONE)


def _zone_given(entry: Row, phone: str) -> str | None:
    """EXPLICIT: use the lead's ``leadTimezone``; any name is accepted (observed)."""
    return get_text(entry, "leadTimezone") or None


def _zone_of_country(entry: Row, phone: str) -> str | None:
    """COUNTRY: use the single zone of the account's country (assumed)."""
    return _DEFAULT_ZONE


def _no_zone(entry: Row, phone: str) -> str | None:
    """NOT_APPLICABLE: no zone. Source: guide."""
    return None


TIME_ZONE_RESOLVERS: Mapping[str, Callable[[Row, str], str | None]] = {
    "NPA_NXX": _zone_by_phone,
    "ZIPCODE": _zone_by_zip,
    "EXPLICIT": _zone_given,
    "COUNTRY": _zone_of_country,
    "NOT_APPLICABLE": _no_zone,
}
"""Functions by ``timeZoneOption`` that return the time zone of a lead and its phone number."""
