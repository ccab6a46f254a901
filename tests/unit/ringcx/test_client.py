"""RingCX client: base URLs of valid hosts, rejected hosts, paths, and default accounts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.client import base_url
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.steps import Sleep, Steps
from airflow_provider_engagevoice.ringcx.transport.http import ApiRequest
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import DIAL_GROUPS, make_client

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")


@pytest.mark.parametrize(
    ("host", "options", "expected"),
    [
        (None, {}, "https://ringcx.ringcentral.com"),
        ("", {}, "https://ringcx.ringcentral.com"),
        ("ringcx.ringcentral.com", {}, "https://ringcx.ringcentral.com"),
        (" https://ringcx.ringcentral.com/ ", {}, "https://ringcx.ringcentral.com"),
        ("HTTPS://RingCX.RingCentral.com", {}, "https://ringcx.ringcentral.com"),
        ("ringcx.ringcentral.com", {"port": 8443}, "https://ringcx.ringcentral.com:8443"),
        ("https://ringcx.ringcentral.com:444", {"port": 8443}, "https://ringcx.ringcentral.com:444"),
        ("ringcx.ringcentral.com", {"scheme": "https"}, "https://ringcx.ringcentral.com"),
        ("127.0.0.1", {"scheme": "http", "port": 8787}, "http://127.0.0.1:8787"),
        ("http://localhost:8787", {}, "http://localhost:8787"),
        ("http://[::1]:8787", {}, "http://[::1]:8787"),
        ("[::1]", {"scheme": "http", "port": 8787}, "http://[::1]:8787"),
        ("https://[2001:db8::7]", {"port": 8443}, "https://[2001:db8::7]:8443"),
        ("https://ringcx", {}, "https://ringcx"),
        ("ring_cx.internal", {}, "https://ring_cx.internal"),
        # Rate limits and tokens are shared by base URL, so a host must have only one.
        ("ringcx.ringcentral.com", {"port": 443}, "https://ringcx.ringcentral.com"),
        ("https://ringcx.ringcentral.com:443", {}, "https://ringcx.ringcentral.com"),
        ("https://ringcx.ringcentral.com:443", {"port": 8443}, "https://ringcx.ringcentral.com"),
        ("https://ringcx.ringcentral.com.", {}, "https://ringcx.ringcentral.com"),
        ("ringcx.ringcentral.com.:8443", {}, "https://ringcx.ringcentral.com:8443"),
        ("https://[2001:db8::7]:443", {}, "https://[2001:db8::7]"),
        ("https://ringcx.ringcentral.com:80", {}, "https://ringcx.ringcentral.com:80"),
        ("http://127.0.0.1:80", {}, "http://127.0.0.1"),
        ("http://localhost.:80", {}, "http://localhost"),
        ("http://localhost:443", {}, "http://localhost:443"),
    ],
)
def test_base_url_normalizes_valid_hosts(host: str | None, options: dict[str, Any], expected: str) -> None:
    assert base_url(host, **options) == expected


@pytest.mark.parametrize(
    ("host", "options"),
    [
        ("http://ringcx.ringcentral.com", {}),
        ("ringcx.ringcentral.com", {"scheme": "http"}),
        ("http://127.0.0.1.elsewhere.example", {}),
        ("http://localhost.elsewhere.example", {}),
        ("http://ringcx.ringcentral.com.:80", {}),
        ("http://[2001:db8::7]:8787", {}),
        ("http://0.0.0.0:8787", {}),
    ],
)
def test_base_url_rejects_plain_http_to_another_machine(host: str, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match="Plain http would show the credentials"):
        base_url(host, **options)


@pytest.mark.parametrize(
    ("host", "options"),
    [
        ("https://ringcx.ringcentral.com/voice", {}),
        ("ringcx.ringcentral.com/voice/api", {}),
        ("https://ringcx.ringcentral.com?x=1", {}),
        ("https://ringcx.ringcentral.com#x", {}),
        ("https://user@ringcx.ringcentral.com", {}),
        ("https://user:hidden-word@ringcx.ringcentral.com", {}),
        ("https://:hidden-word@ringcx.ringcentral.com", {}),
        ("https://@ringcx.ringcentral.com", {}),
        ("http://localhost:8787@elsewhere.example", {}),
        ("https://user:hidden-word@ringcx.ringcentral.com:port", {}),
        ("https://user:hidden-word@[::1", {}),
        ("ftp://ringcx.ringcentral.com", {}),
        ("://ringcx.ringcentral.com", {}),
        ("https://", {}),
        ("::1", {}),
        ("ringcx ringcentral com", {}),
        ("ringcx..ringcentral.com", {}),
        ("ringcx.ringcentral.com..", {}),
        ("https://.", {}),
        ("ringcx.ringcentral.com\\@elsewhere.example", {}),
        ("ringcx.ringcentral.com,elsewhere.example", {}),
        ("x" * 64, {}),
        ("ringcx.ringcentral.com", {"port": 70000}),
        ("ringcx.ringcentral.com", {"port": -1}),
        ("https://ringcx.ringcentral.com:70000", {}),
    ],
)
def test_base_url_rejects_invalid_host_without_showing_it(host: str, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match=r"host|port") as caught:
        base_url(host, **options)
    assert "hidden-word" not in str(caught.value)
    assert caught.value.__context__ is None


def test_leads_with_empty_account_is_rejected(ringcx_sandbox: SandboxServer) -> None:
    with pytest.raises(InvalidParameter, match="account_id is empty"):
        make_client(ringcx_sandbox.url).leads("")


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/voice/api/v1/admin/accounts", "/voice/api/v1/admin/accounts"),
        ("/api/v1/admin/accounts", "/voice/api/v1/admin/accounts"),
        ("/voice/api/v1/admin/accounts/{accountId}/dialGroups", DIAL_GROUPS),
        ("/api/v1/admin/accounts/{accountId}/dialGroups", DIAL_GROUPS),
    ],
)
def test_request_accepts_paths_as_printed_in_the_guide(
    ringcx_sandbox: SandboxServer, path: str, sent: str
) -> None:
    client = make_client(ringcx_sandbox.url, "api_token")
    client.request("GET", path)
    make_client(ringcx_sandbox.url, "legacy").request("get", path)
    assert [r.path for r in ringcx_sandbox.requests if r.method == "GET"] == [
        sent,
        sent.removeprefix("/voice"),
    ]


def test_request_fills_in_the_only_account(ringcx_sandbox: SandboxServer) -> None:
    client = make_client(ringcx_sandbox.url, "api_token", account_id=None)
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
def test_request_rejects_path_outside_the_api(ringcx_sandbox: SandboxServer, path: str) -> None:
    with pytest.raises(InvalidParameter, match="path must begin with /"):
        make_client(ringcx_sandbox.url, "api_token").request("GET", path)
    assert ringcx_sandbox.requests == []


def test_request_path_cannot_change_legacy_host(ringcx_sandbox: SandboxServer) -> None:
    """Without its prefix /voice, the path /voice.elsewhere.example would extend the host name."""
    client = make_client(ringcx_sandbox.url, "legacy")

    def send_steps(request: ApiRequest, authorize: object) -> Steps[str]:
        yield Sleep(0.0)
        return request.url

    client.transport.send_steps = send_steps  # type: ignore[assignment, method-assign]
    assert (
        client.request("GET", "/voice.elsewhere.example/x")
        == f"{ringcx_sandbox.url}/voice.elsewhere.example/x"
    )
    assert client.request("GET", "/voice/api/x") == f"{ringcx_sandbox.url}/api/x"


def test_client_switches_that_are_no_bool_are_refused(ringcx_sandbox: SandboxServer) -> None:
    client = make_client(ringcx_sandbox.url)
    with pytest.raises(InvalidParameter, match="legacy must be True or False, not 'False'"):
        replace(client, legacy="False")  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter, match="retry_safe must be True or False, not 'no'"):
        client.request("PUT", DIAL_GROUPS, retry_safe="no")  # type: ignore[arg-type]
    assert ringcx_sandbox.requests == []
