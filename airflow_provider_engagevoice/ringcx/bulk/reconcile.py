"""Reconciliation of a move whose outcome is unknown."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, OutcomeUnknown
from airflow_provider_engagevoice.ringcx.leads.moves import NewListTracker, is_new_list
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.spec.lead_actions import Action

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MoveReconciler:
    """Finds out whether an ambiguous request was applied, which is possible for moves into a new list.

    :param leads: counts leads.
    :param spec: the action.
    :param chunk: the leads of the request.
    :param params: its ``paramMap``.
    :param matched: number of leads that matched before the request.
    :param new_list: the list that the request was to make; None if it is not a move into a new list.
    """

    leads: LeadSearch
    spec: Action
    chunk: Selection
    params: Mapping[str, Any]
    matched: int
    new_list: NewListTracker | None

    def has_unmoved_leads(self) -> bool:
        """Return whether some leads have certainly not been moved, so that a retry may move them.

        :return: True if the request moves all leads out of the campaigns they are selected from, and some
            are still there. Leads that were moved are not selected again.
        :raises EngageVoiceError: if the leads cannot be counted.
        """
        return self._empties_its_source() and self.leads.count(self.chunk) > 0

    def _empties_its_source(self) -> bool:
        sources = self.chunk.body.get("campaignIds", ())
        return bool(
            self.new_list is not None
            and sources
            and self.spec.is_reconcilable(self.params)
            and self.params["CAMPAIGN_ID"] not in sources
        )

    def reconcile(self, error: OutcomeUnknown) -> int:
        """Return how many leads an ambiguous request moved.

        :param error: raised if the outcome stays unknown.
        :return: the number of leads that were moved.
        :raises OutcomeUnknown: if counts do not show it: the request is not a move into a new list, or
            copies, or moves within the campaigns that it selects from; or if some leads are still in the
            source.
        """
        if self.new_list is None or not self._empties_its_source():
            raise error
        try:
            unmoved = self.leads.count(self.chunk)
            # Leads can leave a selection by a change of state as well, so the new list must show them.
            moved = 0 if unmoved else self._count_in_list(self.new_list.resolve(self.params))
        except EngageVoiceError:
            raise error from None
        if unmoved or moved < self.matched:
            raise OutcomeUnknown(
                f"{error} ({unmoved} of {self.matched} leads are still in the source, {moved} in the new "
                "list)",
                status=error.status,
                request=error.request,
            ) from None
        log.warning(
            "No response to the move, but all %d leads are in the new list: the move was applied",
            self.matched,
        )
        return self.matched

    def _count_in_list(self, params: Mapping[str, Any]) -> int:
        """Return the number of leads in the list of a move; 0 if it made no list."""
        if is_new_list(params):
            return 0
        campaign = params["CAMPAIGN_ID"]
        body = {"campaignId": campaign, "campaignIds": [campaign], "listIds": [params["LIST_ID"]]}
        return self.leads.count(Selection(body))
