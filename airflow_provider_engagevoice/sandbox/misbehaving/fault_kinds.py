"""The ways in which a request can go wrong. Each is a small class; its fields are its options."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from reprlib import repr as shown
from typing import ClassVar

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from airflow_provider_engagevoice.sandbox.calls import Call, refused
from airflow_provider_engagevoice.sandbox.errors import EXPIRED, Refusal
from airflow_provider_engagevoice.sandbox.leads.dialer import work_on
from airflow_provider_engagevoice.sandbox.leads.effects import failure_of
from airflow_provider_engagevoice.sandbox.loads.load_results import FAILURES, GENERAL_FAILURE, Counts
from airflow_provider_engagevoice.sandbox.loads.load_results import failure_of as load_failure_of
from airflow_provider_engagevoice.sandbox.misbehaving.rules import check_range
from airflow_provider_engagevoice.sandbox.service import Service

WEB_PAGE = '<!DOCTYPE html><html><head><title>RingCX</title></head><body><div id="root"></div></body></html>'

Proceed = Callable[[Service], Response]
"""Carries the request out as far as no other fault is in the way, and returns the answer."""


@dataclass(frozen=True)
class Fault(ABC):
    """One way to go wrong."""

    answers: ClassVar[bool] = False
    """It gives an answer of its own."""

    def prepare(self, service: Service) -> None:  # noqa: B027
        """Get the sandbox ready for it, when it is set."""

    @abstractmethod
    def around(self, proceed: Proceed, service: Service, call: Call) -> Response:
        """Answer a request in this way.

        :param proceed: carries the request out; to be called at most once.
        :param service: the sandbox.
        :param call: the request.
        :return: the answer.
        """


@dataclass(frozen=True)
class Instead(Fault):
    """A fault that gives an answer of its own.

    :param when: ``before`` the request takes effect, so that it never does; or ``after``.
    """

    answers = True

    when: str = "before"

    def __post_init__(self) -> None:
        """Refuse an unknown moment."""
        _check_moment(self.when)

    def around(self, proceed: Proceed, service: Service, call: Call) -> Response:
        """Give the answer, with or without carrying the request out."""
        if self.when == "after":
            proceed(service)
        return self.answer(service, call)

    @abstractmethod
    def answer(self, service: Service, call: Call) -> Response:
        """Make the answer."""


@dataclass(frozen=True)
class Drop(Instead):
    """The connection is closed instead of an answer.

    :param part: what is sent of the answer's body before; without it, nothing is sent at all.
    """

    part: str = ""

    def answer(self, service: Service, call: Call) -> Response:
        """Answer with a broken connection."""
        return _Dropped(self.part)


@dataclass(frozen=True)
class Hang(Instead):
    """No answer comes until the client gives up."""

    def answer(self, service: Service, call: Call) -> Response:
        """Answer with silence."""
        return _Silence()


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
        return PlainTextResponse("Request rate exceeded", 429, headers=headers)


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


@dataclass(frozen=True)
class Slow(Fault):
    """The answer takes longer.

    :param delay: by so many seconds, of real time.
    :param when: the wait comes ``before`` the request takes effect, or ``after``.
    """

    delay: float = 1.0
    when: str = "before"

    def __post_init__(self) -> None:
        """Refuse an unknown moment, and a time no test can wait."""
        _check_moment(self.when)
        check_range("delay", self.delay, 0, 3600)

    def around(self, proceed: Proceed, service: Service, call: Call) -> Response:
        """Wait and go on, or the other way round."""
        if self.when == "after":
            response = proceed(service)
            service.stopping.wait(self.delay)
            return response
        service.stopping.wait(self.delay)
        return proceed(service)


@dataclass(frozen=True)
class Stale(Fault):
    """Searches see the leads as they were when the fault was set."""

    def prepare(self, service: Service) -> None:
        """From now on keep what leads were."""
        service.store.keep_shadows()
        # No field: those are options, which whoever sets the fault may give.
        object.__setattr__(self, "_set", service.clock.now())

    def around(self, proceed: Proceed, service: Service, call: Call) -> Response:
        """Answer from what was."""
        return proceed(replace(service, seen_at=getattr(self, "_set", None)))


@dataclass(frozen=True)
class ShortPage(Fault):
    """A search returns fewer rows than there are, and leaves out the rest.

    :param rows: how many it returns.
    """

    rows: int = 1

    def __post_init__(self) -> None:
        """Refuse a number that no page has."""
        check_range("rows", self.rows, 0)

    def around(self, proceed: Proceed, service: Service, call: Call) -> Response:
        """Cut the answer short; what is no list stays as it is."""
        response = proceed(service)
        try:
            rows = json.loads(bytes(response.body))
        except ValueError:
            # Another fault has put a web page or nothing at all in the answer's place.
            return response
        if response.status_code == 200 and isinstance(rows, list):
            response.body = json.dumps(rows[: self.rows]).encode()
            response.headers["Content-Length"] = str(len(response.body))
        return response


@dataclass(frozen=True)
class PageBase(Fault):
    """Searches number their pages from elsewhere.

    :param base: number of the first page, 0 or 1.
    """

    base: int = 1

    def __post_init__(self) -> None:
        """Refuse a number that no page has."""
        if self.base not in (0, 1):
            raise ValueError(f"base must be 0 or 1, not {self.base!r}")

    def around(self, proceed: Proceed, service: Service, call: Call) -> Response:
        """Answer by the other numbers."""
        return proceed(service.behaving(page_base=self.base))


@dataclass(frozen=True)
class Dialer(Fault):
    """The dialer works on: what it calls is COMPLETE, what it holds is ACTIVE, and it takes new leads.

    :param leads: how many READY leads it takes to PENDING each time.
    """

    leads: int = 10

    def __post_init__(self) -> None:
        """Refuse a number of leads that there cannot be."""
        check_range("leads", self.leads, 0)

    def around(self, proceed: Proceed, service: Service, call: Call) -> Response:
        """Let the dialer work, then go on."""
        with service.store.changing() as connection:
            work_on(connection, self.leads, service.clock.milliseconds())
        return proceed(service)


@dataclass(frozen=True)
class Meanwhile(Fault):
    """Something else is done first, as another client would. In Python only.

    :param work: does it; called in a thread of its own request, and free to ask the sandbox for more.
    """

    work: Callable[[], object]

    def around(self, proceed: Proceed, service: Service, call: Call) -> Response:
        """Do it, then go on."""
        self.work()
        return proceed(service)


KINDS: Mapping[str, type[Fault]] = {
    "drop": Drop,
    "hang": Hang,
    "status": Status,
    "rate_limited": RateLimited,
    "html": Html,
    "rejected": Rejected,
    "load_failed": FailedLoad,
    "expired": Expired,
    "answer": Answer,
    "slow": Slow,
    "stale": Stale,
    "short_page": ShortPage,
    "page_base": PageBase,
    "dialer": Dialer,
    "meanwhile": Meanwhile,
}


_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"([!-~]([\t -~]*[!-~])?)?")
_OWN_HEADERS = ("content-length", "content-type", "transfer-encoding")


def _check_header(option: str, value: str) -> None:
    """Refuse what no header can hold."""
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"{option} cannot hold {shown(value)}")


def _check_moment(when: str) -> None:
    """Refuse what is neither before nor after the request takes effect."""
    if when not in ("before", "after"):
        raise ValueError(f"when must be before or after, not {shown(when)}")


class _Dropped(Response):
    """No answer, or the beginning of one, and then a closed connection."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Break the connection off."""
        # No part of ASGI: the connection that uvicorn keeps with each request.
        transport = receive.__self__.transport  # type: ignore[attr-defined]
        if self.part:
            length = str(len(self.part) + 1000).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", length)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": self.part, "more_body": True})
            # Closed rather than aborted, so that what was sent does arrive.
            transport.close()
        else:
            _note_unanswered(scope)
            transport.abort()
        # Who returns before the connection is gone has forgotten to answer, to uvicorn.
        await _until_gone(receive)


class _Silence(Response):
    """No answer for as long as the client waits."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for the client to go."""
        _note_unanswered(scope)
        await _until_gone(receive)


def _note_unanswered(scope: Scope) -> None:
    """Have the request noted now: whoever sees it fail finds it in the log."""
    scope.get("unanswered", lambda: None)()


async def _until_gone(receive: Receive) -> None:
    """Wait for the end of the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
