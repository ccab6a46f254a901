"""The step between Starlette and the handlers: reads a request whole, and writes every kind of refusal."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from airflow_provider_engagevoice.sandbox.http.errors import NotSignedIn, Refusal, error_body
from airflow_provider_engagevoice.sandbox.state.sandbox import Service

LARGEST_BODY = 10 * 1024 * 1024
"""Bytes of a request body that are still accepted. Assumed."""


@dataclass(frozen=True)
class Call:
    """One request, read whole.

    :param method: its method.
    :param path: its path.
    :param captured: the parts of the path that the route names.
    :param query: its query; of a repeated key the last value counts.
    :param headers: its headers; names in any case.
    :param body: its body.
    :param operation: name of the operation it asks for.
    :param notes: what the log of requests is to say of it.
    """

    method: str
    path: str
    captured: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    operation: str
    notes: dict[str, str]

    def form(self) -> dict[str, str]:
        """Read the query and an urlencoded body as one; the body counts where both name a key."""
        pairs = parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return {**self.query, **dict(pairs)}

    def json(self) -> object:
        """Read the body as JSON.

        :raises Refusal: with status 400, where it is none, or holds what no database can keep.
        """
        try:
            # Strictly UTF-8 (guide): json would guess other encodings, and let surrogates pass.
            text = self.body.decode("utf-8-sig")
            value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        except (ValueError, RecursionError) as error:
            raise Refusal(400, "The request body is not valid JSON") from error
        if "\\u0000" in text or "\\ud" in text.lower():
            _refuse_odd_texts(value)
        return value

    def json_object(self) -> dict[str, object]:
        """Read the body as a JSON object.

        :raises Refusal: with status 400, where it is none.
        """
        value = self.json()
        if not isinstance(value, dict):
            raise Refusal(400, "The request body must be a JSON object")
        return value


Handler = Callable[[Service, Call], Response]


def endpoint(
    service: Service, handler: Handler, name_of: Callable[[Mapping[str, str]], str]
) -> Callable[[Request], Awaitable[Response]]:
    """Make a Starlette endpoint of a handler; the handler runs in a thread.

    :param service: what the handler works on.
    :param handler: returns the answer, or raises :class:`Refusal` or :class:`NotSignedIn`.
    :param name_of: gives the name of the operation, for a query.
    :return: the endpoint.
    """

    async def respond(request: Request) -> Response:
        notes = request.scope.setdefault("notes", {})
        notes["operation"] = name_of(request.query_params)
        if service.settings.latency and notes["operation"]:
            await asyncio.sleep(service.settings.latency)
        try:
            body = await _read_body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except Refusal as refusal:
            return refused(service, request.method, request.scope["path"], refusal)
        call = Call(
            method=request.method,
            path=request.scope["path"],
            captured=request.path_params,
            query=request.query_params,
            headers=request.headers,
            body=body,
            operation=notes["operation"],
            notes=notes,
        )
        return await run_in_threadpool(carry_out, service, handler, call)

    return respond


def carry_out(service: Service, handler: Handler, call: Call) -> Response:
    """Let a handler answer, and write its refusals as answers."""
    try:
        return handler(service, call)
    except Refusal as refusal:
        return refused(service, call.method, call.path, refusal)
    except NotSignedIn as refusal:
        return PlainTextResponse(refusal.text, 401)


def refused(service: Service, method: str, path: str, refusal: Refusal) -> Response:
    """Write the answer to a refused request."""
    content = error_body(refusal, method, path, service.clock.milliseconds())
    return Response(content, refusal.status, media_type="application/json")


def answer(value: object, status: int = 200) -> Response:
    """Write a JSON answer."""
    return JSONResponse(value, status)


async def _read_body(request: Request) -> bytes:
    """Read the body. One too large is read to its end, so that the client gets to see the answer."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= LARGEST_BODY:
            chunks.append(chunk)
        else:
            chunks.clear()
    if size > LARGEST_BODY:
        raise Refusal(413, f"The request body has more than {LARGEST_BODY} bytes")
    return b"".join(chunks)


def _refuse_constant(name: str) -> object:
    """Refuse NaN and Infinity, which Python reads and JSON does not know."""
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    """Read a number, and refuse one that is too large to be one."""
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits} is out of range")
    return number


def _refuse_odd_texts(value: object) -> None:
    """Refuse NUL and lone surrogates, which SQLite keeps differently or not at all."""
    for text in _texts(value):
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise Refusal(400, "The request body holds a character that is not allowed")


def _texts(value: object) -> Iterator[str]:
    """Go through all texts of a JSON value, keys included."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            waiting += [*part.keys(), *part.values()]
        elif isinstance(part, list):
            waiting += part
