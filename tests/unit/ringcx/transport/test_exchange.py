"""Tests of the bounds of an exchange: time, size, cancellation, forks and log records."""

from __future__ import annotations

import gzip
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    OutcomeUnknown,
    ServiceUnavailable,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.ringcx.transport import exchange
from tests.support.cancellation import cancel_soon, run_cancelled
from tests.support.clients import ACTIONS_PATH, DIAL_GROUPS, make_client
from tests.support.raw_server import raw_response, raw_server
from tests.unit.ringcx.test_concurrency import in_forked_child

pytestmark = pytest.mark.usefixtures("isolated_store")

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"


@contextmanager
def trickling_server(head: bytes) -> Iterator[str]:
    """Run a server that sends the head of a response, then one byte every 0.05 s; return its URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def trickle(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                connection.sendall(head)
                while True:
                    connection.sendall(b" ")
                    time.sleep(0.05)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=trickle, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX: ", HEAD], ids=["status", "header", "body"])
@pytest.mark.parametrize(
    ("method", "kind"), [("GET", ServiceUnavailable), ("PUT", OutcomeUnknown)], ids=["read", "action"]
)
def test_trickling_response_ends_with_timeout(head: bytes, method: str, kind: type[Exception]) -> None:
    with trickling_server(head) as url:
        started_at = time.monotonic()
        with pytest.raises(kind, match="No response from 127"):
            make_client(url, "api_token", timeout=0.5, retry_timeout=0.0).request(method, ACTIONS_PATH)
    assert 0.4 < time.monotonic() - started_at < 10.0


@pytest.mark.parametrize("head", [b"", HEAD], ids=["status", "body"])
def test_cancel_ends_wait_for_response_of_read(head: bytes) -> None:
    with trickling_server(head) as url:
        client = make_client(url, "api_token", timeout=60.0)
        cancel_soon(client.cancel_token.cancel)
        assert run_cancelled(lambda: client.request("GET", DIAL_GROUPS)) < 20.0


def test_cancel_ends_wait_for_silent_server() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        client = make_client(f"http://127.0.0.1:{listener.getsockname()[1]}", "api_token", timeout=60.0)
        cancel_soon(client.cancel_token.cancel)
        assert run_cancelled(lambda: client.request("GET", DIAL_GROUPS)) < 20.0


def test_cancel_awaits_response_of_action() -> None:
    """Otherwise its outcome would be unknown."""
    with raw_server(lambda number, request: reply()) as server:
        client = make_client(server.url, "api_token")

        def reply() -> bytes:
            client.cancel_token.cancel()
            time.sleep(1.0)
            return raw_response({"success": True})

        assert client.request("PUT", ACTIONS_PATH) == {"success": True}


def test_response_that_expands_beyond_the_limit_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_BODY", 1 << 20)
    content = gzip.compress(b" " * (64 << 20))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    with raw_server(lambda number, request: head + content) as server:
        client = make_client(server.url, "api_token")
        with pytest.raises(UnexpectedResponse, match=r"The response to GET .* is larger than 64 MiB"):
            client.request("GET", DIAL_GROUPS)
        with pytest.raises(OutcomeUnknown, match="is larger than 64 MiB"):
            client.request("PUT", ACTIONS_PATH)
    assert b"Accept-Encoding: gzip, deflate\r\n" in server.received[0]


def test_response_in_pieces_is_complete() -> None:
    body = {"text": "x" * 200_000}
    with raw_server(lambda number, request: raw_response(body)) as server:
        client = make_client(server.url, "api_token")
        assert [client.request("GET", DIAL_GROUPS) for _ in range(3)] == [body] * 3
    assert server.connections == 1


def test_forked_child_opens_its_own_connection() -> None:
    with raw_server(lambda number, request: raw_response([os.getpid()])) as server:
        client = make_client(server.url, "api_token")
        client.request("GET", DIAL_GROUPS)

        def request() -> None:
            client.request("GET", DIAL_GROUPS)

        with client.transport._lock.held():
            assert in_forked_child(request)
        client.request("GET", DIAL_GROUPS)
    assert (server.connections, len(server.received)) == (2, 3)


@pytest.mark.parametrize(
    ("method", "path", "hidden"),
    [
        ("DELETE", "/api/v1/admin/token/permanent-word", "permanent-word"),
        ("GET", "/api/v1/admin/token/permanent-word/uses", "permanent-word"),
        ("DELETE", "/api/v1/admin/accounts/1/dncLists/tags/GLOBAL/phones/15551234567", "15551234567"),
        ("GET", "/api/v1/admin/accounts/1/leads/jane%40example.com", "jane"),
    ],
)
def test_debug_log_shows_no_secret_of_the_url(
    caplog: pytest.LogCaptureFixture, method: str, path: str, hidden: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with raw_server(lambda number, request: raw_response({})) as server:
        make_client(server.url, "api_token").request(method, path, {"email": "query-word"})
    assert f'"{method} /voice/api/v1/admin/' in caplog.text
    assert hidden not in caplog.text
    assert "query-word" not in caplog.text


def _all_texts(error: BaseException | None) -> str:
    texts = ""
    while error is not None:
        texts += f"{error} {vars(error)} {getattr(error, 'doc', '')}"
        error = error.__cause__ or error.__context__
    return texts


@pytest.mark.parametrize(
    "reply",
    [
        lambda: b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"a": hidden-wor',
        lambda: None,
        lambda: raw_response({}, "503 Busy"),
    ],
    ids=["broken", "dropped", "busy"],
)
def test_error_keeps_no_hidden_cause_with_secrets(reply: Callable[[], bytes | None]) -> None:
    with raw_server(lambda number, request: reply()) as server:
        client = make_client(server.url, "api_token", retry_timeout=0.0)
        with pytest.raises((UnexpectedResponse, ServiceUnavailable)) as caught:
            client.request("GET", DIAL_GROUPS, {"password": "hidden-word"})
    assert "hidden-wor" not in _all_texts(caught.value)


def test_error_keeps_what_the_caller_was_handling() -> None:
    with raw_server(lambda number, request: None) as server:
        client = make_client(server.url, "api_token", retry_timeout=0.0)
        handled = KeyError("of the caller")

        def request_while_handling() -> None:
            try:
                raise handled
            except KeyError:
                client.request("GET", DIAL_GROUPS)

        with pytest.raises(ServiceUnavailable) as caught:
            request_while_handling()
    assert caught.value.__context__ is handled
