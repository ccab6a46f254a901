"""Locks between the threads of one process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airflow_provider_engagevoice.ringcx.concurrency import LOOK


class ThreadLock:
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
        while not lock.acquire(timeout=LOOK):
            check()
        try:
            yield
        finally:
            lock.release()

    def _renew(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
