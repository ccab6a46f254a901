"""Notes every request to the API in the log."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from airflow_provider_engagevoice.sandbox.requests_log import RecordedRequest
from airflow_provider_engagevoice.sandbox.service import Service

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_SECRET = frozenset(
    {
        "password",
        "username",
        "rcaccesstoken",
        "refresh_token",
        "token",
        "access_token",
        "assertion",
        "client_secret",
        "x-auth-token",
    }
)


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
        answered = False

        async def send_noted(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                self._note(scope, message["status"], started)
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            if not answered:
                self._note(scope, None, started)

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
                path=_without_token(scope["path"]),
                query={name: "***" if name.lower() in _SECRET else value for name, value in query.items()},
                status=status,
                operation=notes.get("operation", ""),
                milliseconds=round((time.monotonic() - started) * 1000, 1),
                limit=notes.get("limit", ""),
                fault=notes.get("fault", ""),
                client_port=client[1] if client else None,
                user_agent=agents[0] if agents else "",
            )
        )


def _without_token(path: str) -> str:
    """Blank out the token that ``DELETE .../admin/token/{token}`` has in its path."""
    before, name, _ = path.partition("/admin/token/")
    return f"{before}{name}***" if name else path
