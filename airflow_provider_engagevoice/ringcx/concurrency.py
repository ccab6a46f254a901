"""A wish to end soon, at which everything that waits looks."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airflow_provider_engagevoice.ringcx.exceptions import Cancelled

POLL_INTERVAL = 0.25
"""Seconds between two looks of whoever waits."""


class CancelToken:
    """A wish that work ends soon. May be wished in a signal's handler, or in another thread.

    No :class:`threading.Event`: a handler that sets one while its own thread waits for it never returns.
    """

    def __init__(self) -> None:
        self._wished = False

    def set(self) -> None:
        """Wish it."""
        self._wished = True

    def is_set(self) -> bool:
        """Tell whether it is wished."""
        return self._wished

    def check(self) -> None:
        """Go on, unless the end is wished.

        :raises Stopped: where it is.
        """
        if self._wished:
            raise Cancelled("Stopped, as asked, before the next request was sent")

    def sleep(self, seconds: float) -> None:
        """Sleep, unless the end is wished.

        :param seconds: how long.
        :raises Stopped: where it is, at most a quarter of a second later.
        """
        if seconds > 0:
            wait_until(seconds, self.is_set)
        self.check()


def wait_until(seconds: float, over: Callable[[], bool]) -> None:
    """Sleep until it is over.

    :param seconds: how long at most.
    :param over: tells whether to end before.
    """
    ends = time.monotonic() + seconds
    while not over() and (left := ends - time.monotonic()) > 0:
        time.sleep(min(left, POLL_INTERVAL))


class ForkSafeLock:
    """A lock between threads that a forked process finds free: its holder is not there to release it."""

    def __init__(self) -> None:
        self._renew()

    @contextmanager
    def held(self, check: Callable[[], object] = bool) -> Iterator[None]:
        """Hold the lock.

        :param check: called now and then while waiting; raises to break the waiting off.
        """
        if self._process != os.getpid():
            self._renew()
        lock = self._lock
        while not lock.acquire(timeout=POLL_INTERVAL):
            check()
        try:
            yield
        finally:
            lock.release()

    def _renew(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()


#: Seconds after which a wait is told in the log, and then told again.
LOG_WAIT_AFTER = 10.0
