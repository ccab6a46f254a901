"""Reads what a load is to do. Source: contract, LeadListProcessingRequest; guide, bulk import."""

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
from airflow_provider_engagevoice.sandbox.http.errors import Invalid, refused_values
from airflow_provider_engagevoice.sandbox.http.parsing import read_boolean, read_choice, read_list, read_text

REQUIRED = ("dialPriority", "duplicateHandling", "timeZoneOption")
"""What a direct load must say. Source: guide, bulk import."""

REQUIRED_OF_FILES = ("duplicateHandling", "timeZoneOption")
"""What the load of a file must say; the guide's sample has no ``dialPriority``."""


class LoadFailed(Exception):
    """A load that fails as a whole, and says so within an answer 200; the message says why."""


@dataclass(frozen=True)
class LoadOptions:
    """What a load is to do with its leads.

    :param description: name of the new list; empty for none.
    :param dial_priority: ``IMMEDIATE`` or ``NORMAL``.
    :param duplicates: what to do with numbers that are there already.
    :param list_state: state of the new list.
    :param zone_from: where time zones come from.
    :param international: numbers need not be US ones.
    :param dnc_tags: ids or labels of do-not-call tags that count besides GLOBAL (assumed meaning).
    """

    description: str
    dial_priority: str
    duplicates: str
    list_state: str
    zone_from: str
    international: bool
    dnc_tags: tuple[str, ...]


@dataclass(frozen=True)
class _Option:
    """One option: how it is read, and what it is where it is missing (assumed, but for ``listState``)."""

    read: Callable[[object], Any]
    default: Any


_OPTIONS: Mapping[str, _Option] = {
    "description": _Option(read_text, ""),
    "dialPriority": _Option(read_choice(DIAL_PRIORITIES), "NORMAL"),
    "duplicateHandling": _Option(read_choice(DUPLICATE_HANDLING), "RETAIN_ALL"),
    "listState": _Option(read_choice(LIST_STATES), "ACTIVE"),
    "timeZoneOption": _Option(read_choice(TIME_ZONE_OPTIONS), "NPA_NXX"),
    "internationalNumberFormat": _Option(read_boolean, False),
    "numberOriginCountry": _Option(read_text, "USA"),
    "dncTags": _Option(read_list(read_text), ()),
}


def read_options(body: Mapping[str, object], required: Iterable[str], use_defaults: bool) -> LoadOptions:
    """Read the options of a load; null and blank count as missing (assumed), others are ignored (observed).

    :param body: the untrusted request.
    :param required: the options that must be there.
    :param use_defaults: let defaults take the place of those.
    :return: the options.
    :raises LoadFailed: a required one is missing.
    :raises Refusal: with status 400, naming every bad value (assumed).
    """
    given = _read(body)
    missing = [name for name in required if name not in given]
    if missing and not use_defaults:
        # The words were observed in the message of a load that failed; what follows them is assumed.
        raise LoadFailed(f"missing.required.param: {', '.join(missing)}")
    values = {name: given.get(name, option.default) for name, option in _OPTIONS.items()}
    return LoadOptions(
        description=values["description"],
        dial_priority=values["dialPriority"],
        duplicates=values["duplicateHandling"],
        list_state=values["listState"],
        zone_from=values["timeZoneOption"],
        # Programs name another country there, or "e164", and load numbers that are no US ones (observed).
        international=values["internationalNumberFormat"] or values["numberOriginCountry"].upper() != "USA",
        dnc_tags=tuple(values["dncTags"]),
    )


def _read(body: Mapping[str, object]) -> dict[str, Any]:
    """Read the options that are there."""
    given, invalid = {}, []
    for name, option in _OPTIONS.items():
        value = body.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        try:
            given[name] = option.read(value)
        except ValueError as error:
            invalid.append(Invalid.of(name, error, value))
    if invalid:
        raise refused_values(invalid)
    return given
