"""Runs a bulk action chunk by chunk and saves checkpoints, so that a retry can resume."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any, Protocol

from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult, BulkAction
from airflow_provider_engagevoice.ringcx.bulk.checkpoint import (
    Checkpoint,
    CheckpointStore,
    NullCheckpointStore,
    load_checkpoint,
)
from airflow_provider_engagevoice.ringcx.bulk.digests import action_fingerprint, input_digests
from airflow_provider_engagevoice.ringcx.bulk.prefetch import LeadCounter
from airflow_provider_engagevoice.ringcx.bulk.progress import ProgressLogger
from airflow_provider_engagevoice.ringcx.bulk.reconcile import MoveReconciler
from airflow_provider_engagevoice.ringcx.bulk.report import (
    UnprocessedIdsReport,
    find_matched_ids,
    find_unmatched_ids,
)
from airflow_provider_engagevoice.ringcx.bulk.summary import RunSummary
from airflow_provider_engagevoice.ringcx.bulk.verification import SelectedLeads, Verifier
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.exceptions import (
    ActionRejected,
    EngageVoiceError,
    InvalidRequest,
    OutcomeUnknown,
    ServiceUnavailable,
    TooManyLeads,
    counted,
)
from airflow_provider_engagevoice.ringcx.leads.moves import NewListTracker, is_new_list
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Chunks, Selection
from airflow_provider_engagevoice.ringcx.observers import AttemptObserver

log = logging.getLogger(__name__)

#: How often the list that a move has made is looked for, and the pause in seconds between two look-ups.
_LIST_LOOKUPS = 4
_LIST_LOOKUP_PAUSE = 1.0


class SendChunk(Protocol):
    """Sends one request of an action and adds its counts to the result."""

    def __call__(
        self, chunk: Selection, params: Mapping[str, Any], observer: AttemptObserver | None = None
    ) -> None:
        """Send the request.

        :param chunk: the leads.
        :param params: the ``paramMap``.
        :param observer: notified of each attempt.
        """


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
    - No chunk in flight: the action resumes with the rejected chunks and the first chunk without an outcome.
    - A chunk in flight: it is retried if the action is retry-safe. A move that empties its source is
      reconciled. For any other action the task ends with ``OutcomeUnknown``; if a person clears the task
      after that error was raised, the chunk is skipped and the action resumes after it.
    - Finished: a retry by Airflow has nothing left to do. If a person cleared the task, the action starts
      from the beginning.

    :param action: the action.
    :param counter: its chunks, and the number of leads of each.
    :param send: sends one request.
    :param result: the result, updated while the action runs.
    :param make_list: returns the tracker of the list that a move makes, from the lists that the target had
        before (None: those it has now); None if the action makes no list.
    :param checkpoints: keeps the checkpoint.
    :param cancel_token: cancels the action between two requests.
    :param host: base URL of RingCX.
    """

    action: BulkAction
    counter: LeadCounter
    send: SendChunk
    result: ActionResult
    make_list: Callable[[list[int] | None], NewListTracker] | None = None
    checkpoints: CheckpointStore = field(default_factory=NullCheckpointStore)
    cancel_token: CancelToken = field(default_factory=CancelToken)
    host: str = ""
    _new_list: NewListTracker | None = field(default=None, init=False)
    _report: UnprocessedIdsReport | None = field(default=None, init=False)
    _selected: SelectedLeads = field(init=False)

    def __post_init__(self) -> None:
        self._selected = SelectedLeads(self.action.chunk_size)

    def run(self) -> Mapping[str, Any]:
        """Send all chunks that have no outcome yet.

        :return: the parameters of the last request, with the id of the list that a move has made.
        :raises Cancelled: if the task was cancelled; no request is in flight then.
        """
        self.checkpoint = Checkpoint("")
        try:
            self._start()
            if not self.checkpoint.finished:
                self._run_chunks()
        except EngageVoiceError as error:
            raise self._summary.to_error(error) from None
        except BaseException:
            # Airflow 2 stops a task by raising an exception in it.
            log.error("%s", self._summary.describe())
            raise
        finally:
            self.counter.close()
            self._close_report()
        self._summary.log()
        return self._params

    @property
    def leads(self) -> LeadSearch:
        """Counts and searches leads."""
        return self.counter.leads

    @property
    def _chunks(self) -> Chunks:
        return self.counter.chunks

    @property
    def _summary(self) -> RunSummary:
        return RunSummary(
            self.action, self._chunks, self.checkpoint, self.result, self.checkpoints.is_durable
        )

    @property
    def _params(self) -> Mapping[str, Any]:
        """The ``paramMap`` of the next request."""
        return {**self.action.params, **self.checkpoint.params}

    def _start(self) -> None:
        """Start the action, or resume from the checkpoint of an earlier attempt."""
        digests = self._digests()
        if not self._resume(digests):
            self.checkpoint = Checkpoint(
                action_fingerprint(digests),
                digests,
                self.action.name,
                self.action.is_retry_safe,
                self._chunks.size,
                params=self.action.generated_params,
            )
            if self.make_list is not None:
                self._new_list = self.make_list(None)
                self.checkpoint.previous_list_ids = sorted(self._new_list.previous_list_ids)
        if self.action.selection.invalid_ids is not None:
            self.result["ids_invalid"] = len(self.action.selection.invalid_ids)
        if self.action.report is not None and not self.checkpoint.finished:
            self._open_report(self.action.report)
        if self.checkpoint.in_flight is not None:
            self._settle_in_flight(self.checkpoint.in_flight)
        if not self.checkpoint.finished:
            self._find_new_list()

    def _resume(self, digests: Mapping[str, str]) -> bool:
        """Load the checkpoint of an earlier attempt; return whether there is one."""
        checkpoint = load_checkpoint(self.checkpoints, self.action, len(self._chunks), digests)
        if checkpoint is None:
            return False
        self.checkpoint = checkpoint
        # The numbers of the chunks are those of the earlier attempt.
        self.counter.chunks = replace(self._chunks, size=checkpoint.chunk_size)
        self.result.update(checkpoint.counts)  # type: ignore[typeddict-item]
        if self.make_list is not None and checkpoint.previous_list_ids is not None:
            self._new_list = self.make_list(checkpoint.previous_list_ids)
        return True

    def _run_chunks(self) -> None:
        chunks, checkpoint = self._chunks, self.checkpoint
        done = sum(map(chunks.size_in, range(checkpoint.next)))
        done -= sum(map(chunks.size_in, checkpoint.rejected))
        progress = ProgressLogger(self.action.name, len(chunks.ids), len(chunks), done)
        if self.action.verify:
            self._record_selected()
        for number, following in self._pending_chunks():
            self.cancel_token.raise_if_cancelled()
            self._process(number, following)
            progress.add(chunks.size_in(number))
        if self.action.on_rejected != "fail":
            self.result["ids_rejected"] = self._summary.ids_rejected
        if self.action.verify:
            rejected = set(checkpoint.rejected)
            accepted = [number for number in range(len(chunks)) if number not in rejected]
            sleep = self.cancel_token.sleep
            report = self._report_not_done if self._report is not None else None
            verifier = Verifier(self.action.spec, self._params, self.leads, self._resend, sleep, report)
            verifier.run(self._selected, chunks, accepted)
        self._summary.raise_for_rejected()
        self._save_checkpoint(finished=True)

    def _record_selected(self) -> None:
        """Search for the leads of all chunks before the first request; the dialer can take some meanwhile.

        :raises TooManyLeads: if more leads match by now than ``max_leads``.
        """
        for number, _ in self._pending_chunks():
            self._selected.record(number, self.leads.search(self._chunks[number]))
        most = self.action.max_leads
        if most is not None and self.result["leads_matched"] + len(self._selected) > most:
            raise TooManyLeads(
                f"{counted(len(self._selected), 'lead')} match by now, more than max_leads={most}; nothing "
                "was changed in this attempt"
            )

    def _pending_chunks(self) -> Iterator[tuple[int, int | None]]:
        """Iterate over the chunks without an outcome, rejected ones first, each with its successor."""
        numbers = [*self.checkpoint.rejected, *range(self.checkpoint.next, len(self._chunks))]
        return zip_longest(numbers, numbers[1:])

    def _process(self, number: int, following: int | None) -> None:
        """Execute one chunk; if RingCX rejects it, nothing was changed."""
        try:
            self._execute_chunk(number, following)
        except (ActionRejected, InvalidRequest) as error:
            rejected = self.checkpoint.rejected
            self._complete(number, rejected=rejected if number in rejected else [*rejected, number])
            if self.action.on_rejected == "fail":
                raise
            log.warning("Chunk %d of %d: %s", number + 1, len(self._chunks), error)
            return
        self._find_new_list()

    def _execute_chunk(self, number: int, following: int | None) -> None:
        """Count the leads of one chunk, send it, save its outcome."""
        chunk = self._chunks[number]
        matched = self.counter.count(number)
        # Before the request: afterwards, the ids of deleted or moved leads match nothing either.
        unmatched = self._unmatched_ids(number, chunk, matched)
        if matched or not self.action.spec.needs_leads:
            try:
                self.send(chunk, self._params, _CheckpointObserver(self, number, matched, following))
            except OutcomeUnknown as error:
                self.result["leads_updated"] += self._reconcile(chunk, error)
            except EngageVoiceError:
                # The request was not applied; otherwise the error would be OutcomeUnknown.
                if self.checkpoint.in_flight is not None:
                    self._save_checkpoint(in_flight=None)
                raise
        self.result["leads_matched"] += matched
        if self._report is not None:
            self._report.add(unmatched, "not_found")
            self.result["ids_not_found"] += len(unmatched)
        self._complete(number, rejected=self._rejected_without(number))

    def _reconcile(self, chunk: Selection, error: OutcomeUnknown) -> int:
        """Return how many leads the request in flight changed; raise if that stays unknown."""
        try:
            return self._reconciler(chunk).reconcile(error)
        except OutcomeUnknown as unknown:
            # If Airflow ended the task during the request, a person may not have read the error.
            if not error.interrupted:
                self._save_checkpoint(outcome_reported=True)
            raise unknown

    def _complete(self, number: int, rejected: list[int]) -> None:
        """Save that a chunk has an outcome."""
        self._save_checkpoint(
            next=max(self.checkpoint.next, number + 1),
            rejected=rejected,
            in_flight=None,
            outcome_reported=False,
            report_bytes=self._report.size() if self._report is not None else 0,
        )

    def _rejected_without(self, number: int) -> list[int]:
        return [each for each in self.checkpoint.rejected if each != number]

    def _unmatched_ids(self, number: int, chunk: Selection, matched: int) -> list[Any]:
        """Return the ids of a chunk that match no lead, if there is a report."""
        key = self._chunks.key
        if self._report is None or key is None:
            return []
        return find_unmatched_ids(self.leads, chunk, key, self._chunks.ids_in(number), matched)

    def _report_not_done(self, number: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """Report leads of a chunk that verification found; a retry verifies and reports them again."""
        if self._report is not None:
            self._report.add(
                find_matched_ids(rows, self._chunks.key, self._chunks.ids_in(number)), "not_done"
            )

    def _resend(self, chunk: Selection, params: Mapping[str, Any]) -> None:
        """Send the leads again that verification found; if RingCX rejects them, they are counted again."""
        try:
            self.send(chunk, params)
        except (ActionRejected, InvalidRequest) as error:
            if self.action.on_rejected == "fail":
                raise
            log.warning("%s", error)

    def _find_new_list(self) -> None:
        """Make the following requests of a move use the list that the first one made."""
        if self._new_list is None or not is_new_list(self._params) or not self.result["requests"]:
            return
        for lookup in range(_LIST_LOOKUPS):
            if self._use_new_list() or not self.result["leads_updated"]:
                return
            if self.checkpoint.next == len(self._chunks):
                return
            if lookup + 1 < _LIST_LOOKUPS:
                self.cancel_token.sleep(_LIST_LOOKUP_PAUSE)
        # Each of the following requests would make another list.
        raise ServiceUnavailable(
            f"{self.action.name}: RingCX does not show the list that the first request made"
        )

    def _use_new_list(self) -> bool:
        """Return whether the new list of a move exists; if so, the following requests use it."""
        params = self._new_list.resolve(self._params) if self._new_list is not None else self._params
        if is_new_list(params):
            return False
        self.checkpoint.params["LIST_ID"] = params["LIST_ID"]
        return True

    def _open_report(self, path: Any) -> None:
        self.result.setdefault("ids_not_found", 0)
        self._report = UnprocessedIdsReport(path, self.checkpoint.fingerprint, self.checkpoint.report_bytes)
        if not self._report.complete:
            log.warning("The report of the previous attempt is missing; the report covers this attempt only")

    def _close_report(self) -> None:
        """Finish the report, with the ids of the chunks that are rejected or skipped by now."""
        if self._report is None:
            return
        self._report.add(self.action.selection.invalid_ids or (), "invalid")
        for number in self.checkpoint.rejected:
            self._report.add(self._chunks.ids_in(number), "rejected")
        for number in self.checkpoint.skipped:
            self._report.add(self._chunks.ids_in(number), "unknown")
        self._report.close()

    def _reconciler(self, chunk: Selection) -> MoveReconciler:
        return MoveReconciler(
            self.leads, self.action.spec, chunk, self._params, self.checkpoint.matched, self._new_list
        )

    def _save_checkpoint(self, **changes: Any) -> None:
        """Change fields of the checkpoint and save it."""
        for name, value in changes.items():
            setattr(self.checkpoint, name, value)
        self.checkpoint.counts = dict(self.result)
        self.checkpoints.save(dict(vars(self.checkpoint)))

    def _settle_in_flight(self, number: int) -> None:
        """Decide what to do about the chunk that was in flight when an earlier attempt ended."""
        chunk = self._chunks[number]
        # In a retry by Airflow the previous attempt died before a person could see its error.
        reported = self.checkpoint.outcome_reported and not self.checkpoints.is_retry
        retry_safe = self.action.spec.is_retry_safe(self._params)
        if retry_safe or (not reported and self._reconciler(chunk).has_unmoved_leads()):
            if is_new_list(self._params):
                self._use_new_list()
            self.checkpoint.in_flight = None
            return
        position = f"chunk {number + 1} of {len(self._chunks)}"
        if reported:
            log.warning("%s: skipping %s: its outcome is unknown", self.action.name, position)
            self.checkpoint.skipped = [*self.checkpoint.skipped, number]
            self.result["leads_unknown"] = self.result.get("leads_unknown", 0) + self.checkpoint.matched
        else:
            # The list that the request may have made is looked for from here on.
            self.result["requests"] += not self.checkpoint.outcome_reported
            self.result["leads_updated"] += self._reconcile(
                chunk,
                OutcomeUnknown(
                    f"A previous attempt was interrupted in {position} of {self.action.name}, which may have "
                    "been applied and is not safe to retry. Check its leads, then clear the task: it resumes "
                    "after that chunk"
                ),
            )
        self.result["leads_matched"] += self.checkpoint.matched
        self._complete(number, rejected=self._rejected_without(number))

    def _digests(self) -> dict[str, str]:
        """Return the digests of the input; none if nothing needs them."""
        if isinstance(self.checkpoints, NullCheckpointStore) and self.action.report is None:
            return {}
        return input_digests(self.action, self._chunks, self.host, self.leads.account_id)


@dataclass(frozen=True)
class _CheckpointObserver:
    """Saves a checkpoint for each attempt of one request.

    :param runner: runs the action.
    :param number: number of the chunk.
    :param matched: number of its leads.
    :param following: number of the next chunk; None if it is the last.
    """

    runner: BulkRunner
    number: int
    matched: int
    following: int | None

    def on_attempt(self) -> None:
        """Save that the chunk is in flight, and start to count the leads of the next one.

        Not earlier: a request that still waits for its slot has certainly not been applied.
        """
        self.runner._save_checkpoint(in_flight=self.number, matched=self.matched)
        self.runner.counter.prefetch(self.following)

    def on_not_applied(self) -> None:
        """Save that the chunk is not in flight."""
        if self.runner.checkpoint.in_flight is not None:
            self.runner._save_checkpoint(in_flight=None)
