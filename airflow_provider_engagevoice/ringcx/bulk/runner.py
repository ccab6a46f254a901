"""One action being done, request by request: counted, sent, noted, so that it can be gone on with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Protocol

from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult, BulkAction
from airflow_provider_engagevoice.ringcx.bulk.checkpoint import (
    Checkpoint,
    CheckpointStore,
    NullCheckpointStore,
    action_fingerprint,
    generated_params,
    resume,
)
from airflow_provider_engagevoice.ringcx.bulk.prefetch import LeadCounter
from airflow_provider_engagevoice.ringcx.bulk.progress import ProgressLogger
from airflow_provider_engagevoice.ringcx.bulk.reconcile import MoveReconciler
from airflow_provider_engagevoice.ringcx.bulk.report import UnprocessedIdsReport, find_unmatched_ids
from airflow_provider_engagevoice.ringcx.bulk.summary import RunSummary
from airflow_provider_engagevoice.ringcx.bulk.verification import Verifier
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.exceptions import (
    ActionRejected,
    EngageVoiceError,
    InvalidRequest,
    OutcomeUnknown,
    ServiceUnavailable,
)
from airflow_provider_engagevoice.ringcx.leads.moves import NewListTracker, is_new_list
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Chunks, Selection
from airflow_provider_engagevoice.ringcx.observers import AttemptObserver

log = logging.getLogger(__name__)

#: How often a list that a move has made is looked for, and the seconds between.
_LOOKS = 4
_LOOK_PAUSE = 1.0


class Send(Protocol):
    """Sends one request of an action, and adds up its counts."""

    def __call__(
        self, chunk: Selection, params: Mapping[str, Any], observer: AttemptObserver | None = None
    ) -> None:
        """Send it.

        :param part: the leads.
        :param params: the ``paramMap``.
        :param watch: is told of each try.
        """


@dataclass
class BulkRunner:
    """One action on its way through its requests.

    Every request is noted in the journal before it is sent and after its outcome is known. What another try
    of the task finds there decides:

    - Nothing: nothing has been begun, or, where the journal may have been lost (``CheckpointStore.complete``) and
      an earlier try failed, nobody knows; then only a repeatable action starts.
    - Another fingerprint: the input has changed. It starts afresh.
    - No request begun: it goes on with the first one that has no outcome, and with those rejected.
    - A request begun: it is repeated where that is safe; a move out of its campaigns is looked up; any other
      one ends the task with ``OutcomeUnknown``. Once somebody was told so and clears the task, that request
      is left out, and the task goes on after it.
    - Finished: where Airflow itself runs the task again, there is nothing left to do. Where a person cleared
      the task, it starts afresh.

    :param act: the action.
    :param counting: its requests, and how many leads each is for.
    :param send: sends one request.
    :param summary: what has been done; filled on the way.
    :param make_list: gives the list that a move is to make, from the lists that were there before it (None:
        those that are there now); itself None where it makes none.
    :param journal: keeps the progress.
    :param stop: set where the task is to end.
    """

    act: BulkAction
    counting: LeadCounter
    send: Send
    summary: ActionResult
    make_list: Callable[[list[int] | None], NewListTracker] | None = None
    journal: CheckpointStore = field(default_factory=NullCheckpointStore)
    stop: CancelToken = field(default_factory=CancelToken)
    _new_list: NewListTracker | None = field(default=None, init=False)
    _report: UnprocessedIdsReport | None = field(default=None, init=False)
    _print: str | None = field(default=None, init=False)

    def go(self) -> Mapping[str, Any]:
        """Send all requests that are not done yet.

        :return: the parameters of the last one, with the id of the list that a move has made.
        :raises Stopped: where the task is to end; nothing is under way then.
        """
        self.record = Checkpoint("")
        try:
            self._begin()
            if not self.record.finished:
                self._do_all()
        except EngageVoiceError as error:
            raise self._outcome.error_from_response(error) from None
        except BaseException:
            # Airflow 2 stops a task by raising an exception in it.
            log.error("%s", self._outcome.how_far())
            raise
        finally:
            self.counting.close()
            self._close_report()
        self._outcome.tell()
        return self._params

    @property
    def leads(self) -> LeadSearch:
        """What counts and searches leads."""
        return self.counting.leads

    @property
    def _chunks(self) -> Chunks:
        return self.counting.chunks

    @property
    def _outcome(self) -> RunSummary:
        return RunSummary(self.act, self._chunks, self.record, self.summary, self.journal.keeps)

    @property
    def _params(self) -> Mapping[str, Any]:
        """The ``paramMap`` of the next request."""
        return {**self.act.params, **self.record.params}

    def _begin(self) -> None:
        """Start, or go on where an earlier try ended, if it was the same action."""
        if not self._resume():
            self.record = Checkpoint(self._fingerprint(), params=generated_params(self.act))
            if self.make_list is not None:
                self._new_list = self.make_list(None)
                self.record.older = sorted(self._new_list.older)
        if self.act.report is not None and not self.record.finished:
            self.summary.setdefault("ids_not_found", 0)
            name = self.record.fingerprint or self._fingerprint()
            self._report = UnprocessedIdsReport(self.act.report, name, self.record.reported)
            if not self._report.complete:
                log.warning("The report of the earlier try is not here; it tells of the rest only")
        if self.record.begun is not None:
            self._settle_begun(self.record.begun)
        if not self.record.finished:
            self._fill_list()

    def _do_all(self) -> None:
        chunks, record = self._chunks, self.record
        before = sum(map(chunks.size_in, record.again))
        done = min(record.next * (chunks.size or 0), len(chunks.ids)) - before
        progress = ProgressLogger(self.act.action.name, len(chunks.ids), len(chunks), done)
        for index, following in self._todo():
            self.stop.check()
            self._attempt(index, following)
            progress.add(chunks.size_in(index))
        if self.act.on_rejected != "fail":
            self.summary["ids_rejected"] = self._outcome.ids_rejected
        if self.act.verify:
            rejected = set(record.again)
            verification = Verifier(self.act.action, self._params, self.leads, self._repeat, self.stop.sleep)
            verification.go(chunks, [index for index in range(len(chunks)) if index not in rejected])
        self._outcome.check_rejected()
        self._note(finished=True)

    def _todo(self) -> Iterator[tuple[int, int | None]]:
        """Give the number of each request that is not done yet, those rejected before first, and the next."""
        numbers = [*self.record.again, *range(self.record.next, len(self._chunks))]
        return zip_longest(numbers, numbers[1:])

    def _attempt(self, index: int, following: int | None) -> None:
        """Do one request; where RingCX rejects it, that has changed nothing."""
        try:
            self._do(index, following)
        except (ActionRejected, InvalidRequest) as error:
            again = self.record.again
            self._ended(index, again=again if index in again else [*again, index])
            if self.act.on_rejected == "fail":
                raise
            log.warning("Request %d of %d: %s", index + 1, len(self._chunks), error)
            return
        self._fill_list()

    def _do(self, index: int, following: int | None) -> None:
        """Count the leads of one request, send it, note how it ended."""
        chunk = self._chunks[index]
        matched = self.counting.of(index)
        # Now, since afterwards leads that are deleted or moved could not be told from those never found.
        missing = self._missing(index, chunk, matched)
        if matched or not self.act.action.needs_leads:
            try:
                self.send(chunk, self._params, _CheckpointObserver(self, index, matched, following))
            except OutcomeUnknown as error:
                self.summary["leads_updated"] += self._settle(chunk, error)
            except EngageVoiceError:
                # It surely changed nothing, or the error would say that nobody knows.
                if self.record.begun is not None:
                    self._note(begun=None)
                raise
        self.summary["leads_matched"] += matched
        if self._report is not None:
            self._report.add(missing, "not_found")
            self.summary["ids_not_found"] += len(missing)
        self._ended(index, again=[each for each in self.record.again if each != index])

    def _settle(self, chunk: Selection, error: OutcomeUnknown) -> int:
        """Look up what the request that was begun has done, or note that somebody is told of it."""
        try:
            return self._lost(chunk).settle(error)
        except OutcomeUnknown:
            self._note(told=True)
            raise

    def _ended(self, index: int, again: list[int]) -> None:
        """Note that a request has an outcome."""
        reported = self._report.size() if self._report is not None else 0
        following = max(self.record.next, index + 1)
        self._note(next=following, again=again, begun=None, told=False, reported=reported)

    def _missing(self, index: int, chunk: Selection, matched: int) -> list[Any]:
        """Give the ids of a request that match no lead, where that is to be reported."""
        key = self._chunks.key
        if self._report is None or key is None:
            return []
        return find_unmatched_ids(self.leads, chunk, key, self._chunks.ids_in(index), matched)

    def _repeat(self, chunk: Selection, params: Mapping[str, Any]) -> None:
        """Send a request for leads that were not reached; where it is rejected, they are counted again."""
        try:
            self.send(chunk, params)
        except (ActionRejected, InvalidRequest) as error:
            if self.act.on_rejected == "fail":
                raise
            log.warning("%s", error)

    def _fill_list(self) -> None:
        """Send the rest into the list that the first request made."""
        if self._new_list is None or not is_new_list(self._params) or not self.summary["requests"]:
            return
        for look in range(_LOOKS):
            if self._look_for_list() or not self.summary["leads_updated"]:
                return
            if self.record.next == len(self._chunks):
                return
            if look + 1 < _LOOKS:
                self.stop.sleep(_LOOK_PAUSE)
        # Another list would be made of each of the requests to come.
        raise ServiceUnavailable(
            f"{self.act.action.name}: RingCX does not show the list that the first request made"
        )

    def _look_for_list(self) -> bool:
        """Tell whether the list that a move makes is there; then the next requests go into it."""
        filled = self._new_list.fill(self._params) if self._new_list is not None else self._params
        if is_new_list(filled):
            return False
        self.record.params["LIST_ID"] = filled["LIST_ID"]
        return True

    def _close_report(self) -> None:
        """Put the report in its place, with the ids that are rejected by now."""
        if self._report is None:
            return
        for index in self.record.again:
            self._report.add(self._chunks.ids_in(index), "rejected")
        self._report.close()

    def _lost(self, chunk: Selection) -> MoveReconciler:
        return MoveReconciler(
            self.leads, self.act.action, chunk, self._params, self.record.matched, self._new_list
        )

    def _note(self, **changes: Any) -> None:
        """Write down how far it has come."""
        for name, value in changes.items():
            setattr(self.record, name, value)
        self.record.counts = dict(self.summary)
        self.journal.write(dict(vars(self.record)))

    def _resume(self) -> bool:
        """Take over the record of an earlier try; tell whether there is one of the same action."""
        record = resume(self.journal, self.act, len(self._chunks), self._fingerprint)
        if record is None:
            return False
        self.record = record
        self.summary.update(record.counts)  # type: ignore[typeddict-item]
        if self.make_list is not None and record.older is not None:
            self._new_list = self.make_list(record.older)
        return True

    def _settle_begun(self, index: int) -> None:
        """Decide about a request that an earlier try was broken off in."""
        name, number, of = self.act.action.name, index + 1, len(self._chunks)
        chunk = self._chunks[index]
        # Where Airflow itself runs the task again, it died before it could tell anybody.
        told = self.record.told and not self.journal.retried
        repeatable = self.act.action.is_retry_safe(self._params)
        if repeatable or (not told and self._lost(chunk).is_undone()):
            if is_new_list(self._params):
                self._look_for_list()
            self.record.begun = None
            return
        if told:
            log.warning(
                "%s: request %d of %d is left out, since nobody knows whether it was done", name, number, of
            )
        else:
            # Its list, if it made one, is looked for from now on.
            self.summary["requests"] += not self.record.told
            self.summary["leads_updated"] += self._settle(
                chunk,
                OutcomeUnknown(
                    f"An earlier try of this task was broken off in request {number} of {of} of {name}, "
                    "which may have been done and must not be done twice. Look at its leads, then run the "
                    "task again: it goes on after that request"
                ),
            )
        self.summary["leads_matched"] += self.record.matched
        self._ended(index, again=[each for each in self.record.again if each != index])

    def _fingerprint(self) -> str:
        if self._print is None:
            needed = not isinstance(self.journal, NullCheckpointStore) or self.act.report is not None
            self._print = action_fingerprint(self.act, self._chunks, self.leads.account_id) if needed else ""
        return self._print


@dataclass(frozen=True)
class _CheckpointObserver:
    """Notes the tries of one request.

    :param run: what it is part of.
    :param index: its number.
    :param matched: how many leads it is for.
    :param following: the request after it.
    """

    run: BulkRunner
    index: int
    matched: int
    following: int | None

    def on_attempt(self) -> None:
        """Note it, and count the next one. Not sooner: what only waits has surely done nothing."""
        self.run._note(begun=self.index, matched=self.matched)
        self.run.counting.begin(self.following)

    def on_not_applied(self) -> None:
        """Note that it is not under way."""
        if self.run.record.begun is not None:
            self.run._note(begun=None)
