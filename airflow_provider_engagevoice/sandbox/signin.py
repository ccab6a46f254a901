"""All ways to sign in."""

from __future__ import annotations

import base64
import binascii
import secrets

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox import credentials, names
from airflow_provider_engagevoice.sandbox.calls import Call, answer
from airflow_provider_engagevoice.sandbox.credentials import same
from airflow_provider_engagevoice.sandbox.errors import Invalid, NotSignedIn, Refusal
from airflow_provider_engagevoice.sandbox.service import Service
from airflow_provider_engagevoice.sandbox.tokens import PLATFORM_LIFETIME, Verdict

_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_BAD_CREDENTIALS = "Bad credentials"


def platform_token(service: Service, call: Call) -> Response:
    """``POST /restapi/oauth/token`` of the RingCentral platform. Source: guide; answer observed."""
    if not _is_client(call.headers.get("authorization", "")):
        return _oauth_error(401, "invalid_client", "Client id or client secret is wrong")
    form = call.form()
    if form.get("grant_type") != _JWT_GRANT:
        return _oauth_error(400, "unsupported_grant_type", "This sandbox knows the JWT grant only")
    if not same(form.get("assertion", ""), credentials.JWT):
        return _oauth_error(400, "invalid_grant", "The JWT is not valid")
    return answer(
        {
            "access_token": service.tokens.platform.issue(),
            # Nothing here takes it; the client signs in with the JWT again.
            "refresh_token": secrets.token_urlsafe(32),
            "token_type": "bearer",
            "expires_in": int(PLATFORM_LIFETIME),
            "scope": "ReadAccounts",
        }
    )


def exchange(service: Service, call: Call) -> Response:
    """``POST /api/auth/login/rc/accesstoken``: a platform token for a RingCX one. Source: guide, contract."""
    form = call.form()
    if form.get("rcTokenType", "").lower() != "bearer":
        raise Refusal(400, "rcTokenType must be Bearer", [Invalid("rcTokenType", "must be Bearer")])
    if service.tokens.platform.judge(form.get("rcAccessToken", "")) is not Verdict.GOOD:
        raise NotSignedIn(_BAD_CREDENTIALS)
    if form.get("includeRefresh", "").lower() == "true":
        return answer(_with_refresh(service))
    return answer(_details(service))


def refresh(service: Service, call: Call) -> Response:
    """``POST /api/auth/token/refresh``: new tokens; the old refresh token is used up. Source: guide."""
    if not service.tokens.refresh.take(call.form().get("refresh_token", "")):
        raise NotSignedIn(_BAD_CREDENTIALS)
    return answer(_with_refresh(service))


def admin_login(service: Service, call: Call) -> Response:
    """``POST /api/auth/login/admin``: user name and password. Source: guide, contract."""
    form = call.form()
    if not (_is_user(form) and same(form.get("platformId", ""), credentials.PLATFORM_ID)):
        raise NotSignedIn(_BAD_CREDENTIALS)
    return answer(_with_refresh(service))


def legacy_login(service: Service, call: Call) -> Response:
    """``POST /api/v1/auth/login`` of the legacy portals. Source: guide; contract, UserLoginView."""
    if not _is_user(call.form()):
        raise NotSignedIn(_BAD_CREDENTIALS)
    with service.store.reading() as connection:
        accounts = connection.execute("SELECT * FROM accounts ORDER BY accountId").fetchall()
    return answer(
        {
            "authToken": service.tokens.legacy.issue(),
            "accounts": [dict(account) for account in accounts],
            "platformHost": call.headers.get("host", ""),
            "user": {
                "userId": 4410,
                "userName": credentials.USER_NAME,
                "firstName": "Sandbox",
                "lastName": "User",
                "enabled": True,
            },
        }
    )


def _is_client(header: str) -> bool:
    """Tell whether an Authorization header carries the client id and secret."""
    scheme, _, encoded = header.partition(" ")
    try:
        client, _, secret = base64.b64decode(encoded, validate=True).decode("utf-8", "replace").partition(":")
    except (binascii.Error, ValueError):
        return False
    right_client, right_secret = same(client, credentials.CLIENT_ID), same(secret, credentials.CLIENT_SECRET)
    return scheme.lower() == "basic" and right_client and right_secret


def _is_user(form: dict[str, str]) -> bool:
    """Tell whether a form carries the user's name and password."""
    right_name = same(form.get("username", ""), credentials.USER_NAME)
    return same(form.get("password", ""), credentials.PASSWORD) and right_name


def _oauth_error(status: int, error: str, description: str) -> Response:
    """Write an error of the RingCentral platform. Source: OAuth 2.0."""
    return answer({"error": error, "error_description": description}, status)


def _with_refresh(service: Service) -> dict[str, object]:
    """Write the answer to a sign-in that may be renewed."""
    return {"refreshToken": service.tokens.refresh.issue(), **_details(service)}


def _details(service: Service) -> dict[str, object]:
    """Write the answer to a sign-in. Source: guide's sample; contract, AccessTokenUserDetails."""
    return {
        "accessToken": service.tokens.bearer.issue(),
        "tokenType": "Bearer",
        "mainAccountId": names.MAIN_ACCOUNT[0],
        "platformId": credentials.PLATFORM_ID,
        "agentDetails": _agents(service),
        "adminId": 4410,
        "adminUrl": "/voice/admin/",
        "agentUrl": "/voice/agent/",
        "ssoLogin": True,
    }


def _agents(service: Service) -> list[dict[str, object]]:
    """Write the user's agent in each sub-account."""
    with service.store.reading() as connection:
        agents = connection.execute(
            "SELECT a.*, c.accountName FROM agents a JOIN accounts c USING (accountId)"
            " WHERE a.agentType = 'SUPERVISOR' ORDER BY a.agentId"
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
            "agentGroupId": None,
            "allowLoginControl": True,
            "allowLoginUpdates": True,
        }
        for agent in agents
    ]
