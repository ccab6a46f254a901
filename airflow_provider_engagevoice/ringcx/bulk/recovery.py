"""Recovery of chunks that were in flight when an earlier attempt of the task ended."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from airflow_provider_engagevoice.ringcx.bulk.chunk_processor import ChunkProcessor
from airflow_provider_engagevoice.ringcx.exceptions import OutcomeUnknown

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InFlightRecovery:
    """Decides for each chunk whether it is retried, counted as applied, or skipped.

    :param processor: processes chunks of this attempt.
    """

    processor: ChunkProcessor

    def run(self) -> None:
        """Resolve all chunks in flight.

        :raises OutcomeUnknown: if the outcome of any of them stays unknown; the others are resolved then.
        """
        state, unknown = self.processor.state, []
        for number in sorted(state.checkpoint.in_flight):
            try:
                self._resolve(number)
            except OutcomeUnknown as error:
                unknown.append(error)
        if unknown:
            raise unknown[0] if len(unknown) == 1 else state.summary.name_chunks(unknown[0])

    def _resolve(self, number: int) -> None:
        processor, state = self.processor, self.processor.state
        was_reported = number in state.checkpoint.outcome_reported
        # In a retry by Airflow the previous attempt died before a person could see its error.
        is_skippable = was_reported and not state.store.is_retry
        if state.is_retry_safe or (not is_skippable and processor.reconciler(number).has_unmoved_leads()):
            if processor.new_list.is_missing:
                processor.new_list.use()
            state.retry(number)
        elif is_skippable:
            position = f"chunk {number + 1} of {len(state.chunks)}"
            log.warning("%s: skipping %s: its outcome is unknown", state.action.name, position)
            state.skip(number)
        else:
            matched = state.checkpoint.in_flight[number]
            # The list that the request may have made is looked for from here on.
            state.result["requests"] += not was_reported
            state.result["leads_updated"] += processor.reconcile(number, self._error(number))
            state.result["leads_matched"] += matched
            state.complete(number)

    def _error(self, number: int) -> OutcomeUnknown:
        state = self.processor.state
        return OutcomeUnknown(
            f"A previous attempt was interrupted in chunk {number + 1} of {len(state.chunks)} of "
            f"{state.action.name}, which may have been applied and is not safe to retry. Check its leads, "
            "then clear the task: it resumes after that chunk"
        )
