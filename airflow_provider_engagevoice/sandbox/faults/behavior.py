"""Faults by which RingCX behaves differently, and answers all the same; their fields are their options."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.faults.base import Fault, Proceed, check_moment
from airflow_provider_engagevoice.sandbox.http.endpoint import Call
from airflow_provider_engagevoice.sandbox.state.dialer import work_on
from airflow_provider_engagevoice.sandbox.state.fault_rules import check_range
from airflow_provider_engagevoice.sandbox.state.sandbox import Service


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
        check_moment(self.when)
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
