"""Cooperative cancellation token and fork-safe thread lock."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airflow_provider_engagevoice.ringcx import clock
from airflow_provider_engagevoice.ringcx.exceptions import Cancelled

POLL_INTERVAL = 0.25
"""Poll interval of cancellable waits, in seconds."""

LOG_WAIT_AFTER = 10.0
"""Seconds after which a wait is logged."""


class CancelToken:
    """Cancellation token, checked by every blocking wait.

    It can be cancelled from another thread and from a signal handler. It is not a :class:`threading.Event`:
    a handler that sets an event while its own thread waits for that event deadlocks.
    """

    def __init__(self) -> None:
        self._cancelled = False

    def cancel(self) -> None:
        """Request cancellation."""
        self._cancelled = True

    def is_cancelled(self) -> bool:
        """Return whether cancellation was requested."""
        return self._cancelled

    def raise_if_cancelled(self) -> None:
        """Raise if cancellation was requested.

        :raises Cancelled: if it was.
        """
        if self._cancelled:
            raise Cancelled("Cancelled before the next request was sent")

    def sleep(self, seconds: float) -> None:
        """Sleep until the time has passed or cancellation is requested.

        :param seconds: how long.
        :raises Cancelled: if cancellation is requested, at most ``POLL_INTERVAL`` later.
        """
        if seconds > 0:
            wait_until(seconds, self.is_cancelled)
        self.raise_if_cancelled()


def wait_until(timeout: float, condition: Callable[[], bool]) -> None:
    """Sleep until a condition holds or the timeout has passed.

    :param timeout: seconds to sleep at most.
    :param condition: polled every ``POLL_INTERVAL``.
    """
    deadline = clock.monotonic() + timeout
    while not condition() and (left := deadline - clock.monotonic()) > 0:
        time.sleep(min(left, POLL_INTERVAL))


class ForkSafeLock:
    """Thread lock that is reset in a forked child, where the owning thread does not exist."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _fork_safe_locks.add(self)

    @contextmanager
    def held(self, check: Callable[[], object] = bool) -> Iterator[None]:
        """Hold the lock.

        :param check: called every ``POLL_INTERVAL`` while waiting; an exception that it raises ends the wait.
        """
        lock = self._lock
        while not lock.acquire(timeout=POLL_INTERVAL):
            check()
        try:
            yield
        finally:
            lock.release()

    def _reset(self) -> None:
        self._lock = threading.Lock()


_fork_safe_locks: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()


def _reset_locks() -> None:
    for lock in _fork_safe_locks:
        lock._reset()


# Not on Windows, which has no fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_locks)
