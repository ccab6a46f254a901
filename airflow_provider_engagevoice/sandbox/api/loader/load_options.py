"""Parses the options of a load. Source: contract, LeadListProcessingRequest; guide, bulk import."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.spec.enums import (
    DIAL_PRIORITIES,
    DUPLICATE_HANDLING,
    LIST_STATES,
    TIME_ZONE_OPTIONS,
)
from airflow_provider_engagevoice.sandbox.http.errors import InvalidValue, validation_error
from airflow_provider_engagevoice.sandbox.http.parsing import (
    choice_parser,
    list_parser,
    parse_boolean,
    parse_text,
)

REQUIRED = ("dialPriority", "duplicateHandling", "timeZoneOption")
"""Required options of a direct load. Source: guide, bulk import."""

REQUIRED_OF_FILES = ("duplicateHandling", "timeZoneOption")
"""Required options of a file load; the guide's sample has no ``dialPriority``."""


class LoadFailed(Exception):
    """Raised if a whole load fails; the response is 200 and holds the message."""


@dataclass(frozen=True)
class LoadOptions:
    """Options of a load.

    :param description: name of the new list; empty for none.
    :param dial_priority: ``IMMEDIATE`` or ``NORMAL``.
    :param duplicates: how to handle phone numbers that already exist.
    :param list_state: state of the new list.
    :param zone_option: the source of time zones (``timeZoneOption``).
    :param international: whether non-US phone numbers are accepted.
    :param dnc_tags: ids or labels of do-not-call tags to check in addition to GLOBAL (assumed meaning).
    """

    description: str
    dial_priority: str
    duplicates: str
    list_state: str
    zone_option: str
    international: bool
    dnc_tags: tuple[str, ...]


@dataclass(frozen=True)
class _Option:
    """The parser of an option and its default (assumed, except for ``listState``)."""

    parse: Callable[[object], Any]
    default: Any


_OPTIONS: Mapping[str, _Option] = {
    "description": _Option(parse_text, ""),
    "dialPriority": _Option(choice_parser(DIAL_PRIORITIES), "NORMAL"),
    "duplicateHandling": _Option(choice_parser(DUPLICATE_HANDLING), "RETAIN_ALL"),
    "listState": _Option(choice_parser(LIST_STATES), "ACTIVE"),
    "timeZoneOption": _Option(choice_parser(TIME_ZONE_OPTIONS), "NPA_NXX"),
    "internationalNumberFormat": _Option(parse_boolean, False),
    "numberOriginCountry": _Option(parse_text, "USA"),
    "dncTags": _Option(list_parser(parse_text), ()),
}


def parse_options(body: Mapping[str, object], required: Iterable[str], use_defaults: bool) -> LoadOptions:
    """Parse the options of a load.

    Null and blank values count as missing (assumed); unknown options are ignored (observed).

    :param body: the untrusted request.
    :param required: names of the required options.
    :param use_defaults: whether missing required options get their defaults.
    :return: the options.
    :raises LoadFailed: if a required option is missing.
    :raises ApiError: with status 400, naming every invalid value (assumed).
    """
    options = _parse(body)
    missing = [name for name in required if name not in options]
    if missing and not use_defaults:
        # "missing.required.param" was observed in the message of a failed load; the rest is assumed.
        raise LoadFailed(f"missing.required.param: {', '.join(missing)}")
    values = {name: options.get(name, option.default) for name, option in _OPTIONS.items()}
    return LoadOptions(
        description=values["description"],
        dial_priority=values["dialPriority"],
        duplicates=values["duplicateHandling"],
        list_state=values["listState"],
        zone_option=values["timeZoneOption"],
        # Clients send another country, or "e164", and load non-US numbers (observed).
        international=values["internationalNumberFormat"] or values["numberOriginCountry"].upper() != "USA",
        dnc_tags=tuple(values["dncTags"]),
    )


def _parse(body: Mapping[str, object]) -> dict[str, Any]:
    """Parse the given options."""
    options, invalid = {}, []
    for name, option in _OPTIONS.items():
        value = body.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        try:
            options[name] = option.parse(value)
        except ValueError as error:
            invalid.append(InvalidValue.of(name, error, value))
    if invalid:
        raise validation_error(invalid)
    return options
