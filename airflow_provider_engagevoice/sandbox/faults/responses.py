"""Faults that replace the response; their fields are their options."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from reprlib import repr as short_repr

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from airflow_provider_engagevoice.sandbox.api.leads.action_handlers import action_failure
from airflow_provider_engagevoice.sandbox.api.loader.load_results import (
    FAILURE_STATUSES,
    GENERAL_FAILURE,
    Counts,
    load_failure,
)
from airflow_provider_engagevoice.sandbox.faults.base import ResponseFault
from airflow_provider_engagevoice.sandbox.http.endpoint import error_response
from airflow_provider_engagevoice.sandbox.http.errors import TOKEN_EXPIRED, TOO_MANY_REQUESTS, ApiError
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state.fault_rules import check_range
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState

WEB_PAGE = '<!DOCTYPE html><html><head><title>RingCX</title></head><body><div id="root"></div></body></html>'
"""Stand-in for the page of RingCX's web application."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"([!-~]([\t -~]*[!-~])?)?")
_OWN_HEADERS = ("content-length", "content-type", "transfer-encoding")


@dataclass(frozen=True)
class Status(ResponseFault):
    """Respond with an HTTP error.

    :param status: the HTTP status, 400 to 599.
    :param details: the ``details`` of the error body.
    """

    status: int = 503
    details: str = ""

    def __post_init__(self) -> None:
        """Validate ``when`` and ``status``."""
        super().__post_init__()
        check_range("status", self.status, 400, 599)

    def respond(self, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Return the error."""
        return error_response(sandbox, request.method, request.path, ApiError(self.status, self.details))


@dataclass(frozen=True)
class RateLimited(ResponseFault):
    """Respond with 429, as if other clients had used up the rate limit.

    :param retry_after: seconds in the Retry-After header; None for no header.
    """

    retry_after: float | None = 1.0

    def __post_init__(self) -> None:
        """Validate ``when`` and ``retry_after``."""
        super().__post_init__()
        check_range("retry_after", self.retry_after, 0)

    def respond(self, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Return the 429 response."""
        headers = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:.15g}"}
        return PlainTextResponse(TOO_MANY_REQUESTS, 429, headers=headers)


@dataclass(frozen=True)
class Html(ResponseFault):
    """Respond with a web page and status 200, as RingCX does for unknown paths (observed)."""

    def respond(self, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Return the page."""
        return HTMLResponse(WEB_PAGE)


@dataclass(frozen=True)
class Rejected(ResponseFault):
    """Respond with ``success: false`` and status 200, for ``lead_action``.

    :param message: the ``errorMessage``.
    """

    message: str = "The action could not be carried out"

    def respond(self, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Return the failed action."""
        return JSONResponse(action_failure(request.query.get("leadAction", ""), self.message))


@dataclass(frozen=True)
class FailedLoad(ResponseFault):
    """Respond with a failed load and status 200 (observed), for ``direct_load``.

    :param status: the ``processingStatus``. Source: contract, LeadListProcessingResult.
    """

    status: str = GENERAL_FAILURE

    def __post_init__(self) -> None:
        """Validate ``when`` and ``status``."""
        super().__post_init__()
        if self.status not in FAILURE_STATUSES:
            raise ValueError(
                f"status must be one of {', '.join(FAILURE_STATUSES)}, not {short_repr(self.status)}"
            )

    def respond(self, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Return the failed load."""
        return JSONResponse(load_failure(self.status, "", Counts(_leads_in(request))))


def _leads_in(request: ApiRequest) -> int:
    """Return the number of leads in the request of a load."""
    try:
        leads = request.json_object().get("uploadLeads")
    except ApiError:
        return 0
    return len(leads) if isinstance(leads, list) else 0


@dataclass(frozen=True)
class Expired(ResponseFault):
    """Expire all Bearer tokens and respond with 401; clients have to refresh or log in again."""

    def respond(self, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Expire all Bearer tokens and return the 401 response."""
        sandbox.tokens.bearer.expire_all()
        return PlainTextResponse(TOKEN_EXPIRED, 401)


@dataclass(frozen=True)
class Answer(ResponseFault):
    """Respond with an arbitrary response.

    :param status: the HTTP status, 200 to 599; 204 and 304 have no body.
    :param body: a text is sent unchanged; any other value is sent as JSON.
    :param content_type: the Content-Type header.
    :param headers: further headers, except Content-Type, Content-Length and Transfer-Encoding.
    """

    status: int = 200
    body: object = ""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Validate all options."""
        super().__post_init__()
        check_range("status", self.status, 200, 599)
        _check_header("content_type", self.content_type)
        for name, value in self.headers.items():
            if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
                raise ValueError(f"headers cannot hold {short_repr(name)}")
            _check_header("headers", value)
        if self._content and self.status in (204, 304):
            raise ValueError(f"body must be empty with status {self.status}")

    @cached_property
    def _content(self) -> bytes:
        """The encoded body; computed when the fault is set, so that an invalid body fails there."""
        if isinstance(self.body, bytes):
            return self.body
        try:
            text = self.body if isinstance(self.body, str) else json.dumps(self.body, allow_nan=False)
            return text.encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError("body must be a text or JSON") from error

    def respond(self, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Return the response."""
        # As a header, the content type is sent unchanged, without a charset parameter.
        return Response(self._content, self.status, {"Content-Type": self.content_type, **self.headers})


def _check_header(option: str, value: str) -> None:
    """Raise ValueError if a header cannot hold the value."""
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"{option} cannot hold {short_repr(value)}")
