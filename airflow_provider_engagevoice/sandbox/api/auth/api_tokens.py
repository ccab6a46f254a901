"""Calls about tokens: the permanent ones that users make, and what a Bearer token says. Source: contract."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import uuid

from starlette.responses import PlainTextResponse, Response

from airflow_provider_engagevoice.sandbox.http.endpoint import Call, answer
from airflow_provider_engagevoice.sandbox.http.errors import NotSignedIn, Refusal
from airflow_provider_engagevoice.sandbox.http.middleware import bearer_of
from airflow_provider_engagevoice.sandbox.state import credentials, demo_data
from airflow_provider_engagevoice.sandbox.state.sandbox import Service

#: Signs the JWTs of this process; nobody needs to check them.
_KEY = secrets.token_bytes(32)


def create_api_token(service: Service, call: Call) -> Response:
    """``POST token``: a new token for ``X-Auth-Token`` that never expires, as plain text.

    A state file keeps it; a reset of the sandbox takes it away. What is before the colon is assumed.
    """
    token = f"sandbox:{uuid.uuid4()}"
    with service.store.changing() as connection:
        connection.execute("INSERT INTO api_tokens (token) VALUES (?)", (token,))
    return PlainTextResponse(token)


def api_tokens(service: Service, call: Call) -> Response:
    """``GET token``: the tokens the user has made; the sandbox's fixed one is not among them."""
    with service.store.reading() as connection:
        found = connection.execute("SELECT token FROM api_tokens ORDER BY tokenId").fetchall()
    return answer([record["token"] for record in found])


def delete_api_token(service: Service, call: Call) -> Response:
    """``DELETE token/{token}``: 200 and true; an unknown one is 404 (assumed)."""
    with service.store.changing() as connection:
        statement = "DELETE FROM api_tokens WHERE token = ?"
        if not connection.execute(statement, (call.captured["token"],)).rowcount:
            raise Refusal(404)
    return PlainTextResponse("true")


def token_claims(service: Service, call: Call) -> Response:
    """``GET /api/auth/token/claims``: whom a Bearer token stands for, until when. Names assumed."""
    return answer(_claims(service, call))


def validate_token(service: Service, call: Call) -> Response:
    """``GET /api/auth/token/validate``: 200 for a good Bearer token, with the word true (assumed)."""
    return PlainTextResponse("true")


def digital_jwt(service: Service, call: Call) -> Response:
    """``GET /api/auth/token/digitaljwt``: a JWT with the token's claims; only the sandbox can check it."""
    parts = [_encoded({"alg": "HS256", "typ": "JWT"}), _encoded(_claims(service, call))]
    signature = hmac.new(_KEY, ".".join(parts).encode(), hashlib.sha256).digest()
    return PlainTextResponse(".".join([*parts, _base64(signature)]))


def _claims(service: Service, call: Call) -> dict[str, object]:
    """Tell what a Bearer token stands for."""
    end = service.tokens.bearer.end_of(bearer_of(call))
    if end is None:
        raise NotSignedIn()
    return {
        "sub": str(credentials.USER_ID),
        "name": f"{credentials.FIRST_NAME} {credentials.LAST_NAME}",
        "mainAccountId": demo_data.MAIN_ACCOUNT[0],
        "platformId": credentials.PLATFORM_ID,
        "iat": int(end - service.settings.token_lifetime),
        "exp": int(end),
    }


def _encoded(value: object) -> str:
    """Write one part of a JWT."""
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(content: bytes) -> str:
    """Encode bytes the way JWTs do."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
