"""Faults that change RingCX's behaviour without replacing the response; their fields are their options."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.faults.base import Fault, NextHandler, check_when
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state.dialer import run_dialer
from airflow_provider_engagevoice.sandbox.state.fault_rules import check_range
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState


@dataclass(frozen=True)
class Slow(Fault):
    """Delay the response.

    :param delay: delay in seconds of real time.
    :param when: whether to wait ``before`` or ``after`` the request is handled.
    """

    delay: float = 1.0
    when: str = "before"

    def __post_init__(self) -> None:
        """Validate ``when`` and ``delay``."""
        check_when(self.when)
        check_range("delay", self.delay, 0, 3600)

    def apply(self, call_next: NextHandler, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Wait before or after handling the request."""
        if self.when == "after":
            response = call_next(sandbox)
            sandbox.shutdown_event.wait(self.delay)
            return response
        sandbox.shutdown_event.wait(self.delay)
        return call_next(sandbox)


@dataclass(frozen=True)
class Stale(Fault):
    """Make searches return the leads as they were when the fault was set."""

    def prepare(self, sandbox: SandboxState) -> None:
        """Start to record the history of leads."""
        sandbox.store.keep_history()
        # Not a field: fields are options of the fault.
        object.__setattr__(self, "_set", sandbox.clock.now())

    def apply(self, call_next: NextHandler, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Handle the request with the leads as of the time the fault was set."""
        return call_next(replace(sandbox, as_of=getattr(self, "_set", None)))


@dataclass(frozen=True)
class ShortPage(Fault):
    """Truncate the result of a search.

    :param rows: number of rows to return.
    """

    rows: int = 1

    def __post_init__(self) -> None:
        """Validate ``rows``."""
        check_range("rows", self.rows, 0)

    def apply(self, call_next: NextHandler, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Truncate the response if it is a list; return other responses unchanged."""
        response = call_next(sandbox)
        try:
            rows = json.loads(bytes(response.body))
        except ValueError:
            # Another fault has replaced the response by a web page or an empty body.
            return response
        if response.status_code == 200 and isinstance(rows, list):
            response.body = json.dumps(rows[: self.rows]).encode()
            response.headers["Content-Length"] = str(len(response.body))
        return response


@dataclass(frozen=True)
class PageBase(Fault):
    """Change the number of a search's first page.

    :param base: number of the first page, 0 or 1.
    """

    base: int = 1

    def __post_init__(self) -> None:
        """Validate ``base``."""
        if self.base not in (0, 1):
            raise ValueError(f"base must be 0 or 1, not {self.base!r}")

    def apply(self, call_next: NextHandler, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Handle the request with the other page base."""
        return call_next(sandbox.with_settings(page_base=self.base))


@dataclass(frozen=True)
class Dialer(Fault):
    """Advance the dialer: ACTIVE leads become COMPLETE, PENDING leads ACTIVE, and READY leads PENDING.

    :param leads: number of READY leads that become PENDING at each request.
    """

    leads: int = 10

    def __post_init__(self) -> None:
        """Validate ``leads``."""
        check_range("leads", self.leads, 0)

    def apply(self, call_next: NextHandler, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Advance the dialer, then handle the request."""
        with sandbox.store.changing() as connection:
            run_dialer(connection, self.leads, sandbox.clock.milliseconds())
        return call_next(sandbox)


@dataclass(frozen=True)
class Meanwhile(Fault):
    """Call a function before the request is handled, to simulate another client. Available in Python only.

    :param work: the function; called in the request's thread, and allowed to send requests to the sandbox.
    """

    work: Callable[[], object]

    def apply(self, call_next: NextHandler, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Call the function, then handle the request."""
        self.work()
        return call_next(sandbox)
