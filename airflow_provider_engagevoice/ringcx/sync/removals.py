"""Removes the leads of a plan that are still as they were when it was made."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult
from airflow_provider_engagevoice.ringcx.bulk.action_request import ActionSender
from airflow_provider_engagevoice.ringcx.bulk.pipeline import Pipeline
from airflow_provider_engagevoice.ringcx.bulk.progress import ProgressLogger
from airflow_provider_engagevoice.ringcx.campaigns import CampaignService
from airflow_provider_engagevoice.ringcx.defaults import CHUNK_SIZE
from airflow_provider_engagevoice.ringcx.endpoints import RequestStepsFn
from airflow_provider_engagevoice.ringcx.exceptions import VerificationFailed, counted
from airflow_provider_engagevoice.ringcx.leads.moves import MovePlan
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.loading.lead_load import DEFAULT_IN_FLIGHT
from airflow_provider_engagevoice.ringcx.loading.load_reconciler import WAITS
from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS
from airflow_provider_engagevoice.ringcx.steps import Enter, Steps, run
from airflow_provider_engagevoice.ringcx.sync.diff import REMOVE
from airflow_provider_engagevoice.ringcx.sync.lead_states import (
    PROTECTED_STATES,
    is_dialled,
    is_removed,
    not_removed_states,
    removable_states,
)
from airflow_provider_engagevoice.ringcx.sync.live_leads import LiveLeads
from airflow_provider_engagevoice.ringcx.sync.options import ACTION_OF_REMOVAL
from airflow_provider_engagevoice.ringcx.sync.planned_work import PlannedLead, PlannedWork

log = logging.getLogger(__name__)

#: Leads of one search. RingCX allows fewer searches than actions.
_SEARCH_SIZE = 2 * CHUNK_SIZE


@dataclass
class LeadRemover:
    """Removes leads, each as a step of a pipeline.

    Repeating a removal changes nothing: the leads are selected by their ids, in their campaign, and in states
    in which they may be removed.

    :param request_steps: sends a request: method, path and keyword arguments.
    :param live: looks up leads.
    :param work: the plan.
    :param removal: how leads are removed: a key of ``ACTION_OF_REMOVAL``.
    :param result: counts of the requests.
    :param move: target of a move; None if leads are not moved.
    :param campaigns: reads the lists of the target of a move.
    :param check: called before each request; raises if the plan must not be applied any more.
    """

    request_steps: RequestStepsFn
    live: LiveLeads
    work: PlannedWork
    removal: str
    result: ActionResult
    move: MovePlan | None
    campaigns: CampaignService
    check: Callable[[], object]

    def run(self) -> None:
        """Remove the leads, then look up whether they are removed.

        :raises VerificationFailed: if leads are not removed after the last wait.
        """
        total = self.work.count(REMOVE)
        if not total:
            return
        progress = ProgressLogger(f"Removing ({self.removal})", total, 1, noun="lead")
        chunks = self.work.leads(REMOVE, _SEARCH_SIZE)
        token = self.live.search.cancel_token
        if self.move is not None and self.move.list_id is None:
            # Alone: the first request creates the list that the others use.
            for chunk in chunks:
                run(self._remove(chunk, progress), token.sleep)
                if self.move.list_id is not None:
                    break
        work = (self._remove(chunk, progress) for chunk in chunks)
        Pipeline(token, DEFAULT_IN_FLIGHT, 2 * DEFAULT_IN_FLIGHT).run(work)
        self._verify()

    def _remove(self, leads: Sequence[PlannedLead], progress: ProgressLogger) -> Steps[None]:
        rows = yield from self.live.find(leads)
        todo = [lead for lead in leads if self._is_to_do(lead, rows)]
        todo = yield from self._without_lost(todo)
        if todo:
            yield Enter()
        for start in range(0, len(todo), CHUNK_SIZE):
            self.check()
            chunk = todo[start : start + CHUNK_SIZE]
            yield from self._send([lead.lead_id for lead in chunk])
            self.work.record(chunk, "sent")
        progress.add(len(leads))

    def _without_lost(self, leads: list[PlannedLead]) -> Steps[list[PlannedLead]]:
        """Record the duplicates whose other lead is not dialled any more; return the other leads."""
        kept = {
            lead.kept_id: replace(lead, lead_id=lead.kept_id) for lead in leads if lead.kept_id is not None
        }
        if not kept:
            return leads
        rows = yield from self.live.find(kept.values())
        dialled = {lead_id for lead_id, row in rows.items() if row is not None and is_dialled(row)}
        lost = [lead for lead in leads if lead.kept_id in kept.keys() - dialled]
        self.work.record(lost, "left_alone", "other_lead_gone")
        return [lead for lead in leads if lead not in lost]

    def _is_to_do(self, lead: PlannedLead, rows: Mapping[int, Mapping[str, Any] | None]) -> bool:
        """Return whether a lead is still as planned; record what is done with it otherwise."""
        row = rows.get(lead.lead_id)
        if lead.lead_id not in rows:
            # For a deletion or a move, as the earlier attempt that has done it would report.
            self.work.record([lead], "removed" if self._leaves_campaign else "left_alone", "not_here")
        elif row is None:
            self.work.record([lead], "left_alone", "other_external_id")
        elif self._is_removed(row):
            # By an earlier attempt or by a user, which RingCX does not show.
            self.work.record([lead], "removed", "found_so")
        else:
            return self._is_removable(lead, row)
        return False

    def _is_removable(self, lead: PlannedLead, row: Mapping[str, Any]) -> bool:
        """Return whether a lead is in a state in which it may be removed; record it otherwise."""
        state = str(row.get("leadState"))
        if state in PROTECTED_STATES:
            self.work.record([lead], "held_back", state)
        elif state not in removable_states(self.removal):
            self.work.record([lead], "left_alone", state)
        else:
            return True
        return False

    @property
    def _leaves_campaign(self) -> bool:
        """Whether removed leads are not in the campaign any more."""
        return self.removal in ("delete", "move")

    def _send(self, lead_ids: Sequence[int]) -> Steps[None]:
        spec = ACTIONS[ACTION_OF_REMOVAL[self.removal]]
        # Safe to retry even into a new list: a lead that has been moved is not in the campaign any more.
        sender = ActionSender(
            self.request_steps, self.live.search.account_id, replace(spec, unsafe_params={}), self.result
        )
        # The states again: RingCX must not change a lead that was taken since the search.
        selection = self.live.selection(lead_ids, removable_states(self.removal))
        yield from sender.send(selection, self._params())
        if self.move is not None and self.move.list_id is None:
            self.move = find_list(self.campaigns, self.move)

    def _params(self) -> Mapping[str, Any]:
        return {} if self.move is None else self.move.params(False, "MOVE")

    def _is_removed(self, row: Mapping[str, Any]) -> bool:
        return is_removed(self.removal, row.get("leadState"), suppressed=row.get("suppressed") is True)

    def _verify(self) -> None:
        """Record what became of the leads that were sent; wait while RingCX does not show it."""
        for wait in (0.0, *WAITS):
            self.live.search.cancel_token.sleep(wait)
            remaining = self._record_removed()
            if not remaining:
                return
        raise VerificationFailed(
            f"Run the task again: RingCX shows {counted(remaining, 'lead')} as not removed after "
            f"{ACTION_OF_REMOVAL[self.removal]}, or not yet"
        )

    def _record_removed(self) -> int:
        """Look up the leads that were sent; return how many are not removed."""
        remaining = 0

        def look_up(leads: Sequence[PlannedLead]) -> Steps[None]:
            nonlocal remaining
            if not (yield from self.live.search.count_steps(self._not_removed(leads))):
                self.work.record(leads, "removed")
                return
            rows = yield from self.live.find(leads)
            for lead in leads:
                row = rows.get(lead.lead_id)
                if row is None or self._is_removed(row):
                    self.work.record([lead], "removed")
                elif self._is_removable(lead, row):
                    remaining += 1

        work = map(look_up, self.work.sent(CHUNK_SIZE))
        Pipeline(self.live.search.cancel_token, 1, DEFAULT_IN_FLIGHT).run(work)
        return remaining

    def _not_removed(self, leads: Sequence[PlannedLead]) -> Selection:
        """Return those of some leads that were sent and are not removed. RingCX allows more counts."""
        states = not_removed_states(self.removal)
        selection = self.live.selection([lead.lead_id for lead in leads], states)
        if self.removal == "suppress":
            return Selection({**selection.body, "suppressed": "ONLY_UNSUPPRESSED"})
        return selection


def find_list(campaigns: CampaignService, move: MovePlan) -> MovePlan:
    """Return a move into the list that an earlier request of it has created, if there is one.

    :param campaigns: reads the lists.
    :param move: the move.
    """
    found = [each["list_id"] for each in campaigns.lists(move.target) if each["list_name"] == move.list_name]
    return replace(move, list_id=max(found)) if found else move
