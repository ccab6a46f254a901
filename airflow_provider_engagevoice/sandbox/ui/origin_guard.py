"""Middleware that blocks cross-origin requests and DNS rebinding; the sandbox may hold real leads."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # With "no-referrer" browsers would send "Origin: null" with the page's own forms as well.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_HOST_NOT_ALLOWED = "Host not allowed: use the address that the sandbox listens on.\n"

#: Domain suffixes that cannot be registered publicly, such as in ``host.docker.internal``.
_PRIVATE_SUFFIXES = (".internal", ".local", ".localhost", ".test")


class OriginGuard:
    """ASGI middleware that checks the ``Host`` and ``Origin`` of requests.

    ``/`` and paths below ``/sandbox/`` accept browser requests from the page itself only. The API is for
    programs; its tokens are public, so it rejects hosts that a web site could own.

    :param app: the wrapped application.
    :param host: the address the sandbox listens on. On a loopback address, the page rejects every ``Host``
        that is not a loopback name (DNS rebinding), and the API rejects a ``Host`` that could be a public
        domain. On any other address, every ``Host`` is accepted.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._any_host = not is_loopback(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reject a request with 403, or forward it and add security headers to its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not (scope["path"] == "/" or scope["path"].startswith("/sandbox/")):
            foreign = not self._any_host and _is_public_domain(_host_name(headers.get("host", "")))
            app = PlainTextResponse(_HOST_NOT_ALLOWED, 403) if foreign else self._app
            await app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        problem = self._problem(scope["method"], headers)
        app = PlainTextResponse(problem, 403) if problem else self._app
        await app(scope, receive, send_with_headers)

    def _problem(self, method: str, headers: Headers) -> str:
        """Return why a request is rejected; empty if it is accepted."""
        host = headers.get("host", "")
        if not self._any_host and not is_loopback(_host_name(host)):
            return _HOST_NOT_ALLOWED
        if method not in ("GET", "HEAD") and not _is_same_origin(headers, host):
            return "Cross-origin request rejected: use the sandbox's own page.\n"
        return ""


def is_loopback(host: str) -> bool:
    """Return whether an address is a loopback address.

    :param host: an address without brackets, or ``localhost``.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_public_domain(name: str) -> bool:
    """Return whether a host may be a public domain; IP addresses and single labels may not."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." in name and not name.lower().rstrip(".").endswith(_PRIVATE_SUFFIXES)
    return False


def _host_name(host: str) -> str:
    """Return the host name in a ``Host`` header, without port and brackets; empty if it is invalid."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_same_origin(headers: Headers, host: str) -> bool:
    """Return whether a request comes from the page itself or from a non-browser client."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin.lower() == f"http://{host}".lower()
