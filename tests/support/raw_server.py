"""A server on a bare socket, for answers that no web server gives."""

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
