"""Tests of the HTTP transport: connections, redirects, proxies, request encoding and interruption."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from pytest_mock import MockerFixture

from airflow_provider_engagevoice.ringcx.client import base_url
from airflow_provider_engagevoice.ringcx.exceptions import (
    EngageVoiceError,
    InvalidParameter,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    ServiceUnavailable,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.support.cancellation import run_cancelled
from tests.support.clients import (
    ACTIONS_PATH,
    DIAL_GROUPS,
    PARAMS,
    ROOT,
    FakeClock,
    make_client,
    perform_action,
)
from tests.support.raw_server import raw_response, raw_server

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")


@pytest.mark.parametrize("method", ["ringcentral", "api_token", "engage", "legacy"])
def test_client_sends_all_requests_over_one_connection(
    ringcx_sandbox: SandboxServer, ids: list[int], method: str
) -> None:
    """Counts that are prefetched during an action have a separate connection."""
    client = make_client(ringcx_sandbox.url, method)
    client.campaigns.find("Spring Renewals")
    perform_action(client, "CANCEL_LEADS", {"leadIds": ids[:4]}, chunk_size=4)
    with pytest.raises(NotFound):
        client.request("GET", f"{ROOT}/nothing")
    ringcx_sandbox.expire_tokens()
    client.campaigns.accounts()
    assert len(ringcx_sandbox.requests) >= 5
    assert len({request.client_port for request in ringcx_sandbox.requests}) == 1
    perform_action(client, "MANUAL_LEADS", {"leadIds": ids[4:16]}, PARAMS["MANUAL_LEADS"], chunk_size=1)
    assert len(ringcx_sandbox.requests) >= 24
    assert len({request.client_port for request in ringcx_sandbox.requests}) == 2
    assert {request.user_agent for request in ringcx_sandbox.requests} == {"tests/1.0"}


def test_close_then_request_opens_new_connection(ringcx_sandbox: SandboxServer) -> None:
    client = make_client(ringcx_sandbox.url, "api_token")
    client.request("GET", DIAL_GROUPS)
    client.close()
    client.close()
    client.request("GET", DIAL_GROUPS)
    assert len({request.client_port for request in ringcx_sandbox.requests}) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["ringcentral", "api_token"])
def test_redirect_is_not_followed(ringcx_sandbox: SandboxServer, status: int, method: str) -> None:
    with raw_server(lambda number, request: raw_response([])) as elsewhere:
        headers = {"Location": f"{elsewhere.url}/voice"}
        ringcx_sandbox.fault("answer", status=status, headers=headers, operation="dial_groups", chance=1)
        with pytest.raises(UnexpectedResponse, match="a redirect"):
            make_client(ringcx_sandbox.url, method).request("GET", DIAL_GROUPS)
    assert elsewhere.received == []


@pytest.mark.parametrize("location", ["http://[broken", "https://", "\\", "http://a..b/"])
def test_redirect_to_invalid_location_is_an_error(ringcx_sandbox: SandboxServer, location: str) -> None:
    ringcx_sandbox.fault(
        "answer", status=302, headers={"Location": location}, operation="dial_groups", chance=1
    )
    with pytest.raises(EngageVoiceError):
        make_client(ringcx_sandbox.url, "api_token").request("GET", DIAL_GROUPS)


@pytest.mark.parametrize("method", ["ringcentral", "api_token", "engage", "legacy"])
def test_netrc_is_not_used(
    ringcx_sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, method: str
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\ndefault login other password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    assert make_client(ringcx_sandbox.url, method).request("GET", DIAL_GROUPS)
    assert {request.status for request in ringcx_sandbox.requests} == {200}


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
def test_proxy_is_not_used_for_loopback(
    ringcx_sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with raw_server(lambda number, request: raw_response([])) as proxy:
        monkeypatch.setenv(name, proxy.url)
        assert len(make_client(ringcx_sandbox.url).request("GET", DIAL_GROUPS)) == 4
    assert proxy.received == []


def test_proxy_is_used_for_other_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with raw_server(lambda number, request: None) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        client = make_client("https://ringcx.ringcentral.com", "api_token", retry_timeout=0)
        with pytest.raises(ServiceUnavailable, match="No response from ringcx"):
            client.request("GET", DIAL_GROUPS)
    assert proxy.received[0].startswith(b"CONNECT ringcx.ringcentral.com:443 ")
    assert b"sandbox-token" not in b"".join(proxy.received)


def test_connection_closed_by_server_is_replaced(clock: FakeClock) -> None:
    with raw_server(lambda number, request: raw_response({"success": True}), hang_up=True) as server:
        client = make_client(server.url, "api_token")
        for _ in range(3):
            client.request("PUT", ACTIONS_PATH)
            assert server.closed.acquire(timeout=5)
    assert (len(server.received), server.connections, clock.pauses) == (3, 3, [])


def test_idle_connection_is_not_used_for_actions(clock: FakeClock) -> None:
    """A server that closes idle connections may do so while the next request arrives."""
    with raw_server(lambda number, request: raw_response({}) if number == 1 else None) as server:
        client = make_client(server.url, "api_token")
        client.request("GET", DIAL_GROUPS)
        clock.offset += 5
        client.request("PUT", ACTIONS_PATH)
        assert server.connections == 2
        clock.offset += 5
        # A read is retried.
        client.request("GET", DIAL_GROUPS)
    assert [request.split()[0] for request in server.received] == [b"GET", b"PUT", b"GET", b"GET"]


def test_ipv6_host_works() -> None:
    try:
        with SandboxServer(Settings(size=10), host="::1") as server:
            assert server.url.startswith("http://[::1]:")
            assert len(make_client(base_url(server.url)).request("GET", DIAL_GROUPS)) == 4
    except OSError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize("body", [{"when": float("nan")}, {"when": re.compile("")}, {"when": {1, 2}}])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_body_that_is_not_json_is_rejected_before_sending(
    ringcx_sandbox: SandboxServer, body: object, method: str
) -> None:
    with pytest.raises(InvalidParameter, match="params or json contain a value that cannot be"):
        make_client(ringcx_sandbox.url, "api_token").request(method, DIAL_GROUPS, json=body)
    assert ringcx_sandbox.requests == []


def test_str_of_request_hides_phone_number_in_path(ringcx_sandbox: SandboxServer) -> None:
    with pytest.raises(NotFound) as caught:
        make_client(ringcx_sandbox.url).request(
            "DELETE", "/voice/api/v1/admin/accounts/{accountId}/dncLists/tags/GLOBAL/phones/15551234567"
        )
    assert "15551234567" not in str(caught.value)
    assert "/accounts/50810001/dncLists" in str(caught.value)


def test_str_of_request_hides_permanent_token_in_path(ringcx_sandbox: SandboxServer) -> None:
    with pytest.raises(NotFound) as caught:
        make_client(ringcx_sandbox.url, "api_token").request("DELETE", "/api/v1/admin/token/to-be-deleted")
    assert "to-be-deleted" not in str(caught.value)
    assert caught.value.request == "DELETE /voice/api/v1/admin/token/***"


def test_send_after_cancel_sends_nothing(ringcx_sandbox: SandboxServer) -> None:
    client = make_client(ringcx_sandbox.url, "api_token")
    client.cancel_token.cancel()
    run_cancelled(lambda: client.request("GET", DIAL_GROUPS))
    assert ringcx_sandbox.requests == []


def test_send_cancelled_during_action_returns_response(ringcx_sandbox: SandboxServer) -> None:
    client = make_client(ringcx_sandbox.url, "api_token")
    ringcx_sandbox.fault("meanwhile", work=client.cancel_token.cancel, operation="lead_action")
    criteria = {"campaignLeadSearchCriteria": {"leadIds": [1]}, "leadActionParams": {"paramMap": {}}}
    response = client.request("PUT", ACTIONS_PATH, params={"leadAction": "CANCEL_LEADS"}, json=criteria)
    assert response["success"] is True
    run_cancelled(lambda: client.request("GET", DIAL_GROUPS))
    assert len(ringcx_sandbox.requests) == 1


class TaskTimeout(BaseException):
    """Like the exception of Airflow's task timeout, which is not an :class:`Exception`."""


