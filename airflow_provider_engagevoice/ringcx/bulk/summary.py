"""What is said of an action at its end: in the log, and in the error that ends it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult, BulkAction
from airflow_provider_engagevoice.ringcx.bulk.checkpoint import Checkpoint
from airflow_provider_engagevoice.ringcx.exceptions import (
    ActionRejected,
    Cancelled,
    EngageVoiceError,
    OutcomeUnknown,
    PermanentError,
    VerificationFailed,
)
from airflow_provider_engagevoice.ringcx.leads.selection import Chunks

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunSummary:
    """How far an action has come.

    :param act: the action.
    :param parts: its requests.
    :param record: which of them are done.
    :param summary: the counts.
    :param kept: another try of the task goes on after this one.
    """

    act: BulkAction
    chunks: Chunks
    record: Checkpoint
    summary: ActionResult
    kept: bool

    @property
    def ids_rejected(self) -> int:
        """How many ids the rejected requests have."""
        return sum(map(self.chunks.size_in, self.record.again))

    def tell(self) -> None:
        """Say in the log, in one line, what was done."""
        log.info(
            "%s: %d leads matched, %d leads updated, %d deleted, in %d requests%s",
            self.act.action.name,
            self.summary["leads_matched"],
            self.summary["leads_updated"],
            self.summary["leads_deleted"],
            self.summary["requests"],
            self._not_done(),
        )

    def how_far(self) -> str:
        """Write how far it came where it ended half-way."""
        return (
            f"{self.act.action.name} ended after {self.record.done} of {len(self.chunks)} requests: "
            f"{self.summary['leads_updated']} leads updated, {self.summary['leads_deleted']} deleted"
            f"{self._not_done()}"
        )

    def _not_done(self) -> str:
        """Count what was rejected, and what was not found if somebody asked."""
        requests = len(self.record.again)
        said = f"; {requests} requests with {self.ids_rejected} ids rejected" if requests else ""
        if "ids_not_found" in self.summary:
            said += f"; {self.summary['ids_not_found']} ids not found"
        return said

    def check_rejected(self) -> None:
        """End the task where it is to fail for requests that were rejected.

        :raises ActionRejected: where there are some.
        """
        if self.record.again and self.act.on_rejected == "continue":
            raise ActionRejected(
                f"RingCX rejected {len(self.record.again)} of {len(self.chunks)} requests of "
                f"{self.act.action.name}, with {self.ids_rejected} ids, for the reasons in the log; the "
                "others were done" + (". Run again, the task sends those only" if self.kept else ""),
                status=200,
            )

    def error_from_response(self, error: EngageVoiceError) -> EngageVoiceError:
        """Make the error of an act that came to its end half-way.

        :param error: what ended it.
        :return: the error, with the summary; ``OutcomeUnknown`` where requests had been done that must not be
            done twice, and no other try would go on after them.
        """
        done, of = self.record.done, len(self.chunks)
        if isinstance(error, Cancelled):
            error = Cancelled(self.how_far())
        error.result = dict(self.summary)
        if not done:
            return error
        log.error("%s", self.how_far())
        if self.kept or self.act.action.is_retry_safe(self.act.params):
            return error
        if isinstance(error, ActionRejected) and self.act.on_rejected != "fail":
            return error
        if isinstance(error, VerificationFailed):
            permanent = PermanentError(
                f"{error}. {self.act.action.name} is not safe to retry, and no checkpoint is kept"
            )
            permanent.result = error.result
            return permanent
        name = self.act.action.name
        advice = f", and {name} must not be done twice; look at the leads before running it again"
        unknown = OutcomeUnknown(
            f"{error}. {done} of {of} requests had been done before"
            + ("" if isinstance(error, OutcomeUnknown) else advice),
            status=error.status,
            request=error.request,
        )
        unknown.result = error.result
        return unknown
