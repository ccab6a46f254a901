"""What every way to go wrong has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from reprlib import repr as shown
from typing import ClassVar

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.http.endpoint import Call
from airflow_provider_engagevoice.sandbox.state.sandbox import Service

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
        check_moment(self.when)

    def around(self, proceed: Proceed, service: Service, call: Call) -> Response:
        """Give the answer, with or without carrying the request out."""
        if self.when == "after":
            proceed(service)
        return self.answer(service, call)

    @abstractmethod
    def answer(self, service: Service, call: Call) -> Response:
        """Make the answer."""


def check_moment(when: str) -> None:
    """Refuse what is neither before nor after the request takes effect."""
    if when not in ("before", "after"):
        raise ValueError(f"when must be before or after, not {shown(when)}")
