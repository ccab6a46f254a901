"""OAuth endpoints of the RingCentral platform. Source: RingCentral's platform guide."""

from __future__ import annotations

import base64
import binascii

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.http.endpoint import json_response
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state import credentials
from airflow_provider_engagevoice.sandbox.state.credentials import equal_secrets, has_user_credentials
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState
from airflow_provider_engagevoice.sandbox.state.tokens import PLATFORM_LIFETIME, PLATFORM_REFRESH_LIFETIME

_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TOKEN_EXPIRED_CODE = "OAU-210"
_WRONG_CREDENTIALS_CODE = "OAU-140"


def platform_token(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST /restapi/oauth/token``: by JWT, by password, or by a single-use refresh token (observed).

    The password grant is the older way of RingCentral's guide (2024) and its clients. ``extension`` is
    accepted and ignored.
    """
    if not _has_client_credentials(request.headers.get("authorization", "")):
        return _oauth_error(401, "invalid_client", "Client id or client secret is wrong")
    form = request.form()
    if form.get("grant_type") == _JWT_GRANT:
        if equal_secrets(form.get("assertion", ""), credentials.JWT):
            return _token_response(sandbox)
        return _oauth_error(400, "invalid_grant", "The JWT is not valid")
    if form.get("grant_type") == "password":
        if has_user_credentials(form):
            return _token_response(sandbox)
        return _oauth_error(
            400, "invalid_grant", "Invalid resource owner credentials.", _WRONG_CREDENTIALS_CODE
        )
    if form.get("grant_type") == "refresh_token":
        if sandbox.tokens.platform_refresh.consume(form.get("refresh_token", "")):
            return _token_response(sandbox)
        return _oauth_error(400, "invalid_grant", "Token expired", _TOKEN_EXPIRED_CODE)
    return _oauth_error(400, "unsupported_grant_type", "The grant types are JWT, password and refresh_token")


def platform_revoke(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST /restapi/oauth/revoke``: revoke an access or refresh token; 200 without a body."""
    if not _has_client_credentials(request.headers.get("authorization", "")):
        return _oauth_error(401, "invalid_client", "Client id or client secret is wrong")
    token = request.form().get("token", "")
    if not token:
        return _oauth_error(400, "invalid_request", "token is missing")
    for family in (sandbox.tokens.platform, sandbox.tokens.platform_refresh):
        family.consume(token)
    return Response()


def _has_client_credentials(header: str) -> bool:
    """Return whether an Authorization header holds the client id and secret."""
    scheme, _, encoded = header.partition(" ")
    try:
        client, _, secret = base64.b64decode(encoded, validate=True).decode("utf-8", "replace").partition(":")
    except (binascii.Error, ValueError):
        return False
    right_client, right_secret = (
        equal_secrets(client, credentials.CLIENT_ID),
        equal_secrets(secret, credentials.CLIENT_SECRET),
    )
    return scheme.lower() == "basic" and right_client and right_secret


def _token_response(sandbox: SandboxState) -> Response:
    """Return a token response; its fields are in snake case, unlike RingCX's (observed)."""
    return json_response(
        {
            "access_token": sandbox.tokens.platform.issue(),
            "refresh_token": sandbox.tokens.platform_refresh.issue(),
            "token_type": "bearer",
            "expires_in": int(PLATFORM_LIFETIME),
            "refresh_token_expires_in": int(PLATFORM_REFRESH_LIFETIME),
            "scope": "ReadAccounts",
        }
    )


def _oauth_error(status: int, error: str, description: str, code: str = "") -> Response:
    """Return an OAuth 2.0 error response; ``errors`` with its code is observed."""
    errors = {"errors": [{"errorCode": code, "message": description}]} if code else {}
    return json_response({"error": error, "error_description": description, **errors}, status)
