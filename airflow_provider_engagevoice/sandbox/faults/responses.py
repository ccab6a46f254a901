"""Faults that give a wrong answer; the fields of each are its options."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from reprlib import repr as shown

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from airflow_provider_engagevoice.sandbox.api.leads.action_handlers import failure_of
from airflow_provider_engagevoice.sandbox.api.loader.load_results import FAILURES, GENERAL_FAILURE, Counts
from airflow_provider_engagevoice.sandbox.api.loader.load_results import failure_of as load_failure_of
from airflow_provider_engagevoice.sandbox.faults.base import Instead
from airflow_provider_engagevoice.sandbox.http.endpoint import Call, refused
from airflow_provider_engagevoice.sandbox.http.errors import EXPIRED, TOO_MANY, Refusal
from airflow_provider_engagevoice.sandbox.state.fault_rules import check_range
from airflow_provider_engagevoice.sandbox.state.sandbox import Service

WEB_PAGE = '<!DOCTYPE html><html><head><title>RingCX</title></head><body><div id="root"></div></body></html>'
"""The page of RingCX's web application, as far as a client can tell."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"([!-~]([\t -~]*[!-~])?)?")
_OWN_HEADERS = ("content-length", "content-type", "transfer-encoding")


@dataclass(frozen=True)
class Status(Instead):
    """An HTTP error.

    :param status: its status, 400 to 599.
    :param details: what the ``Errors`` body says.
    """

    status: int = 503
    details: str = ""

    def __post_init__(self) -> None:
        """Refuse a status that is no error."""
        super().__post_init__()
        check_range("status", self.status, 400, 599)

    def answer(self, service: Service, call: Call) -> Response:
        """Answer with the error."""
        return refused(service, call.method, call.path, Refusal(self.status, self.details))


@dataclass(frozen=True)
class RateLimited(Instead):
    """429, as if others had used up the limit.

    :param retry_after: seconds that Retry-After names; None for an answer without it.
    """

    retry_after: float | None = 1.0

    def __post_init__(self) -> None:
        """Refuse a time that has passed."""
        super().__post_init__()
        check_range("retry_after", self.retry_after, 0)

    def answer(self, service: Service, call: Call) -> Response:
        """Answer 429."""
        headers = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:.15g}"}
        return PlainTextResponse(TOO_MANY, 429, headers=headers)


@dataclass(frozen=True)
class Html(Instead):
    """A web page with status 200, as RingCX gives at wrong paths (observed)."""

    def answer(self, service: Service, call: Call) -> Response:
        """Answer with the page."""
        return HTMLResponse(WEB_PAGE)


@dataclass(frozen=True)
class Rejected(Instead):
    """``success: false`` with status 200, for ``lead_action``.

    :param message: its ``errorMessage``.
    """

    message: str = "The action could not be carried out"

    def answer(self, service: Service, call: Call) -> Response:
        """Answer with the failure."""
        return JSONResponse(failure_of(call.query.get("leadAction", ""), self.message))


@dataclass(frozen=True)
class FailedLoad(Instead):
    """A load that failed, with status 200 all the same (observed), for ``direct_load``.

    :param status: its ``processingStatus``. Source: contract, LeadListProcessingResult.
    """

    status: str = GENERAL_FAILURE

    def __post_init__(self) -> None:
        """Refuse a status that no failure has."""
        super().__post_init__()
        if self.status not in FAILURES:
            raise ValueError(f"status must be one of {', '.join(FAILURES)}, not {shown(self.status)}")

    def answer(self, service: Service, call: Call) -> Response:
        """Answer with the failure."""
        return JSONResponse(load_failure_of(self.status, "", Counts(_leads_in(call))))


def _leads_in(call: Call) -> int:
    """Count the leads that a load brings."""
    try:
        leads = call.json_object().get("uploadLeads")
    except Refusal:
        return 0
    return len(leads) if isinstance(leads, list) else 0


@dataclass(frozen=True)
class Expired(Instead):
    """401 for an expired token; the next one does no better until the client signs in again."""

    def answer(self, service: Service, call: Call) -> Response:
        """Let all tokens expire, and say so."""
        service.tokens.bearer.expire()
        return PlainTextResponse(EXPIRED, 401)


@dataclass(frozen=True)
class Answer(Instead):
    """Any answer at all.

    :param status: its status, 200 to 599; 204 and 304 have no body.
    :param body: a text, sent as it is; anything else is sent as JSON.
    :param content_type: what it says it is.
    :param headers: more headers, except those of its type and length.
    """

    status: int = 200
    body: object = ""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be sent."""
        super().__post_init__()
        check_range("status", self.status, 200, 599)
        _check_header("content_type", self.content_type)
        for name, value in self.headers.items():
            if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
                raise ValueError(f"headers cannot hold {shown(name)}")
            _check_header("headers", value)
        if self._content and self.status in (204, 304):
            raise ValueError(f"body must be empty with status {self.status}")

    @cached_property
    def _content(self) -> bytes:
        """The body as it is sent; made when the fault is set, so that no request fails by it."""
        if isinstance(self.body, bytes):
            return self.body
        try:
            text = self.body if isinstance(self.body, str) else json.dumps(self.body, allow_nan=False)
            return text.encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError("body must be a text or JSON") from error

    def answer(self, service: Service, call: Call) -> Response:
        """Give the answer."""
        # Set among the headers, the type is sent as it is, without a charset.
        return Response(self._content, self.status, {"Content-Type": self.content_type, **self.headers})


def _check_header(option: str, value: str) -> None:
    """Refuse what no header can hold."""
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"{option} cannot hold {shown(value)}")
