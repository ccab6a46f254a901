"""What the hook offers beside the operators: any other endpoint, searching, counting, acting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidCriteria,
    InvalidParameter,
    OutcomeUnknown,
    ServiceUnavailable,
)
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.cancellation import run_cancelled
from tests.support.raw_server import raw_response, raw_server
from tests.unit.hooks.conftest import Connect

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

ROOT = "/voice/api/v1/admin/accounts/50810001"


@pytest.mark.parametrize(
    "path",
    [
        "/voice/api/v1/admin/accounts/{accountId}/agentGroups",
        "/api/v1/admin/accounts/{accountId}/agentGroups",
        f"{ROOT}/agentGroups",
    ],
)
@pytest.mark.parametrize("method", ["ringcentral", "legacy"])
def test_any_path_of_the_guide_may_be_asked_for(
    ringcx_sandbox: SandboxServer, connect: Connect, path: str, method: str
) -> None:
    groups = connect(method).request("GET", path)
    assert [group["groupName"] for group in groups] == ["Day Shift", "Evening Shift"]
    prefix = "" if method == "legacy" else "/voice"
    assert ringcx_sandbox.requests[-1].path == f"{prefix}/api/v1/admin/accounts/50810001/agentGroups"


def test_query_and_body_are_passed_on(ringcx_sandbox: SandboxServer, connect: Connect) -> None:
    campaign = ringcx_sandbox.campaign("Spring Renewals")["campaignId"]
    path = "/api/v1/admin/accounts/{accountId}/campaignLeads/leadSearch"
    found = connect().request("post", path, {"count": "true"}, {"campaignIds": [campaign]})
    assert found == len(ringcx_sandbox.leads("Spring Renewals"))


@pytest.mark.parametrize(
    "path",
    [
        "https://elsewhere.example/api/v1/admin/accounts",
        "//elsewhere.example/api",
        "/api/v1/admin/accounts?count=true",
        "/api/v1/../admin/accounts",
        "/api/v1/%2e%2e/admin/accounts",
        "api/v1/admin/accounts",
        "",
    ],
)
def test_another_host_a_query_or_a_way_up_is_refused(
    ringcx_sandbox: SandboxServer, connect: Connect, path: str
) -> None:
    with pytest.raises(InvalidParameter, match="path must begin with / and have no host, query"):
        connect().request("GET", path)
    assert ringcx_sandbox.requests == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_only_a_get_is_sent_again_where_its_fate_is_unknown(connect: Connect, method: str) -> None:
    with raw_server(lambda number, request: raw_response({}, "503 Service Unavailable")) as server:
        with pytest.raises(OutcomeUnknown):
            connect("api_token", host=server.url).request(method, f"{ROOT}/agentGroups")
        assert len(server.received) == 1
        with pytest.raises(ServiceUnavailable):
            connect("api_token", host=server.url).request("GET", f"{ROOT}/agentGroups")
        assert len(server.received) == 1 + 5


@pytest.mark.parametrize("body", [{}, [], "text", None])
def test_an_answer_is_given_as_it_is(connect: Connect, ringcx_sandbox: SandboxServer, body: Any) -> None:
    kind = "text/plain" if body == "text" else "application/json"
    sent = "" if body is None else body
    ringcx_sandbox.fault("answer", body=sent, content_type=kind, operation="agent_groups")
    assert connect().request("GET", f"{ROOT}/agentGroups") == body


def test_leads_are_searched_counted_and_acted_on_by_criteria(
    ringcx_sandbox: SandboxServer, connect: Connect
) -> None:
    hook = connect()
    campaign = hook.find_campaign("Spring Renewals")["campaign_id"]
    criteria = {"campaignIds": [campaign], "leadStates": ["READY"]}
    found = [row["leadId"] for row in hook.search_leads(criteria)]
    expected = [
        lead["leadId"] for lead in ringcx_sandbox.leads("Spring Renewals") if lead["leadState"] == "READY"
    ]
    assert found == expected
    assert hook.count_leads(criteria) == len(expected)
    done = hook.perform_lead_action("PAUSE_LEADS", criteria, max_leads=len(expected))
    assert (done["leads_matched"], done["leads_updated"]) == (len(expected), len(expected))
    assert hook.count_leads(criteria) == 0


@pytest.mark.parametrize(
    "bounds", [{"max_leads": -1}, {"max_leads": True}, {"chunk_size": 0}, {"chunk_size": "9"}]
)
def test_bounds_that_are_none_are_refused_before_anything_is_sent(
    ringcx_sandbox: SandboxServer, connect: Connect, bounds: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParameter, match="must be a whole number"):
        connect().perform_lead_action("PAUSE_LEADS", {"leadIds": [1]}, **bounds)
    assert ringcx_sandbox.requests == []


@pytest.mark.parametrize("account", [50810002, "50810002"])
def test_an_account_may_be_a_number(ringcx_sandbox: SandboxServer, connect: Connect, account: Any) -> None:
    """A template rendered as native code gives a number."""
    hook = connect()
    lead = ringcx_sandbox.leads("Solar Consultations")[0]["leadId"]
    assert hook.find_campaign("Solar Consultations", account_id=account)["account_id"] == "50810002"
    assert hook.count_leads({"leadIds": [lead]}, account_id=account) == 1
    done = hook.perform_lead_action("SUPPRESS_LEADS", {"leadIds": [lead]}, account_id=account)
    assert (done["account_id"], done["leads_updated"]) == ("50810002", 1)
    done = hook.perform_lead_action("SUPPRESS_LEADS", {"leadIds": []}, account_id=account)
    assert (done["account_id"], done["requests"]) == ("50810002", 0)


@pytest.mark.parametrize("has_client", [False, True])
def test_cancel_before_or_after_get_conn_sends_nothing(
    ringcx_sandbox: SandboxServer, connect: Connect, has_client: bool
) -> None:
    hook = connect("api_token")
    if has_client:
        hook.get_conn()
    hook.cancel()
    run_cancelled(lambda: hook.request("GET", f"{ROOT}/dialGroups"))
    assert ringcx_sandbox.requests == []


def test_empty_selection_is_logged(
    ringcx_sandbox: SandboxServer, connect: Connect, logged: Callable[[], str]
) -> None:
    hook = connect()
    assert hook.count_leads({"campaignIds": [1], "leadStates": []}) == 0
    assert list(hook.search_leads({"campaignIds": [1], "leadStates": []})) == []
    assert logged().count("leadStates is empty") >= 2


def test_criteria_are_validated_before_the_account_is_looked_up(
    ringcx_sandbox: SandboxServer, connect: Connect
) -> None:
    hook = connect("api_token", extra={"account_id": None})
    for read in (hook.count_leads, hook.search_leads):
        with pytest.raises(InvalidCriteria):
            read({"leadStates": ["READY"]})
    assert hook.count_leads({"externIds": []}) == 0
    assert list(hook.search_leads({"externIds": []})) == []
    assert ringcx_sandbox.requests == []
