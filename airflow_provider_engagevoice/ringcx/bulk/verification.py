"""Looking whether an action has reached all its leads, and repeating it for those it has not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.progress import each
from airflow_provider_engagevoice.ringcx.exceptions import VerificationFailed
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Chunks, Selection
from airflow_provider_engagevoice.ringcx.spec.enums import LEAD_STATES
from airflow_provider_engagevoice.ringcx.spec.lead_actions import HELD, Action, SuccessCriterion

log = logging.getLogger(__name__)

ROUNDS = 5
"""Most times that all is counted."""

_FIRST_PAUSE = 2.0


def remaining_selection(done: SuccessCriterion, selection: Selection, held: tuple[str, ...]) -> Selection:
    """Select the leads of a selection that an action has not reached.

    A lead that the dialer took meanwhile is not READY any more, but is still meant where READY is.

    :param done: how to tell.
    :param selection: the leads that were acted on.
    :param held: states in which the dialer may hold leads that were READY.
    :return: what is left of it.
    """
    body = dict(selection.body)
    states = body.get("leadStates")
    if states and "READY" in states:
        states = list(dict.fromkeys([*states, *held]))
    if done.state:
        states = [state for state in states or LEAD_STATES if state not in (done.state, *done.also_accept)]
        if not states:
            return Selection({}, f"all are {done.state}")
    if states:
        body["leadStates"] = states
    if done.remaining_filter and body.get("suppressed", done.remaining_filter) not in (
        done.remaining_filter,
        "ALL",
    ):
        return Selection({}, "none was selected that it would change")
    return Selection({**body, "suppressed": done.remaining_filter} if done.remaining_filter else body)


@dataclass(frozen=True)
class Verifier:
    """The check that follows an act.

    :param action: the action.
    :param params: its ``paramMap``.
    :param leads: counts leads.
    :param send: sends one request.
    :param sleep: waits, unless the task is to end.
    """

    action: Action
    params: Mapping[str, Any]
    leads: LeadSearch
    send: Callable[[Selection, Mapping[str, Any]], None]
    sleep: Callable[[float], object]

    def go(self, chunks: Chunks, done: Iterable[int]) -> None:
        """Count what is left, and repeat the act for it where it may be repeated.

        :param parts: all requests.
        :param done: numbers of those that were done.
        :raises NotAllDone: where some leads are left after several rounds.
        """
        how = self.action.success
        if how is None:
            return
        left = dict.fromkeys(done, 1)
        repeatable = self.action.is_retry_safe(self.params)
        for number in range(1, ROUNDS + 1):
            left = self._left(how, chunks, left)
            if not left:
                log.info("%s: verified, no lead is left", self.action.name)
                return
            log.warning(
                "%s: %d leads are not done yet (round %d of %d)%s",
                self.action.name,
                sum(left.values()),
                number,
                ROUNDS,
                "" if number == ROUNDS else "; repeating" if repeatable else "; waiting",
            )
            if number < ROUNDS:
                if repeatable:
                    self._repeat(how, chunks, left)
                self.sleep(_FIRST_PAUSE * 2 ** (number - 1))
        raise VerificationFailed(
            f"{self.action.name}: {sum(left.values())} leads are still not in the state that it gives, after "
            f"{ROUNDS} rounds; the dialer may hold them"
        )

    def _left(self, how: SuccessCriterion, chunks: Chunks, among: Collection[int]) -> dict[int, int]:
        """Count the leads that the requests with these numbers have not reached, where there are any."""
        numbers = each(f"Verifying {self.action.name}", chunks, among)
        left = {index: self.leads.count(remaining_selection(how, chunks[index], HELD)) for index in numbers}
        return {index: count for index, count in left.items() if count}

    def _repeat(self, how: SuccessCriterion, chunks: Chunks, left: Iterable[int]) -> None:
        for index in left:
            # Leads that are on a call are counted, but not touched unless they were meant.
            chunk = remaining_selection(how, chunks[index], HELD[:1])
            if not chunk.empty:
                self.send(chunk, self.params)
