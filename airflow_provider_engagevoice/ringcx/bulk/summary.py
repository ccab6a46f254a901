"""Summary of a bulk run: its last log line and its error."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult, BulkAction
from airflow_provider_engagevoice.ringcx.bulk.checkpoint import Checkpoint
from airflow_provider_engagevoice.ringcx.bulk.descriptions import (
    chunk_names,
    describe_changes,
    describe_result,
)
from airflow_provider_engagevoice.ringcx.exceptions import (
    ActionRejected,
    Cancelled,
    EngageVoiceError,
    OutcomeUnknown,
    PermanentError,
    VerificationFailed,
    counted,
)
from airflow_provider_engagevoice.ringcx.leads.selection import Chunks

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunSummary:
    """State of a bulk run at its end.

    :param action: the action.
    :param chunks: its chunks.
    :param checkpoint: which chunks are complete.
    :param result: the counts.
    :param can_resume: whether the next attempt of the task resumes from the checkpoint.
    """

    action: BulkAction
    chunks: Chunks
    checkpoint: Checkpoint
    result: ActionResult
    can_resume: bool

    @property
    def ids_rejected(self) -> int:
        """Number of ids in rejected chunks."""
        return sum(map(self.chunks.size_in, self.checkpoint.rejected))

    def log(self) -> None:
        """Log the result of a complete run in one line."""
        log.log(
            logging.WARNING if self.checkpoint.skipped else logging.INFO,
            "%s%s",
            describe_result(self.action, self.result),
            self._unprocessed(),
        )

    def describe(self) -> str:
        """Return a description of an interrupted run."""
        completed, chunks = self.checkpoint.completed, len(self.chunks)
        progress = (
            f"sent all of {counted(chunks, 'chunk')}"
            if completed == chunks
            else f"stopped after {completed:,} of {counted(chunks, 'chunk')}"
        )
        changes = describe_changes(self.action, self.result)
        return f"{self.action.name} {progress}: {changes}{self._unprocessed()}"

    def _unprocessed(self) -> str:
        """Return the counts of rejected, unmatched and skipped ids, or an empty text if there are none."""
        rejected = len(self.checkpoint.rejected)
        text = (
            f"; rejected {counted(rejected, 'chunk')} with {counted(self.ids_rejected, 'id')}"
            if rejected
            else ""
        )
        if "ids_not_found" in self.result:
            text += f"; {counted(self.result['ids_not_found'], 'id')} not found"
        if self.checkpoint.skipped:
            unknown = counted(self.result["leads_unknown"], "lead")
            text += f"; outcome unknown for {unknown}, skipped in {chunk_names(self.checkpoint.skipped)}"
        if self.checkpoint.in_flight:
            text += f"; outcome unknown for {self._in_flight()}"
        return text

    def _in_flight(self) -> str:
        """Return the numbers of the chunks whose outcome is unknown."""
        return f"{chunk_names(self.checkpoint.in_flight)} of {len(self.chunks):,}"

    def raise_for_rejected(self) -> None:
        """Raise if chunks were rejected and ``on_rejected`` is ``"continue"``.

        :raises ActionRejected: if there are any.
        """
        if self.checkpoint.rejected and self.action.on_rejected == "continue":
            raise ActionRejected(
                f"RingCX rejected {len(self.checkpoint.rejected):,} of {counted(len(self.chunks), 'chunk')} "
                f"of {self.action.name}, with {counted(self.ids_rejected, 'id')}, as the log explains; "
                "the other chunks are complete"
                + (". A retry sends the rejected chunks only" if self.can_resume else ""),
                status=200,
            )

    def to_error(self, error: EngageVoiceError) -> EngageVoiceError:
        """Return the error to raise for an interrupted run, with the result so far.

        :param error: what ended the run.
        :return: the error; ``OutcomeUnknown`` if chunks of an action that is not retry-safe are complete and
            a retry could not resume after them.
        """
        if isinstance(error, Cancelled):
            error = Cancelled(f"{error}. {self.describe()}")
        error.result = dict(self.result)
        if not self.checkpoint.completed:
            return error
        log.error("%s", self.describe())
        if self.can_resume or self.action.is_retry_safe:
            return error
        if isinstance(error, ActionRejected) and self.action.on_rejected != "fail":
            return error
        return self._without_retry(error)

    def name_chunks(self, error: OutcomeUnknown) -> OutcomeUnknown:
        """Return an error that names all chunks whose outcome is unknown, if there are several chunks.

        :param error: the error of one of them.
        """
        if len(self.chunks) == 1 or not self.checkpoint.in_flight:
            return error
        unknown = OutcomeUnknown(
            f"{error}. The outcome is unknown for {self._in_flight()}",
            status=error.status,
            request=error.request,
        )
        unknown.interrupted = error.interrupted
        return unknown

    def _without_retry(self, error: EngageVoiceError) -> EngageVoiceError:
        """Return an error that keeps Airflow from sending complete chunks again."""
        permanent: PermanentError
        if isinstance(error, VerificationFailed):
            permanent = PermanentError(f"{error}. {self.action.name} is not safe to retry")
        else:
            advice = f", and {self.action.name} is not safe to retry; check the leads before running it again"
            permanent = OutcomeUnknown(
                f"{error}. {self.checkpoint.completed:,} of {counted(len(self.chunks), 'chunk')} "
                f"{'is' if self.checkpoint.completed == 1 else 'are'} complete"
                + ("" if isinstance(error, OutcomeUnknown) else advice),
                status=error.status,
                request=error.request,
            )
        permanent.result = error.result
        return permanent
