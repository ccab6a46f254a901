"""Plans of moves: target campaign, list and source campaign, with names resolved to ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.campaigns import (
    Campaign,
    CampaignService,
    matches_name_or_id,
    suggest_name,
)
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria, InvalidParameter, NotFound
from airflow_provider_engagevoice.ringcx.leads.coercion import type_name
from airflow_provider_engagevoice.ringcx.spec.lead_actions import COPY_SETTINGS, NEW_LIST


@dataclass(frozen=True)
class MovePlan:
    """A move with resolved names.

    :param target: the campaign to move to.
    :param source: the campaign to move from; None if only the criteria select the leads.
    :param list_id: the list to move to; None for a new one.
    :param list_name: the list's name.
    """

    target: Campaign
    source: Campaign | None
    list_id: int | None
    list_name: str

    def params(self, copy: bool | str, on_duplicate: str) -> dict[str, Any]:
        """Return the plan as RingCX's parameters. Source: guide, "Move Parameters".

        :param copy: False moves, True copies, ``"TRANSITION"`` copies and marks the leads.
        :param on_duplicate: ``"MOVE"`` or ``"IGNORE"``.
        :return: the ``paramMap``.
        """
        if self.list_id is None:
            target_list: dict[str, Any] = {"LIST_ID": NEW_LIST, "LIST_NAME": self.list_name}
        else:
            target_list = {"LIST_ID": self.list_id}
        return {
            "CAMPAIGN_ID": self.target["campaign_id"],
            **target_list,
            "CREATE_COPY_SETTING": COPY_SETTINGS[copy],
            "DUPLICATE_ACTION_SETTING": on_duplicate,
        }


@dataclass(frozen=True)
class NewListTracker:
    """Finds the list that a move into a new list created, among lists of the same name.

    :param campaigns: service that reads the lists.
    :param target: the campaign to move to.
    :param previous_list_ids: ids of the lists that it had before the move.
    """

    campaigns: CampaignService
    target: Campaign
    previous_list_ids: frozenset[int]

    @classmethod
    def before_move(cls, campaigns: CampaignService, target: Campaign) -> NewListTracker:
        """Record the target's lists before the move, in one request.

        :param campaigns: service that reads the lists.
        :param target: the campaign to move to.
        :return: the tracker.
        """
        return cls(campaigns, target, frozenset(entry["list_id"] for entry in campaigns.lists(target)))

    def resolve(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return parameters that send the next chunk of the move into the list.

        :param params: the ``paramMap`` of the previous chunk.
        :return: the ``paramMap`` of the next chunk. It is the same if it already has a list id, or if no
            list has been created yet because all leads so far were duplicates.
        """
        if not is_new_list(params):
            return params
        created = [
            entry["list_id"]
            for entry in self.campaigns.lists(self.target)
            if entry["list_id"] not in self.previous_list_ids and entry["list_name"] == params["LIST_NAME"]
        ]
        return {**params, "LIST_ID": max(created)} if created else params


def is_new_list(params: Mapping[str, Any]) -> bool:
    """Return whether a request with these parameters creates a list.

    :param params: an action's ``paramMap``.
    :return: True for a move into a new list.
    """
    return str(params.get("LIST_ID")) == NEW_LIST


def plan_move(
    campaigns: CampaignService,
    *,
    target_campaign: object,
    source_campaign: object = None,
    target_list: object = None,
    new_list_name: object = "",
    account_id: str | None = None,
) -> MovePlan:
    """Resolve the names of a move, in one request per account and at most two more.

    :param campaigns: service that looks up names.
    :param target_campaign: name or id of the campaign to move to, or the campaign as the sensor returns it.
    :param source_campaign: the campaign to move from, likewise.
    :param target_list: name or id of an existing list of the target.
    :param new_list_name: name of the list to create if ``target_list`` is None.
    :param account_id: look in this sub-account only.
    :return: the plan.
    :raises CampaignNotFound: if a campaign does not exist; the message lists the nearest names.
    :raises CampaignAmbiguous: if several campaigns have the name.
    :raises NotFound: if the target has no such list.
    :raises InvalidCriteria: if source and target are in different sub-accounts.
    :raises InvalidParameter: if an argument is neither a name nor an id, or several lists have the name.
    """
    index = campaigns.load_index(account_id)
    target = index.find(campaign_reference("target_campaign", target_campaign), argument="target_campaign")
    source = None
    if source_campaign is not None:
        source = index.find(
            campaign_reference("source_campaign", source_campaign), argument="source_campaign"
        )
    if source is not None and source["account_id"] != target["account_id"]:
        raise InvalidCriteria(
            f"Leads cannot be moved between sub-accounts: the source is in {source['account_id']}, the "
            f"target in {target['account_id']}"
        )
    if target_list is None:
        return MovePlan(target, source, None, str(new_list_name))
    list_id, list_name = _find_list(campaigns, target, _reference("target_list", target_list))
    return MovePlan(target, source, list_id, list_name)


def campaign_reference(argument: str, value: object) -> str | int:
    """Return the name or id of a campaign that an argument holds.

    :param argument: name of the argument.
    :param value: a name, an id, or a campaign as the sensor returns it.
    :return: the name or id.
    :raises InvalidParameter: if it is none of these.
    """
    if isinstance(value, Mapping) and "campaign_id" in value:
        value = value["campaign_id"]
    return _reference(argument, value)


def _reference(argument: str, value: object) -> str | int:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise InvalidParameter(f"{argument} must be a name or an id, not {type_name(value)}")
    return value


def _find_list(campaigns: CampaignService, target: Campaign, reference: str | int) -> tuple[int, str]:
    lists = campaigns.lists(target)
    found = [entry for entry in lists if matches_name_or_id(reference, entry["list_name"], entry["list_id"])]
    if not found:
        hint = suggest_name(reference, [entry["list_name"] for entry in lists], "Lists")
        raise NotFound(f"Campaign {target['campaign_name']!r} has no list {reference!r}{hint}")
    if len(found) > 1:
        ids = " or ".join(str(entry["list_id"]) for entry in found)
        raise InvalidParameter(
            f"Pass the id, target_list={ids}: campaign {target['campaign_name']!r} has {len(found)} lists "
            f"named {reference!r}"
        )
    return found[0]["list_id"], found[0]["list_name"]
