"""Who may call what, and how often: checks that stand before the handlers."""

from __future__ import annotations

import math

from starlette.responses import PlainTextResponse, Response

from airflow_provider_engagevoice.sandbox.http.endpoint import Call, Handler, carry_out
from airflow_provider_engagevoice.sandbox.http.errors import EXPIRED, TOO_MANY, NotSignedIn, Refusal
from airflow_provider_engagevoice.sandbox.state.credentials import PERMANENT_TOKEN, same
from airflow_provider_engagevoice.sandbox.state.rate_limiter import Use
from airflow_provider_engagevoice.sandbox.state.sandbox import Service
from airflow_provider_engagevoice.sandbox.state.tokens import Verdict


def with_any_token(handler: Handler) -> Handler:
    """Let a handler work only for a Bearer token or an ``X-Auth-Token``. Source: guide, authentication."""

    def checked(service: Service, call: Call) -> Response:
        token = bearer_of(call)
        if token:
            _check_bearer(service, token)
        else:
            _check_auth_token(service, call)
        return handler(service, call)

    return checked


def with_bearer(handler: Handler) -> Handler:
    """Let a handler work only for a Bearer token. Source: contract, of the tokens' and integration paths."""

    def checked(service: Service, call: Call) -> Response:
        _check_bearer(service, bearer_of(call))
        return handler(service, call)

    return checked


def with_auth_token(handler: Handler) -> Handler:
    """Let a handler work only for an ``X-Auth-Token``, as on the legacy portals. Source: guide, legacy."""

    def checked(service: Service, call: Call) -> Response:
        _check_auth_token(service, call)
        return handler(service, call)

    return checked


def in_account(handler: Handler) -> Handler:
    """Let a handler work only for one of the user's sub-accounts; any other is 403 (assumed)."""

    def checked(service: Service, call: Call) -> Response:
        with service.store.reading() as connection:
            found = connection.execute(
                "SELECT 1 FROM accounts WHERE accountId = ?", (call.captured["account"],)
            ).fetchone()
        if found is None:
            raise Refusal(403)
        return handler(service, call)

    return checked


def limited(handler: Handler) -> Handler:
    """Let a handler work only as often as its operation's limits allow; the rest is 429.

    What the handler refuses counts, too (assumed); what is refused before it, for its token or its
    sub-account, does not (assumed).
    """

    def checked(service: Service, call: Call) -> Response:
        if service.settings.limits == "off":
            return handler(service, call)
        use, wait = service.rate_limits.take(call.captured.get("account", ""), call.operation)
        call.notes["limit"] = str(use)
        response = _refuse(service, wait) if wait else carry_out(service, handler, call)
        if service.settings.rate_headers:
            response.headers.update(_headers(use, call.operation))
        return response

    return checked


def bearer_of(call: Call) -> str:
    """Return the Bearer token of a request; empty where it has none."""
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _check_bearer(service: Service, token: str) -> None:
    """Refuse a Bearer token that is not good."""
    verdict = service.tokens.bearer.judge(token)
    if verdict is not Verdict.GOOD:
        raise NotSignedIn(EXPIRED) if verdict is Verdict.EXPIRED else NotSignedIn()


def _check_auth_token(service: Service, call: Call) -> None:
    """Refuse an ``X-Auth-Token`` that is neither a permanent one nor a good legacy one."""
    token = call.headers.get("x-auth-token", "")
    for family in (service.tokens.legacy, service.tokens.legacy_stay):
        if family.judge(token) is Verdict.GOOD:
            family.slide(token)
            return
    # How the legacy portals word an expired token is unknown; only Bearer tokens are called expired.
    if not same(token, PERMANENT_TOKEN) and not _is_kept(service, token):
        raise NotSignedIn()


def _is_kept(service: Service, token: str) -> bool:
    """Tell whether a token is one of the permanent ones that the user made."""
    with service.store.reading() as connection:
        found = connection.execute("SELECT token FROM api_tokens").fetchall()
    return any(same(token, record["token"]) for record in found)


def _refuse(service: Service, wait: float) -> Response:
    """Answer 429. Whole seconds, rounded up: who waits them is let in."""
    headers = {"Retry-After": str(math.ceil(wait))} if service.settings.retry_after else {}
    return PlainTextResponse(TOO_MANY, 429, headers=headers)


def _headers(use: Use, operation: str) -> dict[str, str]:
    """Write the headers that RingCentral's platform sends; whether RingCX does is unknown."""
    return {
        "X-Rate-Limit-Group": operation,
        "X-Rate-Limit-Limit": str(use.window.max_requests),
        "X-Rate-Limit-Remaining": str(max(0, use.window.max_requests - use.used)),
        "X-Rate-Limit-Window": f"{use.window.period:g}",
    }
