"""Response body of a load. Source of the fields: contract, LeadListProcessingResult."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from airflow_provider_engagevoice.sandbox.api.loader.load_options import LoadOptions

#: Messages of success and failure. Source: contract of 2020, UploadLeadsResponse.
SUCCESS_MESSAGE = "Your uploaded lead list has successfully completed processing"
_FAILURE_MESSAGE = "Your uploaded lead list file processing has failed"

GENERAL_FAILURE = "GENERAL_FAILURE"
_NO_LEADS_PASSED = "NO_LEADS_PASSED_VALIDATION"
FAILURE_STATUSES = (
    GENERAL_FAILURE, _NO_LEADS_PASSED, "DNC_ACCOUNT_SETTINGS", "DNC_UPLOAD_FAILED", "DNC_GREATER_ONE_DAY",
)  # fmt: skip
"""Values of ``processingStatus`` that mean failure. Source: contract."""

_NO_FAILURE = "DEFAULT_NOT_A_FAILURE"

#: Option values that are valid in requests only, not in responses. Source: contract.
_REQUEST_ONLY_OPTIONS = frozenset({"ARCHIVED", "COUNTRY"})


@dataclass(frozen=True)
class Counts:
    """Lead counts of a load (assumed, except for ``failed_agents``).

    :param supplied: leads in the request.
    :param accepted: leads that passed validation.
    :param inserted: leads inserted.
    :param duplicates: leads skipped because their phone number already exists.
    :param scrubbed: leads on a do-not-call list.
    :param failed_agents: accepted leads whose ``reserveAgent`` is not an agent of the account.
    :param rejected: the rejected rows.
    """

    supplied: int
    accepted: int = 0
    inserted: int = 0
    duplicates: int = 0
    scrubbed: int = 0
    failed_agents: int = 0
    rejected: Sequence[dict[str, object]] = field(default=())


def load_result(counts: Counts, options: LoadOptions) -> dict[str, object]:
    """Return the response body of a load that was processed, even if no lead passed validation."""
    state = {
        "listState": _response_option(options.list_state),
        "timeZoneOption": _response_option(options.zone_option),
    }
    if not counts.accepted:
        return {**load_failure(_NO_LEADS_PASSED, "", counts), **state}
    return {
        **_counters(counts),
        **state,
        "processingResult": "OK",
        "processingStatus": _NO_FAILURE,
        "message": SUCCESS_MESSAGE,
    }


def load_failure(status: str, reason: str, counts: Counts) -> dict[str, object]:
    """Return the response body of a failed load; its HTTP status is 200 as well (observed).

    :param status: the ``processingStatus``.
    :param reason: appended to the message; may be empty.
    :param counts: the lead counts.
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
    """Return the message of a failed load, with an optional reason."""
    return f"{_FAILURE_MESSAGE}: {reason}" if reason else _FAILURE_MESSAGE


def _counters(counts: Counts) -> dict[str, object]:
    """Return the counters of the response body."""
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


def _response_option(option: str) -> str | None:
    """Return an option if responses may hold it, else None."""
    return None if option in _REQUEST_ONLY_OPTIONS else option
