"""All ways to sign in to RingCX. Sources: guide, authentication; contract."""

from __future__ import annotations

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.http.endpoint import Call, answer
from airflow_provider_engagevoice.sandbox.http.errors import (
    Invalid,
    NotSignedIn,
    read_or_refuse,
    refused_values,
)
from airflow_provider_engagevoice.sandbox.http.parsing import read_boolean
from airflow_provider_engagevoice.sandbox.state import credentials, demo_data
from airflow_provider_engagevoice.sandbox.state.credentials import same
from airflow_provider_engagevoice.sandbox.state.sandbox import Service
from airflow_provider_engagevoice.sandbox.state.tokens import Verdict

_BAD_CREDENTIALS = "Bad credentials"


def exchange(service: Service, call: Call) -> Response:
    """``POST /api/auth/login/rc/accesstoken``: a platform token for a RingCX one; by form or query."""
    form = call.form()
    if form.get("rcTokenType", "").lower() != "bearer":
        raise refused_values([Invalid("rcTokenType", "must be Bearer")])
    if service.tokens.platform.judge(form.get("rcAccessToken", "")) is not Verdict.GOOD:
        raise NotSignedIn(_BAD_CREDENTIALS)
    if _is_on(form, "includeRefresh"):
        return answer(_with_refresh(service))
    return answer(_details(service))


def refresh(service: Service, call: Call) -> Response:
    """``POST /api/auth/token/refresh``: new tokens; the old refresh token is used up (assumed).

    By form or query. ``rcTokenType`` and the contract's ``X-Auth-Token`` may be there, and change nothing.
    """
    token = call.form().get("refresh_token", "")
    if not token:
        raise refused_values([Invalid("refresh_token", "is missing")])
    if not service.tokens.refresh.take(token):
        raise NotSignedIn(_BAD_CREDENTIALS)
    return answer(_with_refresh(service))


def admin_login(service: Service, call: Call) -> Response:
    """``POST /api/auth/login/admin``: user name and password, by form or query."""
    form = call.form()
    if not (_is_user(form) and same(form.get("platformId", ""), credentials.PLATFORM_ID)):
        raise NotSignedIn(_BAD_CREDENTIALS)
    return answer({**_with_refresh(service), "redirectUrl": form.get("redirectUrl"), "ssoLogin": False})


def legacy_login(service: Service, call: Call) -> Response:
    """``POST /api/v1/auth/login`` of the legacy portals: a token for ``X-Auth-Token``.

    It lives about an hour after its last use, about two weeks with ``stayLoggedIn``. Source: guide, legacy;
    contract, UserLoginView.
    """
    form = call.form()
    staying = _is_on(form, "stayLoggedIn")
    if not _is_user(form):
        raise NotSignedIn(_BAD_CREDENTIALS)
    with service.store.reading() as connection:
        accounts = connection.execute("SELECT * FROM accounts ORDER BY accountId").fetchall()
    return answer(
        {
            "authToken": (service.tokens.legacy_stay if staying else service.tokens.legacy).issue(),
            "accounts": [dict(account) for account in accounts],
            "platformHost": call.headers.get("host", ""),
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


def _is_on(form: dict[str, str], name: str) -> bool:
    """Read a switch; missing is off.

    :raises Refusal: with status 400, where it is neither true nor false.
    """
    return read_or_refuse(name, form[name], read_boolean) if form.get(name) else False


def _is_user(form: dict[str, str]) -> bool:
    """Tell whether a form carries the user's name and password."""
    right_name = same(form.get("username", ""), credentials.USER_NAME)
    return same(form.get("password", ""), credentials.PASSWORD) and right_name


def _with_refresh(service: Service) -> dict[str, object]:
    """Write the answer to a sign-in that may be renewed."""
    return {"refreshToken": service.tokens.refresh.issue(), **_details(service)}


def _details(service: Service) -> dict[str, object]:
    """Write the answer to a sign-in. Source: guide's sample; contract, AccessTokenUserDetails."""
    return {
        "accessToken": service.tokens.bearer.issue(),
        "tokenType": "Bearer",
        "mainAccountId": demo_data.MAIN_ACCOUNT[0],
        "platformId": credentials.PLATFORM_ID,
        "agentDetails": _agents(service),
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


def _agents(service: Service) -> list[dict[str, object]]:
    """Write the user's agent in each sub-account: its first supervisor."""
    with service.store.reading() as connection:
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
