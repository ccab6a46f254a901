"""HTTP server on a plain socket, for responses that no web server sends."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Reply = Callable[[int, bytes], "bytes | None"]


@dataclass
class RawServer:
    """HTTP server on a plain socket.

    :param reply: returns the response to a request, given its number on the connection (from 1) and the
        request; None closes the connection without a response.
    :param hang_up: close each connection after its first response, without announcing it in the response.
    """

    reply: Reply
    hang_up: bool = False
    received: list[bytes] = field(default_factory=list)
    connections: int = 0
    closed: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __post_init__(self) -> None:
        self._socket = socket.socket()
        # A port that is bound but not listening refuses connections, and no other process can use it.
        self._socket.bind(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def listen(self) -> None:
        """Start to accept connections."""
        self._socket.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop to accept connections."""
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


def raw_response(body: object, status: str = "200 OK", headers: str = "") -> bytes:
    """Return an HTTP response with a JSON body."""
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
