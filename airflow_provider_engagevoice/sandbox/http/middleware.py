"""Middleware: authentication, account access and rate limiting."""

from __future__ import annotations

import math

from starlette.responses import PlainTextResponse, Response

from airflow_provider_engagevoice.sandbox.http.endpoint import Handler, handle
from airflow_provider_engagevoice.sandbox.http.errors import (
    TOKEN_EXPIRED,
    TOO_MANY_REQUESTS,
    ApiError,
    Unauthorized,
)
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state.credentials import PERMANENT_TOKEN, equal_secrets
from airflow_provider_engagevoice.sandbox.state.rate_limiter import WindowUsage
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState
from airflow_provider_engagevoice.sandbox.state.tokens import TokenStatus


def require_token(handler: Handler) -> Handler:
    """Require a valid Bearer token or ``X-Auth-Token``. Source: guide, authentication."""

    def checked(sandbox: SandboxState, request: ApiRequest) -> Response:
        token = bearer_token(request)
        if token:
            _check_bearer(sandbox, token)
        else:
            _check_auth_token(sandbox, request)
        return handler(sandbox, request)

    return checked


def require_bearer(handler: Handler) -> Handler:
    """Require a valid Bearer token. Source: contract, token and integration paths."""

    def checked(sandbox: SandboxState, request: ApiRequest) -> Response:
        _check_bearer(sandbox, bearer_token(request))
        return handler(sandbox, request)

    return checked


def require_auth_token(handler: Handler) -> Handler:
    """Require a valid ``X-Auth-Token``, as on the legacy portals. Source: guide, legacy."""

    def checked(sandbox: SandboxState, request: ApiRequest) -> Response:
        _check_auth_token(sandbox, request)
        return handler(sandbox, request)

    return checked


def require_account(handler: Handler) -> Handler:
    """Require that the path names one of the user's sub-accounts; otherwise 403 (assumed)."""

    def checked(sandbox: SandboxState, request: ApiRequest) -> Response:
        with sandbox.store.reading() as connection:
            found = connection.execute(
                "SELECT 1 FROM accounts WHERE accountId = ?", (request.path_params["account"],)
            ).fetchone()
        if found is None:
            raise ApiError(403)
        return handler(sandbox, request)

    return checked


def rate_limited(handler: Handler) -> Handler:
    """Enforce the rate limits of the operation; 429 if they are exceeded.

    Requests that the handler rejects count (assumed); requests rejected earlier, for their token or
    sub-account, do not (assumed).
    """

    def checked(sandbox: SandboxState, request: ApiRequest) -> Response:
        if sandbox.settings.limits == "off":
            return handler(sandbox, request)
        usage, wait = sandbox.rate_limiter.acquire(request.path_params.get("account", ""), request.operation)
        request.log_fields["limit"] = str(usage)
        response = _too_many_requests(sandbox, wait) if wait else handle(sandbox, handler, request)
        if sandbox.settings.rate_headers:
            response.headers.update(_rate_limit_headers(usage, request.operation))
        return response

    return checked


def bearer_token(request: ApiRequest) -> str:
    """Return the Bearer token of a request; empty if it has none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _check_bearer(sandbox: SandboxState, token: str) -> None:
    """Raise if a Bearer token is not valid."""
    status = sandbox.tokens.bearer.check(token)
    if status is not TokenStatus.VALID:
        raise Unauthorized(TOKEN_EXPIRED) if status is TokenStatus.EXPIRED else Unauthorized()


def _check_auth_token(sandbox: SandboxState, request: ApiRequest) -> None:
    """Raise if the ``X-Auth-Token`` is neither a permanent token nor a valid legacy token."""
    token = request.headers.get("x-auth-token", "")
    for family in (sandbox.tokens.legacy, sandbox.tokens.legacy_stay):
        if family.check(token) is TokenStatus.VALID:
            family.extend(token)
            return
    # The legacy portals' message for an expired token is unknown; "expired" is used for Bearer tokens only.
    if not equal_secrets(token, PERMANENT_TOKEN) and not _is_api_token(sandbox, token):
        raise Unauthorized()


def _is_api_token(sandbox: SandboxState, token: str) -> bool:
    """Return whether a token is a permanent token created through the API."""
    with sandbox.store.reading() as connection:
        rows = connection.execute("SELECT token FROM api_tokens").fetchall()
    return any(equal_secrets(token, row["token"]) for row in rows)


def _too_many_requests(sandbox: SandboxState, wait: float) -> Response:
    """Return a 429; Retry-After is rounded up to whole seconds, so that waiting for it is sufficient."""
    headers = {"Retry-After": str(math.ceil(wait))} if sandbox.settings.retry_after else {}
    return PlainTextResponse(TOO_MANY_REQUESTS, 429, headers=headers)


def _rate_limit_headers(usage: WindowUsage, operation: str) -> dict[str, str]:
    """Return the headers of RingCentral's platform; whether RingCX sends them is unknown."""
    return {
        "X-Rate-Limit-Group": operation,
        "X-Rate-Limit-Limit": str(usage.window.max_requests),
        "X-Rate-Limit-Remaining": str(max(0, usage.window.max_requests - usage.used)),
        "X-Rate-Limit-Window": f"{usage.window.period:g}",
    }
