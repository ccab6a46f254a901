"""Servers that misbehave: a layer around the sandbox, and bare sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_engagevoice.sandbox.recorder import App, Message, Receive, Scope, Send

Fault = Callable[[App, Scope, Receive, Send], Awaitable[None]]


def answer(status: int, body: object = b"", kind: str = "application/json", **headers: str) -> Fault:
    """Answer with this, and leave the sandbox out of it. Text and bytes are sent as they are."""
    content = body if isinstance(body, bytes) else body if isinstance(body, str) else json.dumps(body)
    content = content.encode() if isinstance(content, str) else content
    lines = {"Content-Type": kind, "Content-Length": str(len(content)), **headers}

    async def fault(app: App, scope: Scope, receive: Receive, send: Send) -> None:
        raw = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in lines.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": content})

    return fault


def drop(*, applied: bool = False, part: bytes = b"") -> Fault:
    """Close the connection instead of answering, or after part of an answer.

    :param applied: carry out the request first, so that only its answer is lost.
    :param part: what is sent of the answer's body.
    """

    async def fault(app: App, scope: Scope, receive: Receive, send: Send) -> None:
        if applied:
            await app(scope, receive, _swallow)
        if part:
            headers = [(b"content-type", b"application/json"), (b"content-length", b"5000")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(0.01)
        receive.__self__.transport.abort()  # type: ignore[attr-defined]

    return fault


async def stall(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Give no answer until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def obey(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Behave well."""
    await app(scope, receive, send)


def after(work: Callable[[], object], then: Fault = obey) -> Fault:
    """Do something else first, as another client would, in a thread."""

    async def fault(app: App, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.to_thread(work)
        await then(app, scope, receive, send)

    return fault


def together(count: int) -> Fault:
    """Hold requests back until this many are there, then behave well."""
    waiting: list[asyncio.Event] = []

    async def fault(app: App, scope: Scope, receive: Receive, send: Send) -> None:
        waiting.append(asyncio.Event())
        if len(waiting) == count:
            for event in waiting:
                event.set()
        await asyncio.wait_for(waiting[-1].wait(), 20)
        await app(scope, receive, send)

    return fault


async def _swallow(message: Message) -> None:
    """Let an answer vanish."""


@dataclass
class Rule:
    """Requests to paths that hold ``part`` meet these faults, one each; the last one again if ``forever``."""

    part: str
    faults: list[Fault]
    forever: bool
    query: str = ""


@dataclass
class Faults:
    """An ASGI layer that answers chosen requests wrongly, and lets all others pass."""

    rules: list[Rule] = field(default_factory=list)

    def on(self, part: str, *faults: Fault, forever: bool = False, query: str = "") -> None:
        """Let the next requests to such a path (and query) meet these faults."""
        self.rules.append(Rule(part, list(faults), forever, query))

    def around(self, app: App) -> App:
        """Wrap an application; pass this as the sandbox's ``wrap``."""

        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            await self._next(scope)(app, scope, receive, send)

        return wrapped

    def _next(self, scope: Scope) -> Fault:
        for rule in self.rules:
            if rule.faults and rule.part in scope["path"] and rule.query in scope["query_string"].decode():
                return rule.faults[0] if rule.forever and len(rule.faults) == 1 else rule.faults.pop(0)
        return obey


Reply = Callable[[int, bytes], "bytes | None"]


@dataclass
class RawServer:
    """A server on a bare socket.

    :param reply: gives the answer to a request: number of the request on its connection (from 1), the
        request; None closes the connection without an answer.
    :param hang_up: close every connection after its first answer, without saying so in the answer.
    """

    reply: Reply
    hang_up: bool = False
    received: list[bytes] = field(default_factory=list)
    connections: int = 0
    closed: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __post_init__(self) -> None:
        self._socket = socket.socket()
        # Bound and not listening, the port refuses connections, and nobody else can have it.
        self._socket.bind(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def listen(self) -> None:
        """From now on accept connections."""
        self._socket.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        number = 0
        with connection, connection.makefile("rb") as stream:
            while request := _read_request(stream):
                number += 1
                self.received.append(request)
                reply = self.reply(number, request)
                if reply is None:
                    break
                connection.sendall(reply)
                if self.hang_up:
                    break
            connection.shutdown(socket.SHUT_RDWR)
        self.closed.release()


@contextmanager
def raw_server(reply: Reply, *, listening: bool = True, hang_up: bool = False) -> Iterator[RawServer]:
    """Run a :class:`RawServer`; one that does not listen refuses connections."""
    server = RawServer(reply, hang_up)
    try:
        if listening:
            server.listen()
        yield server
    finally:
        server.close()


def raw_answer(body: object, status: str = "200 OK", headers: str = "") -> bytes:
    """Write an HTTP answer with a JSON body."""
    content = json.dumps(body)
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        f"{headers}\r\n{content}"
    ).encode()


def _read_request(stream: Any) -> bytes:
    head = b""
    length = 0
    while line := stream.readline():
        head += line
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
        if line == b"\r\n":
            return head + bytes(stream.read(length))
    return b""
