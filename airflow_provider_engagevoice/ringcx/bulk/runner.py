"""Runs a bulk action chunk by chunk and saves checkpoints, so that a retry can resume."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.action import (
    DEFAULT_IN_FLIGHT,
    ONE_PER_LEAD,
    ActionResult,
    BulkAction,
    in_flight_limit,
)
from airflow_provider_engagevoice.ringcx.bulk.action_request import ActionSender
from airflow_provider_engagevoice.ringcx.bulk.checkpoint import (
    Checkpoint,
    CheckpointStore,
    NullCheckpointStore,
    load_checkpoint,
)
from airflow_provider_engagevoice.ringcx.bulk.chunk_processor import ChunkProcessor
from airflow_provider_engagevoice.ringcx.bulk.digests import action_fingerprint, input_digests
from airflow_provider_engagevoice.ringcx.bulk.new_list import NewListUser
from airflow_provider_engagevoice.ringcx.bulk.pipeline import Pipeline
from airflow_provider_engagevoice.ringcx.bulk.progress import ProgressLogger
from airflow_provider_engagevoice.ringcx.bulk.recovery import InFlightRecovery
from airflow_provider_engagevoice.ringcx.bulk.report import find_matched_ids
from airflow_provider_engagevoice.ringcx.bulk.run_state import RunState
from airflow_provider_engagevoice.ringcx.bulk.verification import SelectedLeads, Verifier
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.exceptions import (
    ActionRejected,
    EngageVoiceError,
    InvalidRequest,
    OutcomeUnknown,
    TooManyLeads,
    counted,
)
from airflow_provider_engagevoice.ringcx.leads.moves import NewListTracker
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Chunks, Selection
from airflow_provider_engagevoice.ringcx.steps import Enter, Steps

log = logging.getLogger(__name__)


@dataclass
class BulkRunner:
    """Runs one bulk action.

    A checkpoint is saved before each request and after its outcome is known. An attempt of the task does what
    the checkpoint of the previous attempt calls for:

    - No checkpoint: no request was sent, or the checkpoint may be lost
      (``CheckpointStore.absence_means_not_started`` is False). In the second case a retry starts only if the
      action is retry-safe.
    - Another fingerprint: the input changed. If a request may have been applied, an automatic retry of an
      action that is not retry-safe ends with ``OutcomeUnknown``. Otherwise the action starts from the
      beginning.
    - No chunk in flight: the action resumes with the rejected chunks and those without an outcome.
    - Chunks in flight: each is retried if the action is retry-safe. A move that empties its source is
      reconciled. For any other action the task ends with ``OutcomeUnknown``; if a person clears the task
      after that error was raised, these chunks are skipped and the action resumes after them.
    - Finished: a retry by Airflow has nothing left to do. If a person cleared the task, the action starts
      from the beginning.

    :param action: the action.
    :param chunks: its chunks.
    :param leads: counts and searches leads.
    :param sender: sends one request and adds its counts to the result.
    :param result: the result, updated while the action runs.
    :param make_list: returns the tracker of the list that a move makes, from the lists that the target had
        before (None: those it has now); None if the action makes no list.
    :param checkpoints: keeps the checkpoint.
    :param cancel_token: cancels the action between two requests.
    :param host: base URL of RingCX.
    """

    action: BulkAction
    chunks: Chunks
    leads: LeadSearch
    sender: ActionSender
    result: ActionResult
    make_list: Callable[[list[int] | None], NewListTracker] | None = None
    checkpoints: CheckpointStore = field(default_factory=NullCheckpointStore)
    cancel_token: CancelToken = field(default_factory=CancelToken)
    host: str = ""
    _state: RunState = field(init=False)
    _new_list: NewListUser = field(init=False)
    _processor: ChunkProcessor = field(init=False)

    def run(self) -> Mapping[str, Any]:
        """Send all chunks that have no outcome yet.

        :return: the parameters of the last request, with the id of the list that a move has made.
        :raises Cancelled: if the task was cancelled; no request is in flight then.
        """
        state = self._state = RunState(self.action, self.chunks, self.result, self.checkpoints)
        try:
            self._start()
            if not state.checkpoint.finished:
                self._run_chunks()
        except EngageVoiceError as error:
            raise state.summary.to_error(error) from None
        except BaseException:
            # Airflow 2 stops a task by raising an exception in it.
            log.error("%s", state.summary.describe())
            raise
        finally:
            state.close_report()
        state.summary.log()
        return state.params

    def _start(self) -> None:
        """Start the action, or resume from the checkpoint of an earlier attempt."""
        state = self._state
        tracker = self._load_checkpoint()
        state.open_report()
        self._new_list = NewListUser(state, tracker, self.cancel_token)
        self._processor = ChunkProcessor(state, self.leads, self.sender, self._new_list)
        InFlightRecovery(self._processor).run()
        if not state.checkpoint.finished:
            self._new_list.find()

    def _load_checkpoint(self) -> NewListTracker | None:
        """Load the checkpoint of an earlier attempt, or make one; return the tracker of the new list."""
        state = self._state
        digests = self._digests()
        checkpoint = load_checkpoint(self.checkpoints, self.action, len(self.chunks), digests)
        if checkpoint is not None:
            state.checkpoint = checkpoint
            # The numbers of the chunks are those of the earlier attempt.
            state.chunks = replace(self.chunks, size=checkpoint.chunk_size)
            self.result.update(checkpoint.counts)  # type: ignore[typeddict-item]
            lists = checkpoint.previous_list_ids
            return None if self.make_list is None or lists is None else self.make_list(lists)
        tracker = self.make_list(None) if self.make_list is not None else None
        state.checkpoint = Checkpoint(
            action_fingerprint(digests),
            digests,
            self.action.name,
            self.action.is_retry_safe,
            self.chunks.size,
            params=self.action.generated_params,
            previous_list_ids=sorted(tracker.previous_list_ids) if tracker is not None else None,
        )
        return tracker

    def _digests(self) -> dict[str, str]:
        """Return the digests of the input; none if nothing needs them."""
        if isinstance(self.checkpoints, NullCheckpointStore) and self.action.report is None:
            return {}
        return input_digests(self.action, self.chunks, self.host, self.leads.account_id)

    def _run_chunks(self) -> None:
        state = self._state
        selected = self._find_selected() if self.action.verify else SelectedLeads(0)
        self._process_chunks()
        if self.action.on_rejected != "fail":
            self.result["ids_rejected"] = state.summary.ids_rejected
        if self.action.verify:
            self._verify(selected)
        state.summary.raise_for_rejected()
        state.save(finished=True)

    def _process_chunks(self) -> None:
        state = self._state
        todo = state.chunks_to_do()
        progress = self._progress()
        # Until the list that a move makes is known, each request would make another one.
        while self._new_list.is_missing and (number := next(todo, None)) is not None:
            Pipeline(self.cancel_token, 1, 1).run([self._processor.process(number, progress)])
            self._new_list.find()
        limit = self._in_flight_limit
        # Twice as many, to count the leads of the next chunks meanwhile.
        active = 2 * limit if state.chunks.key in ONE_PER_LEAD else 1
        work = (self._processor.process(number, progress) for number in todo)
        try:
            Pipeline(self.cancel_token, limit, active).run(work)
        except OutcomeUnknown as error:
            raise state.summary.name_chunks(error) from None

    @property
    def _in_flight_limit(self) -> int:
        return in_flight_limit(self.action, self._state.is_retry_safe, self._state.chunks.key)

    def _run_work(self, work: Iterable[Steps[None]]) -> None:
        """Run searches, counts and requests of the action that do not depend on each other."""
        Pipeline(self.cancel_token, self._in_flight_limit, DEFAULT_IN_FLIGHT).run(work)

    def _progress(self) -> ProgressLogger:
        chunks, checkpoint = self._state.chunks, self._state.checkpoint
        done = sum(map(chunks.size_in, range(checkpoint.next)))
        done -= sum(map(chunks.size_in, [*checkpoint.rejected, *checkpoint.pending]))
        return ProgressLogger(self.action.name, len(chunks.ids), len(chunks), done)

    def _find_selected(self) -> SelectedLeads:
        """Search for the leads of all chunks before the first request; the dialer can take some meanwhile.

        :raises TooManyLeads: if more leads match by now than ``max_leads``.
        """
        state = self._state
        selected = SelectedLeads(self.action.chunk_size)
        numbers = [*state.checkpoint.rejected, *state.checkpoint.pending]
        numbers += range(state.checkpoint.next, len(state.chunks))
        self._run_work(selected.record_steps(number, state.chunks[number], self.leads) for number in numbers)
        most = self.action.max_leads
        if most is not None and self.result["leads_matched"] + len(selected) > most:
            raise TooManyLeads(
                f"{counted(len(selected), 'lead')} match by now, more than max_leads={most}; nothing "
                "was changed in this attempt"
            )
        return selected

    def _verify(self, selected: SelectedLeads) -> None:
        """Verify the chunks that RingCX accepted."""
        state = self._state
        verifier = Verifier(
            self.action.spec,
            state.params,
            self.leads,
            self._resend,
            self._run_work,
            self.cancel_token.sleep,
            self._report_not_done if state.report is not None else None,
        )
        rejected = set(state.checkpoint.rejected)
        verifier.run(selected, state.chunks, (n for n in range(len(state.chunks)) if n not in rejected))

    def _resend(self, chunk: Selection, params: Mapping[str, Any]) -> Steps[None]:
        """Send the leads again that verification found; if RingCX rejects them, they are counted again."""
        yield Enter()
        try:
            yield from self.sender.send(chunk, params)
        except (ActionRejected, InvalidRequest) as error:
            if self.action.on_rejected == "fail":
                raise
            log.warning("%s", error)

    def _report_not_done(self, number: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """Report leads of a chunk that verification found; a retry verifies and reports them again."""
        chunks, report = self._state.chunks, self._state.report
        if report is not None:
            report.add(find_matched_ids(rows, chunks.key, chunks.ids_in(number)), "not_done")
