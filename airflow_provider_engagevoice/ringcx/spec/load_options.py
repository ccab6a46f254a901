"""Options of a load and the fields of its result. Source: contract, LeadListProcessingRequest and -Result."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_engagevoice.ringcx.spec.enums import (
    DIAL_PRIORITIES,
    DUPLICATE_HANDLING,
    LIST_STATES,
    TIME_ZONE_OPTIONS,
)

LOAD_CHOICES: Mapping[str, tuple[str, ...]] = {
    "dialPriority": DIAL_PRIORITIES,
    "duplicateHandling": DUPLICATE_HANDLING,
    "timeZoneOption": TIME_ZONE_OPTIONS,
    "listState": LIST_STATES,
}
"""Options that have one of several values, by name."""

LOAD_SWITCHES = ("internationalNumberFormat", "phoneNumbersI18nEnabled")
"""Options that are true or false."""

LOAD_TEXTS = ("numberOriginCountry", "scheduleArchiveDts")
"""Options that are text."""

LOAD_TEXT_LISTS = ("dncTags",)
"""Options that are lists of text."""

LOAD_DEFAULTS: Mapping[str, str] = {
    "dialPriority": "NORMAL",
    "duplicateHandling": "RETAIN_ALL",
    "timeZoneOption": "NPA_NXX",
    "listState": "ACTIVE",
}
"""Options that each load sends. The first three are required (guide of 2020)."""

FIELD_OF_TIME_ZONE: Mapping[str, str] = {"EXPLICIT": "leadTimezone", "ZIPCODE": "zip"}
"""The field that each lead needs, by ``timeZoneOption``."""

HOME_COUNTRY = "USA"
"""The ``numberOriginCountry`` whose phone numbers have ten digits."""

FAILURE_STATUSES = (
    "GENERAL_FAILURE",
    "NO_LEADS_PASSED_VALIDATION",
    "DNC_ACCOUNT_SETTINGS",
    "DNC_UPLOAD_FAILED",
    "DNC_GREATER_ONE_DAY",
)
"""Values of ``processingStatus`` of a load that failed as a whole. They come with status 200 (observed)."""

LEFT_OUT_COUNTERS: Mapping[str, str] = {
    "deletedCount": "duplicate",
    "internalDncCount": "dnc",
    "dncReturnedCount": "dnc",
    "whitelistCount": "dnc",
    "quotaCount": "rejected",
}
"""Counters of valid leads that a load left out, with the outcome of such a lead. The contract names the
counters; their meaning is assumed from their names."""
