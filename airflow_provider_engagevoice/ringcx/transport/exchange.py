"""One exchange on a connection: whether the request was sent, and bounds on the response.

The timeouts of ``requests`` apply to each read from the socket. A response that arrives in small pieces would
never reach them, and a small compressed body can become very large.
"""

from __future__ import annotations

import http.client
import io
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice.ringcx import clock
from airflow_provider_engagevoice.ringcx.concurrency import POLL_INTERVAL, CancelToken
from airflow_provider_engagevoice.ringcx.exceptions import Cancelled

if TYPE_CHECKING:
    from requests import Response as RequestsResponse
    from requests import Session
    from requests.adapters import HTTPAdapter

MAX_BODY = 64 << 20
"""Maximum size of a response's body in bytes, after decompression."""

#: Connections kept open to a host: twice the most requests of one bulk action in flight, since their counts
#: are in flight as well.
_POOL_SIZE = 32
#: Small, since old versions of urllib3 decompress a whole piece at once: at most about 8 MiB.
_PIECE = 8192


class BodyTooLarge(Exception):
    """The body of a response exceeds ``MAX_BODY``."""


@dataclass(frozen=True)
class Response:
    """A complete response.

    :param status_code: HTTP status.
    :param headers: headers; lookups ignore case.
    :param content: the decompressed body.
    """

    status_code: int
    headers: Mapping[str, str]
    content: bytes


@dataclass
class Exchange:
    """State of a request that this thread is sending.

    :param timeout: seconds for the whole response.
    :param cancel_token: ends the wait for the response once cancelled; None if the response must be awaited.
    :param hide: removes secrets and personal data from a URL in a log record.
    :param sent: whether any part of the request may have reached the server.
    """

    timeout: float
    cancel_token: CancelToken | None = None
    hide: Callable[[str], str] = str
    sent: bool = field(default=False, init=False)


class _Current(threading.local):
    exchange: Exchange | None = None


_current = _Current()


@contextmanager
def current(exchange: Exchange) -> Iterator[None]:
    """Make an exchange the one that connections of this thread belong to."""
    _current.exchange = exchange
    try:
        yield
    finally:
        _current.exchange = None


class _SendTracker:
    """Mixin of urllib3's connections that marks the exchange once a request is sent.

    The requests that open a tunnel through a proxy do not count: they are sent while connecting.
    """

    response_class: type[http.client.HTTPResponse]
    _is_connecting = False

    def connect(self) -> None:
        self._is_connecting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._is_connecting = False

    def send(self, data: Any) -> None:
        if not self._is_connecting:
            if getattr(self, "sock", None) is None:
                self.connect()
            if _current.exchange is not None:
                _current.exchange.sent = True
        super().send(data)  # type: ignore[misc]


class _BoundedResponse(http.client.HTTPResponse):
    """Response that is read within the exchange's timeout, and that can be cancelled."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        if _current.exchange is not None:
            self.fp = io.BufferedReader(_BoundedReader(sock, self.fp, _current.exchange))


class _BoundedReader(io.RawIOBase):
    """Reads from a socket until the exchange's timeout.

    :param sock: the socket.
    :param kept: the reader that it replaces; keeps the socket open.
    :param exchange: the exchange.
    """

    def __init__(self, sock: socket.socket, kept: Any, exchange: Exchange) -> None:
        self._sock = sock
        self._kept = kept
        self._exchange = exchange
        self._deadline = clock.monotonic() + exchange.timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        cancel_token = self._exchange.cancel_token
        while True:
            if cancel_token is not None and cancel_token.is_cancelled():
                raise Cancelled("Cancelled before the response was complete")
            left = self._deadline - clock.monotonic()
            if left <= 0:
                raise TimeoutError(f"no complete response within {self._exchange.timeout:g} s")
            self._sock.settimeout(left if cancel_token is None else min(left, POLL_INTERVAL))
            try:
                return self._sock.recv_into(buffer)
            except TimeoutError:
                continue

    def close(self) -> None:
        if not self.closed:
            self._kept.close()
        super().close()


class _RedactUrls(logging.Filter):
    """Log filter that removes secrets and personal data from the URLs of an exchange.

    urllib3 logs them at DEBUG, and not all of Airflow's logs pass through its secrets masker.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        exchange = _current.exchange
        if exchange is not None and isinstance(record.args, tuple):
            record.args = tuple(
                exchange.hide(arg) if isinstance(arg, str) and "/" in arg else arg for arg in record.args
            )
        return True


_redact_urls = _RedactUrls()


def open_session(user_agent: str) -> Session:
    """Return a session whose connections belong to the exchange of their thread.

    :param user_agent: the ``User-Agent``.
    :return: the session.
    """
    import requests

    for name in ("urllib3.connectionpool", "urllib3.connection"):
        logging.getLogger(name).addFilter(_redact_urls)
    session = requests.Session()
    session.headers["User-Agent"] = user_agent
    # Other encodings, which requests offers if certain packages are installed, have no limit of expansion.
    session.headers["Accept-Encoding"] = "gzip, deflate"
    for prefix in ("https://", "http://"):
        session.mount(prefix, _adapter())
    return session


def read_response(response: RequestsResponse) -> Response:
    """Read the body of a response.

    :param response: the response, not read yet.
    :return: the complete response.
    :raises BodyTooLarge: if the body is longer than ``MAX_BODY``.
    """
    content = bytearray()
    try:
        for piece in response.iter_content(_PIECE):
            content += piece
            if len(content) > MAX_BODY:
                raise BodyTooLarge
    except BaseException:
        response.close()
        raise
    return Response(response.status_code, response.headers, bytes(content))


def _adapter() -> HTTPAdapter:
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            _track(self.poolmanager)

        def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
            is_new = proxy not in self.proxy_manager
            manager = super().proxy_manager_for(proxy, **kwargs)
            if is_new:
                _track(manager)
            return manager

    return Adapter(pool_maxsize=_POOL_SIZE)


def _track(manager: Any) -> None:
    """Make the connections of a pool manager belong to exchanges."""
    manager.pool_classes_by_scheme = {
        scheme: type(
            f"Tracked{pool.__name__}",
            (pool,),
            {
                "ConnectionCls": type(
                    f"Tracked{pool.ConnectionCls.__name__}",
                    (_SendTracker, pool.ConnectionCls),
                    {"response_class": _BoundedResponse},
                )
            },
        )
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }
