"""Faults that close a connection or leave it without a response; their fields are their options."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from airflow_provider_engagevoice.sandbox.faults.base import ResponseFault
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState


@dataclass(frozen=True)
class Drop(ResponseFault):
    """Close the connection instead of responding.

    :param part: beginning of the body to send first; if empty, nothing is sent.
    """

    part: str = ""

    def respond(self, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Return a response that closes the connection."""
        return _Dropped(self.part)


@dataclass(frozen=True)
class Hang(ResponseFault):
    """Send no response until the client disconnects."""

    def respond(self, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Return a response that is never sent."""
        return _Silence()


class _Dropped(Response):
    """Response that closes the connection, after sending nothing or a part of a body."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the part, if any, and close the connection."""
        # Not part of ASGI: uvicorn's transport of the connection.
        transport = receive.__self__.transport  # type: ignore[attr-defined]
        if self.part:
            length = str(len(self.part) + 1000).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", length)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": self.part, "more_body": True})
            # close, not abort, so that the data already written is delivered.
            transport.close()
        else:
            _note_unanswered(scope)
            transport.abort()
        # If this returned earlier, uvicorn would log an ASGI error for the missing response.
        await _until_gone(receive)


class _Silence(Response):
    """Response that is never sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait until the client disconnects."""
        _note_unanswered(scope)
        await _until_gone(receive)


def _note_unanswered(scope: Scope) -> None:
    """Write the request to the request log now, before the client notices the failure."""
    scope.get("unanswered", lambda: None)()


async def _until_gone(receive: Receive) -> None:
    """Wait until the connection is closed."""
    while (await receive())["type"] != "http.disconnect":
        pass
