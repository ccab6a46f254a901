"""Campaigns that a bulk action has changed, as far as its selection and its result show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult, BulkAction

#: Actions that change no lead.
_UNCHANGING = frozenset({"EMAIL_LEADS", "DIALER_REFRESH"})
#: Counts of an ActionResult of leads that were changed, or may have been.
_COUNTS = ("leads_updated", "leads_deleted", "redials_deleted", "leads_unknown")


@dataclass(frozen=True)
class CampaignChanges:
    """Changes that a bulk action has made.

    :param account_id: the sub-account.
    :param counts: numbers of changed leads, over all campaigns.
    :param dry_run: whether the action only counted leads.
    :param changed: campaigns whose leads were changed; of several, it is not known which.
    :param sources: campaigns that leads were moved, copied or e-mailed from.
    :param target: campaign that leads were moved or copied to; None if the action is no move.
    :param facts: what the action was, for an event: names and ids, no lead's data.
    """

    account_id: str
    counts: Mapping[str, int] = field(default_factory=dict)
    dry_run: bool = False
    changed: tuple[int, ...] = ()
    sources: tuple[int, ...] = ()
    target: int | None = None
    facts: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def leads(self) -> int:
        """Number of leads that RingCX reports as changed."""
        return self.counts.get("leads_updated", 0) + self.counts.get("leads_deleted", 0)


def campaign_changes(action: BulkAction, result: ActionResult | Mapping[str, Any]) -> CampaignChanges:
    """Return what an action has changed, without a request.

    Campaigns are known if the criteria or the arguments name them. If the leads are selected by list or id
    alone, only the target of a move is known.

    :param action: the action.
    :param result: its result.
    :return: the changes.
    """
    named = tuple(dict.fromkeys(int(each) for each in action.selection.body.get("campaignIds", ())))
    account_id, dry_run = str(result["account_id"]), bool(result["dry_run"])
    if action.name in _UNCHANGING:
        sources = named if action.name == "EMAIL_LEADS" else ()
        return CampaignChanges(account_id, dry_run=dry_run, sources=sources)
    counts = {name: int(result[name]) for name in _COUNTS if name in result}  # type: ignore[literal-required]
    facts: dict[str, str | int] = {"lead_action": action.name}
    if "CAMPAIGN_ID" not in action.params:
        if len(named) > 1:
            facts["campaigns"] = len(named)
        return CampaignChanges(account_id, counts, dry_run, changed=named, facts=facts)
    target = int(action.params["CAMPAIGN_ID"])
    sources = tuple(each for each in named if each != target)
    is_copy = str(action.params.get("CREATE_COPY_SETTING")) == "true"
    facts["target_campaign_id"] = target
    if len(sources) == 1:
        facts["source_campaign_id"] = sources[0]
    changed = (target,) if is_copy else (*sources, target)
    return CampaignChanges(account_id, counts, dry_run, changed, sources, target, facts)
