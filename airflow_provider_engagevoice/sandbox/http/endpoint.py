"""Adapter between Starlette and request handlers: reads requests, and converts errors to responses."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from airflow_provider_engagevoice.sandbox.http.errors import ApiError, Unauthorized, error_body
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState

MAX_BODY_SIZE = 10 * 1024 * 1024
"""Maximum size of a request body in bytes. Assumed."""

Handler = Callable[[SandboxState, ApiRequest], Response]


def endpoint(
    sandbox: SandboxState, handler: Handler, operation_name: Callable[[Mapping[str, str]], str]
) -> Callable[[Request], Awaitable[Response]]:
    """Return a Starlette endpoint that runs a handler in a thread.

    :param sandbox: state passed to the handler.
    :param handler: returns the response, or raises :class:`ApiError` or :class:`Unauthorized`.
    :param operation_name: returns the name of the operation for the query parameters.
    :return: the endpoint.
    """

    async def respond(request: Request) -> Response:
        log_fields = request.scope.setdefault("log_fields", {})
        log_fields["operation"] = operation_name(request.query_params)
        delay = _one_way_delay(sandbox.settings) if log_fields["operation"] else 0.0
        if delay:
            await asyncio.sleep(delay)
        try:
            body = await _read_body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except ApiError as error:
            return error_response(sandbox, request.method, request.scope["path"], error)
        api_request = ApiRequest(
            method=request.method,
            path=request.scope["path"],
            path_params=request.path_params,
            query=request.query_params,
            headers=request.headers,
            body=body,
            operation=log_fields["operation"],
            log_fields=log_fields,
        )
        response = await run_in_threadpool(handle, sandbox, handler, api_request)
        if delay:
            await asyncio.sleep(delay)
        return response

    return respond


def _one_way_delay(settings: Settings) -> float:
    """Return the seconds that a request takes to arrive, and its response to come back."""
    jitter = settings.latency_jitter
    return settings.latency / 2 * random.uniform(1 - jitter, 1 + jitter)


def handle(sandbox: SandboxState, handler: Handler, request: ApiRequest) -> Response:
    """Run a handler, and convert its errors to responses."""
    try:
        return handler(sandbox, request)
    except ApiError as error:
        return error_response(sandbox, request.method, request.path, error)
    except Unauthorized as error:
        return PlainTextResponse(error.text, 401)


def error_response(sandbox: SandboxState, method: str, path: str, error: ApiError) -> Response:
    """Return the response for an error, with the ``Errors`` body."""
    content = error_body(error, method, path, sandbox.clock.milliseconds())
    return Response(content, error.status, media_type="application/json")


def json_response(value: object, status: int = 200) -> Response:
    """Return a JSON response."""
    return JSONResponse(value, status)


async def _read_body(request: Request) -> bytes:
    """Read the body; read an oversized one to its end as well, so that the client receives the response."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BODY_SIZE:
            chunks.append(chunk)
        else:
            chunks.clear()
    if size > MAX_BODY_SIZE:
        raise ApiError(413, f"The request body exceeds {MAX_BODY_SIZE} bytes")
    return b"".join(chunks)
