"""The calls of the RingCentral platform that a sign-in starts with. Source: RingCentral's platform guide."""

from __future__ import annotations

import base64
import binascii

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.http.endpoint import Call, answer
from airflow_provider_engagevoice.sandbox.state import credentials
from airflow_provider_engagevoice.sandbox.state.credentials import same
from airflow_provider_engagevoice.sandbox.state.sandbox import Service
from airflow_provider_engagevoice.sandbox.state.tokens import PLATFORM_LIFETIME, PLATFORM_REFRESH_LIFETIME

_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ENDED = "OAU-210"


def platform_token(service: Service, call: Call) -> Response:
    """``POST /restapi/oauth/token``: by JWT, or by a refresh token, which works once (observed)."""
    if not _is_client(call.headers.get("authorization", "")):
        return _oauth_error(401, "invalid_client", "Client id or client secret is wrong")
    form = call.form()
    if form.get("grant_type") == _JWT_GRANT:
        if same(form.get("assertion", ""), credentials.JWT):
            return _tokens(service)
        return _oauth_error(400, "invalid_grant", "The JWT is not valid")
    if form.get("grant_type") == "refresh_token":
        if service.tokens.platform_refresh.take(form.get("refresh_token", "")):
            return _tokens(service)
        return _oauth_error(400, "invalid_grant", "Token expired", _ENDED)
    return _oauth_error(400, "unsupported_grant_type", "This sandbox knows JWT and refresh_token only")


def platform_revoke(service: Service, call: Call) -> Response:
    """``POST /restapi/oauth/revoke``: the token, of either kind, is good no more; 200 without a body."""
    if not _is_client(call.headers.get("authorization", "")):
        return _oauth_error(401, "invalid_client", "Client id or client secret is wrong")
    token = call.form().get("token", "")
    if not token:
        return _oauth_error(400, "invalid_request", "token is missing")
    for family in (service.tokens.platform, service.tokens.platform_refresh):
        family.take(token)
    return Response()


def _is_client(header: str) -> bool:
    """Tell whether an Authorization header carries the client id and secret."""
    scheme, _, encoded = header.partition(" ")
    try:
        client, _, secret = base64.b64decode(encoded, validate=True).decode("utf-8", "replace").partition(":")
    except (binascii.Error, ValueError):
        return False
    right_client, right_secret = same(client, credentials.CLIENT_ID), same(secret, credentials.CLIENT_SECRET)
    return scheme.lower() == "basic" and right_client and right_secret


def _tokens(service: Service) -> Response:
    """Write the answer to a sign-in; in snake case, unlike RingCX (observed)."""
    return answer(
        {
            "access_token": service.tokens.platform.issue(),
            "refresh_token": service.tokens.platform_refresh.issue(),
            "token_type": "bearer",
            "expires_in": int(PLATFORM_LIFETIME),
            "refresh_token_expires_in": int(PLATFORM_REFRESH_LIFETIME),
            "scope": "ReadAccounts",
        }
    )


def _oauth_error(status: int, error: str, description: str, code: str = "") -> Response:
    """Write an error of the platform. Source: OAuth 2.0; ``errors`` with its code is observed."""
    errors = {"errors": [{"errorCode": code, "message": description}]} if code else {}
    return answer({"error": error, "error_description": description, **errors}, status)
