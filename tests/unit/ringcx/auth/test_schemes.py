"""Tests of the authentication schemes: their requests, errors for wrong credentials, and masking."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    AuthenticationError,
    InvalidParameter,
    PermanentError,
    RateLimited,
    TransientError,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import DIAL_GROUPS, EXCHANGE, GRANT, FakeClock, make_client
from tests.support.raw_server import raw_response, raw_server

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

METHODS = ["ringcentral", "api_token", "engage", "legacy"]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("ringcentral", [GRANT, EXCHANGE, DIAL_GROUPS]),
        ("api_token", [DIAL_GROUPS]),
        ("engage", ["/api/auth/login/admin", DIAL_GROUPS]),
        ("legacy", ["/api/v1/auth/login", DIAL_GROUPS.removeprefix("/voice")]),
    ],
)
def test_scheme_signs_in_once(ringcx_sandbox: SandboxServer, method: str, expected: list[str]) -> None:
    client = make_client(ringcx_sandbox.url, method)
    assert len(client.request("GET", DIAL_GROUPS)) == len(client.request("GET", DIAL_GROUPS)) == 4
    assert [request.path for request in ringcx_sandbox.requests] == [*expected, expected[-1]]
    assert {request.status for request in ringcx_sandbox.requests} == {200}


@pytest.mark.parametrize(
    ("method", "header"),
    [
        ("ringcentral", b"Authorization: Bearer a-token"),
        ("api_token", b"X-Auth-Token: sandbox-token"),
        ("engage", b"Authorization: Bearer a-token"),
        ("legacy", b"X-Auth-Token: a-token"),
    ],
)
def test_scheme_sends_token_in_one_header(method: str, header: bytes) -> None:
    issued = raw_response({"access_token": "platform", "accessToken": "a-token", "authToken": "a-token"})
    with raw_server(lambda number, request: issued) as server:
        make_client(server.url, method).request("GET", DIAL_GROUPS)
    lines = server.received[-1].split(b"\r\n")
    sent = [line for line in lines if line.startswith((b"Authorization", b"X-Auth-Token"))]
    assert sent == [header]
    assert b"Accept: application/json" in lines


def test_ringcentral_sign_in_matches_the_guide() -> None:
    issued = raw_response({"access_token": "platform", "accessToken": "a-token"})
    with raw_server(lambda number, request: issued) as server:
        make_client(server.url).request("GET", DIAL_GROUPS)
    grant, exchange, _ = server.received
    assert b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=sandbox-jwt" in grant
    assert b"Authorization: Basic c2FuZGJveC1jbGllbnQ6c2FuZGJveC1zZWNyZXQ=\r\n" in grant
    assert exchange.startswith(b"POST /api/auth/login/rc/accesstoken?includeRefresh=true HTTP/1.1\r\n")
    assert exchange.endswith(b"\r\n\r\nrcAccessToken=platform&rcTokenType=Bearer")
    assert b"Authorization" not in exchange


@pytest.mark.parametrize("portal", ["portal.vacd.biz", "portal.virtualacd.biz"])
def test_legacy_portal_is_detected_by_host(portal: str) -> None:
    client = make_client(f"https://{portal}", "api_token")
    assert client.legacy
    assert not make_client("https://ringcx.ringcentral.com", "api_token").legacy


@pytest.mark.parametrize(
    ("method", "wrong", "status", "advice"),
    [
        ("ringcentral", {"client_id": "other"}, 401, "login (client id)"),
        ("ringcentral", {"client_secret": "other"}, 401, "password (client secret)"),
        ("ringcentral", {"jwt": "other"}, 400, "extra jwt_token"),
        ("engage", {"username": "other"}, 401, "login, password and extra platform_id"),
        ("engage", {"password": "other"}, 401, "login, password and extra platform_id"),
        ("engage", {"platform_id": "other"}, 401, "login, password and extra platform_id"),
        ("legacy", {"username": "other"}, 401, "login and password"),
        ("legacy", {"password": "other"}, 401, "login and password"),
        ("api_token", {"token": "other"}, 401, "check the connection's password"),
    ],
)
def test_wrong_credential_fails_once_and_names_what_to_check(
    ringcx_sandbox: SandboxServer, method: str, wrong: dict[str, Any], status: int, advice: str
) -> None:
    client = make_client(ringcx_sandbox.url, method, **wrong)
    with pytest.raises(AuthenticationError) as caught:
        client.request("GET", DIAL_GROUPS)
    assert advice in str(caught.value)
    assert caught.value.status == status
    assert isinstance(caught.value, PermanentError)
    assert [request.status for request in ringcx_sandbox.requests] == [status]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_ringcentral_user_without_ringcx_role_is_rejected(ringcx_sandbox: SandboxServer, status: int) -> None:
    body = {"generalMessage": "No such RingCX user"}
    ringcx_sandbox.fault("answer", status=status, body=body, operation="token_exchange", chance=1)
    with pytest.raises(AuthenticationError, match=r"RingCX role .* ReadAccounts .*No such RingCX user"):
        make_client(ringcx_sandbox.url).request("GET", DIAL_GROUPS)
    assert [request.path for request in ringcx_sandbox.requests] == [GRANT, EXCHANGE]


def test_rejected_sign_in_is_retried_after_half_a_minute(
    ringcx_sandbox: SandboxServer, clock: FakeClock
) -> None:
    ringcx_sandbox.fault(
        "answer", status=401, body="Bad credentials", content_type="text/plain", operation="token_exchange"
    )
    client = make_client(ringcx_sandbox.url)
    for _ in range(3):
        with pytest.raises(AuthenticationError, match=r"RingCX role .*Bad credentials"):
            client.request("GET", DIAL_GROUPS)
    assert [request.path for request in ringcx_sandbox.requests] == [GRANT, EXCHANGE]
    clock.offset += 31
    assert client.request("GET", DIAL_GROUPS)


@pytest.mark.parametrize("method", ["ringcentral", "engage", "legacy"])
def test_corrected_credential_is_used_at_once(ringcx_sandbox: SandboxServer, method: str) -> None:
    wrong: dict[str, Any] = (
        {"client_secret": "mistyped"} if method == "ringcentral" else {"password": "mistyped"}
    )
    with pytest.raises(AuthenticationError):
        make_client(ringcx_sandbox.url, method, **wrong).request("GET", DIAL_GROUPS)
    assert make_client(ringcx_sandbox.url, method).request("GET", "/voice/api/v1/admin/accounts")


@pytest.mark.parametrize("body", [{}, [], '"text"', None, {"accessToken": ""}, {"accessToken": 7}])
def test_sign_in_response_without_token_is_an_error(ringcx_sandbox: SandboxServer, body: object) -> None:
    ringcx_sandbox.fault("answer", body=body, operation="token_exchange")
    with pytest.raises(UnexpectedResponse, match="The response to the sign-in lacks accessToken"):
        make_client(ringcx_sandbox.url).request("GET", DIAL_GROUPS)


def test_rate_limited_exchange_is_retried(ringcx_sandbox: SandboxServer) -> None:
    ringcx_sandbox.fault("rate_limited", retry_after=None, operation="token_exchange", times=2)
    assert make_client(ringcx_sandbox.url).request("GET", DIAL_GROUPS)
    assert [request.path for request in ringcx_sandbox.requests] == [
        GRANT,
        EXCHANGE,
        EXCHANGE,
        EXCHANGE,
        DIAL_GROUPS,
    ]


def test_exchange_that_stays_rate_limited_is_transient(ringcx_sandbox: SandboxServer) -> None:
    ringcx_sandbox.fault("rate_limited", retry_after=None, operation="token_exchange", chance=1)
    with pytest.raises(RateLimited) as caught:
        make_client(ringcx_sandbox.url).request("GET", DIAL_GROUPS)
    assert isinstance(caught.value, TransientError)


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        ("api_token", {"token": "pasted-secret\n"}),
        ("api_token", {"token": "pasted-secret\u2026"}),
        ("ringcentral", {"client_secret": "pasted-secret\u2026"}),
    ],
)
def test_credential_not_allowed_in_header_is_invalid(
    ringcx_sandbox: SandboxServer, method: str, wrong: dict[str, Any]
) -> None:
    with pytest.raises(
        InvalidParameter, match="credentials contain a character that HTTP headers do not allow"
    ) as caught:
        make_client(ringcx_sandbox.url, method, **wrong).request("GET", DIAL_GROUPS)
    assert "pasted" not in str(caught.value)
    assert ringcx_sandbox.requests == []


def test_secrets_are_masked_before_use(ringcx_sandbox: SandboxServer) -> None:
    tokens = {"accessToken": "new-access", "refreshToken": "new-refresh"}
    responses = {
        "platform_token": {"access_token": "platform-token"},
        "token_exchange": tokens,
        "admin_login": tokens,
        "legacy_login": {"authToken": "legacy-token"},
    }
    masked: list[str] = []
    for method in METHODS:
        seen: list[str] = []
        for operation, body in responses.items():
            ringcx_sandbox.fault("answer", body=body, operation=operation)
        client = make_client(ringcx_sandbox.url, method)
        client.authenticator.mask = seen.append
        client.authenticator.headers(client.transport)
        masked += [json.dumps([method, *seen])]
        ringcx_sandbox.clear_faults()
    assert masked == [
        '["ringcentral", "sandbox-secret", "sandbox-jwt", "platform-token", "new-access", "new-refresh"]',
        '["api_token", "sandbox-token"]',
        '["engage", "sandbox-password", "sandbox-password", "new-access", "new-refresh"]',
        '["legacy", "sandbox-password", "legacy-token"]',
    ]


def test_password_is_masked_in_its_url_encoding(ringcx_sandbox: SandboxServer) -> None:
    seen: list[str] = []
    client = make_client(ringcx_sandbox.url, "engage", password="pass word+&/ü")
    client.authenticator.mask = seen.append
    with pytest.raises(AuthenticationError):
        client.request("GET", DIAL_GROUPS)
    assert seen == ["pass word+&/ü", "pass+word%2B%26%2F%C3%BC"]
