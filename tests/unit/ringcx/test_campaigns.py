"""Campaign lookup: number of requests, exact names, and suggestions in errors."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.campaigns import Campaign, CampaignIndex, CampaignService
from airflow_provider_engagevoice.ringcx.exceptions import (
    AccessDenied,
    CampaignAmbiguous,
    CampaignNotFound,
    InvalidParameter,
    PermanentError,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import make_client

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

FIRST, SECOND = "50810001", "50810002"
CHILDREN = "dialGroups/withChildren"


@pytest.fixture
def all_accounts(ringcx_sandbox: SandboxServer) -> CampaignService:
    """Return the campaign service of a client without a default account."""
    return make_client(ringcx_sandbox.url, "api_token", account_id=None).campaigns


@pytest.fixture
def first_account(ringcx_sandbox: SandboxServer) -> CampaignService:
    """Return the campaign service of a client whose default is the first account."""
    return make_client(ringcx_sandbox.url, "api_token").campaigns


def requested(sandbox: SandboxServer) -> list[str]:
    return [request.path.removeprefix("/voice/api/v1/admin/accounts") for request in sandbox.requests]


def test_find_returns_campaign_with_its_dial_group(
    first_account: CampaignService, spring: dict[str, Any]
) -> None:
    assert first_account.find("Spring Renewals") == {
        "account_id": FIRST,
        "dial_group_id": spring["dialGroupId"],
        "dial_group_name": "Renewals East",
        "campaign_id": spring["campaignId"],
        "campaign_name": "Spring Renewals",
        "is_active": True,
    }


def test_find_sends_one_request_if_account_is_known(
    ringcx_sandbox: SandboxServer, all_accounts: CampaignService, first_account: CampaignService
) -> None:
    first_account.find("Spring Renewals")
    all_accounts.find("Solar Consultations", account_id=SECOND)
    assert requested(ringcx_sandbox) == [f"/{FIRST}/{CHILDREN}", f"/{SECOND}/{CHILDREN}"]


def test_find_sends_one_request_per_account_and_one_more(
    ringcx_sandbox: SandboxServer, all_accounts: CampaignService
) -> None:
    assert all_accounts.find("Solar Consultations")["account_id"] == SECOND
    assert requested(ringcx_sandbox) == ["", f"/{FIRST}/{CHILDREN}", f"/{SECOND}/{CHILDREN}"]


@pytest.mark.parametrize("shape", [int, str, lambda number: f" {number} "])
def test_find_accepts_id(first_account: CampaignService, spring: dict[str, Any], shape: Any) -> None:
    assert first_account.find(shape(spring["campaignId"]))["campaign_name"] == "Spring Renewals"


@pytest.mark.parametrize("name", ["spring renewals", "Spring", "Spring Renewals ", "Spring  Renewals", ""])
def test_find_requires_the_exact_name(first_account: CampaignService, name: str) -> None:
    with pytest.raises(CampaignNotFound, match="None of 16 campaigns is named") as caught:
        first_account.find(name)
    assert isinstance(caught.value, PermanentError)
    assert first_account.find_if_exists(name) is None


def test_find_unknown_campaign_suggests_nearest_names(first_account: CampaignService) -> None:
    with pytest.raises(CampaignNotFound, match="the nearest names are 'Spring Renewals'"):
        first_account.find("Spring Renewal")
    with pytest.raises(CampaignNotFound, match=r"is named 'qqqq'$"):
        first_account.find("qqqq")
    with pytest.raises(CampaignNotFound, match=r"has id 99$"):
        first_account.find("99")


def test_find_ambiguous_name_lists_campaigns_and_arguments(first_account: CampaignService) -> None:
    with pytest.raises(CampaignAmbiguous) as caught:
        first_account.find("Reactivation")
    text = str(caught.value)
    assert "in dial group 'Renewals East' of account 50810001" in text
    assert "in dial group 'Win-Back' of account 50810001" in text
    assert "account_id or dial_group_name" in text
    assert isinstance(caught.value, PermanentError)
    with pytest.raises(CampaignAmbiguous):
        first_account.find_if_exists("Reactivation")
    found = first_account.find("Reactivation", dial_group_name="Win-Back")
    assert (found["dial_group_name"], found["campaign_name"]) == ("Win-Back", "Reactivation")


def test_find_name_in_two_accounts_is_narrowed_by_account(all_accounts: CampaignService) -> None:
    with pytest.raises(CampaignAmbiguous, match=r"50810001.*50810002"):
        all_accounts.find("Customer Survey")
    assert all_accounts.find("Customer Survey", account_id=SECOND)["account_id"] == SECOND
    assert all_accounts.find("Customer Survey", dial_group_name="Member Service")["account_id"] == FIRST


def test_find_unknown_dial_group_suggests_nearest_names(first_account: CampaignService) -> None:
    with pytest.raises(
        CampaignNotFound, match=r"No dial group .* 'Winback'; the nearest names are 'Win-Back'"
    ):
        first_account.find("Reactivation", dial_group_name="Winback")


@pytest.mark.parametrize(
    ("name", "active_only", "found"),
    [
        ("Trade Show Contacts", False, True),
        ("Trade Show Contacts", True, False),
        ("Spring Renewals", True, True),
        ("Autumn", False, False),
    ],
)
def test_find_if_exists_active_only_skips_inactive_campaigns(
    first_account: CampaignService, name: str, active_only: bool, found: bool
) -> None:
    assert (first_account.find_if_exists(name, active_only=active_only) is not None) == found


def test_find_skips_unreadable_account_and_names_it(
    ringcx_sandbox: SandboxServer, all_accounts: CampaignService
) -> None:
    ringcx_sandbox.fault("status", status=403, where={"account": FIRST}, chance=1)
    assert all_accounts.find("Solar Consultations")["account_id"] == SECOND
    with pytest.raises(CampaignNotFound, match="no permission to read accounts 50810001"):
        all_accounts.find("Spring Renewals")


def test_find_without_readable_account_is_an_error(
    ringcx_sandbox: SandboxServer, all_accounts: CampaignService
) -> None:
    body = {"generalMessage": "No permission"}
    ringcx_sandbox.fault("answer", status=403, body=body, operation="dial_groups_with_children", chance=1)
    with pytest.raises(AccessDenied, match="No permission"):
        all_accounts.find("Spring Renewals")


def test_find_in_unreadable_account_is_an_error(all_accounts: CampaignService) -> None:
    with pytest.raises(AccessDenied, match="You do not have permission"):
        all_accounts.find("Spring Renewals", account_id="99990001")


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("accounts", {"accounts": []}),
        ("accounts", [7]),
        ("accounts", [{}]),
        ("accounts", [{"accountId": None}]),
        ("accounts", [{"accountId": ""}]),
        ("accounts", [{"accountId": ["50810001"]}]),
        ("dial_groups_with_children", {"dialGroups": []}),
        ("dial_groups_with_children", "null"),
        ("dial_groups_with_children", [None]),
        ("dial_groups_with_children", [{"campaigns": {"a": 1}, "dialGroupId": 1}]),
        ("dial_groups_with_children", [{"campaigns": [7], "dialGroupId": 1}]),
        ("dial_groups_with_children", [{"campaigns": [{"campaignId": 7}]}]),
        ("dial_groups_with_children", [{"campaigns": [{}], "dialGroupId": 1}]),
        ("dial_groups_with_children", [{"campaigns": [{"campaignId": None}], "dialGroupId": 1}]),
        ("dial_groups_with_children", [{"campaigns": [{"campaignId": "x"}], "dialGroupId": 1}]),
        ("dial_groups_with_children", [{"campaigns": [{"campaignId": True}], "dialGroupId": 1}]),
        ("dial_groups_with_children", [{"campaigns": [{"campaignId": 7.5}], "dialGroupId": 1}]),
        ("dial_groups_with_children", '[{"campaigns": [{"campaignId": Infinity}], "dialGroupId": 1}]'),
    ],
)
def test_find_unexpected_response_is_an_error(
    ringcx_sandbox: SandboxServer, all_accounts: CampaignService, operation: str, body: object
) -> None:
    ringcx_sandbox.fault("answer", body=body, operation=operation)
    with pytest.raises(UnexpectedResponse):
        all_accounts.find("Spring Renewals")


@pytest.mark.parametrize("group", [{}, {"campaigns": None}, {"campaigns": []}])
def test_find_accepts_dial_group_without_campaigns(
    ringcx_sandbox: SandboxServer, first_account: CampaignService, group: dict[str, Any]
) -> None:
    other = {"dialGroupId": "8", "campaigns": [{"campaignId": "9", "campaignName": "New", "isActive": 1}]}
    dial_groups = [{"dialGroupId": 7, "dialGroupName": "Empty", **group}, other]
    ringcx_sandbox.fault("answer", body=dial_groups, operation="dial_groups_with_children")
    found = first_account.find("New")
    assert (found["dial_group_id"], found["campaign_id"], found["dial_group_name"]) == (8, 9, "")


def test_default_account_is_the_connections_or_the_only_one(
    ringcx_sandbox: SandboxServer, all_accounts: CampaignService, first_account: CampaignService
) -> None:
    assert first_account.default_account() == FIRST
    with pytest.raises(InvalidParameter, match=r"50810001 \(Harbor .*50810002 \(Harbor"):
        all_accounts.default_account()
    ringcx_sandbox.fault("answer", body=[{"accountId": 50810001}], operation="accounts")
    assert all_accounts.default_account() == FIRST
    ringcx_sandbox.fault("answer", body=[], operation="accounts")
    with pytest.raises(InvalidParameter, match="accessible accounts: none"):
        all_accounts.default_account()


def test_lists_and_agents_are_read(ringcx_sandbox: SandboxServer, first_account: CampaignService) -> None:
    lists = first_account.lists(first_account.find("Spring Renewals"))
    known = {(lead["listId"], lead["listDesc"]) for lead in ringcx_sandbox.leads("Spring Renewals")}
    assert known <= {(entry["list_id"], entry["list_name"]) for entry in lists}
    before = len(ringcx_sandbox.requests)
    agents = list(first_account.agents())
    assert agents
    assert all(isinstance(agent["agentId"], int) for agent in agents)
    assert len(ringcx_sandbox.requests) - before == 3  # two groups


def campaign(name: str, campaign_id: int) -> Campaign:
    return Campaign(
        account_id=FIRST,
        dial_group_id=1,
        dial_group_name="East",
        campaign_id=campaign_id,
        campaign_name=name,
        is_active=True,
    )


def test_find_accepts_name_that_is_a_number() -> None:
    assert CampaignIndex([campaign("2024", 9), campaign("Other", 7)]).find("2024")["campaign_id"] == 9
    both = CampaignIndex([campaign("2024", 9), campaign("Other", 2024)])
    assert both.find(2024)["campaign_name"] == "Other"
    with pytest.raises(CampaignAmbiguous):
        both.find("2024")
