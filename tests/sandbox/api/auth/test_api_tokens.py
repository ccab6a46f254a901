"""Tokens: the permanent ones that users make, what a Bearer token says, how long and how often."""

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


def ask(sandbox: SandboxServer, method: str, path: str, **how: Any) -> requests.Response:
    return requests.request(method, sandbox.url + path, timeout=20, **how)


def new_token(sandbox: SandboxServer) -> str:
    response = ask(sandbox, "POST", "/voice/api/v1/admin/token", headers=FIXED)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    return response.text


def status_with(sandbox: SandboxServer, token: str, root: str = "/voice/api/v1") -> int:
    return ask(sandbox, "GET", f"{root}/admin/accounts", headers={"X-Auth-Token": token}).status_code


def signed_in(sandbox: SandboxServer) -> dict[str, Any]:
    tokens: dict[str, Any] = ask(sandbox, "POST", "/api/auth/login/admin", data=ADMIN).json()
    return tokens


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def refresh(sandbox: SandboxServer, token: str) -> requests.Response:
    return ask(sandbox, "POST", "/api/auth/token/refresh", data={"refresh_token": token})


def test_a_new_permanent_token_opens_all_admin_paths(sandbox: SandboxServer) -> None:
    token = new_token(sandbox)
    assert token != new_token(sandbox)
    sandbox.advance(10_000_000)
    for root in ("/api/v1", "/voice/api/v1"):
        assert status_with(sandbox, token, root) == 200
    assert status_with(sandbox, token[:-1]) == 401
    assert ask(sandbox, "GET", "/voice/api/v1/admin/accounts", headers=bearer(token)).status_code == 401


def test_permanent_tokens_are_listed_and_removed(sandbox: SandboxServer) -> None:
    path = "/voice/api/v1/admin/token"
    assert ask(sandbox, "GET", path, headers=FIXED).json() == []
    first, second = new_token(sandbox), new_token(sandbox)
    assert ask(sandbox, "GET", path, headers={"X-Auth-Token": second}).json() == [first, second]
    removed = ask(sandbox, "DELETE", f"{path}/{first}", headers=FIXED)
    assert (removed.status_code, removed.text) == (200, "true")
    assert (status_with(sandbox, first), status_with(sandbox, second)) == (401, 200)
    assert ask(sandbox, "GET", path, headers=FIXED).json() == [second]
    assert ask(sandbox, "DELETE", f"{path}/{first}", headers=FIXED).status_code == 404


def test_permanent_tokens_need_a_sign_in(sandbox: SandboxServer) -> None:
    for method, path in (("GET", "token"), ("POST", "token"), ("DELETE", "token/x")):
        assert ask(sandbox, method, f"/voice/api/v1/admin/{path}").status_code == 401


def test_the_log_does_not_show_a_removed_token(sandbox: SandboxServer) -> None:
    token = new_token(sandbox)
    ask(sandbox, "DELETE", f"/voice/api/v1/admin/token/{token}", headers=FIXED)
    assert sandbox.requests[-1].operation == "api_token_delete"
    assert token.rpartition(":")[2] not in sandbox.requests[-1].as_json()


def test_a_state_file_keeps_permanent_tokens(tmp_path: Path) -> None:
    database = str(tmp_path / "state.db")
    with SandboxServer(Settings(size=20), database=database) as sandbox:
        token = new_token(sandbox)
    with SandboxServer(Settings(size=20), database=database) as sandbox:
        assert status_with(sandbox, token) == 200
        sandbox.reset()
        assert status_with(sandbox, token) == 401


def test_claims_tell_when_a_token_ends(sandbox: SandboxServer) -> None:
    token = signed_in(sandbox)["accessToken"]
    claims = ask(sandbox, "GET", "/api/auth/token/claims", headers=bearer(token)).json()
    assert claims["exp"] - claims["iat"] == 300
    assert claims["mainAccountId"] == "50810000"
    sandbox.advance(60)
    later = ask(sandbox, "GET", "/api/auth/token/claims", headers=bearer(signed_in(sandbox)["accessToken"]))
    assert 55 < later.json()["exp"] - claims["exp"] < 120


def test_digital_jwt_holds_the_claims(sandbox: SandboxServer) -> None:
    headers = bearer(signed_in(sandbox)["accessToken"])
    response = ask(sandbox, "GET", "/api/auth/token/digitaljwt", headers=headers)
    assert response.headers["content-type"].startswith("text/plain")
    head, body, signature = response.text.split(".")
    assert signature
    assert json.loads(base64.urlsafe_b64decode(head + "=="))["typ"] == "JWT"
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    assert claims == ask(sandbox, "GET", "/api/auth/token/claims", headers=headers).json()


