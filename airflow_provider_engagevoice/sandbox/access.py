"""Who may call what: checks of tokens and of the account in the path."""

from __future__ import annotations

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.calls import Call, Handler
from airflow_provider_engagevoice.sandbox.credentials import PERMANENT_TOKEN, same
from airflow_provider_engagevoice.sandbox.errors import EXPIRED, NotSignedIn, Refusal
from airflow_provider_engagevoice.sandbox.service import Service
from airflow_provider_engagevoice.sandbox.tokens import Verdict


def with_any_token(handler: Handler) -> Handler:
    """Let a handler work only for a Bearer token or an ``X-Auth-Token``. Source: guide, authentication."""

    def checked(service: Service, call: Call) -> Response:
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            _check_bearer(service, token.strip())
        else:
            _check_auth_token(service, call)
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


def _check_bearer(service: Service, token: str) -> None:
    """Refuse a Bearer token that is not good."""
    verdict = service.tokens.bearer.judge(token)
    if verdict is not Verdict.GOOD:
        raise NotSignedIn(EXPIRED) if verdict is Verdict.EXPIRED else NotSignedIn()


def _check_auth_token(service: Service, call: Call) -> None:
    """Refuse an ``X-Auth-Token`` that is neither the permanent one nor a good legacy one."""
    token = call.headers.get("x-auth-token", "")
    if same(token, PERMANENT_TOKEN):
        return
    # How the legacy portals word an expired token is unknown; only Bearer tokens are called expired.
    if service.tokens.legacy.judge(token) is not Verdict.GOOD:
        raise NotSignedIn()
    service.tokens.legacy.slide(token)
