"""Verification of a bulk action: counts the leads that are not in the expected state."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.progress import with_progress
from airflow_provider_engagevoice.ringcx.exceptions import VerificationFailed, counted
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Chunks, Selection
from airflow_provider_engagevoice.ringcx.spec.enums import LEAD_STATES
from airflow_provider_engagevoice.ringcx.spec.lead_actions import HELD_STATES, Action, SuccessCriterion

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


@dataclass(frozen=True)
class Verifier:
    """Verifies an action after its last chunk.

    :param spec: the action.
    :param params: its ``paramMap``.
    :param leads: counts leads.
    :param send: sends one request of the action.
    :param sleep: sleeps; raises if the task is cancelled.
    """

    spec: Action
    params: Mapping[str, Any]
    leads: LeadSearch
    send: Callable[[Selection, Mapping[str, Any]], None]
    sleep: Callable[[float], object]

    def run(self, chunks: Chunks, completed: Iterable[int]) -> None:
        """Count the remaining leads, and retry the action for them if it is retry-safe.

        :param chunks: all chunks.
        :param completed: numbers of the chunks that RingCX accepted.
        :raises VerificationFailed: if leads remain after the last round.
        """
        criterion = self.spec.success
        if criterion is None:
            return
        remaining = dict.fromkeys(completed, 1)
        retry_safe = self.spec.is_retry_safe(self.params)
        for number in range(1, ROUNDS + 1):
            remaining = self._count_remaining(criterion, chunks, remaining)
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
                    self._retry(criterion, chunks, remaining)
                self.sleep(_FIRST_PAUSE * 2 ** (number - 1))
        raise VerificationFailed(
            f"Retry the task later: {counted(sum(remaining.values()), 'lead')} still not in the expected "
            f"state after {ROUNDS} checks of {self.spec.name}; the dialer may hold them, as during a call"
        )

    def _count_remaining(
        self, criterion: SuccessCriterion, chunks: Chunks, numbers: Collection[int]
    ) -> dict[int, int]:
        """Return the number of remaining leads of each chunk that has any."""
        counts = {
            number: self.leads.count(remaining_selection(criterion, chunks[number], HELD_STATES))
            for number in with_progress(f"Verifying {self.spec.name}", chunks, numbers)
        }
        return {number: count for number, count in counts.items() if count}

    def _retry(self, criterion: SuccessCriterion, chunks: Chunks, numbers: Iterable[int]) -> None:
        for number in numbers:
            # Leads on a call are counted, but changed only if they were selected.
            chunk = remaining_selection(criterion, chunks[number], HELD_STATES[:1])
            if not chunk.empty_reason:
                self.send(chunk, self.params)
