"""Faults that break a connection off, or keep it waiting; the fields of each are its options."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from airflow_provider_engagevoice.sandbox.faults.base import Instead
from airflow_provider_engagevoice.sandbox.http.endpoint import Call
from airflow_provider_engagevoice.sandbox.state.sandbox import Service


@dataclass(frozen=True)
class Drop(Instead):
    """The connection is closed instead of an answer.

    :param part: what is sent of the answer's body before; without it, nothing is sent at all.
    """

    part: str = ""

    def answer(self, service: Service, call: Call) -> Response:
        """Answer with a broken connection."""
        return _Dropped(self.part)


@dataclass(frozen=True)
class Hang(Instead):
    """No answer comes until the client gives up."""

    def answer(self, service: Service, call: Call) -> Response:
        """Answer with silence."""
        return _Silence()


class _Dropped(Response):
    """No answer, or the beginning of one, and then a closed connection."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Break the connection off."""
        # No part of ASGI: the connection that uvicorn keeps with each request.
        transport = receive.__self__.transport  # type: ignore[attr-defined]
        if self.part:
            length = str(len(self.part) + 1000).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", length)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": self.part, "more_body": True})
            # Closed rather than aborted, so that what was sent does arrive.
            transport.close()
        else:
            _note_unanswered(scope)
            transport.abort()
        # Who returns before the connection is gone has forgotten to answer, to uvicorn.
        await _until_gone(receive)


class _Silence(Response):
    """No answer for as long as the client waits."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for the client to go."""
        _note_unanswered(scope)
        await _until_gone(receive)


def _note_unanswered(scope: Scope) -> None:
    """Have the request noted now: whoever sees it fail finds it in the log."""
    scope.get("unanswered", lambda: None)()


async def _until_gone(receive: Receive) -> None:
    """Wait for the end of the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
