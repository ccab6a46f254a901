"""Words and notations of RingCX that both the client and the sandbox use."""

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

#: How a dialling attempt ended. Source: contract, ``CampaignLeadSearchCriteria.systemDispositions``.
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

#: What a load does with leads whose phone number is there already. Source: contract.
DUPLICATE_HANDLING = ("RETAIN_ALL", "REMOVE_ALL_EXISTING", "REMOVE_FROM_LIST")

#: How soon the dialer takes what is loaded. Source: contract.
DIAL_PRIORITIES = ("IMMEDIATE", "NORMAL")

#: Where a load gets the time zone of a lead from. Source: contract; ``COUNTRY`` is in requests to load only.
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

#: Kinds of files a load reads. Source: contract.
FILE_TYPES = ("EXCEL", "PIPE", "COMMA", "TAB")


def format_datetime(moment: datetime) -> str:
    """Write a moment as RingCX does: ``2026-07-24T16:00:00.000+0000``.

    :param moment: the moment; without a time zone it is taken as UTC.
    :return: the text, in UTC with milliseconds. Source: guide, "Callback Leads".
    """
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    moment = moment.astimezone(timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"
