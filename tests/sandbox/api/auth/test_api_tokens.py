"""API tokens, Bearer token claims, token lifetimes and the rate limit of the exchange."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings

USER = {"username": "sandbox-user", "password": "sandbox-password"}
ADMIN = {**USER, "platformId": "sandbox-platform"}
FIXED = {"X-Auth-Token": "sandbox-token"}


def send(sandbox: SandboxServer, method: str, path: str, **how: Any) -> requests.Response:
    return requests.request(method, sandbox.url + path, timeout=20, **how)


def new_token(sandbox: SandboxServer) -> str:
    response = send(sandbox, "POST", "/voice/api/v1/admin/token", headers=FIXED)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    return response.text


def accounts_status(sandbox: SandboxServer, token: str, root: str = "/voice/api/v1") -> int:
    return send(sandbox, "GET", f"{root}/admin/accounts", headers={"X-Auth-Token": token}).status_code


def log_in(sandbox: SandboxServer) -> dict[str, Any]:
    tokens: dict[str, Any] = send(sandbox, "POST", "/api/auth/login/admin", data=ADMIN).json()
    return tokens


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def refresh(sandbox: SandboxServer, token: str) -> requests.Response:
    return send(sandbox, "POST", "/api/auth/token/refresh", data={"refresh_token": token})


def test_api_token_is_valid_for_all_admin_paths(sandbox: SandboxServer) -> None:
    token = new_token(sandbox)
    assert token != new_token(sandbox)
    sandbox.advance(10_000_000)
    for root in ("/api/v1", "/voice/api/v1"):
        assert accounts_status(sandbox, token, root) == 200
    assert accounts_status(sandbox, token[:-1]) == 401
    assert send(sandbox, "GET", "/voice/api/v1/admin/accounts", headers=bearer(token)).status_code == 401


def test_api_tokens_are_listed_and_deleted(sandbox: SandboxServer) -> None:
    path = "/voice/api/v1/admin/token"
    assert send(sandbox, "GET", path, headers=FIXED).json() == []
    first, second = new_token(sandbox), new_token(sandbox)
    assert send(sandbox, "GET", path, headers={"X-Auth-Token": second}).json() == [first, second]
    removed = send(sandbox, "DELETE", f"{path}/{first}", headers=FIXED)
    assert (removed.status_code, removed.text) == (200, "true")
    assert (accounts_status(sandbox, first), accounts_status(sandbox, second)) == (401, 200)
    assert send(sandbox, "GET", path, headers=FIXED).json() == [second]
    assert send(sandbox, "DELETE", f"{path}/{first}", headers=FIXED).status_code == 404


def test_api_tokens_without_token_returns_401(sandbox: SandboxServer) -> None:
    for method, path in (("GET", "token"), ("POST", "token"), ("DELETE", "token/x")):
        assert send(sandbox, method, f"/voice/api/v1/admin/{path}").status_code == 401


def test_request_log_redacts_deleted_token(sandbox: SandboxServer) -> None:
    token = new_token(sandbox)
    send(sandbox, "DELETE", f"/voice/api/v1/admin/token/{token}", headers=FIXED)
    assert sandbox.requests[-1].operation == "api_token_delete"
    assert token.rpartition(":")[2] not in sandbox.requests[-1].as_json()


def test_state_file_keeps_api_tokens(tmp_path: Path) -> None:
    database = str(tmp_path / "state.db")
    with SandboxServer(Settings(size=20), database=database) as sandbox:
        token = new_token(sandbox)
    with SandboxServer(Settings(size=20), database=database) as sandbox:
        assert accounts_status(sandbox, token) == 200
        sandbox.reset()
        assert accounts_status(sandbox, token) == 401


def test_token_claims_contain_expiry(sandbox: SandboxServer) -> None:
    token = log_in(sandbox)["accessToken"]
    claims = send(sandbox, "GET", "/api/auth/token/claims", headers=bearer(token)).json()
    assert claims["exp"] - claims["iat"] == 300
    assert claims["mainAccountId"] == "50810000"
    sandbox.advance(60)
    later = send(sandbox, "GET", "/api/auth/token/claims", headers=bearer(log_in(sandbox)["accessToken"]))
    assert 55 < later.json()["exp"] - claims["exp"] < 120


def test_digital_jwt_contains_claims(sandbox: SandboxServer) -> None:
    headers = bearer(log_in(sandbox)["accessToken"])
    response = send(sandbox, "GET", "/api/auth/token/digitaljwt", headers=headers)
    assert response.headers["content-type"].startswith("text/plain")
    head, body, signature = response.text.split(".")
    assert signature
    assert json.loads(base64.urlsafe_b64decode(head + "=="))["typ"] == "JWT"
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    assert claims == send(sandbox, "GET", "/api/auth/token/claims", headers=headers).json()


@pytest.mark.assumption(43)
@pytest.mark.parametrize("path", ["claims", "digitaljwt", "validate"])
def test_token_endpoints_check_token(sandbox: SandboxServer, path: str) -> None:
    url = f"/api/auth/token/{path}"
    headers = bearer(log_in(sandbox)["accessToken"])
    assert send(sandbox, "GET", url, headers=headers).status_code == 200
    unknown = send(sandbox, "GET", url, headers=bearer("made-up"))
    assert unknown.status_code == send(sandbox, "GET", url).status_code == 401
    assert "expired" not in unknown.text.lower()
    sandbox.advance(300)
    expired = send(sandbox, "GET", url, headers=headers)
    assert (expired.status_code, expired.text) == (401, "Jwt is expired")
    assert expired.headers["content-type"].startswith("text/plain")


@pytest.mark.assumption(44)
def test_refresh_two_logins_are_independent(sandbox: SandboxServer) -> None:
    chains = [log_in(sandbox), log_in(sandbox)]
    for _ in range(3):
        next_chains = []
        for tokens in chains:
            renewed = refresh(sandbox, tokens["refreshToken"])
            assert renewed.status_code == 200
            next_chains.append(renewed.json())
            assert refresh(sandbox, tokens["refreshToken"]).status_code == 401
        chains = next_chains
    for tokens in chains:
        response = send(sandbox, "GET", "/voice/api/v1/admin/accounts", headers=bearer(tokens["accessToken"]))
        assert response.status_code == 200


@pytest.mark.assumption(44)
def test_refresh_token_expires_after_one_hour(sandbox: SandboxServer) -> None:
    early, late = log_in(sandbox)["refreshToken"], log_in(sandbox)["refreshToken"]
    sandbox.advance(3500)
    assert refresh(sandbox, early).status_code == 200
    sandbox.advance(101)
    assert refresh(sandbox, late).status_code == 401


@pytest.fixture
def short_lived() -> Iterator[SandboxServer]:
    """Run a sandbox with short token lifetimes."""
    with SandboxServer(Settings(size=20, token_lifetime=10.0, refresh_lifetime=60.0)) as sandbox:
        yield sandbox


@pytest.mark.assumption(43, 44)
def test_token_lifetimes_follow_settings(short_lived: SandboxServer) -> None:
    tokens = log_in(short_lived)
    headers = bearer(tokens["accessToken"])
    claims = send(short_lived, "GET", "/api/auth/token/claims", headers=headers).json()
    assert claims["exp"] - claims["iat"] == 10
    short_lived.advance(10)
    assert send(short_lived, "GET", "/voice/api/v1/admin/accounts", headers=headers).text == "Jwt is expired"
    short_lived.advance(50)
    assert refresh(short_lived, tokens["refreshToken"]).status_code == 401


@pytest.mark.parametrize("where", ["data", "params"])
def test_refresh_accepts_form_and_query(sandbox: SandboxServer, where: str) -> None:
    # The contract's X-Auth-Token selects another user; the sandbox has only one.
    form = {
        "refresh_token": log_in(sandbox)["refreshToken"],
        "rcTokenType": "Bearer",
        "X-Auth-Token": "sandbox-token",
    }
    response = send(sandbox, "POST", "/api/auth/token/refresh", **{where: form})
    assert response.status_code == 200
    assert response.json()["refreshToken"] != form["refresh_token"]


def test_refresh_without_token_returns_400(sandbox: SandboxServer) -> None:
    response = send(sandbox, "POST", "/api/auth/token/refresh")
    assert response.status_code == 400
    assert response.json()["validationErrors"][0]["attributeName"] == "refresh_token"
    assert response.json()["details"] == "refresh_token is missing"


@pytest.mark.assumption(45)
def test_exchange_sixth_in_a_minute_returns_429(sandbox: SandboxServer) -> None:
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "sandbox-jwt"}
    platform = send(
        sandbox, "POST", "/restapi/oauth/token", auth=("sandbox-client", "sandbox-secret"), data=form
    )
    data = {"rcAccessToken": platform.json()["access_token"], "rcTokenType": "Bearer"}

    def exchange() -> requests.Response:
        return send(sandbox, "POST", "/api/auth/login/rc/accesstoken", data=data)

    assert [exchange().status_code for _ in range(5)] == [200] * 5
    limited = exchange()
    assert limited.status_code == 429
    assert 1 <= int(limited.headers["Retry-After"]) <= 60
    sandbox.advance(30)
    assert exchange().status_code == 429
    sandbox.advance(31)
    assert exchange().status_code == 200
