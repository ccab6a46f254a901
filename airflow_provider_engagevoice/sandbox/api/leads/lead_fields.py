"""Reads the fields of a lead that is loaded or updated. Source of the fields: contract, CampaignLead.

Every reader raises ValueError, with a message that names the field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from airflow_provider_engagevoice.sandbox.api.admin.records import DEEPEST, is_deeper
from airflow_provider_engagevoice.sandbox.http.parsing import read_integer
from airflow_provider_engagevoice.sandbox.state import demo_data
from airflow_provider_engagevoice.sandbox.state.phones import first_number, is_several, phone_digits

Row = dict[str, object]

NUMBERS = {"maxPasses": 2**31 - 1, "leadPriority": 2**31 - 1, "dupeKeyOverride": 2**63 - 1}
"""The fields that are whole numbers, and how large they may be. Source: contract."""

#: The time zone of whoever's place the sandbox does not know. Assumed.
_DEFAULT_ZONE = "EST"

_AREAS = {area: zone for _, _, _, area, zone in demo_data.PLACES}
_ZIPS = {start: zone for _, _, start, _, zone in demo_data.PLACES}
_PHONE = re.compile(r"\+?[\d\s().\-]+", re.ASCII)


def text_in(entry: Row, name: str) -> str:
    """Read a text; numbers count as their digits (guide's sample), null as empty (assumed)."""
    value = entry.get(name)
    if isinstance(value, (dict, list)):
        raise ValueError(f"{name} must be a text")
    return plain(value)


def plain(value: object) -> str:
    """Write a single value of JSON as text."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def number_in(entry: Row, name: str) -> int | None:
    """Read a whole number; null and blank count as not given."""
    value = entry.get(name)
    if value is None or value == "":
        return None
    try:
        number = read_integer(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error
    if abs(number) > NUMBERS[name]:
        raise ValueError(f"{name} is out of range")
    return number


def domestic(number: str) -> str:
    """Read a US number: ten digits, a 1 before them or not. Source: guide."""
    digits = phone_digits(number)
    if len(digits) != 10:
        raise ValueError("is not a phone number of ten digits")
    return digits


def international(number: str) -> str:
    """Read any number; the plus sign before it stays. How many digits it may have is E.164's."""
    digits = re.sub(r"\D", "", number, flags=re.ASCII)
    if not 7 <= len(digits) <= 15:
        raise ValueError("is not a phone number of 7 to 15 digits")
    return f"+{digits}" if number.lstrip().startswith("+") else digits


def any_number(number: str) -> str:
    """Read a number of any country; a US one is kept as its ten digits."""
    digits = phone_digits(number)
    return digits if len(digits) == 10 else international(number)


def read_phones(text: str, name: str, read: Callable[[str], str]) -> str:
    """Read numbers joined by pipes (guide), each without blanks and signs (assumed)."""
    parts = [part.strip() for part in text.split("|") if part.strip()]
    try:
        return "|".join(read(_checked(part)) for part in parts)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error


def _checked(number: str) -> str:
    """Refuse a number that holds anything but digits and what is usual between them."""
    if not _PHONE.fullmatch(number):
        raise ValueError("is not a phone number")
    return number


def personas_in(entry: Row) -> dict[str, str]:
    """Read the numbers of ``personaPhoneConfig`` by their labels, which may be any (assumed)."""
    config = entry.get("personaPhoneConfig")
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise ValueError("personaPhoneConfig must be an object")
    read = {
        label: read_phones(text_in(config, label), f"personaPhoneConfig {label}", international)
        for label in config
    }
    return {label: number for label, number in read.items() if number}


def check_personas(lead_phone: str, has_personas: bool) -> None:
    """Refuse several numbers in ``leadPhone`` beside those of personas. Source: guide, persona phones."""
    if has_personas and is_several(lead_phone):
        raise ValueError("leadPhone must be one number beside personaPhoneConfig")


def extra_data_in(entry: Row) -> str | None:
    """Read ``extendedLeadData``, a free object, as the JSON that rows show in ``extraData`` (assumed)."""
    value = entry.get("extendedLeadData")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError("extendedLeadData must be an object")
    if is_deeper(value, DEEPEST):
        raise ValueError(f"extendedLeadData is nested more than {DEEPEST} levels deep")
    return json.dumps(value)


def _zone_by_phone(entry: Row, phone: str) -> str | None:
    """NPA_NXX: by the area code of the first number."""
    return _AREAS.get(phone_digits(first_number(phone))[:3], _DEFAULT_ZONE)


def _zone_by_zip(entry: Row, phone: str) -> str | None:
    """ZIPCODE: by the first three digits of it."""
    return _ZIPS.get(text_in(entry, "zip").strip()[:3], _DEFAULT_ZONE)


def _zone_given(entry: Row, phone: str) -> str | None:
    """EXPLICIT: what the lead says, any name (observed)."""
    return text_in(entry, "leadTimezone") or None


def _zone_of_country(entry: Row, phone: str) -> str | None:
    """COUNTRY: the one zone of the account's country (assumed)."""
    return _DEFAULT_ZONE


def _no_zone(entry: Row, phone: str) -> str | None:
    """NOT_APPLICABLE: none. Source: guide."""
    return None


ZONES: Mapping[str, Callable[[Row, str], str | None]] = {
    "NPA_NXX": _zone_by_phone,
    "ZIPCODE": _zone_by_zip,
    "EXPLICIT": _zone_given,
    "COUNTRY": _zone_of_country,
    "NOT_APPLICABLE": _no_zone,
}
"""By ``timeZoneOption``: tells the zone of a lead and its number."""
