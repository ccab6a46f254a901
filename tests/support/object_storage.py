"""S3 server for tests, with a proxy that drops connections at any byte."""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

BUCKET = "leads"
CONNECTION = "object_storage"


@dataclass
class DroppingProxy:
    """TCP proxy that can stop in the middle of what a client sends.

    :param address: host and port of the server.
    """

    address: tuple[str, int]
    #: Bytes that are still forwarded to the server; None for all.
    remaining: int | None = None
    #: Bytes that were sent to the server.
    sent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def drop_after(self, count: int | None) -> None:
        """Forward so many more bytes to the server, then drop all connections; None forwards all."""
        with self._lock:
            self.remaining, self.sent = count, 0

    def close(self) -> None:
        """Accept no more connections."""
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            server = socket.create_connection(self.address)
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
            threading.Thread(target=self._return, args=(server, client), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                with self._lock:
                    allowed = len(data) if self.remaining is None else min(len(data), self.remaining)
                    if self.remaining is not None:
                        self.remaining -= allowed
                    is_dropped = self.remaining == 0
                    self.sent += allowed
                server.sendall(data[:allowed])
                if is_dropped:
                    if allowed == len(data):
                        # The request is complete: only its response is lost.
                        time.sleep(0.2)
                    # Reset the connection: the server takes an end within the headers for their end.
                    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    server.close()
                    break
        _close(client, server)

    def _return(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                if self.remaining == 0:
                    break
                client.sendall(data)
        _close(client, server)


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


@dataclass(frozen=True)
class ObjectStorage:
    """An S3 server with an empty bucket, which Airflow knows under a connection.

    :param proxy: the proxy between Airflow and the server.
    :param fs: a file system without the proxy, to look at the objects.
    """

    proxy: DroppingProxy
    fs: Any

    def url(self, name: str) -> str:
        """Return the URL of an object for Airflow."""
        return f"s3://{CONNECTION}@{BUCKET}/{name}"

    def path(self, name: str) -> Any:
        """Return Airflow's path of an object."""
        try:
            from airflow.sdk import ObjectStoragePath
        except ImportError:  # Airflow 2
            from airflow.io.path import ObjectStoragePath
        return ObjectStoragePath(self.url(name))

    def objects(self) -> dict[str, bytes]:
        """Return the content of all objects."""
        return {path.partition("/")[2]: self.fs.cat_file(path) for path in self.fs.find(BUCKET)}

    def write(self, name: str, content: bytes) -> None:
        """Write an object."""
        self.fs.pipe_file(f"{BUCKET}/{name}", content)


@contextlib.contextmanager
def s3_server() -> Iterator[tuple[str, int]]:
    """Run an S3 server; skip the test if moto or s3fs is not installed."""
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:
            pass

    app = _whole_requests_only(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield "127.0.0.1", server.server_port
    finally:
        server.shutdown()


def _whole_requests_only(app: Any) -> Any:
    """Refuse a request whose body is shorter than announced, as S3 does (IncompleteBody); moto does not."""

    def handle(environ: dict[str, Any], start_response: Any) -> Any:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = b""
        with contextlib.suppress(OSError):
            while block := environ["wsgi.input"].read(min(1 << 16, length - len(body))):
                body += block
        if len(body) < length:
            start_response("400 Bad Request", [("Content-Length", "0")])
            return []
        return app({**environ, "wsgi.input": io.BytesIO(body)}, start_response)

    return handle


@contextlib.contextmanager
def object_storage(address: tuple[str, int]) -> Iterator[ObjectStorage]:
    """Register an empty bucket of an S3 server in Airflow.

    :param address: host and port of the server.
    """
    proxy = DroppingProxy(address)
    direct = _file_system(address[1])
    if direct.exists(BUCKET):
        direct.rm(BUCKET, recursive=True)
    direct.mkdir(BUCKET)
    stores = _attach(_file_system(proxy.port))
    try:
        yield ObjectStorage(proxy, direct)
    finally:
        del stores[f"s3-{CONNECTION}"]
        proxy.close()


def _file_system(port: int) -> Any:
    import s3fs

    fs = s3fs.S3FileSystem(
        key="test",
        secret="test",
        client_kwargs={"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "eu-west-1"},
        config_kwargs={"retries": {"max_attempts": 0}, "connect_timeout": 5, "read_timeout": 5},
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    fs.retries = 1
    return fs


def _attach(fs: Any) -> dict[str, Any]:
    """Register a file system for the connection, as a provider does; return the registered ones."""
    try:
        from airflow.sdk.io import store
    except ImportError:  # Airflow 2
        from airflow.io import store
    store.attach("s3", CONNECTION, fs=fs)
    stores: dict[str, Any] = store._STORE_CACHE
    return stores
