"""Accounts, dial groups, campaigns, lists and agents, with campaign lookup by name."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypedDict

from airflow_provider_engagevoice.ringcx.endpoints import RequestFn, account_path, check_account_id
from airflow_provider_engagevoice.ringcx.exceptions import (
    AccessDenied,
    CampaignAmbiguous,
    CampaignNotFound,
    InvalidParameter,
    UnexpectedResponse,
    require_bool,
)

log = logging.getLogger(__name__)

#: Number of names that an error lists if none resembles the one that was not found.
_NAMES_SHOWN = 5


class Account(TypedDict):
    """A RingCX sub-account. Source: contract, ``Account``."""

    account_id: str
    account_name: str


class Campaign(TypedDict):
    """A campaign with its account and dial group. Source: contract, ``DialGroup`` with its ``campaigns``."""

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
    """Snapshot of the campaigns of one or more accounts.

    :param campaigns: all campaigns.
    :param unreadable: accounts that the user has no permission to read.
    """

    campaigns: Sequence[Campaign]
    unreadable: Sequence[str] = ()

    def find(
        self,
        campaign: str | int,
        dial_group_name: str | None = None,
        *,
        active_only: bool = False,
        argument: str | None = "campaign",
    ) -> Campaign:
        """Find one campaign.

        :param campaign: its exact name, or its id as an int or as text.
        :param dial_group_name: look in dial groups of this exact name only.
        :param active_only: skip inactive campaigns.
        :param argument: name of the caller's argument that takes an id, for the message if there are several;
            None if the caller takes names only.
        :return: the campaign.
        :raises InvalidParameter: if an argument has the wrong type, or ``campaign`` is empty.
        :raises CampaignNotFound: if there is none; the message suggests names.
        :raises CampaignAmbiguous: if there are several; the message says how to choose one and lists them.
        """
        _check_query(campaign, dial_group_name, active_only)
        candidates = self._in_dial_group(dial_group_name)
        found = [c for c in candidates if matches_name_or_id(campaign, c["campaign_name"], c["campaign_id"])]
        if not found:
            raise CampaignNotFound(self._not_found_message(campaign, candidates))
        if active_only:
            inactive, found = found, [c for c in found if c["is_active"]]
            if not found:
                ids = ", ".join(str(c["campaign_id"]) for c in inactive)
                raise CampaignNotFound(f"Campaign {campaign!r} exists, but is not active (id {ids})")
        if len(found) > 1:
            places = "".join(
                f"\nid {c['campaign_id']} in dial group {c['dial_group_name']!r} of account {c['account_id']}"
                for c in found
            )
            raise CampaignAmbiguous(
                f"{_how_to_choose(found, argument)}: {len(found)} campaigns are named {campaign!r}{places}"
            )
        return found[0]

    def _in_dial_group(self, name: str | None) -> Sequence[Campaign]:
        if name is None:
            return self.campaigns
        campaigns = [each for each in self.campaigns if _nfc(each["dial_group_name"]) == _nfc(name)]
        if not campaigns:
            known = list(dict.fromkeys(campaign["dial_group_name"] for campaign in self.campaigns))
            hint = suggest_name(name, known, "Dial groups")
            raise CampaignNotFound(f"Dial group {name!r} not found, or has no campaigns{hint}")
        return campaigns

    def _not_found_message(self, campaign: str | int, candidates: Sequence[Campaign]) -> str:
        names = [c["campaign_name"] for c in candidates]
        hint = "" if isinstance(campaign, int) else suggest_name(campaign, names, "Campaigns")
        unreadable = (
            f". No permission to read accounts {', '.join(self.unreadable)}" if self.unreadable else ""
        )
        return f"Campaign {campaign!r} not found ({len(candidates)} checked){hint}{unreadable}"


@dataclass(frozen=True)
class CampaignService:
    """Reads the objects that contain leads: accounts, dial groups, campaigns and lists; and agents.

    :param request: function that sends a request: method, path, and keyword arguments.
    :param account_id: the default sub-account; None for the only one that the user can access.
    """

    request: RequestFn
    account_id: str | None = None

    def accounts(self) -> list[Account]:
        """Return the sub-accounts that the user can access.

        :return: the accounts.
        """
        rows = _rows(self.request("GET", "/api/v1/admin/accounts"), "accounts")
        return [
            Account(account_id=_text(row, "accountId"), account_name=str(row.get("accountName") or ""))
            for row in rows
        ]

    def default_account(self) -> str:
        """Return the id of the default sub-account.

        :return: the connection's account, or the only one that the user can access.
        :raises InvalidParameter: if there are several accounts, or none.
        """
        if self.account_id is not None:
            return self.account_id
        accounts = self.accounts()
        if len(accounts) != 1:
            known = ", ".join(f"{a['account_id']} ({a['account_name']})" for a in accounts) or "none"
            raise InvalidParameter(
                f"Set account_id, as an argument or in the connection's extra. Accessible accounts: {known}"
            )
        return accounts[0]["account_id"]

    def dial_groups(self, account_id: str) -> list[dict[str, Any]]:
        """Return an account's dial groups, each with its campaigns, in one request.

        :param account_id: the sub-account.
        :return: RingCX's rows, unchanged. Source: contract, ``dialGroups/withChildren``.
        """
        response = self.request("GET", f"{account_path(account_id)}/dialGroups/withChildren")
        return _rows(response, "dial groups")

    def load_index(self, account_id: str | None = None) -> CampaignIndex:
        """Load all campaigns, in one request per account and at most one more.

        :param account_id: read this sub-account only; default the connection's, else all.
        :return: the campaigns.
        :raises AccessDenied: if the user has no permission to read any of the accounts.
        """
        only_account = self.account_id if account_id is None else check_account_id(account_id)
        accounts = [a["account_id"] for a in self.accounts()] if only_account is None else [only_account]
        campaigns: list[Campaign] = []
        unreadable: list[str] = []
        for account in accounts:
            try:
                campaigns += _campaigns(account, self.dial_groups(account))
            except AccessDenied:
                if len(unreadable) + 1 == len(accounts):
                    raise
                unreadable.append(account)
                log.warning(
                    "No permission to read the campaigns of account %s; skipping the account", account
                )
        return CampaignIndex(campaigns, unreadable)

    def find(
        self,
        campaign: str | int,
        *,
        account_id: str | None = None,
        dial_group_name: str | None = None,
        active_only: bool = False,
        argument: str | None = "campaign",
    ) -> Campaign:
        """Find one campaign by name or id.

        :param campaign: exact name, or id.
        :param account_id: look in this sub-account only; default the connection's, else all.
        :param dial_group_name: look in dial groups of this exact name only.
        :param active_only: skip inactive campaigns.
        :param argument: as for :meth:`CampaignIndex.find`.
        :return: the campaign.
        :raises InvalidParameter: if an argument has the wrong type or is empty. No request is sent then.
        :raises CampaignNotFound: if there is none; the message suggests names.
        :raises CampaignAmbiguous: if there are several; the message says how to choose one and lists them.
        """
        _check_query(campaign, dial_group_name, active_only)
        return self.load_index(account_id).find(
            campaign, dial_group_name, active_only=active_only, argument=argument
        )

    def lists(self, campaign: Campaign) -> list[LeadList]:
        """Return the loaded lists of a campaign.

        :param campaign: the campaign.
        :return: the lists.
        """
        return [lead_list(row) for row in list_rows(self.request("GET", lists_path(campaign)))]

    def max_passes(self, campaign: Campaign) -> int:
        """Return how often the leads of a campaign may be called, which is the default of its leads.

        :param campaign: the campaign.
        :return: the number. Source: contract, ``Campaign.maxPasses``.
        :raises UnexpectedResponse: if RingCX returns no positive number.
        """
        path = (
            f"{account_path(campaign['account_id'])}/dialGroups/{campaign['dial_group_id']}"
            f"/campaigns/{campaign['campaign_id']}"
        )
        row = self.request("GET", path)
        number = row.get("maxPasses") if isinstance(row, dict) else None
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise UnexpectedResponse(
                f"RingCX returns no maximum of passes for campaign {campaign['campaign_name']!r} (maxPasses)"
            )
        return number

    def agents(self, account_id: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield all agents of an account, in one request per agent group and one more.

        :param account_id: the sub-account; default the connection's.
        :return: RingCX's rows, unchanged, with ``agentId``, ``username`` and so on. Source: contract,
            ``agentGroups/{agentGroupId}/agents``; it has no list of all agents.
        """
        groups = f"{account_path(self.default_account() if account_id is None else account_id)}/agentGroups"
        for group in _rows(self.request("GET", groups), "agent groups"):
            yield from _rows(self.request("GET", f"{groups}/{_id(group, 'agentGroupId')}/agents"), "agents")


def lists_path(campaign: Campaign) -> str:
    """Return the path of the loaded lists of a campaign. Source: guide, "Find Existing Lists".

    :param campaign: the campaign.
    """
    return (
        f"{account_path(campaign['account_id'])}/dialGroups/{campaign['dial_group_id']}"
        f"/campaigns/{campaign['campaign_id']}/lists"
    )


def list_rows(response: Any) -> list[dict[str, Any]]:
    """Return RingCX's rows of loaded lists (contract, ``CampaignLeadList``).

    :param response: the response to a request of :func:`lists_path`.
    :raises UnexpectedResponse: if it is not a list.
    """
    return _rows(response, "lists")


def lead_list(row: dict[str, Any]) -> LeadList:
    """Return a loaded list of RingCX's row.

    :param row: the row.
    """
    return LeadList(list_id=_id(row, "listId"), list_name=str(row.get("listDesc") or ""))


def matches_name_or_id(reference: str | int, name: str, object_id: int) -> bool:
    """Return whether a reference by name or id matches a campaign or list.

    :param reference: an int is an id; text is a name or, if it contains only digits, either.
    :param name: name of the campaign or list.
    :param object_id: its id.
    :return: True if it matches.
    """
    if isinstance(reference, int):
        return object_id == reference
    return _nfc(name) == _nfc(reference) or reference.strip() == str(object_id)


