"""Finding campaigns: few requests, exact names, and sentences that help."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.campaigns import CampaignService
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
def everywhere(ringcx_sandbox: SandboxServer) -> CampaignService:
    """A client that has no account of its own."""
    return make_client(ringcx_sandbox.url, "api_token", account_id=None).campaigns


@pytest.fixture
def at_home(ringcx_sandbox: SandboxServer) -> CampaignService:
    """A client of the first account."""
    return make_client(ringcx_sandbox.url, "api_token").campaigns


def requested(sandbox: SandboxServer) -> list[str]:
    return [request.path.removeprefix("/voice/api/v1/admin/accounts") for request in sandbox.requests]


def test_a_campaign_is_all_that_the_next_task_needs(at_home: CampaignService, spring: dict[str, Any]) -> None:
    assert at_home.find("Spring Renewals") == {
        "account_id": FIRST,
        "dial_group_id": spring["dialGroupId"],
        "dial_group_name": "Renewals East",
        "campaign_id": spring["campaignId"],
        "campaign_name": "Spring Renewals",
        "is_active": True,
    }


def test_a_look_up_costs_one_request_where_the_account_is_known(
    ringcx_sandbox: SandboxServer, everywhere: CampaignService, at_home: CampaignService
) -> None:
    at_home.find("Spring Renewals")
    everywhere.find("Solar Consultations", account_id=SECOND)
    assert requested(ringcx_sandbox) == [f"/{FIRST}/{CHILDREN}", f"/{SECOND}/{CHILDREN}"]


def test_a_look_up_costs_one_request_per_account_and_one_more(
    ringcx_sandbox: SandboxServer, everywhere: CampaignService
) -> None:
    assert everywhere.find("Solar Consultations")["account_id"] == SECOND
    assert requested(ringcx_sandbox) == ["", f"/{FIRST}/{CHILDREN}", f"/{SECOND}/{CHILDREN}"]


@pytest.mark.parametrize("shape", [int, str, lambda number: f" {number} "])
def test_a_campaign_is_found_by_id(at_home: CampaignService, spring: dict[str, Any], shape: Any) -> None:
    assert at_home.find(shape(spring["campaignId"]))["campaign_name"] == "Spring Renewals"


@pytest.mark.parametrize("name", ["spring renewals", "Spring", "Spring Renewals ", "Spring  Renewals", ""])
def test_only_the_exact_name_is_found(at_home: CampaignService, name: str) -> None:
    with pytest.raises(CampaignNotFound, match="None of 16 campaigns is named") as caught:
        at_home.find(name)
    assert isinstance(caught.value, PermanentError)
    assert at_home.find_if_exists(name) is None


def test_a_missing_campaign_brings_the_nearest_names(at_home: CampaignService) -> None:
    with pytest.raises(CampaignNotFound, match="the nearest names are 'Spring Renewals'"):
        at_home.find("Spring Renewal")
    with pytest.raises(CampaignNotFound, match=r"is named 'qqqq'$"):
        at_home.find("qqqq")
    with pytest.raises(CampaignNotFound, match=r"has id 99$"):
        at_home.find("99")


def test_one_name_twice_lists_the_places_and_how_to_narrow(at_home: CampaignService) -> None:
    with pytest.raises(CampaignAmbiguous) as caught:
        at_home.find("Reactivation")
    text = str(caught.value)
    assert "in dial group 'Renewals East' of account 50810001" in text
    assert "in dial group 'Win-Back' of account 50810001" in text
    assert "account_id or dial_group_name" in text
    assert isinstance(caught.value, PermanentError)
    with pytest.raises(CampaignAmbiguous):
        at_home.find_if_exists("Reactivation")
    found = at_home.find("Reactivation", dial_group_name="Win-Back")
    assert (found["dial_group_name"], found["campaign_name"]) == ("Win-Back", "Reactivation")


def test_one_name_in_two_accounts_is_narrowed_by_the_account(everywhere: CampaignService) -> None:
    with pytest.raises(CampaignAmbiguous, match=r"50810001.*50810002"):
        everywhere.find("Customer Survey")
    assert everywhere.find("Customer Survey", account_id=SECOND)["account_id"] == SECOND
    assert everywhere.find("Customer Survey", dial_group_name="Member Service")["account_id"] == FIRST


def test_an_unknown_dial_group_brings_the_nearest(at_home: CampaignService) -> None:
    with pytest.raises(
        CampaignNotFound, match=r"No dial group .* 'Winback'; the nearest names are 'Win-Back'"
    ):
        at_home.find("Reactivation", dial_group_name="Winback")


@pytest.mark.parametrize(
    ("name", "active_only", "found"),
    [
        ("Trade Show Contacts", False, True),
        ("Trade Show Contacts", True, False),
        ("Spring Renewals", True, True),
        ("Autumn", False, False),
    ],
)
def test_a_sensor_may_wait_for_an_active_campaign(
    at_home: CampaignService, name: str, active_only: bool, found: bool
) -> None:
    assert (at_home.find_if_exists(name, active_only=active_only) is not None) == found


def test_an_account_without_right_is_passed_over_and_named(
    ringcx_sandbox: SandboxServer, everywhere: CampaignService
) -> None:
    ringcx_sandbox.fault("status", status=403, where={"account": FIRST}, chance=1)
    assert everywhere.find("Solar Consultations")["account_id"] == SECOND
    with pytest.raises(CampaignNotFound, match="no permission to read accounts 50810001"):
        everywhere.find("Spring Renewals")


def test_no_right_to_any_account_is_an_error(
    ringcx_sandbox: SandboxServer, everywhere: CampaignService
) -> None:
    denial = {"generalMessage": "No permission"}
    ringcx_sandbox.fault("answer", status=403, body=denial, operation="dial_groups_with_children", chance=1)
    with pytest.raises(AccessDenied, match="No permission"):
        everywhere.find("Spring Renewals")


def test_an_account_that_was_asked_for_must_be_readable(everywhere: CampaignService) -> None:
    with pytest.raises(AccessDenied, match="You do not have permission"):
        everywhere.find("Spring Renewals", account_id="99990001")


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
def test_an_answer_of_another_shape_is_an_error(
    ringcx_sandbox: SandboxServer, everywhere: CampaignService, operation: str, body: object
) -> None:
    ringcx_sandbox.fault("answer", body=body, operation=operation)
    with pytest.raises(UnexpectedResponse):
        everywhere.find("Spring Renewals")


@pytest.mark.parametrize("group", [{}, {"campaigns": None}, {"campaigns": []}])
def test_a_dial_group_without_campaigns_is_fine(
    ringcx_sandbox: SandboxServer, at_home: CampaignService, group: dict[str, Any]
) -> None:
    other = {"dialGroupId": "8", "campaigns": [{"campaignId": "9", "campaignName": "New", "isActive": 1}]}
    tree = [{"dialGroupId": 7, "dialGroupName": "Empty", **group}, other]
    ringcx_sandbox.fault("answer", body=tree, operation="dial_groups_with_children")
    found = at_home.find("New")
    assert (found["dial_group_id"], found["campaign_id"], found["dial_group_name"]) == (8, 9, "")


def test_the_only_account_is_the_default(
    ringcx_sandbox: SandboxServer, everywhere: CampaignService, at_home: CampaignService
) -> None:
    assert at_home.default_account() == FIRST
    with pytest.raises(InvalidParameter, match=r"50810001 \(Harbor .*50810002 \(Harbor"):
        everywhere.default_account()
    ringcx_sandbox.fault("answer", body=[{"accountId": 50810001}], operation="accounts")
    assert everywhere.default_account() == FIRST
    ringcx_sandbox.fault("answer", body=[], operation="accounts")
    with pytest.raises(InvalidParameter, match="accessible accounts: none"):
        everywhere.default_account()


def test_lists_and_agents_of_an_account(ringcx_sandbox: SandboxServer, at_home: CampaignService) -> None:
    lists = at_home.lists(at_home.find("Spring Renewals"))
    known = {(lead["listId"], lead["listDesc"]) for lead in ringcx_sandbox.leads("Spring Renewals")}
    assert known <= {(entry["list_id"], entry["list_name"]) for entry in lists}
    before = len(ringcx_sandbox.requests)
    agents = list(at_home.agents())
    assert agents
    assert all(isinstance(agent["agentId"], int) for agent in agents)
    assert len(ringcx_sandbox.requests) - before == 3  # two groups
