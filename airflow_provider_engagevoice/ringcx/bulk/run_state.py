"""State of a running bulk action: what is done, what is in flight, and the result so far."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult, BulkAction
from airflow_provider_engagevoice.ringcx.bulk.checkpoint import Checkpoint, CheckpointStore
from airflow_provider_engagevoice.ringcx.bulk.report import UnprocessedIdsReport
from airflow_provider_engagevoice.ringcx.bulk.summary import RunSummary
from airflow_provider_engagevoice.ringcx.leads.selection import Chunks

log = logging.getLogger(__name__)


@dataclass
class RunState:
    """Checkpoint, result and report of one run. Every change of the checkpoint is saved at once.

    :param action: the action.
    :param chunks: its chunks.
    :param result: the counts so far.
    :param store: keeps the checkpoint.
    :param checkpoint: the checkpoint. It is replaced, never changed: an exception that Airflow raises in the
        middle of a change leaves the one before.
    :param report: the report of unprocessed ids; None if there is none.
    """

    action: BulkAction
    chunks: Chunks
    result: ActionResult
    store: CheckpointStore
    checkpoint: Checkpoint = field(default_factory=lambda: Checkpoint(""))
    report: UnprocessedIdsReport | None = field(default=None, init=False)

    @property
    def params(self) -> Mapping[str, Any]:
        """The ``paramMap`` of the next request."""
        return {**self.action.params, **self.checkpoint.params}

    @property
    def is_retry_safe(self) -> bool:
        """Whether the next request may be retried if its outcome is unknown."""
        return self.action.spec.is_retry_safe(self.params)

    @property
    def has_chunks_left(self) -> bool:
        """Whether any chunk has no outcome yet."""
        return bool(self.checkpoint.pending) or self.checkpoint.next < len(self.chunks)

    @property
    def summary(self) -> RunSummary:
        """The log messages and errors of the end."""
        return RunSummary(self.action, self.chunks, self.checkpoint, self.result, self.store.is_durable)

    def chunks_to_do(self) -> Iterator[int]:
        """Yield the numbers of the chunks without an outcome, rejected ones first, and mark them started."""
        yield from [*self.checkpoint.rejected, *self.checkpoint.pending]
        while (number := self.checkpoint.next) < len(self.chunks):
            # Not saved before its request: a chunk that was started is not different until then.
            pending = [*self.checkpoint.pending, number]
            self.checkpoint = replace(self.checkpoint, next=number + 1, pending=pending)
            yield number

    def set_in_flight(self, number: int, matched: int) -> None:
        """Save that the request of a chunk is about to be sent.

        :param number: the chunk.
        :param matched: number of its leads.
        """
        self.save(in_flight={**self.checkpoint.in_flight, number: matched})

    def set_not_in_flight(self, number: int) -> None:
        """Save that the request of a chunk has certainly not been applied."""
        if number in self.checkpoint.in_flight:
            self.save(in_flight=_without_key(self.checkpoint.in_flight, number))

    def retry(self, number: int) -> None:
        """Send a chunk again that was in flight in an earlier attempt. Saved before the next request."""
        in_flight = _without_key(self.checkpoint.in_flight, number)
        self.checkpoint = replace(self.checkpoint, in_flight=in_flight)

    def set_outcome_reported(self, number: int) -> None:
        """Save that ``OutcomeUnknown`` is raised for a chunk in flight."""
        self.save(outcome_reported=sorted({*self.checkpoint.outcome_reported, number}))

    def complete(self, number: int) -> None:
        """Save that RingCX accepted a chunk, or that none of its leads matched."""
        self._set_outcome(number, rejected=_without(self.checkpoint.rejected, number))

    def reject(self, number: int) -> None:
        """Save that RingCX rejected a chunk; nothing was changed."""
        self._set_outcome(number, rejected=sorted({*self.checkpoint.rejected, number}))

    def skip(self, number: int) -> None:
        """Save that a chunk is skipped because its outcome is unknown."""
        matched = self.checkpoint.in_flight[number]
        self.result["leads_unknown"] = self.result.get("leads_unknown", 0) + matched
        self.result["leads_matched"] += matched
        self._set_outcome(
            number,
            rejected=_without(self.checkpoint.rejected, number),
            skipped=[*self.checkpoint.skipped, number],
        )

    def save(self, **changes: Any) -> None:
        """Change fields of the checkpoint and save it with the result so far."""
        self.checkpoint = replace(self.checkpoint, counts=dict(self.result), **changes)
        self.store.save(self.checkpoint.to_json())

    def _set_outcome(self, number: int, **changes: Any) -> None:
        """Save that a chunk has an outcome."""
        checkpoint = self.checkpoint
        self.save(
            pending=_without(checkpoint.pending, number),
            in_flight=_without_key(checkpoint.in_flight, number),
            outcome_reported=_without(checkpoint.outcome_reported, number),
            report_bytes=self.report.size() if self.report is not None else 0,
            **changes,
        )

    def open_report(self) -> None:
        """Open the report, with what earlier attempts have written about complete chunks."""
        if self.action.selection.invalid_ids is not None:
            self.result["ids_invalid"] = len(self.action.selection.invalid_ids)
        if self.action.report is None or self.checkpoint.finished:
            return
        self.result.setdefault("ids_not_found", 0)
        self.report = UnprocessedIdsReport(
            self.action.report, self.checkpoint.fingerprint, self.checkpoint.report_bytes
        )
        if not self.report.complete:
            log.warning("The report of the previous attempt is missing; the report covers this attempt only")

    def close_report(self) -> None:
        """Finish the report, with the ids of the chunks that are rejected or skipped by now."""
        if self.report is None:
            return
        self.report.add(self.action.selection.invalid_ids or (), "invalid")
        for number in self.checkpoint.rejected:
            self.report.add(self.chunks.ids_in(number), "rejected")
        for number in self.checkpoint.skipped:
            self.report.add(self.chunks.ids_in(number), "unknown")
        self.report.close()


def _without(numbers: list[int], number: int) -> list[int]:
    return [each for each in numbers if each != number]


def _without_key(in_flight: Mapping[int, int], number: int) -> dict[int, int]:
    return {each: matched for each, matched in in_flight.items() if each != number}