def _check_query(campaign: object, dial_group_name: object, active_only: object) -> None:
    """Raise if an argument of a campaign lookup cannot mean anything."""
    require_bool(active_only=active_only)
    # True would be the id 1.
    if isinstance(campaign, bool) or not isinstance(campaign, (str, int)):
        raise InvalidParameter(f"A campaign must be a name or an id, not {type(campaign).__name__}")
    if isinstance(campaign, str) and not campaign.strip():
        raise InvalidParameter("A campaign must be a name or an id, not an empty text")
    if dial_group_name is not None and not isinstance(dial_group_name, str):
        raise InvalidParameter(f"dial_group_name must be text, not {type(dial_group_name).__name__}")


def _campaigns(account_id: str, groups: Sequence[dict[str, Any]]) -> Iterator[Campaign]:
    for group in groups:
        for row in _rows(group.get("campaigns") or [], "campaigns"):
            yield Campaign(
                account_id=account_id,
                dial_group_id=_id(group, "dialGroupId"),
                dial_group_name=str(group.get("dialGroupName") or ""),
                campaign_id=_id(row, "campaignId"),
                campaign_name=str(row.get("campaignName") or ""),
                # An int on campaigns, a boolean on dial groups (contract).
                is_active=bool(row.get("isActive")),
            )


def suggest_name(name: object, known: Sequence[str], objects: str) -> str:
    """Return a suggestion for a name that was not found, to be appended to a message.

    :param name: the name.
    :param known: the existing names.
    :param objects: what the names belong to, such as ``Campaigns``.
    :return: for example ``. Did you mean 'Spring Renewals'?``; how the most similar name differs, if only in
        blanks or case; else the first existing names.
    """
    text, names = str(name), list(dict.fromkeys(known))
    for simplify, difference in _DIFFERENCES:
        for each in names:
            if simplify(each) == simplify(text):
                return f". {each!r} differs in {difference} only"
    near = get_close_matches(text, names, n=3, cutoff=0.7)
    if near:
        return f". Did you mean {' or '.join(map(repr, near))}?"
    more = f", ... ({len(names) - _NAMES_SHOWN} more)" if len(names) > _NAMES_SHOWN else ""
    return f". {objects}: {', '.join(map(repr, names[:_NAMES_SHOWN])) or 'none'}{more}"


def _how_to_choose(found: Sequence[Campaign], argument: str | None) -> str:
    """Return how the caller can choose one of several campaigns of the same name."""
    if argument is not None and len({c["campaign_id"] for c in found}) > 1:
        return f"Pass the id, {argument}={' or '.join(str(c['campaign_id']) for c in found)}"
    if len({c["dial_group_name"] for c in found}) == len(found):
        return f"Set dial_group_name={' or '.join(repr(c['dial_group_name']) for c in found)}"
    if len({c["account_id"] for c in found}) > 1:
        return f"Set account_id={' or '.join(dict.fromkeys(repr(c['account_id']) for c in found))}"
    return "Rename all but one in RingCX"


def _nfc(name: str) -> str:
    """Return a name in the composed Unicode form, so that equal-looking names are equal."""
    return unicodedata.normalize("NFC", name)


def _without_blanks(name: str) -> str:
    return "".join(c for c in _nfc(name) if not c.isspace() and unicodedata.category(c) != "Cf")


_DIFFERENCES: Sequence[tuple[Callable[[str], str], str]] = (
    (_without_blanks, "blanks or invisible characters"),
    (lambda name: _without_blanks(name).casefold(), "case or blanks"),
)


def _rows(response: Any, objects: str) -> list[dict[str, Any]]:
    if not isinstance(response, list) or not all(isinstance(row, dict) for row in response):
        raise UnexpectedResponse(f"RingCX's response is not a list of {objects}")
    return response


def _id(row: dict[str, Any], key: str) -> int:
    value = row.get(key)
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnexpectedResponse(f"RingCX's response lacks {key}")
    return value


def _text(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, (str, int)) or value == "":
        raise UnexpectedResponse(f"RingCX's response lacks {key}")
    return str(value)
