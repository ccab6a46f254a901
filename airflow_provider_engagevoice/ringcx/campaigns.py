"""Accounts, dial groups, campaigns, lists and agents, and looking campaigns up by name."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypedDict

from airflow_provider_engagevoice.ringcx.endpoints import RequestFn, account_path
from airflow_provider_engagevoice.ringcx.exceptions import (
    AccessDenied,
    CampaignAmbiguous,
    CampaignNotFound,
    InvalidParameter,
    UnexpectedResponse,
)

log = logging.getLogger(__name__)


class Account(TypedDict):
    """A RingCX sub-account. Source: contract, ``Account``."""

    account_id: str
    account_name: str


class Campaign(TypedDict):
    """A campaign and where it lives. Source: contract, ``DialGroup`` with its ``campaigns``."""

    account_id: str
    dial_group_id: int
    dial_group_name: str
    campaign_id: int
    campaign_name: str
    is_active: bool


class LeadList(TypedDict):
    """A loaded list of a campaign. Source: guide, "Find Existing Lists"; contract, ``CampaignLeadList``."""

    list_id: int
    list_name: str


@dataclass(frozen=True)
class CampaignIndex:
    """The campaigns of one or more accounts at one moment.

    :param campaigns: all of them.
    :param unreadable: accounts that the sign-in has no right to read.
    """

    campaigns: Sequence[Campaign]
    unreadable: Sequence[str] = ()

    def find(self, campaign: str | int, dial_group_name: str | None = None) -> Campaign:
        """Find one campaign.

        :param campaign: its exact name, or its id as an int or as text.
        :param dial_group_name: look in dial groups of this exact name only.
        :return: the campaign.
        :raises CampaignNotFound: where there is none; names the nearest names.
        :raises CampaignAmbiguous: where there are several; lists them.
        """
        among = self._in_dial_group(dial_group_name)
        found = [c for c in among if matches_name_or_id(campaign, c["campaign_name"], c["campaign_id"])]
        if not found:
            raise CampaignNotFound(self._not_found(campaign, among))
        if len(found) > 1:
            places = "; ".join(
                f"id {c['campaign_id']} in dial group {c['dial_group_name']!r} of account {c['account_id']}"
                for c in found
            )
            raise CampaignAmbiguous(
                f"{len(found)} campaigns are named {campaign!r}: {places}. Narrow the look-up with "
                "account_id or dial_group_name, or name the id"
            )
        return found[0]

    def _in_dial_group(self, name: str | None) -> Sequence[Campaign]:
        if name is None:
            return self.campaigns
        among = [campaign for campaign in self.campaigns if campaign["dial_group_name"] == name]
        if not among:
            near = _nearest(name, [campaign["dial_group_name"] for campaign in self.campaigns])
            raise CampaignNotFound(f"No dial group with campaigns is named {name!r}{near}")
        return among

    def _not_found(self, campaign: str | int, among: Sequence[Campaign]) -> str:
        near = "" if isinstance(campaign, int) else _nearest(campaign, [c["campaign_name"] for c in among])
        hidden = f" (no right to read accounts {', '.join(self.unreadable)})" if self.unreadable else ""
        what = f"has id {campaign}" if str(campaign).isdecimal() else f"is named {campaign!r}"
        return f"None of {len(among)} campaigns {what}{near}{hidden}"


@dataclass(frozen=True)
class CampaignService:
    """Reads what leads live in.

    :param request: sends a request: method, path, and keyword arguments.
    :param account_id: the sub-account where a call names none.
    """

    request: RequestFn
    account_id: str | None = None

    def accounts(self) -> list[Account]:
        """List the sub-accounts that the sign-in can see.

        :return: the accounts.
        """
        rows = _rows(self.request("GET", "/api/v1/admin/accounts"), "accounts")
        return [
            Account(account_id=_text(row, "accountId"), account_name=str(row.get("accountName") or ""))
            for row in rows
        ]

    def default_account(self) -> str:
        """Name the sub-account to use where a call names none.

        :return: the connection's account, or the only one that the sign-in can see.
        :raises InvalidParameter: where there are several to choose from.
        """
        if self.account_id is not None:
            return self.account_id
        accounts = self.accounts()
        if len(accounts) != 1:
            seen = ", ".join(f"{a['account_id']} ({a['account_name']})" for a in accounts) or "none"
            raise InvalidParameter(
                "Name the sub-account: give account_id, or set it in the connection's extra account_id; "
                f"this sign-in sees {seen}"
            )
        return accounts[0]["account_id"]

    def dial_groups(self, account_id: str) -> list[dict[str, Any]]:
        """List an account's dial groups, each with its campaigns, in one request.

        :param account_id: the sub-account.
        :return: RingCX's own rows. Source: contract, ``dialGroups/withChildren``.
        """
        answer = self.request("GET", f"{account_path(account_id)}/dialGroups/withChildren")
        return _rows(answer, "dial groups")

    def directory(self, account_id: str | None = None) -> CampaignIndex:
        """Read all campaigns, in one request per account and at most one more.

        :param account_id: read this sub-account only; default the connection's, else all.
        :return: the campaigns.
        :raises AccessDenied: where the only account, or every one, may not be read.
        """
        named = account_id or self.account_id
        accounts = [str(named)] if named else [account["account_id"] for account in self.accounts()]
        campaigns: list[Campaign] = []
        unreadable: list[str] = []
        for account in accounts:
            try:
                campaigns += _campaigns(account, self.dial_groups(account))
            except AccessDenied:
                if len(unreadable) + 1 == len(accounts):
                    raise
                unreadable.append(account)
                log.warning("No right to read the campaigns of account %s", account)
        return CampaignIndex(campaigns, unreadable)

    def find(
        self, campaign: str | int, *, account_id: str | None = None, dial_group_name: str | None = None
    ) -> Campaign:
        """Find one campaign by name or id.

        :param campaign: exact name, or id.
        :param account_id: look in this sub-account only; default the connection's, else all.
        :param dial_group_name: look in dial groups of this exact name only.
        :return: the campaign.
        :raises CampaignNotFound: where there is none; names the nearest names.
        :raises CampaignAmbiguous: where there are several; lists them.
        """
        return self.directory(account_id).find(campaign, dial_group_name)

    def find_if_exists(
        self,
        name: str,
        *,
        account_id: str | None = None,
        dial_group_name: str | None = None,
        active_only: bool = False,
    ) -> Campaign | None:
        """Look whether a campaign is there yet.

        :param name: exact name.
        :param account_id: look in this sub-account only; default the connection's, else all.
        :param dial_group_name: look in dial groups of this exact name only.
        :param active_only: pass over inactive campaigns.
        :return: the campaign, or None.
        :raises CampaignAmbiguous: where there are several; lists them.
        """
        directory = self.directory(account_id)
        if active_only:
            active = [campaign for campaign in directory.campaigns if campaign["is_active"]]
            directory = CampaignIndex(active, directory.unreadable)
        try:
            return directory.find(name, dial_group_name)
        except CampaignNotFound as error:
            log.info("Not there yet: %s", error)
            return None

    def lists(self, campaign: Campaign) -> list[LeadList]:
        """List the loaded lists of a campaign.

        :param campaign: the campaign.
        :return: the lists.
        """
        path = (
            f"{account_path(campaign['account_id'])}/dialGroups/{campaign['dial_group_id']}"
            f"/campaigns/{campaign['campaign_id']}/lists"
        )
        rows = _rows(self.request("GET", path), "lists")
        return [
            LeadList(list_id=_id(row, "listId"), list_name=str(row.get("listDesc") or "")) for row in rows
        ]

    def agents(self, account_id: str | None = None) -> Iterator[dict[str, Any]]:
        """Give all agents of an account, in one request per agent group and one more.

        :param account_id: the sub-account; default the connection's.
        :return: RingCX's own rows, with ``agentId``, ``username`` and so on. Source: contract,
            ``agentGroups/{agentGroupId}/agents``; it has no list of all agents.
        """
        groups = f"{account_path(account_id or self.default_account())}/agentGroups"
        for group in _rows(self.request("GET", groups), "agent groups"):
            yield from _rows(self.request("GET", f"{groups}/{_id(group, 'agentGroupId')}/agents"), "agents")


def matches_name_or_id(wanted: str | int, name: str, number: int) -> bool:
    """Tell whether an author who wrote a name or an id means this campaign or list.

    :param wanted: what the author wrote: an int is an id, text a name or, if nothing but digits, either.
    :param name: its name.
    :param number: its id.
    :return: True where it is meant.
    """
    if isinstance(wanted, int):
        return number == wanted
    return name == wanted or wanted.strip() == str(number)


def _campaigns(account_id: str, groups: Sequence[dict[str, Any]]) -> Iterator[Campaign]:
    for group in groups:
        for row in _rows(group.get("campaigns") or [], "campaigns"):
            yield Campaign(
                account_id=account_id,
                dial_group_id=_id(group, "dialGroupId"),
                dial_group_name=str(group.get("dialGroupName") or ""),
                campaign_id=_id(row, "campaignId"),
                campaign_name=str(row.get("campaignName") or ""),
                # An int here, a boolean on dial groups (contract).
                is_active=bool(row.get("isActive")),
            )


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, list(dict.fromkeys(known)), n=3, cutoff=0.4)
    return f"; the nearest names are {', '.join(map(repr, near))}" if near else ""


def _rows(answer: Any, what: str) -> list[dict[str, Any]]:
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise UnexpectedResponse(f"RingCX answered with something other than a list of {what}")
    return answer


def _id(row: dict[str, Any], key: str) -> int:
    value = row.get(key)
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnexpectedResponse(f"RingCX left out {key} where it belongs")
    return value


def _text(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, (str, int)) or value == "":
        raise UnexpectedResponse(f"RingCX left out {key} where it belongs")
    return str(value)
