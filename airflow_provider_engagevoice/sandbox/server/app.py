"""The ASGI application: routes, and what is answered where no route leads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from airflow_provider_engagevoice.sandbox.api.routes import Operation, operations
from airflow_provider_engagevoice.sandbox.faults.middleware import misbehaving
from airflow_provider_engagevoice.sandbox.faults.responses import WEB_PAGE
from airflow_provider_engagevoice.sandbox.http.endpoint import Handler, endpoint, refused
from airflow_provider_engagevoice.sandbox.http.errors import Refusal
from airflow_provider_engagevoice.sandbox.http.parsing import read_boolean
from airflow_provider_engagevoice.sandbox.server import control_api
from airflow_provider_engagevoice.sandbox.state.sandbox import Service
from airflow_provider_engagevoice.sandbox.ui import outbox
from airflow_provider_engagevoice.sandbox.ui.origin_guard import Guard
from airflow_provider_engagevoice.sandbox.ui.page import Page

#: The switches of the sandbox itself.
_CONTROL: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/sandbox/faults", control_api.get_faults),
    ("POST", "/sandbox/faults", control_api.post_fault),
    ("DELETE", "/sandbox/faults", control_api.delete_faults),
    ("DELETE", "/sandbox/faults/{number}", control_api.delete_fault),
    ("POST", "/sandbox/clock", control_api.post_clock),
    ("POST", "/sandbox/reset", control_api.post_reset),
    ("GET", "/sandbox/requests", control_api.get_requests),
    ("GET", "/sandbox/settings", control_api.get_settings),
    ("GET", "/sandbox/outbox", outbox.get_outbox),
    ("GET", "/sandbox/outbox/{mail}.zip", outbox.get_zip),
)

#: Below these, an unknown path is 404 and JSON.
_API_ROOTS = ("/voice/api/", "/api/auth/", "/api/v1/", "/restapi/", "/sandbox/")


def build_app(service: Service, host: str = "127.0.0.1") -> Starlette:
    """Build the application of a sandbox.

    :param service: the sandbox.
    :param host: the address it is to listen at.
    :return: the application.
    """

    def not_found(request: Request, error: Exception) -> Response:
        """Answer a path nobody serves; outside the API it is the web application's page (observed)."""
        path = request.scope["path"]
        if f"{path}/".startswith(_API_ROOTS) or not service.settings.html_fallback:
            return refused(service, request.method, path, Refusal(404))
        return HTMLResponse(WEB_PAGE)

    def wrong_method(request: Request, error: Exception) -> Response:
        """Answer a known path with an unknown method; of ``/`` RingCX knows none, so it is a web page."""
        if request.scope["path"] == "/":
            return not_found(request, error)
        return refused(service, request.method, request.scope["path"], Refusal(405))

    def broken(request: Request, error: Exception) -> Response:
        """Answer a request on which the sandbox itself failed."""
        return refused(service, request.method, request.scope["path"], Refusal(500))

    app = Starlette(
        routes=[*_api_routes(service), *_control_routes(service)],
        middleware=[Middleware(Guard, host=host)],
        exception_handlers={404: not_found, 405: wrong_method, Exception: broken},
    )
    app.router.redirect_slashes = False
    return app


def _api_routes(service: Service) -> Iterator[Route]:
    """Make the routes of RingCX's operations."""
    for operation in operations():
        handler = endpoint(service, misbehaving(operation.handler), _namer(operation))
        yield Route(operation.path, handler, methods=[operation.method])


def _control_routes(service: Service) -> Iterator[Route]:
    """Make the routes of the sandbox's own switches, and of its page."""
    for method, path, handler in (*_CONTROL, *Page().routes()):
        yield Route(path, endpoint(service, handler, lambda query: ""), methods=[method])


def _namer(operation: Operation) -> Callable[[Mapping[str, str]], str]:
    """Make what names the operation by the query."""

    def name(query: Mapping[str, str]) -> str:
        return operation.counted if operation.counted and _is_true(query.get("count", "")) else operation.name

    return name


def _is_true(text: str) -> bool:
    """Tell whether a switch of the query is on; what is neither on nor off is the handler's to refuse."""
    try:
        return read_boolean(text)
    except ValueError:
        return False
