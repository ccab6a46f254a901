"""Keeps other web sites away from the sandbox, which may hold somebody's own leads."""

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
    # With "no-referrer" browsers would send "Origin: null" with our own forms, too.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_OTHER_HOST = "The sandbox answers at its own address only, not at another host's name.\n"

#: Ends of names that nobody can register, such as ``host.docker.internal``.
_PRIVATE_ENDS = (".internal", ".local", ".localhost", ".test")


class Guard:
    """An ASGI application around another one that checks where requests come from.

    What is below ``/sandbox/``, and the page at ``/``, is for visitors of the page itself. The API is for
    programs; its tokens are public, so what keeps web sites away is that they cannot have its address.

    :param app: the application inside.
    :param host: the address the sandbox listens at. At a loopback address, a ``Host`` that names another
        machine is refused (DNS rebinding), and by the API one that anybody could own; at any other address
        it may be any.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._any_host = not is_loopback(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on and let its answer say what a browser may do with it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not (scope["path"] == "/" or scope["path"].startswith("/sandbox/")):
            foreign = not self._any_host and _can_be_owned(_name_in(headers.get("host", "")))
            app = PlainTextResponse(_OTHER_HOST, 403) if foreign else self._app
            await app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        problem = self._problem(scope["method"], headers)
        app = PlainTextResponse(problem, 403) if problem else self._app
        await app(scope, receive, send_guarded)

    def _problem(self, method: str, headers: Headers) -> str:
        """Say what is wrong with a request; empty where nothing is."""
        host = headers.get("host", "")
        if not self._any_host and not is_loopback(_name_in(host)):
            return _OTHER_HOST
        if method not in ("GET", "HEAD") and not _is_own(headers, host):
            return "The sandbox's switches are not for other web sites.\n"
        return ""


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address.

    :param host: an address without brackets, or ``localhost``.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _can_be_owned(name: str) -> bool:
    """Tell whether a name may be that of somebody's web site; an address or a plain word cannot."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." in name and not name.lower().rstrip(".").endswith(_PRIVATE_ENDS)
    return False


def _name_in(host: str) -> str:
    """Return the name in a ``Host`` header, without port and brackets; empty where it makes no sense."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_own(headers: Headers, host: str) -> bool:
    """Tell whether a request comes from the page itself, or from a program that is no browser."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin.lower() == f"http://{host}".lower()
