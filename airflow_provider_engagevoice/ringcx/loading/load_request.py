"""The request of a load: sends leads and reads RingCX's result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.options import is_count
from airflow_provider_engagevoice.ringcx.endpoints import RequestStepsFn, account_path
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, OutcomeUnknown
from airflow_provider_engagevoice.ringcx.loading.hiding import hide_in_error, hide_values
from airflow_provider_engagevoice.ringcx.loading.rows import LeadRow
from airflow_provider_engagevoice.ringcx.observers import AttemptObserver
from airflow_provider_engagevoice.ringcx.spec.load_options import FAILURE_STATUSES, LEFT_OUT_COUNTERS
from airflow_provider_engagevoice.ringcx.steps import Steps


@dataclass(frozen=True)
class RejectedRow:
    """A row that RingCX rejected.

    :param message: the reason. It may contain a value of the row.
    :param values: the values of the row.
    """

    message: str
    values: frozenset[str]


@dataclass(frozen=True)
class LoadReply:
    """Result of one request. Source: contract, ``LeadListProcessingResult``.

    :param inserted: number of leads that were inserted; None if RingCX does not say.
    :param left_out: number of valid leads that were left out, by counter.
    :param rejected: the rejected rows.
    :param failed_agents: leads whose ``reserveAgent`` is not an agent.
    :param failure: ``processingStatus`` of a load that failed as a whole; empty if it did not.
    :param message: RingCX's message.
    """

    inserted: int | None
    left_out: Mapping[str, int]
    rejected: Sequence[RejectedRow]
    failed_agents: int
    failure: str
    message: str


@dataclass(frozen=True)
class LoadSender:
    """Sends the requests of one load.

    :param request_steps: sends a request: method, path and keyword arguments.
    :param account_id: the sub-account.
    :param campaign_id: the campaign.
    :param options: the options of the load, complete.
    """

    request_steps: RequestStepsFn
    account_id: str
    campaign_id: int
    options: Mapping[str, Any]

    def send(self, rows: Sequence[LeadRow], description: str, observer: AttemptObserver) -> Steps[LoadReply]:
        """Load leads with one request.

        :param rows: the leads.
        :param description: name of the list that the request makes.
        :param observer: notified of each attempt.
        :return: RingCX's result. A load that failed as a whole comes with status 200, too (observed).
        :raises OutcomeUnknown: if the request may have been applied.
        :raises InvalidRequest: if RingCX rejects the request as malformed or too large.
        """
        try:
            response = yield from self.request_steps(
                "POST",
                f"{account_path(self.account_id)}/campaigns/{self.campaign_id}/leadLoader/direct",
                json={
                    **self.options,
                    "description": description,
                    "uploadLeads": [row.lead for row in rows],
                },
                retry_safe=False,
                observer=observer,
            )
        except EngageVoiceError as error:
            hide_in_error(error, rows)
            raise
        return _read_reply(response, rows)


def _read_reply(response: Any, sent: Sequence[LeadRow]) -> LoadReply:
    """Return the result in a response, with messages that do not repeat a value of the rows.

    :raises OutcomeUnknown: if the response is none.
    """
    if not isinstance(response, dict) or not ({"processingStatus", "leadsInserted"} & response.keys()):
        raise OutcomeUnknown("RingCX's response to a load is not a result", status=200)
    status = response.get("processingStatus")
    has_failed = status in FAILURE_STATUSES or response.get("processingResult") == "Failed"
    rows = response.get("rejectedRows")
    return LoadReply(
        inserted=_count(response, "leadsInserted"),
        left_out={name: _count(response, name) or 0 for name in LEFT_OUT_COUNTERS},
        rejected=[_rejected_row(row, sent) for row in rows if isinstance(row, dict)]
        if isinstance(rows, list)
        else [],
        failed_agents=_count(response, "failedAgentAssignment") or 0,
        failure=str(status or "Failed") if has_failed else "",
        message=_message(response, sent),
    )


def _message(part: Mapping[str, Any], sent: Sequence[LeadRow]) -> str:
    """Return the message in a part of the response. Half of a character could not be stored."""
    text = str(part.get("message") or "").encode("utf-8", "backslashreplace").decode()
    return hide_values(text, sent) if text else ""


def _rejected_row(row: Mapping[str, Any], sent: Sequence[LeadRow]) -> RejectedRow:
    values = row.get("rowData")
    return RejectedRow(
        _message(row, sent) or "RingCX gave no reason",
        frozenset(map(str, values)) if isinstance(values, list) else frozenset(),
    )


def _count(response: Mapping[str, Any], key: str) -> int | None:
    """Return a counter; None if it is missing, which is not zero."""
    value = response.get(key)
    return value if isinstance(value, int) and is_count(value) else None
