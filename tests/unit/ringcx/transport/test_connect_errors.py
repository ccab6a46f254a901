"""Tests of requests that are never sent: certificates, TLS, proxies and settings of the environment."""

from __future__ import annotations

import datetime
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from airflow_provider_engagevoice.ringcx.exceptions import CannotConnect, PermanentError, ServiceUnavailable
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import ACTIONS_PATH, FakeClock, make_client
from tests.support.raw_server import raw_response, raw_server

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

HOST = "https://ringcx.example"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove what the machine of the tests sets."""
    for name in ("https_proxy", "http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def everything_of(error: BaseException) -> str:
    """Return an error's message and those of all errors behind it, hidden or not."""
    texts = []
    seen: BaseException | None = error
    while seen is not None:
        texts.append(f"{seen} {seen!r} {vars(seen)}")
        seen = seen.__cause__ or seen.__context__
    return " ".join(texts)


def send(url: str = HOST) -> CannotConnect:
    """Send an action that must not be repeated; return the error, which must be permanent."""
    with pytest.raises(CannotConnect) as caught:
        make_client(url, "api_token").request("PUT", ACTIONS_PATH)
    assert isinstance(caught.value, PermanentError)
    assert "nothing was sent" in str(caught.value)
    return caught.value


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "does not exist"),
        ("not a certificate", "contains no certificate"),
        ("", "contains no certificate"),
    ],
)
def test_unusable_ca_bundle_names_its_variable(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    clock: FakeClock,
    variable: str,
    content: str | None,
    reason: str,
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv(variable, str(path))
    error = send()
    assert str(error).startswith(f"{variable} names {str(path)!r}, which {reason}. Correct or unset it")
    assert clock.pauses == []


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_socks_proxy_without_pysocks_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock, variable: str
) -> None:
    def missing(*args: object, **kwargs: object) -> None:
        raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")

    monkeypatch.setattr("requests.adapters.SOCKSProxyManager", missing)
    monkeypatch.setenv(variable, "socks5h://user:hidden-word@proxy.example:1080")
    error = send()
    assert str(error).startswith(
        f'{variable} names a SOCKS proxy, which needs PySocks: pip install "requests[socks]"'
    )
    assert "hidden-word" not in everything_of(error)
    assert clock.pauses == []


@pytest.mark.parametrize(
    "proxy",
    [
        "http://",
        "http://:8080",
        "//",
        "ftp://user:hidden-word@h:1",
        "http://user:hidden-word@h:port",
        "http://user:hidden-word@",
        "http://user:hidden-word@:80",
        "http://user:hidden-word@exa mple:80",
        "http://[::1",
    ],
)
def test_invalid_proxy_url_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    error = send()
    assert str(error).startswith("HTTPS_PROXY is not a valid proxy URL; write it as http://host:port")
    assert "hidden-word" not in everything_of(error)
    assert clock.pauses == []


@pytest.mark.parametrize(
    ("status", "kind"), [("407 Authentication Required", CannotConnect), ("503 Busy", ServiceUnavailable)]
)
def test_proxy_that_refuses_the_tunnel_means_not_sent(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock, status: str, kind: type[Exception]
) -> None:
    with raw_server(lambda number, request: raw_response({}, status), hang_up=True) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(kind):
            make_client(HOST, "api_token").request("PUT", ACTIONS_PATH)
    assert len(clock.pauses) == (0 if kind is CannotConnect else 4)


def test_proxy_that_drops_the_tunnel_means_not_sent(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    with raw_server(lambda number, request: None) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(ServiceUnavailable):
            make_client(HOST, "api_token").request("PUT", ACTIONS_PATH)
    assert len(clock.pauses) == 4


def test_server_without_tls_is_named_and_not_retried(clock: FakeClock, ringcx_sandbox: SandboxServer) -> None:
    address = ringcx_sandbox.url.removeprefix("http://")
    error = send(f"https://{address}")
    assert str(error).startswith(
        f"{address} does not speak TLS. For a sandbox, write the connection's host as"
    )
    assert f"http://{address}" in str(error)
    assert clock.pauses == []


def test_server_that_ends_the_handshake_is_retried(clock: FakeClock) -> None:
    """An overloaded load balancer does that."""
    with raw_server(lambda number, request: None, listening=False) as server:
        listener = server._socket
        listener.listen()

        def hang_up() -> None:
            for _ in range(5):
                listener.accept()[0].close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        with pytest.raises(ServiceUnavailable):
            make_client(server.url.replace("http:", "https:"), "api_token").request("PUT", ACTIONS_PATH)
    assert len(clock.pauses) == 4


def test_untrusted_certificate_is_named_and_not_retried(
    clock: FakeClock, tls_server: Callable[[], int]
) -> None:
    port = tls_server()
    error = send(f"https://localhost:{port}")
    assert str(error).startswith(f"The TLS certificate of localhost:{port} is not trusted (self")
    assert "REQUESTS_CA_BUNDLE" in str(error)
    assert clock.pauses == []


@pytest.fixture
def tls_server(tmp_path: Path) -> Callable[[], int]:
    """Return a function that starts a TLS server with a self-signed certificate and returns its port."""
    import socket

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    today = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)

    def start() -> int:
        listener = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        return int(listener.getsockname()[1])

    return start


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_excluded_hosts_are_not_taken_for_a_proxy(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock, variable: str
) -> None:
    monkeypatch.setenv(variable, "elsewhere.example")

    def fail(*args: object, **kwargs: object) -> None:
        raise ValueError("not about a proxy")

    monkeypatch.setattr("requests.Session.send", fail)
    with pytest.raises(ServiceUnavailable, match=r"No response from ringcx.example .*\(ValueError\)"):
        make_client(HOST, "api_token").request("GET", ACTIONS_PATH)
