"""What tasks of one host, or of many, hold in common: booked moments and small sealed values."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from airflow_provider_engagevoice.ringcx.fork_lock import ThreadLock
from airflow_provider_engagevoice.ringcx.spec.rate_limits import Window

log = logging.getLogger(__name__)

REST = 30.0
"""Seconds for which a share that failed is left alone."""


class ShareFailed(Exception):
    """A share cannot be used now: a disk that cannot be written, a server that does not answer."""


class Saturated(Exception):
    """The next moment that the limits allow is too far away.

    :param wait: seconds until it.
    """

    def __init__(self, wait: float) -> None:
        super().__init__(f"the next free moment is {wait:.0f} s away")
        self.wait = wait


class Share(ABC):
    """What tasks hold in common. Every method raises :class:`ShareFailed` where it cannot do its work."""

    name: str

    @property
    def steps(self) -> Sequence[Share]:
        """The shares that this one is made of, the widest first."""
        return (self,)

    @abstractmethod
    def reserve(self, key: str, windows: Sequence[Window], pad: float, longest: float) -> float:
        """Book the earliest moment that all windows allow, after all moments booked before.

        :param key: what the windows limit.
        :param windows: the limits.
        :param pad: seconds that each window is taken longer, for the way from here to the service.
        :param longest: most seconds to wait.
        :return: seconds from now to the moment.
        :raises Saturated: where it is further away than ``longest``; nothing is booked.
        """

    @abstractmethod
    def load(self, key: str) -> tuple[bytes, float] | None:
        """Read a value.

        :param key: its name.
        :return: the value, and the seconds it still lives; None where there is none.
        """

    @abstractmethod
    def save(self, key: str, value: bytes, lifetime: float) -> None:
        """Keep a value.

        :param key: its name.
        :param value: the value.
        :param lifetime: seconds it lives.
        """

    @abstractmethod
    def forget(self, key: str) -> None:
        """Delete a value.

        :param key: its name.
        """

    @abstractmethod
    def try_lock(self, key: str, lifetime: float) -> Callable[[], object] | None:
        """Take a lock that nobody holds.

        :param key: its name.
        :param lifetime: seconds after which it is free again where its holder died and nobody notices; a
            holder that lives keeps it for longer, too.
        :return: what releases it; None where somebody else holds it.
        """


def earliest(booked: Sequence[float], windows: Sequence[Window], pad: float, now: float) -> float:
    """Find the earliest moment that all windows allow.

    :param booked: moments booked so far, ascending.
    :param windows: the limits.
    :param pad: seconds that each window is taken longer.
    :param now: the present moment.
    :return: the moment: not before now, nor before the last one booked, so that nobody is overtaken.
    """
    free = [booked[-window.calls] + window.seconds + pad for window in windows if len(booked) >= window.calls]
    return max([now, *booked[-1:], *free])


def most_calls(windows: Sequence[Window]) -> int:
    """Tell how many booked moments the windows look back at."""
    return max(window.calls for window in windows)


@dataclass
class _Kept:
    """A value and when it ends, on the monotonic clock."""

    value: bytes
    ends: float


class MemoryShare(Share):
    """What the threads of one process share."""

    name = "this process"

    def __init__(self) -> None:
        self._lock = ThreadLock()
        self._booked: dict[str, list[float]] = {}
        self._kept: dict[str, _Kept] = {}
        self._locked: set[str] = set()

    def reserve(self, key: str, windows: Sequence[Window], pad: float, longest: float) -> float:
        with self._lock.held():
            now = time.monotonic()
            booked = self._booked.setdefault(key, [])
            moment = earliest(booked, windows, pad, now)
            if moment - now > longest:
                raise Saturated(moment - now)
            booked.append(moment)
            del booked[: -most_calls(windows)]
        return moment - now

    def load(self, key: str) -> tuple[bytes, float] | None:
        with self._lock.held():
            kept = self._kept.get(key)
        left = kept.ends - time.monotonic() if kept else 0.0
        return (kept.value, left) if kept and left > 0 else None

    def save(self, key: str, value: bytes, lifetime: float) -> None:
        with self._lock.held():
            self._kept[key] = _Kept(value, time.monotonic() + lifetime)

    def forget(self, key: str) -> None:
        with self._lock.held():
            self._kept.pop(key, None)

    def try_lock(self, key: str, lifetime: float) -> Callable[[], object] | None:
        with self._lock.held():
            if key in self._locked:
                return None
            self._locked.add(key)
        return lambda: self._locked.discard(key)


_Result = TypeVar("_Result")


class Ladder(Share):
    """Several shares, the widest first: what fails rests a while, and the next one serves.

    Where only values cannot be kept, as on a full disk, moments are still booked.

    :param shares: the shares; the last one must never fail.
    :param rest: seconds for which one that failed is left alone.
    """

    def __init__(self, shares: Sequence[Share], rest: float = REST) -> None:
        self._shares = tuple(shares)
        self._rest = rest
        self._resting: dict[tuple[int, bool], float] = {}
        self._told: set[int] = set()
        self.name = shares[0].name

    @property
    def steps(self) -> Sequence[Share]:
        return self._shares

    def reserve(self, key: str, windows: Sequence[Window], pad: float, longest: float) -> float:
        return self._first(lambda share: share.reserve(key, windows, pad, longest), booking=True)

    def load(self, key: str) -> tuple[bytes, float] | None:
        return self._first(lambda share: share.load(key))

    def save(self, key: str, value: bytes, lifetime: float) -> None:
        self._first(lambda share: share.save(key, value, lifetime))

    def forget(self, key: str) -> None:
        self._first(lambda share: share.forget(key))

    def try_lock(self, key: str, lifetime: float) -> Callable[[], object] | None:
        return self._first(lambda share: share.try_lock(key, lifetime))

    def _first(self, use: Callable[[Share], _Result], booking: bool = False) -> _Result:
        """Use the first share that works."""
        for index, share in enumerate(self._shares[:-1]):
            if time.monotonic() < self._resting.get((index, booking), 0.0):
                continue
            try:
                return use(share)
            except ShareFailed as failure:
                self._resting[index, booking] = time.monotonic() + self._rest
                self._tell(index, failure)
        return use(self._shares[-1])

    def _tell(self, index: int, failure: ShareFailed) -> None:
        """Say once what does not work, and what serves instead."""
        if index in self._told:
            return
        self._told.add(index)
        log.warning(
            "Limits and tokens cannot be shared through %s (%s); they are shared within %s, and what RingCX "
            "refuses is tried again later",
            self._shares[index].name,
            failure,
            self._shares[index + 1].name,
        )
