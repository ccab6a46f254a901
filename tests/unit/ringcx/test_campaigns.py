"""Campaign lookup: number of requests, exact names, and suggestions in errors."""

from __future__ import annotations

import unicodedata
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


@pytest.mark.parametrize("name", ["spring renewals", "Spring", "Spring Renewals ", "Spring  Renewals"])
def test_find_requires_the_exact_name(first_account: CampaignService, name: str) -> None:
    with pytest.raises(CampaignNotFound, match=rf"^Campaign '{name}' not found \(16 checked\)") as caught:
        first_account.find(name)
    assert isinstance(caught.value, PermanentError)


def test_find_unknown_campaign_suggests_nearest_names(first_account: CampaignService) -> None:
    with pytest.raises(CampaignNotFound, match=r"\(16 checked\)\. Did you mean 'Spring Renewals'\?$"):
        first_account.find("Spring Renewal")
    # Without a similar name, some of the existing ones.
    for unknown in ("qqqq", "99"):
        with pytest.raises(CampaignNotFound, match=r"Campaigns: '.*', '.*', \.\.\. \(\d+ more\)$"):
            first_account.find(unknown)
    with pytest.raises(CampaignNotFound, match=r"^Campaign 99 not found \(16 checked\)$"):
        first_account.find(99)


@pytest.mark.parametrize(
    ("name", "difference"),
    [
        ("Spring  Renewals", "blanks or invisible characters"),
        ("Spring Renewals ", "blanks or invisible characters"),
        ("Spring\u00a0Renewals", "blanks or invisible characters"),
        ("Spring \u200bRenewals", "blanks or invisible characters"),
        ("SPRING renewals", "case or blanks"),
    ],
)
def test_find_names_a_difference_that_is_hard_to_see(
    first_account: CampaignService, name: str, difference: str
) -> None:
    with pytest.raises(CampaignNotFound, match=rf"'Spring Renewals' differs in {difference} only$"):
        first_account.find(name)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_find_compares_names_in_one_unicode_form(form: Any, written: Any) -> None:
    name = "Z\u00fcrich S\u00fcd"
    campaign = Campaign(
        account_id="1",
        dial_group_id=1,
        dial_group_name=unicodedata.normalize(form, name),
        campaign_id=7,
        campaign_name=unicodedata.normalize(form, name),
        is_active=True,
    )
    sought = unicodedata.normalize(written, name)
    assert CampaignIndex([campaign]).find(sought, sought) == campaign


def test_find_ambiguous_name_lists_campaigns_and_arguments(first_account: CampaignService) -> None:
    with pytest.raises(CampaignAmbiguous) as caught:
        first_account.find("Reactivation")
    text = str(caught.value)
    assert "in dial group 'Renewals East' of account 50810001" in text
    assert "in dial group 'Win-Back' of account 50810001" in text
    ids = [
        c["campaign_id"] for c in first_account.load_index().campaigns if c["campaign_name"] == "Reactivation"
    ]
    assert text.startswith(
        f"Pass the id, campaign={ids[0]} or {ids[1]}: 2 campaigns are named 'Reactivation'"
    )
    assert isinstance(caught.value, PermanentError)
    # A caller that takes names only, such as the sensor.
    with pytest.raises(CampaignAmbiguous, match=r"^Set dial_group_name='Renewals East' or 'Win-Back': 2 "):
        first_account.find("Reactivation", argument=None)
    found = first_account.find("Reactivation", dial_group_name="Win-Back")
    assert (found["dial_group_name"], found["campaign_name"]) == ("Win-Back", "Reactivation")


def test_find_name_in_two_accounts_is_narrowed_by_account(all_accounts: CampaignService) -> None:
    with pytest.raises(CampaignAmbiguous, match=r"50810001\n.*50810002$"):
        all_accounts.find("Customer Survey")
    assert all_accounts.find("Customer Survey", account_id=SECOND)["account_id"] == SECOND
    assert all_accounts.find("Customer Survey", dial_group_name="Member Service")["account_id"] == FIRST


def test_find_unknown_dial_group_suggests_nearest_names(first_account: CampaignService) -> None:
    with pytest.raises(
        CampaignNotFound, match=r"^Dial group 'Winback' not found.* Did you mean 'Win-Back'\?"
    ):
        first_account.find("Reactivation", dial_group_name="Winback")


@pytest.mark.parametrize(
    ("name", "active_only", "found"),
    [
        ("Trade Show Contacts", False, True),
        ("Trade Show Contacts", True, False),
        ("Spring Renewals", True, True),
    ],
)
def test_find_active_only_skips_inactive_campaigns(
    first_account: CampaignService, name: str, active_only: bool, found: bool
) -> None:
    if found:
        assert first_account.find(name, active_only=active_only)["campaign_name"] == name
    else:
        with pytest.raises(CampaignNotFound, match=f"^Campaign '{name}' exists, but is not active"):
            first_account.find(name, active_only=active_only)


def test_find_skips_unreadable_account_and_names_it(
    ringcx_sandbox: SandboxServer, all_accounts: CampaignService
) -> None:
    ringcx_sandbox.fault("status", status=403, where={"account": FIRST}, chance=1)
    assert all_accounts.find("Solar Consultations")["account_id"] == SECOND
    with pytest.raises(CampaignNotFound, match="No permission to read accounts 50810001"):
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
    with pytest.raises(InvalidParameter, match=r"^Set account_id.* Accessible accounts: none$"):
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


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"campaign": None}, "A campaign must be a name or an id, not NoneType"),
        # The id 1 in Python.
        ({"campaign": True}, "A campaign must be a name or an id, not bool"),
        ({"campaign": " "}, "A campaign must be a name or an id, not an empty text"),
        ({"active_only": "False"}, "active_only must be True or False, not 'False'"),
        ({"active_only": None}, "active_only must be True or False, not None"),
        ({"dial_group_name": 7}, "dial_group_name must be text, not int"),
        ({"account_id": ""}, "account_id is empty; leave it out to use the connection's"),
        ({"account_id": False}, "account_id must be text or a whole number, not bool"),
    ],
)
def test_find_invalid_argument_is_refused_before_any_request(
    ringcx_sandbox: SandboxServer, first_account: CampaignService, arguments: dict[str, Any], expected: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        first_account.find(**{"campaign": "Spring Renewals", **arguments})
    assert str(caught.value) == expected
    assert ringcx_sandbox.requests == []


def test_agents_empty_account_is_refused(
    ringcx_sandbox: SandboxServer, first_account: CampaignService
) -> None:
    with pytest.raises(InvalidParameter, match="account_id is empty"):
        list(first_account.agents(""))
    with pytest.raises(InvalidParameter, match="account_id must be text or a whole number, not NoneType"):
        first_account.dial_groups(None)  # type: ignore[arg-type]
    assert ringcx_sandbox.requests == []


def test_index_switch_that_is_no_bool_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="active_only must be True or False, not 1"):
        CampaignIndex([]).find("Spring Renewals", active_only=1)  # type: ignore[arg-type]