def test_send_interrupted_is_raised_if_retry_safe(mocker: MockerFixture) -> None:
    mocker.patch.object(requests.Session, "send", side_effect=TaskTimeout)
    with pytest.raises(TaskTimeout):
        make_client("https://ringcx.example", "api_token").request("PUT", ACTIONS_PATH, retry_safe=True)


def test_send_interrupted_is_unknown_if_not_retry_safe(mocker: MockerFixture) -> None:
    mocker.patch.object(requests.Session, "send", side_effect=TaskTimeout)
    with pytest.raises(
        OutcomeUnknown, match=r"No response from ringcx\.example .*\(TaskTimeout\)\. The request may"
    ):
        make_client("https://ringcx.example", "api_token").request("PUT", ACTIONS_PATH)


def test_send_programming_error_is_not_mapped(mocker: MockerFixture) -> None:
    mocker.patch.object(requests.Session, "send", side_effect=KeyError("a bug"))
    with pytest.raises(KeyError, match="a bug"):
        make_client("https://ringcx.example", "api_token").request("PUT", ACTIONS_PATH)


@dataclass
class RecordingObserver:
    """Records its calls; can fail in one of them."""

    failing: str = ""
    calls: list[str] = field(default_factory=list)

    def on_attempt(self) -> None:
        self._record("on_attempt")

    def on_not_applied(self) -> None:
        self._record("on_not_applied")

    def _record(self, call: str) -> None:
        self.calls.append(call)
        if call == self.failing:
            raise EngageVoiceError("the observer failed")


def test_observer_is_notified_of_each_attempt(ringcx_sandbox: SandboxServer) -> None:
    observer = RecordingObserver()
    ringcx_sandbox.fault("rate_limited", operation="lead_action", times=2)
    with pytest.raises(InvalidRequest):
        make_client(ringcx_sandbox.url, "api_token").request("PUT", ACTIONS_PATH, observer=observer)
    assert observer.calls == ["on_attempt", "on_not_applied"] * 3


def test_observer_is_not_notified_if_maybe_applied(ringcx_sandbox: SandboxServer) -> None:
    observer = RecordingObserver()
    ringcx_sandbox.fault("drop", operation="lead_action")
    with pytest.raises(OutcomeUnknown):
        make_client(ringcx_sandbox.url, "api_token").request("PUT", ACTIONS_PATH, observer=observer)
    assert observer.calls == ["on_attempt"]


def test_observer_that_fails_before_attempt_prevents_it(ringcx_sandbox: SandboxServer) -> None:
    observer = RecordingObserver("on_attempt")
    with pytest.raises(EngageVoiceError, match="the observer failed"):
        make_client(ringcx_sandbox.url, "api_token").request("PUT", ACTIONS_PATH, observer=observer)
    assert observer.calls == ["on_attempt", "on_not_applied"]
    assert ringcx_sandbox.requests == []


def test_observer_that_fails_later_does_not_hide_the_error(ringcx_sandbox: SandboxServer) -> None:
    observer = RecordingObserver("on_not_applied")
    with pytest.raises(InvalidRequest):
        make_client(ringcx_sandbox.url, "api_token").request("PUT", ACTIONS_PATH, observer=observer)
    assert observer.calls == ["on_attempt", "on_not_applied"]
