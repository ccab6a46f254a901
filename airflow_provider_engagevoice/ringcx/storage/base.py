"""What tasks of one host, or of many, hold in common: booked moments and small sealed values."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow

log = logging.getLogger(__name__)


class StoreUnavailable(Exception):
    """A share cannot be used now: a disk that cannot be written, a server that does not answer."""


class LimitExceeded(Exception):
    """The next moment that the limits allow is too far away.

    :param wait: seconds until it.
    """

    def __init__(self, wait: float) -> None:
        super().__init__(f"the next free moment is {wait:.0f} s away")
        self.wait = wait


class StateStore(ABC):
    """What tasks hold in common. Every method raises :class:`StoreUnavailable` where it cannot do its work."""

    name: str

    @property
    def backends(self) -> Sequence[StateStore]:
        """The shares that this one is made of, the widest first."""
        return (self,)

    @abstractmethod
    def reserve_slot(self, key: str, windows: Sequence[RateWindow], pad: float, longest: float) -> float:
        """Book the earliest moment that all windows allow, after all moments booked before.

        :param key: what the windows limit.
        :param windows: the limits.
        :param pad: seconds that each window is taken longer, for the way from here to the service.
        :param longest: most seconds to wait.
        :return: seconds from now to the moment.
        :raises Saturated: where it is further away than ``longest``; nothing is booked.
        """

    @abstractmethod
    def get(self, key: str) -> tuple[bytes, float] | None:
        """Read a value.

        :param key: its name.
        :return: the value, and the seconds it still lives; None where there is none.
        """

    @abstractmethod
    def set(self, key: str, value: bytes, lifetime: float) -> None:
        """Keep a value.

        :param key: its name.
        :param value: the value.
        :param lifetime: seconds it lives.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete a value.

        :param key: its name.
        """

    @abstractmethod
    def acquire_lock(self, key: str, lifetime: float) -> Callable[[], object] | None:
        """Take a lock that nobody holds.

        :param key: its name.
        :param lifetime: seconds after which it is free again where its holder died and nobody notices; a
            holder that lives keeps it for longer, too.
        :return: what releases it; None where somebody else holds it.
        """


def next_slot(booked: Sequence[float], windows: Sequence[RateWindow], pad: float, now: float) -> float:
    """Find the earliest moment that all windows allow.

    :param booked: moments booked so far, ascending.
    :param windows: the limits.
    :param pad: seconds that each window is taken longer.
    :param now: the present moment.
    :return: the moment: not before now, nor before the last one booked, so that nobody is overtaken.
    """
    free = [
        booked[-window.max_requests] + window.period + pad
        for window in windows
        if len(booked) >= window.max_requests
    ]
    return max([now, *booked[-1:], *free])


def history_length(windows: Sequence[RateWindow]) -> int:
    """Tell how many booked moments the windows look back at."""
    return max(window.max_requests for window in windows)
