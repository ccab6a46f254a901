"""Enumerations and the date format of RingCX, used by both the client and the sandbox."""

from __future__ import annotations

from datetime import datetime, timezone

#: States of a lead. Source: contract, ``CampaignLeadSearchCriteria.leadStates``. The guide of 2024
#: prints them with underscores; RingCX's wire uses hyphens.
LEAD_STATES = (
    "ACTIVE",
    "AGENT-CALLBACK",
    "CALLBACK-CANCELLED",
    "CALLBACK",
    "CANCELLED",
    "COMPLETE",
    "DISCONNECTED",
    "DO-NOT-CALL",
    "INTERCEPT",
    "MAX-DIAL-LIMIT",
    "PAUSED",
    "PENDING-CALLBACK",
    "PENDING-ERR",
    "PENDING-HCI",
    "PENDING",
    "READY",
    "TRANSITIONED",
    "WHITELIST",
)

#: Outcomes of a dialing attempt. Source: contract, ``CampaignLeadSearchCriteria.systemDispositions``.
SYSTEM_DISPOSITIONS = (
    "ANSWER",
    "NOANSWER",
    "BUSY",
    "MACHINE",
    "INTERCEPT",
    "DISCONNECT",
    "ABANDON",
    "CONGESTION",
    "MANUAL_PASS",
    "INBOUND_CALLBACK",
    "APP_DNC",
    "APP_REQUEUE",
    "APP_REQUEUE_COMPLETE",
    "APP_REQUEUE_ABANDON",
    "INBOUND_ABANDON",
    "API_BLOCKED",
    "API_ERROR",
)

#: Values of the ``suppressed`` filter. Source: contract.
SUPPRESSED = ("ONLY_SUPPRESSED", "ONLY_UNSUPPRESSED", "ALL")

#: Operators of a comparison filter such as ``leadPassesCriteria``. Source: contract.
COMPARISONS = ("GREATER_THAN", "LESS_THAN", "EQUALS")

#: How a load handles leads whose phone number already exists. Source: contract.
DUPLICATE_HANDLING = ("RETAIN_ALL", "REMOVE_ALL_EXISTING", "REMOVE_FROM_LIST")

#: When the dialer starts to call loaded leads. Source: contract.
DIAL_PRIORITIES = ("IMMEDIATE", "NORMAL")

#: Sources of a loaded lead's time zone. Source: contract; ``COUNTRY`` is in load requests only.
TIME_ZONE_OPTIONS = ("NPA_NXX", "ZIPCODE", "EXPLICIT", "COUNTRY", "NOT_APPLICABLE")

#: States of a list. Source: contract; ``ARCHIVED`` is in requests only.
LIST_STATES = (
    "ACTIVE",
    "PAUSED",
    "PENDING_DNC",
    "LOADING",
    "DELETED",
    "READY",
    "CALLBACKS",
    "CALLBACKS_AGENT",
    "DUPLICATES_NOT_MERGED",
    "DUPLICATES_NOT_MOVED",
    "ARCHIVED",
)

#: File formats of a load. Source: contract.
FILE_TYPES = ("EXCEL", "PIPE", "COMMA", "TAB")


def format_datetime(value: datetime) -> str:
    """Format a datetime as RingCX does: ``2026-07-24T16:00:00.000+0000``.

    :param value: the datetime; without a time zone it is treated as UTC.
    :return: the text, in UTC with milliseconds. Source: guide, "Callback Leads".
    """
    if value.tzinfo is None:
        value = value.replace(tzinfo=timezone.utc)
    value = value.astimezone(timezone.utc)
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}+0000"
