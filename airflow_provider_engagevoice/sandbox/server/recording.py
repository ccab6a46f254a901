"""Notes every request to the API in the log."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from airflow_provider_engagevoice.sandbox.state.request_log import RecordedRequest
from airflow_provider_engagevoice.sandbox.state.sandbox import Service

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Names in a query, in small letters and without signs, whose values are not kept.
_SECRET = frozenset(
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

#: What stands in a path and is not kept: tokens, and phone numbers on do-not-call lists.
_NOT_KEPT = re.compile(r"(/admin/token/|/dncLists/tags/[^/]*/phones/).+?(?=/countries/|$)", re.DOTALL)


class Recorder:
    """An ASGI application around another one that notes every request.

    Requests to the sandbox itself, its page and its switches, are not noted.

    :param app: the application inside.
    :param service: the sandbox.
    """

    def __init__(self, app: App, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note it before its answer leaves, so that a test never looks too early."""
        if scope["type"] != "http" or scope["path"] == "/" or scope["path"].startswith("/sandbox/"):
            await self._app(scope, receive, send)
            return
        scope["notes"] = {}
        started = time.monotonic()
        noted = False

        def note(status: int | None = None) -> None:
            nonlocal noted
            if not noted:
                noted = True
                self._note(scope, status, started)

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                note(message["status"])
            await send(message)

        # For those who mean to give no answer.
        scope["unanswered"] = note
        try:
            await self._app(scope, receive, send_noted)
        finally:
            note()

    def _note(self, scope: Scope, status: int | None, started: float) -> None:
        """Note one request."""
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        client = scope.get("client")
        agents = [value.decode("latin-1") for name, value in scope["headers"] if name == b"user-agent"]
        notes = scope["notes"]
        self._service.log.add(
            RecordedRequest(
                time=self._service.clock.now(),
                method=scope["method"],
                path=_NOT_KEPT.sub(r"\g<1>***", scope["path"]),
                query={name: "***" if _is_secret(name) else value for name, value in query.items()},
                status=status,
                operation=notes.get("operation", ""),
                milliseconds=round((time.monotonic() - started) * 1000, 1),
                limit=notes.get("limit", ""),
                fault=notes.get("fault", ""),
                client_port=client[1] if client else None,
                user_agent=agents[0] if agents else "",
            )
        )


def _is_secret(name: str) -> bool:
    """Tell whether the value of this name in a query is a credential."""
    return re.sub(r"[^a-z]", "", name.lower()) in _SECRET
