"""Looks up leads of a campaign by their external ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_engagevoice.ringcx.leads.coercion import parse_time
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch, check_campaign, lead_id_of
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.spec.lead_fields import KEY_FIELD
from airflow_provider_engagevoice.ringcx.steps import Steps

#: Difference that the clocks of this host and of RingCX may have.
_CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True)
class FoundLead:
    """A lead of the campaign.

    :param lead_id: its id.
    :param list_id: id of its list; None if RingCX does not show it.
    :param row: RingCX's row (contract, ``CampaignLeadSearchResultsView``).
    """

    lead_id: int
    list_id: int | None
    row: Mapping[str, Any]

    def is_loaded_since(self, since: datetime) -> bool:
        """Return whether the lead may have been loaded after a time; True if RingCX does not show when.

        :param since: the time, with its zone, by the clock of this host.
        """
        loaded = parse_time(self.row.get("loadedDts"))
        return loaded is None or loaded >= since - _CLOCK_TOLERANCE


def select_leads(
    found: Mapping[str, list[FoundLead]], is_wanted: Callable[[FoundLead], bool]
) -> dict[str, list[FoundLead]]:
    """Return some of the leads that were found.

    :param found: leads by external id.
    :param is_wanted: returns whether to keep a lead.
    :return: the leads that are kept by external id, for those that have any.
    """
    return {key: kept for key, leads in found.items() if (kept := [*filter(is_wanted, leads)])}


@dataclass(frozen=True)
class LeadLookup:
    """Finds leads of one campaign.

    :param leads: searches leads.
    :param campaign_id: the campaign.
    """

    leads: LeadSearch
    campaign_id: int

    def find(self, keys: Iterable[str]) -> Steps[dict[str, list[FoundLead]]]:
        """Find the leads with external ids. Ids are compared exactly, even if RingCX ignores case.

        :param keys: the external ids.
        :return: the leads by external id, for those that the campaign has.
        :raises UnexpectedResponse: if RingCX returns leads of another campaign.
        """
        found: dict[str, list[FoundLead]] = {key: [] for key in keys}

        def add(row: Mapping[str, Any]) -> None:
            check_campaign(row, [self.campaign_id])
            key = str(row.get(KEY_FIELD))
            if key in found:
                list_id = row.get("listId")
                found[key].append(
                    FoundLead(lead_id_of(row), list_id if isinstance(list_id, int) else None, row)
                )

        yield from self.leads.search_steps(self._selection(found), add)
        return {key: leads for key, leads in found.items() if leads}

    def count_in_lists(self, list_ids: list[int]) -> Steps[int]:
        """Return how many leads lists of the campaign have.

        :param list_ids: the lists.
        """
        return self.leads.count_steps(Selection({"campaignIds": [self.campaign_id], "listIds": list_ids}))

    def keys_in_list(self, list_id: int) -> Steps[set[str]]:
        """Return the external ids of the leads of a list.

        :param list_id: the list.
        """
        keys: set[str] = set()
        selection = Selection({"campaignIds": [self.campaign_id], "listIds": [list_id]})
        yield from self.leads.search_steps(selection, lambda row: keys.add(str(row.get(KEY_FIELD))))
        return keys

    def _selection(self, keys: Iterable[str]) -> Selection:
        return Selection({"campaignIds": [self.campaign_id], "externIds": list(keys)})
