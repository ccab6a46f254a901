"""Tests of the hook: requests, searches, lead actions, cancellation and the connection test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_engagevoice import __version__
from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.ringcx.exceptions import (
    AuthenticationError,
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
AUTH_METHODS = ["ringcentral", "api_token", "engage", "legacy"]


@pytest.mark.parametrize(
    "path",
    [
        "/voice/api/v1/admin/accounts/{accountId}/agentGroups",
        "/api/v1/admin/accounts/{accountId}/agentGroups",
        f"{ROOT}/agentGroups",
    ],
)
@pytest.mark.parametrize("method", ["ringcentral", "legacy"])
def test_request_accepts_every_form_of_a_path(
    ringcx_sandbox: SandboxServer, connect: Connect, path: str, method: str
) -> None:
    groups = connect(method).request("GET", path)
    assert [group["groupName"] for group in groups] == ["Day Shift", "Evening Shift"]
    prefix = "" if method == "legacy" else "/voice"
    assert ringcx_sandbox.requests[-1].path == f"{prefix}/api/v1/admin/accounts/50810001/agentGroups"


def test_request_sends_query_and_body(ringcx_sandbox: SandboxServer, connect: Connect) -> None:
    campaign = ringcx_sandbox.campaign("Spring Renewals")["campaignId"]
    path = "/api/v1/admin/accounts/{accountId}/campaignLeads/leadSearch"
    count = connect().request("post", path, {"count": "true"}, {"campaignIds": [campaign]})
    assert count == len(ringcx_sandbox.leads("Spring Renewals"))


@pytest.mark.parametrize(
    "path",
    [
        "https://elsewhere.example/api/v1/admin/accounts",
        "//elsewhere.example/api",
        "/api/v1/admin/accounts?count=true",
        "/api/v1/../admin/accounts",
        "/api/v1/%2e%2e/admin/accounts",
        "/api/v1/%252e%252e/admin/accounts",
        "/api/v1/..;x/admin/accounts",
        "/api/v1/\\..\\admin",
        "/api/v1/a\r\nb",
        "/api/v1/%0d%0a",
        "/api/v1/\ud800",
        "api/v1/admin/accounts",
        "",
        None,
        7,
    ],
)
def test_request_invalid_path_raises(ringcx_sandbox: SandboxServer, connect: Connect, path: Any) -> None:
    with pytest.raises(InvalidParameter, match="path must begin with / and have no host, query"):
        connect().request("GET", path)
    assert ringcx_sandbox.requests == []


@pytest.mark.parametrize("method", ["", None, 7, "GET X", "GET\r\nX", "G\u00cbT"])
def test_request_invalid_method_raises(ringcx_sandbox: SandboxServer, connect: Connect, method: Any) -> None:
    with pytest.raises(InvalidParameter, match='method must be an HTTP method, such as "GET"'):
        connect().request(method, f"{ROOT}/agentGroups")
    assert ringcx_sandbox.requests == []


@pytest.mark.parametrize("params", [7, {"name": "\ud800"}])
def test_request_params_that_cannot_be_sent_raise(
    ringcx_sandbox: SandboxServer, connect: Connect, params: Any
) -> None:
    with pytest.raises(
        InvalidParameter, match="params or json contain a value that cannot be sent"
    ) as caught:
        connect("api_token").request("GET", f"{ROOT}/agentGroups", params)
    assert caught.value.__context__ is None
    assert ringcx_sandbox.requests == []


@pytest.mark.parametrize("text", ["\ud800", "a \udc00", "\ud83d\ud83d\ude00", "\\\ud800"])
def test_request_text_with_half_of_a_character_is_not_sent(
    ringcx_sandbox: SandboxServer, connect: Connect, text: str
) -> None:
    path = f"{ROOT}/campaignLeads/leadSearch"
    with pytest.raises(InvalidParameter, match="a text contains half of a character"):
        connect("api_token").request("POST", path, json={"lastName": text})
    assert ringcx_sandbox.requests == []


@pytest.mark.parametrize("text", ["\U0001f600", "\\ud800", "\\\\udc00", "ud800"])
def test_request_text_with_whole_characters_is_sent(
    ringcx_sandbox: SandboxServer, connect: Connect, text: str
) -> None:
    path = f"{ROOT}/campaignLeads/leadSearch"
    assert connect("api_token").request("POST", path, {"count": "true"}, {"lastName": text}) == 0


@pytest.mark.parametrize("conn_id", [None, "", " ", 5])
def test_hook_connection_id_of_another_kind_is_refused(conn_id: Any) -> None:
    with pytest.raises(InvalidParameter, match="engagevoice_conn_id must be the id of a connection, not "):
        EngageVoiceHook(conn_id).get_conn()


@pytest.mark.parametrize("argument", ["source", "report"])
def test_path_with_half_of_a_character_is_an_error_that_can_be_logged(
    connect: Connect, argument: str
) -> None:
    arguments: dict[str, Any] = {argument: "/tmp/\ud800.csv"}
    if argument == "report":
        arguments["search_criteria"] = {"leadIds": [1]}
    with pytest.raises(InvalidParameter, match=f"^{argument}") as caught:
        connect().perform_lead_action("CANCEL_LEADS", **arguments)
    assert str(caught.value).encode()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_request_only_get_is_retried_if_outcome_is_unknown(connect: Connect, method: str) -> None:
    with raw_server(lambda number, request: raw_response({}, "503 Service Unavailable")) as server:
        with pytest.raises(OutcomeUnknown):
            connect("api_token", host=server.url).request(method, f"{ROOT}/agentGroups")
        assert len(server.received) == 1
        with pytest.raises(ServiceUnavailable):
            connect("api_token", host=server.url).request("GET", f"{ROOT}/agentGroups")
        assert len(server.received) == 1 + 5


@pytest.mark.parametrize("body", [{}, [], "text", None])
def test_request_returns_body_unchanged(connect: Connect, ringcx_sandbox: SandboxServer, body: Any) -> None:
    kind = "text/plain" if body == "text" else "application/json"
    sent = "" if body is None else body
    ringcx_sandbox.fault("answer", body=sent, content_type=kind, operation="agent_groups")
    assert connect().request("GET", f"{ROOT}/agentGroups") == body


def test_hook_searches_counts_and_acts_by_criteria(ringcx_sandbox: SandboxServer, connect: Connect) -> None:
    hook = connect()
    campaign = hook.find_campaign("Spring Renewals")["campaign_id"]
    criteria = {"campaignIds": [campaign], "leadStates": ["READY"]}
    found_ids = [row["leadId"] for row in hook.search_leads(criteria)]
    expected_ids = [
        lead["leadId"] for lead in ringcx_sandbox.leads("Spring Renewals") if lead["leadState"] == "READY"
    ]
    assert found_ids == expected_ids
    assert hook.count_leads(criteria) == len(expected_ids)
    result = hook.perform_lead_action("PAUSE_LEADS", criteria, max_leads=len(expected_ids))
    assert (result["leads_matched"], result["leads_updated"]) == (len(expected_ids), len(expected_ids))
    assert hook.count_leads(criteria) == 0


@pytest.mark.parametrize(
    "options",
    [{"max_leads": -1}, {"max_leads": True}, {"chunk_size": 0}, {"chunk_size": "9"}, {"max_in_flight": 0}],
)
def test_perform_lead_action_invalid_option_sends_nothing(
    ringcx_sandbox: SandboxServer, connect: Connect, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParameter, match="must be a whole number"):
        connect().perform_lead_action("PAUSE_LEADS", {"leadIds": [1]}, **options)
    assert ringcx_sandbox.requests == []


@pytest.mark.parametrize("value", ["False", "", None, 0, 1])
@pytest.mark.parametrize(
    ("method", "switch"),
    [
        ("perform_lead_action", "account_wide"),
        ("perform_lead_action", "dry_run"),
        ("perform_lead_action", "verify"),
        ("search_leads", "account_wide"),
        ("count_leads", "account_wide"),
    ],
)
def test_switch_that_is_no_bool_raises_and_sends_nothing(
    ringcx_sandbox: SandboxServer, connect: Connect, method: str, switch: str, value: Any
) -> None:
    arguments: dict[str, Any] = {"search_criteria": {"leadStates": ["READY"]}, switch: value}
    if method == "perform_lead_action":
        arguments["lead_action"] = "CANCEL_LEADS"
    with pytest.raises(InvalidParameter, match=f"^{switch} must be True or False, not {value!r}$"):
        getattr(connect(), method)(**arguments)
    assert ringcx_sandbox.requests == []


@pytest.mark.parametrize("account", [50810002, "50810002"])
def test_account_id_may_be_a_number(ringcx_sandbox: SandboxServer, connect: Connect, account: Any) -> None:
    """A template that is rendered to native types returns a number."""
    hook = connect()
    lead = ringcx_sandbox.leads("Solar Consultations")[0]["leadId"]
    assert hook.find_campaign("Solar Consultations", account_id=account)["account_id"] == "50810002"
    assert hook.count_leads({"leadIds": [lead]}, account_id=account) == 1
    result = hook.perform_lead_action("SUPPRESS_LEADS", {"leadIds": [lead]}, account_id=account)
    assert (result["account_id"], result["leads_updated"]) == ("50810002", 1)
    result = hook.perform_lead_action("SUPPRESS_LEADS", {"leadIds": []}, account_id=account)
    assert (result["account_id"], result["requests"]) == ("50810002", 0)


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


def test_hook_without_conn_id_uses_default_connection(ringcx_sandbox: SandboxServer) -> None:
    assert EngageVoiceHook().find_campaign("Spring Renewals")["account_id"] == "50810001"


def test_hook_reads_connection_once_and_only_when_needed(
    ringcx_sandbox: SandboxServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    original = EngageVoiceHook.get_connection

    def read_connection(conn_id: str) -> Any:
        reads.append(conn_id)
        return original(conn_id)

    monkeypatch.setattr(EngageVoiceHook, "get_connection", staticmethod(read_connection))
    hook = connect()
    assert (reads, ringcx_sandbox.requests) == ([], [])
    client = hook.get_conn()
    assert (reads, ringcx_sandbox.requests) == (["ringcx_test"], [])
    hook.find_campaign("Spring Renewals")
    assert hook.get_conn() is client
    assert reads == ["ringcx_test"]


def test_hook_sends_user_agent_over_one_tcp_connection(
    ringcx_sandbox: SandboxServer, connect: Connect
) -> None:
    from airflow.version import version

    hook = connect()
    hook.find_campaign("Spring Renewals")
    lead = ringcx_sandbox.leads("Spring Renewals")[0]["leadId"]
    hook.perform_lead_action("SUPPRESS_LEADS", {"leadIds": [lead]})
    assert len(list(hook.search_leads({"leadIds": [lead]}))) == 1
    agents = {request.user_agent for request in ringcx_sandbox.requests}
    assert agents == {f"airflow-provider-engagevoice/{__version__} (apache-airflow/{version})"}
    assert len({request.client_port for request in ringcx_sandbox.requests}) == 1


def test_hooks_of_one_connection_share_one_sign_in(ringcx_sandbox: SandboxServer, connect: Connect) -> None:
    for _ in range(3):
        connect().find_campaign("Spring Renewals")
    assert sum("accesstoken" in request.path for request in ringcx_sandbox.requests) == 1


@pytest.mark.parametrize("method", AUTH_METHODS)
def test_test_connection_lists_the_accounts(
    ringcx_sandbox: SandboxServer, connect: Connect, method: str
) -> None:
    message = (
        f"Signed in to {ringcx_sandbox.url}; sub-accounts: 50810001 (Harbor Outreach Memberships), "
        "50810002 (Harbor Outreach Home Services)"
    )
    assert connect(method).test_connection() == (True, message)
    assert len(ringcx_sandbox.requests) <= 3
    assert ringcx_sandbox.requests[-1].method == "GET"


def test_test_connection_unknown_account_fails(ringcx_sandbox: SandboxServer, connect: Connect) -> None:
    succeeded, message = connect(extra={"account_id": "50810003"}).test_connection()
    assert not succeeded
    assert (
        f"Signed in to {ringcx_sandbox.url}, but account_id 50810003 is not among: 50810001 (Harbor"
        in message
    )


@pytest.mark.parametrize("method", AUTH_METHODS)
def test_test_connection_wrong_credentials_fail(
    ringcx_sandbox: SandboxServer, connect: Connect, method: str
) -> None:
    succeeded, message = connect(method, password="other-word").test_connection()
    assert not succeeded
    assert "check the connection's" in message
    assert "other-word" not in message
    assert len(ringcx_sandbox.requests) == 1


def test_test_connection_unreachable_host_fails(connect: Connect) -> None:
    with raw_server(lambda number, request: None, listening=False) as server:
        succeeded, message = connect("api_token", host=server.url).test_connection()
    assert not succeeded
    assert message.startswith("No response from 127.0.0.1:")
    assert "GET /voice/api/v1/admin/accounts (NewConnectionError)" in message


def test_test_connection_web_page_means_wrong_host(ringcx_sandbox: SandboxServer, connect: Connect) -> None:
    ringcx_sandbox.fault("html", operation="accounts")
    succeeded, message = connect("api_token").test_connection()
    assert not succeeded
    assert message == (
        "RingCX returned a web page instead of JSON; check the connection's host "
        "(request: GET /voice/api/v1/admin/accounts)"
    )


def test_test_connection_several_accounts_says_what_a_missing_one_means(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    succeeded, message = connect(extra={"account_id": None}).test_connection()
    assert succeeded
    assert message.endswith(". Set account_id, unless each task sets its own: tasks without one will fail")
    assert message in caplog.messages


@pytest.mark.parametrize("fault", ["drop", "status"])
def test_test_connection_retries_nothing(ringcx_sandbox: SandboxServer, connect: Connect, fault: str) -> None:
    ringcx_sandbox.fault(fault, operation="accounts", **({"status": 503} if fault == "status" else {}))
    succeeded, _ = connect("api_token").test_connection()
    assert not succeeded
    assert len(ringcx_sandbox.requests) == 1


@pytest.mark.parametrize("method", AUTH_METHODS)
def test_credentials_that_were_replaced_are_read_again(
    ringcx_sandbox: SandboxServer, connect: Connect, method: str
) -> None:
    """A sensor keeps its hook for hours, in which a person may correct the connection."""
    hook = connect(method, password="old-word")
    hook.get_conn()
    connect(method)
    assert hook.find_campaign("Spring Renewals")


def test_credentials_that_were_not_replaced_are_rejected_once(
    ringcx_sandbox: SandboxServer, connect: Connect
) -> None:
    with pytest.raises(AuthenticationError):
        connect("api_token", password="old-word").find_campaign("Spring Renewals")
    assert len(ringcx_sandbox.requests) == 1


def test_credentials_of_another_host_are_not_sent_to_this_one(
    ringcx_sandbox: SandboxServer, connect: Connect
) -> None:
    hook = connect("api_token", password="old-word")
    hook.get_conn()
    with raw_server(lambda number, request: raw_response({})) as server:
        connect("api_token", host=server.url, password="word-of-the-other-host")
        with pytest.raises(AuthenticationError):
            hook.find_campaign("Spring Renewals")
    assert server.received == []
    assert len(ringcx_sandbox.requests) == 1


def test_connection_that_cannot_be_read_again_leaves_the_error(
    ringcx_sandbox: SandboxServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = connect("api_token", password="old-word")
    hook.get_conn()

    def fail(conn_id: str) -> Any:
        raise RuntimeError("The secrets backend does not answer; secret-word")

    monkeypatch.setattr(EngageVoiceHook, "get_connection", staticmethod(fail))
    with pytest.raises(AuthenticationError, match="RingCX rejected the permanent API token"):
        hook.find_campaign("Spring Renewals")


def test_test_connection_leaves_the_hook_as_it_was(ringcx_sandbox: SandboxServer, connect: Connect) -> None:
    hook = connect("api_token", {"timeout": 5})
    assert hook.test_connection()[0]
    transport = hook.get_conn().transport
    assert (transport.retry_timeout, transport.timeout) == (300.0, (5.0, 5.0))
    assert transport.limiter is not None
    assert transport.limiter.timeout == 900.0
    ringcx_sandbox.fault("drop", operation="dial_groups_with_children")
    assert hook.find_campaign("Spring Renewals")


def test_test_connection_failure_is_logged(
    ringcx_sandbox: SandboxServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Airflow 3.3 shows a red icon only."""
    succeeded, message = connect("api_token", password="other-word").test_connection()
    assert not succeeded
    assert message in caplog.messages


def test_hook_error_has_no_context_with_data_of_leads(connect: Connect) -> None:
    """Error trackers read it, although ``from None`` hides it."""
    hook = connect("api_token")
    text = "{'leadPhoneNumbers': ['6175550100', }"
    for read in (hook.count_leads, hook.search_leads):
        with pytest.raises(InvalidCriteria) as caught:
            read(text)
        assert caught.value.__context__ is None
    with pytest.raises(InvalidCriteria) as caught:
        hook.perform_lead_action("CANCEL_LEADS", text)
    assert caught.value.__context__ is None


def test_find_campaign_none_is_refused(connect: Connect) -> None:
    with pytest.raises(InvalidParameter, match="A campaign must be a name or an id, not NoneType"):
        connect("api_token").find_campaign(None)  # type: ignore[arg-type]
