"""ASGI middleware that records API requests in the request log."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from airflow_provider_engagevoice.sandbox.state.clock import monotonic
from airflow_provider_engagevoice.sandbox.state.request_log import RecordedRequest
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Query parameters whose values are masked; lower case, letters only.
_SECRET_NAMES = frozenset(
    {
        "accesstoken",
        "apikey",
        "assertion",
        "authorization",
        "authtoken",
        "clientsecret",
        "code",
        "jwt",
        "password",
        "rcaccesstoken",
        "refreshtoken",
        "secret",
        "token",
        "username",
        "xauthtoken",
    }
)

#: Path segments that are masked: tokens, and phone numbers on do-not-call lists.
_SECRET_SEGMENTS = re.compile(r"(/admin/token/|/dncLists/tags/[^/]*/phones/).+?(?=/countries/|$)", re.DOTALL)


class Recorder:
    """ASGI middleware that records every API request.

    Requests to the sandbox itself, i.e. to the dashboard and the control API, are not recorded.

    :param app: the wrapped application.
    :param sandbox: the sandbox, whose log receives the records.
    """

    def __init__(self, app: App, sandbox: SandboxState) -> None:
        self._app = app
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request; record it before its response is sent, so that a client finds it in the log."""
        if (
            scope["type"] != "http"
            or scope["path"] in ("/", "/sandbox")
            or scope["path"].startswith("/sandbox/")
        ):
            await self._app(scope, receive, send)
            return
        scope["log_fields"] = {}
        started = monotonic()
        recorded = False

        def record(status: int | None = None) -> None:
            nonlocal recorded
            if not recorded:
                recorded = True
                self._record(scope, status, started)

        async def recording_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                record(message["status"])
            await send(message)

        # Called by faults that send no response.
        scope["unanswered"] = record
        try:
            await self._app(scope, receive, recording_send)
        finally:
            record()

    def _record(self, scope: Scope, status: int | None, started: float) -> None:
        """Add one request to the log."""
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        client = scope.get("client")
        agents = [value.decode("latin-1") for name, value in scope["headers"] if name == b"user-agent"]
        log_fields = scope["log_fields"]
        self._sandbox.log.add(
            RecordedRequest(
                time=self._sandbox.clock.now(),
                method=scope["method"],
                path=_SECRET_SEGMENTS.sub(r"\g<1>***", scope["path"]),
                query={name: "***" if _is_secret(name) else value for name, value in query.items()},
                status=status,
                operation=log_fields.get("operation", ""),
                milliseconds=round((monotonic() - started) * 1000, 1),
                limit=log_fields.get("limit", ""),
                fault=log_fields.get("fault", ""),
                client_port=client[1] if client else None,
                user_agent=agents[0] if agents else "",
            )
        )


def _is_secret(name: str) -> bool:
    """Return whether a query parameter is a credential."""
    return re.sub(r"[^a-z]", "", name.lower()) in _SECRET_NAMES
