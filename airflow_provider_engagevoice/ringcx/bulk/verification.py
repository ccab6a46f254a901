"""Verification of a bulk action: counts the leads that are not in the expected state."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.progress import ProgressLogger
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, VerificationFailed, counted
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import IDENTITIES, Chunks, Selection
from airflow_provider_engagevoice.ringcx.spec.enums import LEAD_STATES
from airflow_provider_engagevoice.ringcx.spec.lead_actions import HELD_STATES, Action, SuccessCriterion
from airflow_provider_engagevoice.ringcx.steps import Steps

log = logging.getLogger(__name__)

ROUNDS = 5
"""Maximum number of times that the leads are counted."""

_FIRST_PAUSE = 2.0


def remaining_selection(
    criterion: SuccessCriterion, selection: Selection, held: tuple[str, ...]
) -> Selection:
    """Return the leads of a selection that are not in the state an action should have given them.

    A lead that the dialer took in the meantime is no longer READY, but still belongs to a selection of READY
    leads.

    :param criterion: the expected state or filter.
    :param selection: the leads that were acted on.
    :param held: states that READY leads may be in while the dialer holds them.
    :return: the remaining leads.
    """
    body = dict(selection.body)
    states = body.get("leadStates")
    if states and "READY" in states:
        states = list(dict.fromkeys([*states, *held]))
    if criterion.state:
        expected = (criterion.state, *criterion.also_accept)
        states = [state for state in states or LEAD_STATES if state not in expected]
        if not states:
            return Selection({}, f"all are {criterion.state}")
    if states:
        body["leadStates"] = states
    remaining = criterion.remaining_filter
    if remaining and body.get("suppressed", remaining) not in (remaining, "ALL"):
        return Selection({}, "the action changes none of the selected leads")
    return Selection({**body, "suppressed": remaining} if remaining else body)


class SelectedLeads:
    """The leads that the chunks of an action selected before it changed them.

    A selection by filters selects other leads later: those that have become READY meanwhile were never meant.

    :param size: most ids of leads in one request.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._ids: dict[int, array[int]] = {}

    def record_steps(self, number: int, chunk: Selection, leads: LeadSearch) -> Steps[None]:
        """Search for the leads of a chunk and record them.

        :param number: number of the chunk.
        :param chunk: the chunk.
        :param leads: searches leads.
        """
        ids = array("q")
        yield from leads.search_steps(chunk, lambda row: ids.append(row["leadId"]))
        self._ids[number] = ids

    def __len__(self) -> int:
        return sum(map(len, self._ids.values()))

    def parts(self, chunks: Chunks, numbers: Iterable[int]) -> Iterator[_Part]:
        """Split the recorded leads of chunks into selections.

        :param chunks: all chunks.
        :param numbers: numbers of the chunks. One without recorded leads, from an earlier attempt of the
            task, is yielded as a whole, to be counted only.
        """
        for number in numbers:
            if number not in self._ids:
                yield _Part(number, chunks[number], chunks.size_in(number), may_retry=False)
                continue
            body = chunks[number].body
            others = {key: value for key, value in body.items() if key not in IDENTITIES}
            ids = self._ids[number]
            for start in range(0, len(ids), self._size):
                selected = ids[start : start + self._size].tolist()
                yield _Part(number, Selection({**others, "leadIds": selected}), len(selected), may_retry=True)


@dataclass(frozen=True, eq=False)
class _Part:
    """Leads to verify.

    :param number: number of the chunk.
    :param selection: the leads.
    :param size: number of its ids.
    :param may_retry: the selection contains only leads that the action was meant for.
    """

    number: int
    selection: Selection
    size: int
    may_retry: bool


@dataclass(frozen=True)
class Verifier:
    """Verifies an action after its last chunk.

    :param spec: the action.
    :param params: its ``paramMap``.
    :param leads: counts leads.
    :param send: sends one request of the action.
    :param run_work: runs pieces of work, with several requests in flight.
    :param sleep: sleeps; raises if the task is cancelled.
    :param report: reports leads of a chunk that are still not in the expected state after the last round;
        None for no report.
    """

    spec: Action
    params: Mapping[str, Any]
    leads: LeadSearch
    send: Callable[[Selection, Mapping[str, Any]], Steps[None]]
    run_work: Callable[[Iterable[Steps[None]]], object]
    sleep: Callable[[float], object]
    report: Callable[[int, Iterable[Mapping[str, Any]]], None] | None = None

    def run(self, selected: SelectedLeads, chunks: Chunks, completed: Iterable[int]) -> None:
        """Count the remaining leads, and retry the action for them if it is retry-safe.

        :param selected: the leads of the chunks.
        :param chunks: all chunks.
        :param completed: numbers of the chunks that RingCX accepted.
        :raises VerificationFailed: if leads remain after the last round.
        """
        criterion = self.spec.success
        if criterion is None:
            return
        remaining = dict.fromkeys(selected.parts(chunks, completed), 1)
        retry_safe = self.spec.is_retry_safe(self.params)
        for number in range(1, ROUNDS + 1):
            remaining = self._count_remaining(criterion, remaining)
            if not remaining:
                log.info("%s: verified, all leads are in the expected state", self.spec.name)
                return
            log.warning(
                "%s: %s not in the expected state yet (check %d of %d)%s",
                self.spec.name,
                counted(sum(remaining.values()), "lead"),
                number,
                ROUNDS,
                "" if number == ROUNDS else "; retrying them" if retry_safe else "; waiting",
            )
            if number < ROUNDS:
                if retry_safe:
                    self._retry(criterion, remaining)
                self.sleep(_FIRST_PAUSE * 2 ** (number - 1))
        self._report(criterion, remaining)
        raise VerificationFailed(
            f"Retry the task later: {counted(sum(remaining.values()), 'lead')} still not in the expected "
            f"state after {ROUNDS} checks of {self.spec.name}; the dialer may hold them, as during a call"
        )

    def _count_remaining(self, criterion: SuccessCriterion, parts: Collection[_Part]) -> dict[_Part, int]:
        """Return the number of remaining leads of each part that has any."""
        progress = ProgressLogger(f"Verifying {self.spec.name}", sum(part.size for part in parts), len(parts))
        counts = dict.fromkeys(parts, 0)

        def count(part: _Part) -> Steps[None]:
            selection = remaining_selection(criterion, part.selection, HELD_STATES)
            counts[part] = yield from self.leads.count_steps(selection)
            progress.add(part.size)

        self.run_work(map(count, parts))
        return {part: count for part, count in counts.items() if count}

    def _report(self, criterion: SuccessCriterion, parts: Iterable[_Part]) -> None:
        if self.report is None:
            return
        by_chunk: dict[int, list[Selection]] = {}
        for part in parts:
            selection = remaining_selection(criterion, part.selection, HELD_STATES)
            by_chunk.setdefault(part.number, []).append(selection)
        try:
            for number, selections in by_chunk.items():
                self.report(number, chain.from_iterable(map(self.leads.search, selections)))
        except EngageVoiceError as error:
            # That leads remain is known, and matters more than which ones.
            log.warning("The report does not list all leads that are not in the expected state: %s", error)

    def _retry(self, criterion: SuccessCriterion, parts: Iterable[_Part]) -> None:
        # Leads on a call are counted, but changed only if they were selected.
        selections = [
            remaining_selection(criterion, part.selection, HELD_STATES[:1])
            for part in parts
            if part.may_retry
        ]
        self.run_work(
            self.send(selection, self.params) for selection in selections if not selection.empty_reason
        )
