"""Keeps a record of every request, without anything secret."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

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
    }
)


#: Records kept, so that a sandbox that runs for weeks does not grow without end.
_KEPT = 100_000


@dataclass(frozen=True)
class RecordedRequest:
    """One request, as far as it may be kept: no body, no header but the client's name.

    :param method: its method.
    :param path: its path.
    :param query: its query; the values of credentials are ``***``.
    :param status: status of the answer, None where none was given.
    :param client_port: the client's TCP port, which tells connections apart.
    :param user_agent: what the client calls itself.
    """

    method: str
    path: str
    query: dict[str, str] = field(hash=False)
    status: int | None
    client_port: int | None
    user_agent: str


class Recorder:
    """An ASGI application around another one that notes every request.

    :param app: the application inside.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.requests: deque[RecordedRequest] = deque(maxlen=_KEPT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note it before its answer leaves, so that a test never looks too early."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answered = False

        async def send_noted(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                self.requests.append(_record(scope, message["status"]))
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            if not answered:
                self.requests.append(_record(scope, None))


def _record(scope: Scope, status: int | None) -> RecordedRequest:
    """Make the record of one request."""
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    client = scope.get("client")
    agents = [value.decode("latin-1") for name, value in scope["headers"] if name == b"user-agent"]
    return RecordedRequest(
        method=scope["method"],
        path=scope["path"],
        query={name: "***" if name.lower() in _SECRET else value for name, value in query.items()},
        status=status,
        client_port=client[1] if client else None,
        user_agent=agents[0] if agents else "",
    )