@pytest.mark.assumption(43)
@pytest.mark.parametrize("path", ["claims", "digitaljwt", "validate"])
def test_good_expired_and_unknown_tokens(sandbox: SandboxServer, path: str) -> None:
    url = f"/api/auth/token/{path}"
    headers = bearer(signed_in(sandbox)["accessToken"])
    assert ask(sandbox, "GET", url, headers=headers).status_code == 200
    unknown = ask(sandbox, "GET", url, headers=bearer("made-up"))
    assert unknown.status_code == ask(sandbox, "GET", url).status_code == 401
    assert "expired" not in unknown.text.lower()
    sandbox.advance(300)
    expired = ask(sandbox, "GET", url, headers=headers)
    assert (expired.status_code, expired.text) == (401, "Jwt is expired")
    assert expired.headers["content-type"].startswith("text/plain")


@pytest.mark.assumption(44)
def test_two_chains_of_refresh_tokens_live_beside_each_other(sandbox: SandboxServer) -> None:
    chains = [signed_in(sandbox), signed_in(sandbox)]
    for _ in range(3):
        following = []
        for tokens in chains:
            renewed = refresh(sandbox, tokens["refreshToken"])
            assert renewed.status_code == 200
            following.append(renewed.json())
            assert refresh(sandbox, tokens["refreshToken"]).status_code == 401
        chains = following
    for tokens in chains:
        answer = ask(sandbox, "GET", "/voice/api/v1/admin/accounts", headers=bearer(tokens["accessToken"]))
        assert answer.status_code == 200


@pytest.mark.assumption(44)
def test_refresh_token_lives_an_hour(sandbox: SandboxServer) -> None:
    early, late = signed_in(sandbox)["refreshToken"], signed_in(sandbox)["refreshToken"]
    sandbox.advance(3500)
    assert refresh(sandbox, early).status_code == 200
    sandbox.advance(101)
    assert refresh(sandbox, late).status_code == 401


@pytest.fixture
def short_lived() -> Iterator[SandboxServer]:
    """A sandbox whose tokens end early."""
    with SandboxServer(Settings(size=20, token_lifetime=10.0, refresh_lifetime=60.0)) as sandbox:
        yield sandbox


@pytest.mark.assumption(43, 44)
def test_lifetimes_can_be_set(short_lived: SandboxServer) -> None:
    tokens = signed_in(short_lived)
    headers = bearer(tokens["accessToken"])
    claims = ask(short_lived, "GET", "/api/auth/token/claims", headers=headers).json()
    assert claims["exp"] - claims["iat"] == 10
    short_lived.advance(10)
    assert ask(short_lived, "GET", "/voice/api/v1/admin/accounts", headers=headers).text == "Jwt is expired"
    short_lived.advance(50)
    assert refresh(short_lived, tokens["refreshToken"]).status_code == 401


@pytest.mark.parametrize("where", ["data", "params"])
def test_refresh_by_form_and_by_query(sandbox: SandboxServer, where: str) -> None:
    # The contract's X-Auth-Token stands for another user, whom the sandbox does not have.
    form = {
        "refresh_token": signed_in(sandbox)["refreshToken"],
        "rcTokenType": "Bearer",
        "X-Auth-Token": "sandbox-token",
    }
    response = ask(sandbox, "POST", "/api/auth/token/refresh", **{where: form})
    assert response.status_code == 200
    assert response.json()["refreshToken"] != form["refresh_token"]


def test_refresh_without_a_token(sandbox: SandboxServer) -> None:
    response = ask(sandbox, "POST", "/api/auth/token/refresh")
    assert response.status_code == 400
    assert response.json()["validationErrors"][0]["attributeName"] == "refresh_token"
    assert response.json()["details"] == "refresh_token is missing"


@pytest.mark.assumption(45)
def test_the_sixth_exchange_within_a_minute_is_refused(sandbox: SandboxServer) -> None:
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "sandbox-jwt"}
    platform = ask(
        sandbox, "POST", "/restapi/oauth/token", auth=("sandbox-client", "sandbox-secret"), data=form
    )
    data = {"rcAccessToken": platform.json()["access_token"], "rcTokenType": "Bearer"}

    def exchange() -> requests.Response:
        return ask(sandbox, "POST", "/api/auth/login/rc/accesstoken", data=data)

    assert [exchange().status_code for _ in range(5)] == [200] * 5
    refused = exchange()
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    sandbox.advance(30)
    assert exchange().status_code == 429
    sandbox.advance(31)
    assert exchange().status_code == 200
