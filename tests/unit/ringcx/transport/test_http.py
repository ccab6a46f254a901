"""One HTTP session: one connection, no redirects, nothing from the machine's surroundings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airflow_provider_engagevoice.ringcx.client import base_url
from airflow_provider_engagevoice.ringcx.exceptions import (
    EngageVoiceError,
    InvalidParameter,
    NotFound,
    ServiceUnavailable,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.support.clients import ACTIONS_PATH, DIAL_GROUPS, PARAMS, ROOT, Clock, act, client_of
from tests.support.raw_server import raw_answer, raw_server

pytestmark = pytest.mark.usefixtures("clock", "new_process")


@pytest.mark.parametrize("method", ["ringcentral", "api_token", "engage", "legacy"])
def test_all_requests_of_a_client_share_one_connection(
    ringcx_sandbox: SandboxServer, ids: list[int], method: str
) -> None:
    """A count beside an action that is under way has one of its own."""
    client = client_of(ringcx_sandbox.url, method)
    client.campaigns.find("Spring Renewals")
    act(client, "CANCEL_LEADS", {"leadIds": ids[:4]}, chunk_size=4)
    with pytest.raises(NotFound):
        client.request("GET", f"{ROOT}/nothing")
    ringcx_sandbox.expire_tokens()
    client.campaigns.accounts()
    assert len(ringcx_sandbox.requests) >= 5
    assert len({request.client_port for request in ringcx_sandbox.requests}) == 1
    act(client, "MANUAL_LEADS", {"leadIds": ids[4:16]}, PARAMS["MANUAL_LEADS"], chunk_size=1)
    assert len(ringcx_sandbox.requests) >= 24
    assert len({request.client_port for request in ringcx_sandbox.requests}) == 2
    assert {request.user_agent for request in ringcx_sandbox.requests} == {"tests/1.0"}


def test_a_closed_client_opens_a_new_connection(ringcx_sandbox: SandboxServer) -> None:
    client = client_of(ringcx_sandbox.url, "api_token")
    client.request("GET", DIAL_GROUPS)
    client.close()
    client.close()
    client.request("GET", DIAL_GROUPS)
    assert len({request.client_port for request in ringcx_sandbox.requests}) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["ringcentral", "api_token"])
def test_a_redirect_is_an_error_and_shows_the_token_to_nobody(
    ringcx_sandbox: SandboxServer, status: int, method: str
) -> None:
    with raw_server(lambda number, request: raw_answer([])) as elsewhere:
        headers = {"Location": f"{elsewhere.url}/voice"}
        ringcx_sandbox.fault("answer", status=status, headers=headers, operation="dial_groups", chance=1)
        with pytest.raises(UnexpectedResponse, match="a redirect"):
            client_of(ringcx_sandbox.url, method).request("GET", DIAL_GROUPS)
    assert elsewhere.received == []


@pytest.mark.parametrize("location", ["http://[broken", "https://", "\\", "http://a..b/"])
def test_a_redirect_to_nowhere_is_no_crash(ringcx_sandbox: SandboxServer, location: str) -> None:
    ringcx_sandbox.fault(
        "answer", status=302, headers={"Location": location}, operation="dial_groups", chance=1
    )
    with pytest.raises(EngageVoiceError):
        client_of(ringcx_sandbox.url, "api_token").request("GET", DIAL_GROUPS)


@pytest.mark.parametrize("method", ["ringcentral", "api_token", "engage", "legacy"])
def test_netrc_does_not_sign_in_for_you(
    ringcx_sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, method: str
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\ndefault login other password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    assert client_of(ringcx_sandbox.url, method).request("GET", DIAL_GROUPS)
    assert {request.status for request in ringcx_sandbox.requests} == {200}


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
def test_no_proxy_sees_what_is_meant_for_this_machine(
    ringcx_sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with raw_server(lambda number, request: raw_answer([])) as proxy:
        monkeypatch.setenv(name, proxy.url)
        assert len(client_of(ringcx_sandbox.url).request("GET", DIAL_GROUPS)) == 4
    assert proxy.received == []


def test_a_proxy_is_used_for_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with raw_server(lambda number, request: None) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        client = client_of("https://ringcx.ringcentral.com", "api_token", patience=0)
        with pytest.raises(ServiceUnavailable, match="No answer from ringcx"):
            client.request("GET", DIAL_GROUPS)
    assert proxy.received[0].startswith(b"CONNECT ringcx.ringcentral.com:443 ")
    assert b"sandbox-token" not in b"".join(proxy.received)


def test_a_connection_the_server_closed_costs_no_action(clock: Clock) -> None:
    with raw_server(lambda number, request: raw_answer({"success": True}), hang_up=True) as server:
        client = client_of(server.url, "api_token")
        for _ in range(3):
            client.request("PUT", ACTIONS_PATH)
            assert server.closed.acquire(timeout=5)
    assert (len(server.received), server.connections, clock.pauses) == (3, 3, [])


def test_an_action_takes_a_new_connection_where_the_old_one_may_be_closed_under_it(clock: Clock) -> None:
    """A server that closes idle connections may do so just as the next request arrives."""
    with raw_server(lambda number, request: raw_answer({}) if number == 1 else None) as server:
        client = client_of(server.url, "api_token")
        client.request("GET", DIAL_GROUPS)
        clock.moved += 5
        client.request("PUT", ACTIONS_PATH)
        assert server.connections == 2
        clock.moved += 5
        # A read is simply sent again.
        client.request("GET", DIAL_GROUPS)
    assert [request.split()[0] for request in server.received] == [b"GET", b"PUT", b"GET", b"GET"]


def test_the_sandbox_is_reached_by_ipv6_as_well() -> None:
    try:
        with SandboxServer(Settings(size=10), host="::1") as server:
            assert server.url.startswith("http://[::1]:")
            assert len(client_of(base_url(server.url)).request("GET", DIAL_GROUPS)) == 4
    except OSError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/voice/api/v1/admin/accounts", "/voice/api/v1/admin/accounts"),
        ("/api/v1/admin/accounts", "/voice/api/v1/admin/accounts"),
        ("/voice/api/v1/admin/accounts/{accountId}/dialGroups", DIAL_GROUPS),
        ("/api/v1/admin/accounts/{accountId}/dialGroups", DIAL_GROUPS),
    ],
)
def test_paths_are_taken_as_the_guide_prints_them(
    ringcx_sandbox: SandboxServer, path: str, sent: str
) -> None:
    client = client_of(ringcx_sandbox.url, "api_token")
    client.request("GET", path)
    client_of(ringcx_sandbox.url, "legacy").request("get", path)
    assert [r.path for r in ringcx_sandbox.requests if r.method == "GET"] == [
        sent,
        sent.removeprefix("/voice"),
    ]


def test_the_account_of_a_path_is_the_only_one_there_is(ringcx_sandbox: SandboxServer) -> None:
    client = client_of(ringcx_sandbox.url, "api_token", account_id=None)
    with pytest.raises(InvalidParameter, match=r"50810001 \(.*\), 50810002 \(.*\)"):
        client.request("GET", "/api/v1/admin/accounts/{accountId}/dialGroups")
    only = [{"accountId": "50810002", "accountName": "Only"}]
    ringcx_sandbox.fault("answer", body=only, operation="accounts")
    groups = client.request("GET", "/api/v1/admin/accounts/{accountId}/dialGroups")
    assert {group["dialGroupName"] for group in groups} == {"Home Energy", "Home Care"}


@pytest.mark.parametrize(
    "path",
    [
        "",
        "voice/api/v1/admin/accounts",
        "https://elsewhere.example/api/v1/admin/accounts",
        "//elsewhere.example/api/v1/admin/accounts",
        "/api/v1/admin/accounts?count=true",
        "/api/v1/admin/accounts#x",
        "/api/v1/admin/accounts/{accountId}/../50810002/dialGroups",
        "/api/v1/admin/accounts/{accountId}/%2e%2e/50810002/dialGroups",
        "/api/v1/admin/accounts/{accountId}/%2E./50810002/dialGroups",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(ringcx_sandbox: SandboxServer, path: str) -> None:
    with pytest.raises(InvalidParameter, match="path must begin with /"):
        client_of(ringcx_sandbox.url, "api_token").request("GET", path)
    assert ringcx_sandbox.requests == []


def test_no_path_changes_the_host_of_a_legacy_portal(ringcx_sandbox: SandboxServer) -> None:
    """Cutting /voice off /voice.elsewhere.example would glue the rest to the host's name."""
    client = client_of(ringcx_sandbox.url, "legacy")
    client.transport.send = lambda call, authorize=None: call.url  # type: ignore[assignment, method-assign, misc]
    assert (
        client.request("GET", "/voice.elsewhere.example/x")
        == f"{ringcx_sandbox.url}/voice.elsewhere.example/x"
    )
    assert client.request("GET", "/voice/api/x") == f"{ringcx_sandbox.url}/api/x"


@pytest.mark.parametrize("body", [{"when": float("nan")}, {"when": re.compile("")}, {"when": {1, 2}}])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_body_that_is_no_json_is_refused_before_it_is_sent(
    ringcx_sandbox: SandboxServer, body: object, method: str
) -> None:
    with pytest.raises(InvalidParameter, match="the body is not JSON"):
        client_of(ringcx_sandbox.url, "api_token").request(method, DIAL_GROUPS, json=body)
    assert ringcx_sandbox.requests == []
