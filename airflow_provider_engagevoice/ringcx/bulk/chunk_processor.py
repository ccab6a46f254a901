"""One chunk of a bulk action: count its leads, send its request, save its outcome."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.action_request import ActionSender
from airflow_provider_engagevoice.ringcx.bulk.new_list import NewListUser
from airflow_provider_engagevoice.ringcx.bulk.progress import ProgressLogger
from airflow_provider_engagevoice.ringcx.bulk.reconcile import MoveReconciler
from airflow_provider_engagevoice.ringcx.bulk.report import find_unmatched_ids
from airflow_provider_engagevoice.ringcx.bulk.run_state import RunState
from airflow_provider_engagevoice.ringcx.exceptions import (
    ActionRejected,
    EngageVoiceError,
    InvalidRequest,
    OutcomeUnknown,
)
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.steps import Enter, Steps

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChunkProcessor:
    """Processes chunks, each as steps of a pipeline.

    :param state: state of the run.
    :param leads: counts and searches leads.
    :param sender: sends one request.
    :param new_list: the list that a move creates.
    """

    state: RunState
    leads: LeadSearch
    sender: ActionSender
    new_list: NewListUser

    def process(self, number: int, progress: ProgressLogger) -> Steps[None]:
        """Process one chunk; if RingCX rejects it, continue as ``on_rejected`` says.

        :param number: the chunk.
        :param progress: logs the progress.
        """
        try:
            yield from self._send(number)
        except (ActionRejected, InvalidRequest) as error:
            self.state.reject(number)
            if self.state.action.on_rejected == "fail":
                raise
            log.warning("Chunk %d of %d: %s", number + 1, len(self.state.chunks), error)
        progress.add(self.state.chunks.size_in(number))

    def reconcile(self, number: int, error: OutcomeUnknown) -> int:
        """Return how many leads a request in flight changed.

        :param number: its chunk.
        :param error: raised if that stays unknown.
        :raises OutcomeUnknown: if no count shows it.
        """
        try:
            return self.reconciler(number).reconcile(error)
        except OutcomeUnknown as unknown:
            # If Airflow ended the task during the request, a person may not have read the error.
            if not error.interrupted:
                self.state.set_outcome_reported(number)
            raise unknown

    def reconciler(self, number: int) -> MoveReconciler:
        """Return what finds out whether a request in flight was applied."""
        state, chunk = self.state, self.state.chunks[number]
        matched = state.checkpoint.in_flight[number]
        tracker = self.new_list.tracker
        return MoveReconciler(self.leads, state.action.spec, chunk, state.params, matched, tracker)

    def _send(self, number: int) -> Steps[None]:
        state, chunk = self.state, self.state.chunks[number]
        matched = yield from self.leads.count_steps(chunk)
        # Before the request: afterwards, the ids of deleted or moved leads match nothing either.
        unmatched = yield from self._unmatched_ids(number, chunk, matched)
        if matched or not state.action.spec.needs_leads:
            yield Enter()
            try:
                yield from self.sender.send(chunk, state.params, _InFlightObserver(state, number, matched))
            except OutcomeUnknown as error:
                state.result["leads_updated"] += self.reconcile(number, error)
            except EngageVoiceError:
                # The request was not applied; otherwise the error would be OutcomeUnknown.
                state.set_not_in_flight(number)
                raise
        state.result["leads_matched"] += matched
        if state.report is not None:
            state.report.add(unmatched, "not_found")
            state.result["ids_not_found"] += len(unmatched)
        state.complete(number)

    def _unmatched_ids(self, number: int, chunk: Selection, matched: int) -> Steps[list[Any]]:
        """Return the ids of a chunk that match no lead, if there is a report."""
        chunks = self.state.chunks
        if self.state.report is None or chunks.key is None:
            return []
        return (yield from find_unmatched_ids(self.leads, chunk, chunks.key, chunks.ids_in(number), matched))


@dataclass(frozen=True)
class _InFlightObserver:
    """Saves for each attempt of a request that its chunk is in flight.

    :param state: state of the run.
    :param number: the chunk.
    :param matched: number of its leads.
    """

    state: RunState
    number: int
    matched: int

    def on_attempt(self) -> None:
        # Not earlier: a request that still waits for its slot has certainly not been applied.
        self.state.set_in_flight(self.number, self.matched)

    def on_not_applied(self) -> None:
        self.state.set_not_in_flight(self.number)
