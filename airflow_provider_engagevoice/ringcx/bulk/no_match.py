"""Likely causes if none of the leads that an action was to change matches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from airflow_provider_engagevoice.ringcx.campaigns import CampaignService
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, counted
from airflow_provider_engagevoice.ringcx.leads.identifiers import same_identifier
from airflow_provider_engagevoice.ringcx.leads.near_misses import explain_no_match, near_misses
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Chunks, Selection

#: Number of ids whose near misses are looked for.
_SAMPLE = 20
#: Most leads that are read for that.
_MAX_ROWS = 1000
_FIELDS = {"externIds": "externId", "leadIds": "leadId", "leadPhoneNumbers": "leadPhone"}


@dataclass(frozen=True)
class NoMatchExplainer:
    """Finds out why no lead matches, with three requests at most and without a lead's data in the result.

    :param leads: counts and searches leads.
    :param campaigns: looks up campaigns.
    """

    leads: LeadSearch
    campaigns: CampaignService

    def explain(self, chunks: Chunks) -> str:
        """Return the likely causes.

        :param chunks: the selection that matches no lead.
        :return: sentences without a full stop at the end; empty if nothing is known.
        """
        with suppress(EngageVoiceError):
            for cause in (self._unknown_campaigns(chunks), self._other_criteria(chunks)):
                if cause:
                    return cause
            if cause := self._near_misses(chunks):
                return cause
        return explain_no_match(chunks.ids, chunks.key) if chunks.key else ""

    def _unknown_campaigns(self, chunks: Chunks) -> str:
        wanted = chunks.whole.body.get("campaignIds", ())
        if not wanted:
            return ""
        known = {each["campaign_id"] for each in self.campaigns.load_index(self.leads.account_id).campaigns}
        unknown = [str(campaign_id) for campaign_id in wanted if campaign_id not in known]
        if not unknown:
            return ""
        campaigns = f"campaign {unknown[0]}" if len(unknown) == 1 else f"campaigns {', '.join(unknown)}"
        return f"Check the campaign ids: account {self.leads.account_id} has no {campaigns}"

    def _other_criteria(self, chunks: Chunks) -> str:
        if chunks.key is None or not chunks.whole.body.keys() - {chunks.key}:
            return ""
        ids = chunks.ids_in(0)
        found = self.leads.count(Selection({chunks.key: ids}))
        if not found:
            return ""
        return (
            f"Check the other criteria: {counted(found, 'lead')} of the account can be found by the first "
            f"{len(ids):,} {chunks.key} alone"
        )

    def _near_misses(self, chunks: Chunks) -> str:
        key = chunks.key
        if key not in ("externIds", "leadPhoneNumbers"):
            return ""
        differences: dict[str, str] = {}
        for value in islice(chunks.ids, _SAMPLE):
            differences |= near_misses(key, value)
        if not differences:
            return ""
        rows = islice(self.leads.search(Selection({key: list(differences)})), _MAX_ROWS)
        found = Counter(how for row in rows for how in set(_differences(key, row, differences)))
        if not found:
            return ""
        how, leads = found.most_common(1)[0]
        return f"Correct the {key}: for {counted(leads, 'lead')}, they differ {how} only"


def _differences(key: str, row: Mapping[str, Any], differences: Mapping[str, str]) -> Iterator[str]:
    """Yield how the identifiers of a lead differ from those that were looked for."""
    values = str(row.get(_FIELDS[key]) or "")
    for value in values.split("|") if key == "leadPhoneNumbers" else [values]:
        for variant, how in differences.items():
            if variant == value or (
                key == "leadPhoneNumbers" and same_identifier(key, variant) == same_identifier(key, value)
            ):
                yield how
