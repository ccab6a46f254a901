"""Login with each authentication scheme, with valid and invalid credentials."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLIENT = ("sandbox-client", "sandbox-secret")
USER = {"username": "sandbox-user", "password": "sandbox-password"}


def post(sandbox: SandboxServer, path: str, **how: Any) -> requests.Response:
    return requests.post(sandbox.url + path, timeout=20, **how)


def platform_token(sandbox: SandboxServer) -> str:
    response = post(
        sandbox,
        "/restapi/oauth/token",
        auth=CLIENT,
        data={"grant_type": JWT_GRANT, "assertion": "sandbox-jwt"},
    )
    assert response.status_code == 200
    token: str = response.json()["access_token"]
    return token


def log_in(sandbox: SandboxServer, include_refresh: str = "true") -> dict[str, Any]:
    response = post(
        sandbox,
        "/api/auth/login/rc/accesstoken",
        params={"includeRefresh": include_refresh},
        data={"rcAccessToken": platform_token(sandbox), "rcTokenType": "Bearer"},
    )
    assert response.status_code == 200
    tokens: dict[str, Any] = response.json()
    return tokens


def accounts(sandbox: SandboxServer, root: str = "/voice/api/v1", **headers: str) -> requests.Response:
    return requests.get(f"{sandbox.url}{root}/admin/accounts", headers=headers, timeout=20)


def bearer(sandbox: SandboxServer, token: str) -> requests.Response:
    return accounts(sandbox, Authorization=f"Bearer {token}")


def assert_unauthorized(response: requests.Response) -> None:
    assert response.status_code == 401
    assert response.headers["content-type"].startswith("text/plain")
    assert "expired" not in response.text.lower()


def test_platform_token_response_is_snake_case(sandbox: SandboxServer) -> None:
    response = post(
        sandbox,
        "/restapi/oauth/token",
        auth=CLIENT,
        data={"grant_type": JWT_GRANT, "assertion": "sandbox-jwt"},
    )
    body = response.json()
    assert body["expires_in"] == 3600
    assert body["token_type"].lower() == "bearer"
    assert body["access_token"] != body["refresh_token"]


@pytest.mark.parametrize("auth", [("sandbox-client", "wrong"), ("wrong", "sandbox-secret"), None])
def test_platform_token_wrong_client_returns_401(sandbox: SandboxServer, auth: Any) -> None:
    response = post(
        sandbox, "/restapi/oauth/token", auth=auth, data={"grant_type": JWT_GRANT, "assertion": "sandbox-jwt"}
    )
    assert response.status_code == 401
    assert response.json()["error"] == "invalid_client"
    assert response.json()["error_description"]


@pytest.mark.parametrize("header", ["Basic", "Basic ~~~", "Basic \u00e9\u00e9", "Basic c2FuZGJveA=="])
def test_platform_token_malformed_basic_header_returns_401(sandbox: SandboxServer, header: str) -> None:
    response = post(sandbox, "/restapi/oauth/token", headers={"Authorization": header.encode("latin-1")})
    assert response.status_code == 401


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": JWT_GRANT, "assertion": "other"}, "invalid_grant"),
        ({"grant_type": JWT_GRANT}, "invalid_grant"),
        ({"grant_type": "password", "assertion": "sandbox-jwt"}, "invalid_grant"),
        ({"grant_type": "password", **USER, "password": "wrong"}, "invalid_grant"),
        ({"grant_type": "password", **USER, "username": "wrong"}, "invalid_grant"),
        ({"grant_type": "authorization_code", "code": "x"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "made-up"}, "invalid_grant"),
    ],
)
def test_platform_token_wrong_grant_returns_400(
    sandbox: SandboxServer, form: dict[str, str], error: str
) -> None:
    response = post(sandbox, "/restapi/oauth/token", auth=CLIENT, data=form)
    assert response.status_code == 400
    assert response.json()["error"] == error


def request_platform_token(sandbox: SandboxServer, **form: str) -> requests.Response:
    return post(sandbox, "/restapi/oauth/token", auth=CLIENT, data=form)


def exchange_status(sandbox: SandboxServer, token: str) -> int:
    form = {"rcAccessToken": token, "rcTokenType": "Bearer"}
    return post(sandbox, "/api/auth/login/rc/accesstoken", data=form).status_code


@pytest.mark.assumption(57)
@pytest.mark.parametrize("extension", [{}, {"extension": ""}, {"extension": "101"}])
def test_platform_token_by_password_is_exchanged(sandbox: SandboxServer, extension: dict[str, str]) -> None:
    response = request_platform_token(sandbox, grant_type="password", **USER, **extension)
    assert response.status_code == 200
    assert exchange_status(sandbox, response.json()["access_token"]) == 200
    assert "sandbox-password" not in repr(sandbox.requests)


def test_platform_refresh_token_is_single_use(sandbox: SandboxServer) -> None:
    first = request_platform_token(sandbox, grant_type=JWT_GRANT, assertion="sandbox-jwt").json()
    refresh_form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = request_platform_token(sandbox, **refresh_form)
    assert second.status_code == 200
    assert exchange_status(sandbox, second.json()["access_token"]) == 200
    repeated = request_platform_token(sandbox, **refresh_form)
    assert repeated.status_code == 400
    assert repeated.json()["error"] == "invalid_grant"
    assert repeated.json()["errors"][0]["errorCode"] == "OAU-210"
    third = request_platform_token(
        sandbox, grant_type="refresh_token", refresh_token=second.json()["refresh_token"]
    )
    assert third.status_code == 200


def test_platform_refresh_token_expires(sandbox: SandboxServer) -> None:
    body = request_platform_token(sandbox, grant_type=JWT_GRANT, assertion="sandbox-jwt").json()
    sandbox.advance(body["refresh_token_expires_in"] + 1)
    ended = request_platform_token(sandbox, grant_type="refresh_token", refresh_token=body["refresh_token"])
    assert ended.json()["errors"][0]["errorCode"] == "OAU-210"


def test_platform_revoke_invalidates_tokens(sandbox: SandboxServer) -> None:
    body = request_platform_token(sandbox, grant_type=JWT_GRANT, assertion="sandbox-jwt").json()
    assert exchange_status(sandbox, body["access_token"]) == 200
    for name in ("access_token", "refresh_token"):
        form = {"token": body[name]}
        assert post(sandbox, "/restapi/oauth/revoke", data=form).status_code == 401
        assert post(sandbox, "/restapi/oauth/revoke", auth=CLIENT, data=form).status_code == 200
    assert exchange_status(sandbox, body["access_token"]) == 401
    refresh_form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
    assert request_platform_token(sandbox, **refresh_form).status_code == 400
    assert post(sandbox, "/restapi/oauth/revoke", auth=CLIENT).json()["error"] == "invalid_request"


def test_exchange_returns_agents_of_user(sandbox: SandboxServer, api: Any) -> None:
    tokens = log_in(sandbox)
    assert tokens["rcUser"]["email"] == "sandbox.user@example.com"
    assert tokens["ssoLogin"] is True
    user_agent = tokens["agentDetails"][0]
    agents = api.get(f"agentGroups/{user_agent['agentGroupId']}/agents").json()
    (agent,) = [agent for agent in agents if agent["agentId"] == user_agent["agentId"]]
    assert agent["agentType"] == user_agent["agentType"] == "SUPERVISOR"
    assert user_agent["accountName"] == "Harbor Outreach Memberships"


def test_exchange_returns_valid_token(sandbox: SandboxServer) -> None:
    tokens = log_in(sandbox)
    assert tokens["tokenType"] == "Bearer"
    assert tokens["mainAccountId"] == "50810000"
    assert [agent["accountId"] for agent in tokens["agentDetails"]] == ["50810001", "50810002"]
    assert bearer(sandbox, tokens["accessToken"]).status_code == 200


def test_exchange_accepts_query(sandbox: SandboxServer) -> None:
    query = {"rcAccessToken": platform_token(sandbox), "rcTokenType": "Bearer", "includeRefresh": "true"}
    response = post(sandbox, "/api/auth/login/rc/accesstoken", params=query)
    assert response.status_code == 200
    assert response.json()["refreshToken"]


def test_exchange_refresh_token_is_optional(sandbox: SandboxServer) -> None:
    assert "refreshToken" in log_in(sandbox, "true")
    assert "refreshToken" not in log_in(sandbox, "false")
    assert "refreshToken" not in log_in(sandbox, "")


def test_exchange_invalid_boolean_returns_400(sandbox: SandboxServer) -> None:
    form = {"rcAccessToken": platform_token(sandbox), "rcTokenType": "Bearer", "includeRefresh": "maybe"}
    response = post(sandbox, "/api/auth/login/rc/accesstoken", data=form)
    assert response.status_code == 400
    assert response.json()["details"] == "includeRefresh must be true or false"


def test_exchange_unknown_platform_token_returns_401(sandbox: SandboxServer) -> None:
    form = {"rcAccessToken": "made-up", "rcTokenType": "Bearer"}
    assert_unauthorized(post(sandbox, "/api/auth/login/rc/accesstoken", data=form))


def test_exchange_expired_platform_token_returns_401(sandbox: SandboxServer) -> None:
    form = {"rcAccessToken": platform_token(sandbox), "rcTokenType": "Bearer"}
    sandbox.advance(3601)
    assert_unauthorized(post(sandbox, "/api/auth/login/rc/accesstoken", data=form))


def test_exchange_without_token_type_returns_400(sandbox: SandboxServer) -> None:
    form = {"rcAccessToken": platform_token(sandbox)}
    response = post(sandbox, "/api/auth/login/rc/accesstoken", data=form)
    assert response.status_code == 400
    assert response.json()["validationErrors"][0]["attributeName"] == "rcTokenType"


@pytest.mark.assumption(44)
def test_refresh_issues_new_tokens(sandbox: SandboxServer) -> None:
    first = log_in(sandbox)
    form = {"refresh_token": first["refreshToken"], "rcTokenType": "Bearer"}
    second = post(sandbox, "/api/auth/token/refresh", data=form).json()
    assert second["accessToken"] != first["accessToken"]
    assert bearer(sandbox, second["accessToken"]).status_code == 200
    assert_unauthorized(post(sandbox, "/api/auth/token/refresh", data=form))
    third = post(sandbox, "/api/auth/token/refresh", params={"refresh_token": second["refreshToken"]})
    assert third.status_code == 200


def test_refresh_with_access_token_returns_401(sandbox: SandboxServer) -> None:
    form = {"refresh_token": log_in(sandbox)["accessToken"]}
    assert_unauthorized(post(sandbox, "/api/auth/token/refresh", data=form))


@pytest.mark.parametrize("where", ["params", "data"])
def test_admin_login_returns_tokens(sandbox: SandboxServer, where: str) -> None:
    form = {**USER, "platformId": "sandbox-platform"}
    response = post(sandbox, "/api/auth/login/admin", **{where: form})
    assert response.status_code == 200
    assert response.json()["refreshToken"]
    assert bearer(sandbox, response.json()["accessToken"]).status_code == 200


@pytest.mark.parametrize("wrong", ["username", "password", "platformId"])
def test_admin_login_wrong_credential_returns_401(sandbox: SandboxServer, wrong: str) -> None:
    form = {**USER, "platformId": "sandbox-platform", wrong: "wrong"}
    assert_unauthorized(post(sandbox, "/api/auth/login/admin", params=form))


@pytest.mark.parametrize("prefix", ["/api", "/voice/api"])
@pytest.mark.parametrize("where", ["params", "data"])
def test_legacy_login_returns_auth_token(sandbox: SandboxServer, prefix: str, where: str) -> None:
    body = post(sandbox, f"{prefix}/v1/auth/login", **{where: USER}).json()
    assert body["user"]["userName"] == "sandbox-user"
    assert [account["accountId"] for account in body["accounts"]] == ["50810001", "50810002"]
    for root in ("/api/v1", "/voice/api/v1"):
        assert accounts(sandbox, root, **{"X-Auth-Token": body["authToken"]}).status_code == 200
    assert_unauthorized(bearer(sandbox, body["authToken"]))


def test_legacy_login_wrong_password_returns_401(sandbox: SandboxServer) -> None:
    assert_unauthorized(post(sandbox, "/api/v1/auth/login", data={**USER, "password": "wrong"}))


def test_legacy_token_expires_one_hour_after_last_use(sandbox: SandboxServer) -> None:
    token = post(sandbox, "/api/v1/auth/login", data=USER).json()["authToken"]
    for _ in range(3):
        sandbox.advance(3000)
        assert accounts(sandbox, "/api/v1", **{"X-Auth-Token": token}).status_code == 200
    sandbox.advance(3601)
    assert_unauthorized(accounts(sandbox, "/api/v1", **{"X-Auth-Token": token}))


@pytest.mark.parametrize("where", ["params", "data"])
def test_legacy_token_stay_logged_in_lasts_two_weeks(sandbox: SandboxServer, where: str) -> None:
    form = {**USER, "stayLoggedIn": "true"}
    token = post(sandbox, "/api/v1/auth/login", **{where: form}).json()["authToken"]
    for _ in range(2):
        sandbox.advance(13 * 86_400)
        assert accounts(sandbox, "/api/v1", **{"X-Auth-Token": token}).status_code == 200
    sandbox.advance(14 * 86_400 + 1)
    assert_unauthorized(accounts(sandbox, "/api/v1", **{"X-Auth-Token": token}))


def test_builtin_api_token_never_expires(sandbox: SandboxServer) -> None:
    sandbox.revoke_tokens()
    sandbox.advance(10_000_000)
    for root in ("/api/v1", "/voice/api/v1"):
        assert accounts(sandbox, root, **{"X-Auth-Token": "sandbox-token"}).status_code == 200
    assert_unauthorized(bearer(sandbox, "sandbox-token"))


def test_legacy_root_rejects_bearer_token(sandbox: SandboxServer) -> None:
    token = log_in(sandbox)["accessToken"]
    assert bearer(sandbox, token).status_code == 200
    assert_unauthorized(accounts(sandbox, "/api/v1", Authorization=f"Bearer {token}"))


@pytest.mark.assumption(43)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer made-up"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic basic"},
        {"X-Auth-Token": "made-up"},
    ],
)
def test_missing_or_unknown_token_returns_401(sandbox: SandboxServer, headers: dict[str, str]) -> None:
    assert_unauthorized(accounts(sandbox, **headers))


@pytest.mark.assumption(43)
def test_bearer_token_expires_after_five_minutes(sandbox: SandboxServer) -> None:
    token = log_in(sandbox)["accessToken"]
    sandbox.advance(290)
    assert bearer(sandbox, token).status_code == 200
    sandbox.advance(11)
    response = bearer(sandbox, token)
    assert response.status_code == 401
    assert response.headers["content-type"].startswith("text/plain")
    assert response.text == "Jwt is expired"


def test_expired_and_revoked_tokens_return_different_401(sandbox: SandboxServer) -> None:
    tokens = log_in(sandbox)
    sandbox.expire_tokens()
    assert bearer(sandbox, tokens["accessToken"]).text == "Jwt is expired"
    sandbox.revoke_tokens()
    assert_unauthorized(bearer(sandbox, tokens["accessToken"]))
    assert_unauthorized(
        post(sandbox, "/api/auth/token/refresh", data={"refresh_token": tokens["refreshToken"]})
    )


def test_expire_tokens_keeps_later_tokens_valid(sandbox: SandboxServer) -> None:
    sandbox.expire_tokens()
    assert bearer(sandbox, log_in(sandbox)["accessToken"]).status_code == 200


@pytest.mark.parametrize("staying", ["false", "true"])
def test_revoke_tokens_revokes_legacy_tokens(sandbox: SandboxServer, staying: str) -> None:
    form = {**USER, "stayLoggedIn": staying}
    token = post(sandbox, "/api/v1/auth/login", data=form).json()["authToken"]
    sandbox.revoke_tokens()
    assert_unauthorized(accounts(sandbox, "/api/v1", **{"X-Auth-Token": token}))


@pytest.mark.parametrize("method", ["ringcentral", "api_token", "engage", "legacy"])
def test_connection_for_returns_valid_credentials(sandbox: SandboxServer, method: str) -> None:
    connection = sandbox.connection_for(method)
    extra = connection["extra"]
    assert connection["conn_type"] == "engagevoice"
    assert connection["host"] == sandbox.url
    assert (extra["auth_method"], extra["account_id"]) == (method, "50810001")
    login, password = str(connection.get("login")), connection["password"]
    if method == "ringcentral":
        form = {"grant_type": JWT_GRANT, "assertion": extra["jwt_token"]}
        url = extra["rc_host"] + "/restapi/oauth/token"
        response = requests.post(url, auth=(login, password), data=form, timeout=20)
    elif method == "api_token":
        response = accounts(sandbox, **{"X-Auth-Token": password})
    else:
        form = {"username": login, "password": password, "platformId": extra.get("platform_id")}
        path = "/api/auth/login/admin" if method == "engage" else "/api/v1/auth/login"
        response = post(sandbox, path, data=form)
    assert response.status_code == 200


def test_connection_default_uses_ringcentral(sandbox: SandboxServer) -> None:
    assert sandbox.connection == sandbox.connection_for("ringcentral")
