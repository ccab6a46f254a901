"""Login handlers for all authentication schemes of RingCX. Sources: guide, authentication; contract."""

from __future__ import annotations

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.http.endpoint import json_response
from airflow_provider_engagevoice.sandbox.http.errors import (
    InvalidValue,
    Unauthorized,
    parse_field,
    validation_error,
)
from airflow_provider_engagevoice.sandbox.http.parsing import parse_boolean
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state import credentials, demo_data
from airflow_provider_engagevoice.sandbox.state.credentials import equal_secrets, has_user_credentials
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState
from airflow_provider_engagevoice.sandbox.state.tokens import TokenStatus

_BAD_CREDENTIALS = "Bad credentials"


def exchange(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST /api/auth/login/rc/accesstoken``: exchange a platform token for a RingCX token.

    Parameters come from the form or the query.
    """
    form = request.form()
    if form.get("rcTokenType", "").lower() != "bearer":
        raise validation_error([InvalidValue("rcTokenType", "must be Bearer")])
    if sandbox.tokens.platform.check(form.get("rcAccessToken", "")) is not TokenStatus.VALID:
        raise Unauthorized(_BAD_CREDENTIALS)
    if _form_flag(form, "includeRefresh"):
        return json_response(_login_body_with_refresh(sandbox))
    return json_response(_login_body(sandbox))


def refresh(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST /api/auth/token/refresh``: issue new tokens; the refresh token is single-use (assumed).

    Parameters come from the form or the query. ``rcTokenType`` and the contract's ``X-Auth-Token`` are
    accepted and ignored.
    """
    token = request.form().get("refresh_token", "")
    if not token:
        raise validation_error([InvalidValue("refresh_token", "is missing")])
    if not sandbox.tokens.refresh.consume(token):
        raise Unauthorized(_BAD_CREDENTIALS)
    return json_response(_login_body_with_refresh(sandbox))


def admin_login(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST /api/auth/login/admin``: log in by user name and password, from the form or the query."""
    form = request.form()
    if not (
        has_user_credentials(form) and equal_secrets(form.get("platformId", ""), credentials.PLATFORM_ID)
    ):
        raise Unauthorized(_BAD_CREDENTIALS)
    return json_response(
        {**_login_body_with_refresh(sandbox), "redirectUrl": form.get("redirectUrl"), "ssoLogin": False}
    )


def legacy_login(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST /api/v1/auth/login`` of the legacy portals: issue a token for ``X-Auth-Token``.

    The token expires about one hour after its last use, or after about two weeks with ``stayLoggedIn``.
    Source: guide, legacy; contract, UserLoginView.
    """
    form = request.form()
    staying = _form_flag(form, "stayLoggedIn")
    if not has_user_credentials(form):
        raise Unauthorized(_BAD_CREDENTIALS)
    with sandbox.store.reading() as connection:
        accounts = connection.execute("SELECT * FROM accounts ORDER BY accountId").fetchall()
    return json_response(
        {
            "authToken": (sandbox.tokens.legacy_stay if staying else sandbox.tokens.legacy).issue(),
            "accounts": [dict(account) for account in accounts],
            "platformHost": request.headers.get("host", ""),
            "user": {
                "userId": credentials.USER_ID,
                "userName": credentials.USER_NAME,
                "firstName": credentials.FIRST_NAME,
                "lastName": credentials.LAST_NAME,
                "fullName": f"{credentials.FIRST_NAME} {credentials.LAST_NAME}",
                "enabled": True,
                "rootUser": False,
                "userManagedByRC": False,
                "roles": [{"roleType": "SUPER_USER", "description": "Super user"}],
                "children": [],
            },
        }
    )


def _form_flag(form: dict[str, str], name: str) -> bool:
    """Parse a boolean field of the form; missing means false.

    :raises ApiError: with status 400, if it is neither true nor false.
    """
    return parse_field(name, form[name], parse_boolean) if form.get(name) else False


def _login_body_with_refresh(sandbox: SandboxState) -> dict[str, object]:
    """Return the response body of a login that includes a refresh token."""
    return {"refreshToken": sandbox.tokens.refresh.issue(), **_login_body(sandbox)}


def _login_body(sandbox: SandboxState) -> dict[str, object]:
    """Return the response body of a login. Source: guide's sample; contract, AccessTokenUserDetails."""
    return {
        "accessToken": sandbox.tokens.bearer.issue(),
        "tokenType": "Bearer",
        "mainAccountId": demo_data.MAIN_ACCOUNT[0],
        "platformId": credentials.PLATFORM_ID,
        "agentDetails": _agents(sandbox),
        "adminId": credentials.USER_ID,
        "adminPasswordReset": False,
        "adminUrl": "/voice/admin/",
        "agentUrl": "/voice/agent/",
        "analyticsUrl": "/analytics/",
        "iqUrl": "/iq/",
        "port": 443,
        "redirectUrl": None,
        "rcUser": {
            "firstName": credentials.FIRST_NAME,
            "lastName": credentials.LAST_NAME,
            "email": credentials.EMAIL,
            "company": demo_data.MAIN_ACCOUNT[1],
        },
        "ssoLogin": True,
    }


def _agents(sandbox: SandboxState) -> list[dict[str, object]]:
    """Return the user's agent in each sub-account: the first supervisor."""
    with sandbox.store.reading() as connection:
        agents = connection.execute(
            "SELECT min(a.agentId), a.*, c.accountName FROM agents a JOIN accounts c USING (accountId)"
            " WHERE a.agentType = 'SUPERVISOR' GROUP BY accountId ORDER BY accountId"
        ).fetchall()
    return [
        {
            "agentId": agent["agentId"],
            "firstName": agent["firstName"],
            "lastName": agent["lastName"],
            "email": agent["email"],
            "username": agent["username"],
            "agentType": agent["agentType"],
            "rcUserId": agent["rcUserId"],
            "accountId": agent["accountId"],
            "accountName": agent["accountName"],
            "agentGroupId": agent["agentGroupId"],
            "allowLoginControl": True,
            "allowLoginUpdates": True,
        }
        for agent in agents
    ]
