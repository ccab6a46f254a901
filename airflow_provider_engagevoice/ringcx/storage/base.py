"""Shared state stores: rate-limit reservations and small encrypted values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow


class StoreUnavailable(Exception):
    """A store cannot be used now, such as an unwritable disk or an unresponsive server."""


class LimitExceeded(Exception):
    """The next free slot is later than the caller accepts.

    :param wait: seconds until the slot.
    """

    def __init__(self, wait: float) -> None:
        super().__init__(f"the next free slot is in {wait:.0f} s")
        self.wait = wait


class StateStore(ABC):
    """State shared between tasks. Every method raises :class:`StoreUnavailable` if the store fails."""

    name: str
    """Description of the store for log lines."""

    @property
    def backends(self) -> Sequence[StateStore]:
        """The stores that this one consists of, widest scope first."""
        return (self,)

    @abstractmethod
    def reserve_slot(self, key: str, windows: Sequence[RateWindow], margin: float, max_wait: float) -> float:
        """Reserve the earliest slot that all windows allow, after all slots reserved before.

        :param key: identifies what the windows limit.
        :param windows: the limits.
        :param margin: seconds added to the period of each window, for varying network delays.
        :param max_wait: longest accepted wait, in seconds.
        :return: seconds from now until the slot.
        :raises LimitExceeded: if the slot is further away than ``max_wait``; nothing is reserved.
        """

    @abstractmethod
    def get(self, key: str) -> tuple[bytes, float] | None:
        """Return a value.

        :param key: its name.
        :return: the value and the seconds until it expires; None if there is none.
        """

    @abstractmethod
    def set(self, key: str, value: bytes, lifetime: float) -> None:
        """Store a value.

        :param key: its name.
        :param value: the value.
        :param lifetime: seconds until it expires.
        """

    @abstractmethod
    def compare_and_set(self, key: str, expected: bytes | None, value: bytes, lifetime: float) -> bool:
        """Store a value if the present one is the expected one.

        :param key: its name.
        :param expected: the present value; None if there must be none.
        :param value: the value.
        :param lifetime: seconds until it expires.
        :return: whether the value was stored.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete a value, if there is one.

        :param key: its name.
        """

    @abstractmethod
    def acquire_lock(self, key: str, lifetime: float) -> Callable[[], object] | None:
        """Acquire a lock without waiting.

        :param key: its name.
        :param lifetime: seconds after which a lock expires if its holder died and the store does not
            detect that; while the holder is running, the lock stays held for longer, too.
        :return: a function that releases the lock; None if another task holds it.
        """


def next_slot(slots: Sequence[float], windows: Sequence[RateWindow], margin: float, now: float) -> float:
    """Return the earliest slot that all windows allow.

    :param slots: timestamps of the slots reserved so far, ascending.
    :param windows: the limits.
    :param margin: seconds added to the period of each window.
    :param now: the current time.
    :return: timestamp of the slot; not before now nor before the last reserved slot, so that slots are given
        out in the order of requests.
    """
    free = [
        slots[-window.max_requests] + window.period + margin
        for window in windows
        if len(slots) >= window.max_requests
    ]
    return max([now, *slots[-1:], *free])


def history_length(windows: Sequence[RateWindow]) -> int:
    """Return how many of the latest slots the windows depend on."""
    return max(window.max_requests for window in windows)
