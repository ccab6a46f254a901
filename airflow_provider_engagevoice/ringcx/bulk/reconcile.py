"""Looking up whether a move whose answer was lost has taken place."""

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
    """A request whose outcome nobody knows; that of a move into a new list can be looked up.

    :param leads: counts leads.
    :param action: the action.
    :param part: the leads it was for.
    :param params: its ``paramMap``.
    :param matched: how many leads there were.
    :param new_list: the list it was to make; None where it was no move into a new list.
    """

    leads: LeadSearch
    action: Action
    chunk: Selection
    params: Mapping[str, Any]
    matched: int
    new_list: NewListTracker | None

    def is_undone(self) -> bool:
        """Tell whether some leads have surely not been moved, so that a later try may move those.

        :return: True where it moves all leads out of the campaigns they are selected from, and some are
            still there. Moved ones are not selected again.
        :raises EngageVoiceError: where it cannot be looked up.
        """
        return self._leaves_its_source() and self.leads.count(self.chunk) > 0

    def _leaves_its_source(self) -> bool:
        sources = self.chunk.body.get("campaignIds", ())
        return bool(
            self.new_list is not None
            and sources
            and self.action.is_reconcilable(self.params)
            and self.params["CAMPAIGN_ID"] not in sources
        )

    def settle(self, error: OutcomeUnknown) -> int:
        """Look where the leads are.

        :param error: why nobody knows.
        :return: how many leads were moved.
        :raises OutcomeUnknown: where the leads cannot tell: the act is no move into a new list, or copies,
            or the leads would not have left the campaigns they are selected from, or some are still there.
        """
        if self.new_list is None or not self._leaves_its_source():
            raise error
        try:
            left = self.leads.count(self.chunk)
            # Leads may also leave a selection by their state, so the new list has to show them.
            arrived = 0 if left else self._arrived(self.new_list.fill(self.params))
        except EngageVoiceError:
            raise error from None
        if left or arrived < self.matched:
            raise OutcomeUnknown(
                f"{error} ({left} of {self.matched} leads are still in the source, {arrived} in the new "
                "list)",
                status=error.status,
                request=error.request,
            ) from None
        log.warning(
            "The answer to the move was lost, but all %d leads are in the new list: it was done", self.matched
        )
        return self.matched

    def _arrived(self, params: Mapping[str, Any]) -> int:
        """Count the leads in the list of a move; none where it made no list."""
        if is_new_list(params):
            return 0
        campaign = params["CAMPAIGN_ID"]
        body = {"campaignId": campaign, "campaignIds": [campaign], "listIds": [params["LIST_ID"]]}
        return self.leads.count(Selection(body))
