"""Handlers for permanent API tokens and for inspecting a Bearer token. Source: contract."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import uuid

from starlette.responses import PlainTextResponse, Response

from airflow_provider_engagevoice.sandbox.http.endpoint import json_response
from airflow_provider_engagevoice.sandbox.http.errors import ApiError, Unauthorized
from airflow_provider_engagevoice.sandbox.http.middleware import bearer_token
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state import credentials, demo_data
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState

#: Signing key of this process's JWTs; no client can verify them.
_SIGNING_KEY = secrets.token_bytes(32)


def create_api_token(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST token``: create a token for ``X-Auth-Token`` that never expires; returned as plain text.

    A state file keeps it; a reset of the sandbox deletes it. The prefix before the colon is assumed.
    """
    token = f"sandbox:{uuid.uuid4()}"
    with sandbox.store.changing() as connection:
        connection.execute("INSERT INTO api_tokens (token) VALUES (?)", (token,))
    return PlainTextResponse(token)


def api_tokens(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET token``: list the tokens the user has created; the sandbox's built-in token is not listed."""
    with sandbox.store.reading() as connection:
        found = connection.execute("SELECT token FROM api_tokens ORDER BY tokenId").fetchall()
    return json_response([record["token"] for record in found])


def delete_api_token(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``DELETE token/{token}``: 200 and true; 404 if the token is unknown (assumed)."""
    with sandbox.store.changing() as connection:
        statement = "DELETE FROM api_tokens WHERE token = ?"
        if not connection.execute(statement, (request.path_params["token"],)).rowcount:
            raise ApiError(404)
    return PlainTextResponse("true")


def token_claims(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET /api/auth/token/claims``: user and expiry of the Bearer token. Field names are assumed."""
    return json_response(_claims(sandbox, request))


def validate_token(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET /api/auth/token/validate``: 200 and ``true`` for a valid Bearer token (body assumed)."""
    return PlainTextResponse("true")


def digital_jwt(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET /api/auth/token/digitaljwt``: a JWT with the token's claims; only the sandbox can verify it."""
    parts = [_encode_segment({"alg": "HS256", "typ": "JWT"}), _encode_segment(_claims(sandbox, request))]
    signature = hmac.new(_SIGNING_KEY, ".".join(parts).encode(), hashlib.sha256).digest()
    return PlainTextResponse(".".join([*parts, _base64url(signature)]))


def _claims(sandbox: SandboxState, request: ApiRequest) -> dict[str, object]:
    """Return the claims of the request's Bearer token; raise 401 if the token is not valid."""
    end = sandbox.tokens.bearer.expires_at(bearer_token(request))
    if end is None:
        raise Unauthorized()
    return {
        "sub": str(credentials.USER_ID),
        "name": f"{credentials.FIRST_NAME} {credentials.LAST_NAME}",
        "mainAccountId": demo_data.MAIN_ACCOUNT[0],
        "platformId": credentials.PLATFORM_ID,
        "iat": int(end - sandbox.settings.token_lifetime),
        "exp": int(end),
    }


def _encode_segment(value: object) -> str:
    """Encode one segment of a JWT."""
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(content: bytes) -> str:
    """Encode bytes as base64url without padding, as JWTs require."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
