"""Looks up the leads of a plan again, right before they are changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch, check_campaign, lead_id_of
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.spec.lead_fields import KEY_FIELD
from airflow_provider_engagevoice.ringcx.steps import Steps
from airflow_provider_engagevoice.ringcx.sync.diff import key_hash
from airflow_provider_engagevoice.ringcx.sync.planned_work import PlannedLead


@dataclass(frozen=True)
class LiveLeads:
    """Leads of one campaign, as they are now.

    :param search: searches leads.
    :param campaign_id: the campaign.
    :param normalize: changes external ids before they are compared.
    """

    search: LeadSearch
    campaign_id: int
    normalize: Callable[[str], str]

    def find(self, leads: Iterable[PlannedLead]) -> Steps[dict[int, Mapping[str, Any] | None]]:
        """Find leads that are still in the campaign.

        :param leads: the leads.
        :return: RingCX's rows by lead id; None for a lead that has another external id now.
        :raises UnexpectedResponse: if RingCX returns leads of another campaign.
        """
        keys = {lead.lead_id: lead.key for lead in leads}
        found: dict[int, Mapping[str, Any] | None] = {}

        def add(row: Mapping[str, Any]) -> None:
            check_campaign(row, [self.campaign_id])
            lead_id = lead_id_of(row)
            is_same = keys.get(lead_id) == key_hash(self.normalize(str(row.get(KEY_FIELD))))
            found[lead_id] = row if is_same else None

        yield from self.search.search_steps(self.selection(keys), add)
        return found

    def selection(self, lead_ids: Iterable[int], states: Iterable[str] = ()) -> Selection:
        """Return a selection of leads of the campaign.

        :param lead_ids: the leads.
        :param states: the states in which they are selected; empty for any.
        """
        body: dict[str, Any] = {"campaignIds": [self.campaign_id], "leadIds": list(lead_ids)}
        return Selection({**body, "leadStates": sorted(states)} if states else body)
