"""Base classes of injected faults."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from reprlib import repr as short_repr
from typing import ClassVar

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState

NextHandler = Callable[[SandboxState], Response]
"""Calls the next fault or, after the last fault, the request's handler; returns the response."""


@dataclass(frozen=True)
class Fault(ABC):
    """Base class of all faults; the fields of a subclass are its options."""

    answers: ClassVar[bool] = False
    """Whether the fault replaces the response."""

    def prepare(self, sandbox: SandboxState) -> None:  # noqa: B027
        """Prepare the sandbox when the fault is set."""

    @abstractmethod
    def apply(self, call_next: NextHandler, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Handle a request with this fault.

        :param call_next: handles the request; must be called at most once.
        :param sandbox: state of the sandbox.
        :param request: the request.
        :return: the response.
        """


@dataclass(frozen=True)
class ResponseFault(Fault):
    """Base class of faults that replace the response.

    :param when: ``before``: the request is not handled; ``after``: it is handled and its response discarded.
    """

    answers = True

    when: str = "before"

    def __post_init__(self) -> None:
        """Validate ``when``."""
        check_when(self.when)

    def apply(self, call_next: NextHandler, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Return the fault's response, after handling the request if ``when`` is ``after``."""
        if self.when == "after":
            call_next(sandbox)
        return self.respond(sandbox, request)

    @abstractmethod
    def respond(self, sandbox: SandboxState, request: ApiRequest) -> Response:
        """Return the response."""


def check_when(when: str) -> None:
    """Raise ValueError if ``when`` is neither ``before`` nor ``after``."""
    if when not in ("before", "after"):
        raise ValueError(f"when must be before or after, not {short_repr(when)}")
