"""ASGI application of the sandbox: API routes, control routes and fallback responses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from airflow_provider_engagevoice.sandbox.api.routes import Operation, operations
from airflow_provider_engagevoice.sandbox.faults.middleware import inject_faults
from airflow_provider_engagevoice.sandbox.faults.responses import WEB_PAGE
from airflow_provider_engagevoice.sandbox.http.endpoint import (
    Handler,
    endpoint,
    error_response,
    json_response,
)
from airflow_provider_engagevoice.sandbox.http.errors import ApiError
from airflow_provider_engagevoice.sandbox.http.parsing import parse_boolean
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.server import control_api
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState
from airflow_provider_engagevoice.sandbox.ui import outbox
from airflow_provider_engagevoice.sandbox.ui.origin_guard import OriginGuard
from airflow_provider_engagevoice.sandbox.ui.page import Page

#: Routes of the control API.
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


def _get_index(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET /sandbox``: list the requests of the control API."""
    return json_response(
        [
            {"method": method, "path": path, "description": _describe(handler)}
            for method, path, handler in _CONTROL
        ]
    )


def _describe(handler: Handler) -> str:
    """Return the first line of a handler's docstring without markup."""
    return (handler.__doc__ or "").partition("\n")[0].replace("``", "")


#: Below these paths, an unknown path is 404 with a JSON body.
_API_ROOTS = ("/voice/api/", "/api/auth/", "/api/v1/", "/restapi/", "/sandbox/")


def build_app(sandbox: SandboxState, host: str = "127.0.0.1") -> Starlette:
    """Return the application of a sandbox.

    :param sandbox: the sandbox.
    :param host: the address that the server listens on.
    :return: the application.
    """

    def not_found(request: Request, error: Exception) -> Response:
        """Respond to an unknown path; outside the API with RingCX's web application (observed)."""
        path = request.scope["path"]
        if f"{path}/".startswith(_API_ROOTS) or not sandbox.settings.html_fallback:
            return error_response(sandbox, request.method, path, ApiError(404))
        return HTMLResponse(WEB_PAGE)

    def method_not_allowed(request: Request, error: Exception) -> Response:
        """Respond to a known path with another method; ``/`` is no API path, so it counts as unknown."""
        if request.scope["path"] == "/":
            return not_found(request, error)
        return error_response(sandbox, request.method, request.scope["path"], ApiError(405))

    def internal_error(request: Request, error: Exception) -> Response:
        """Respond to a request on which the sandbox raised an unexpected exception."""
        return error_response(sandbox, request.method, request.scope["path"], ApiError(500))

    app = Starlette(
        routes=[*_api_routes(sandbox), *_control_routes(sandbox)],
        middleware=[Middleware(OriginGuard, host=host)],
        exception_handlers={404: not_found, 405: method_not_allowed, Exception: internal_error},
    )
    app.router.redirect_slashes = False
    return app


def _api_routes(sandbox: SandboxState) -> Iterator[Route]:
    """Yield the routes of RingCX's operations."""
    for operation in operations():
        handler = endpoint(sandbox, inject_faults(operation.handler), _name_resolver(operation))
        yield Route(operation.path, handler, methods=[operation.method])


def _control_routes(sandbox: SandboxState) -> Iterator[Route]:
    """Yield the routes of the control API and of the dashboard."""
    for method, path, handler in (("GET", "/sandbox", _get_index), *_CONTROL, *Page().routes()):
        yield Route(path, endpoint(sandbox, handler, lambda query: ""), methods=[method])


def _name_resolver(operation: Operation) -> Callable[[Mapping[str, str]], str]:
    """Return a function from query parameters to the name of the operation."""

    def name(query: Mapping[str, str]) -> str:
        is_count = operation.count_name and _is_true(query.get("count", ""))
        return operation.count_name if is_count else operation.name

    return name


def _is_true(text: str) -> bool:
    """Return whether a query parameter is true; an invalid one is rejected later by the handler."""
    try:
        return parse_boolean(text)
    except ValueError:
        return False
