"""Writes the answer to a load. Source of the fields: contract, LeadListProcessingResult."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from airflow_provider_engagevoice.sandbox.api.loader.load_options import LoadOptions

#: The two messages. Source: contract of 2020, UploadLeadsResponse.
WORKED = "Your uploaded lead list has successfully completed processing"
_FAILED = "Your uploaded lead list file processing has failed"

GENERAL_FAILURE = "GENERAL_FAILURE"
_NOBODY_PASSED = "NO_LEADS_PASSED_VALIDATION"
FAILURES = (
    GENERAL_FAILURE, _NOBODY_PASSED, "DNC_ACCOUNT_SETTINGS", "DNC_UPLOAD_FAILED", "DNC_GREATER_ONE_DAY",
)  # fmt: skip
"""The values of ``processingStatus`` that mean failure. Source: contract."""

_NO_FAILURE = "DEFAULT_NOT_A_FAILURE"

#: What a request may say, and an answer may not. Source: contract.
_IN_REQUESTS_ONLY = frozenset({"ARCHIVED", "COUNTRY"})


@dataclass(frozen=True)
class Counts:
    """What became of the leads of a load (assumed, but for ``failed_agents``).

    :param supplied: all of them.
    :param accepted: those that passed validation.
    :param inserted: those that are leads now.
    :param duplicates: those left out because their number was there already.
    :param scrubbed: those on a do-not-call list.
    :param failed_agents: accepted ones whose ``reserveAgent`` is not an agent of the account.
    :param rejected: the rows that were not accepted.
    """

    supplied: int
    accepted: int = 0
    inserted: int = 0
    duplicates: int = 0
    scrubbed: int = 0
    failed_agents: int = 0
    rejected: Sequence[dict[str, object]] = field(default=())


def result_of(counts: Counts, options: LoadOptions) -> dict[str, object]:
    """Write the answer to a load that worked, or of which no lead passed."""
    state = {
        "listState": _echo(options.list_state),
        "timeZoneOption": _echo(options.zone_from),
    }
    if not counts.accepted:
        return {**failure_of(_NOBODY_PASSED, "", counts), **state}
    return {
        **_counters(counts),
        **state,
        "processingResult": "OK",
        "processingStatus": _NO_FAILURE,
        "message": WORKED,
    }


def failure_of(status: str, reason: str, counts: Counts) -> dict[str, object]:
    """Write the answer to a load that failed; its HTTP status is 200 all the same (observed).

    :param status: the ``processingStatus``.
    :param reason: what the message says more; empty for nothing.
    :param counts: what was counted.
    """
    return {
        **_counters(counts),
        "listState": None,
        "timeZoneOption": None,
        "processingResult": "Failed",
        "processingStatus": status,
        "message": failure_message(reason),
    }


def failure_message(reason: str = "") -> str:
    """Write the message of a load that failed, with a reason or without one."""
    return f"{_FAILED}: {reason}" if reason else _FAILED


def _counters(counts: Counts) -> dict[str, object]:
    """Write the counters."""
    return {
        "leadsSupplied": counts.supplied,
        "leadsAccepted": counts.accepted,
        "leadsConverted": counts.accepted,
        "leadsInserted": counts.inserted,
        "deletedCount": counts.duplicates,
        "hasDeletedLeads": counts.duplicates > 0,
        "dncReturnedCount": 0,
        "dncUploadCount": 0,
        "internalDncCount": counts.scrubbed,
        "whitelistCount": 0,
        "quotaCount": 0,
        "failedAgentAssignment": counts.failed_agents,
        "rejectedRows": list(counts.rejected),
        "uploadFileName": None,
    }


def _echo(word: str) -> str | None:
    """Repeat an option, where answers know it."""
    return None if word in _IN_REQUESTS_ONLY else word
