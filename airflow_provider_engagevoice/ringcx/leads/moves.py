"""Planning a move: which campaign, which list, which leads of the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.campaigns import Campaign, CampaignService, matches_name_or_id
from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidCriteria,
    InvalidParameter,
    NotFound,
    did_you_mean,
)
from airflow_provider_engagevoice.ringcx.leads.coercion import type_name
from airflow_provider_engagevoice.ringcx.spec.lead_actions import COPY_SETTINGS, NEW_LIST


@dataclass(frozen=True)
class MovePlan:
    """A move whose names have been looked up.

    :param target: the campaign to move to.
    :param source: the campaign to move from; None where the criteria alone say it.
    :param list_id: the list to move to; None for a new one.
    :param list_name: the list's name.
    """

    target: Campaign
    source: Campaign | None
    list_id: int | None
    list_name: str

    def params(self, copy: bool | str, on_duplicate: str) -> dict[str, Any]:
        """Write the plan as RingCX's parameters. Source: guide, "Move Parameters".

        :param copy: False moves, True copies, ``"TRANSITION"`` copies and marks.
        :param on_duplicate: ``"MOVE"`` or ``"IGNORE"``.
        :return: the ``paramMap``.
        """
        chosen = {"CAMPAIGN_ID": self.target["campaign_id"], "LIST_ID": NEW_LIST, "LIST_NAME": self.list_name}
        if self.list_id is not None:
            chosen = {"CAMPAIGN_ID": self.target["campaign_id"], "LIST_ID": self.list_id}
        return {
            **chosen,
            "CREATE_COPY_SETTING": COPY_SETTINGS[copy],
            "DUPLICATE_ACTION_SETTING": on_duplicate,
        }


@dataclass(frozen=True)
class NewListTracker:
    """The list that a move into a new list makes, told apart from older lists of the same name.

    :param campaigns: reads lists.
    :param target: the campaign to move to.
    :param older: ids of the lists that it had before.
    """

    campaigns: CampaignService
    target: Campaign
    older: frozenset[int]

    @classmethod
    def before_move(cls, campaigns: CampaignService, target: Campaign) -> NewListTracker:
        """Look at the target before the move; one request.

        :param campaigns: reads lists.
        :param target: the campaign to move to.
        :return: the list to come.
        """
        return cls(campaigns, target, frozenset(entry["list_id"] for entry in campaigns.lists(target)))

    def fill(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send the next request of the move into the list.

        :param params: the ``paramMap`` of the last request.
        :return: that of the next; the same where no list has been made yet, since all leads so far were
            duplicates, or where the list is named already.
        """
        if not is_new_list(params):
            return params
        made = [
            entry["list_id"]
            for entry in self.campaigns.lists(self.target)
            if entry["list_id"] not in self.older and entry["list_name"] == params["LIST_NAME"]
        ]
        return {**params, "LIST_ID": max(made)} if made else params


def is_new_list(params: Mapping[str, Any]) -> bool:
    """Tell whether a request with these parameters makes a list.

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
    """Look up the names of a move, in one request per account and at most two more.

    :param campaigns: looks names up.
    :param target_campaign: name or id of the campaign to move to, or the campaign as the sensor gives it.
    :param source_campaign: the campaign to move from, likewise.
    :param target_list: name or id of an existing list of the target.
    :param new_list_name: name of the list to make, where ``target_list`` is None.
    :param account_id: look in this sub-account only.
    :return: the plan.
    :raises CampaignNotFound: where a campaign does not exist; names the nearest names.
    :raises CampaignAmbiguous: where there are several of a name.
    :raises NotFound: where the target has no such list.
    :raises InvalidCriteria: where source and target are in different sub-accounts.
    """
    directory = campaigns.directory(account_id)
    target = directory.find(_campaign("target_campaign", target_campaign))
    source = None
    if source_campaign is not None:
        source = directory.find(_campaign("source_campaign", source_campaign))
    if source is not None and source["account_id"] != target["account_id"]:
        raise InvalidCriteria(
            f"Leads cannot be moved between sub-accounts: the source is in {source['account_id']}, the "
            f"target in {target['account_id']}"
        )
    if target_list is None:
        return MovePlan(target, source, None, str(new_list_name))
    list_id, list_name = _find_list(campaigns, target, _reference("target_list", target_list))
    return MovePlan(target, source, list_id, list_name)


def _campaign(argument: str, value: object) -> str | int:
    if isinstance(value, Mapping) and "campaign_id" in value:
        value = value["campaign_id"]
    return _reference(argument, value)


def _reference(argument: str, value: object) -> str | int:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise InvalidParameter(f"{argument} must be a name or an id, not {type_name(value)}")
    return value


def _find_list(campaigns: CampaignService, target: Campaign, wanted: str | int) -> tuple[int, str]:
    lists = campaigns.lists(target)
    found = [entry for entry in lists if matches_name_or_id(wanted, entry["list_name"], entry["list_id"])]
    if not found:
        near = did_you_mean(wanted, [entry["list_name"] for entry in lists])
        raise NotFound(f"Campaign {target['campaign_name']!r} has no list {wanted!r}{near}")
    if len(found) > 1:
        ids = ", ".join(str(entry["list_id"]) for entry in found)
        raise InvalidParameter(
            f"Campaign {target['campaign_name']!r} has {len(found)} lists {wanted!r}; name one id of {ids}"
        )
    return found[0]["list_id"], found[0]["list_name"]
