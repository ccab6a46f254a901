"""Keeps the documented limits: sliding windows per sub-account and operation."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from dataclasses import dataclass

from airflow_provider_engagevoice.ringcx.limits import LIMITS, OTHER, Window
from airflow_provider_engagevoice.sandbox.clock import Clock


@dataclass(frozen=True)
class Use:
    """How much of one window is used up.

    :param used: requests in it, this one included if it was let in.
    :param window: the window.
    """

    used: int
    window: Window

    def __str__(self) -> str:
        return f"{self.used} of {self.window.calls} in {self.window.seconds:g} s"


class RateLimits:
    """The logs of all requests that count, by sub-account and operation.

    :param clock: the sandbox's clock.
    :param penalty: let refused requests count, too.
    """

    def __init__(self, clock: Clock, penalty: bool = False) -> None:
        self._clock = clock
        self._penalty = penalty
        self._lock = threading.Lock()
        self._logs: dict[tuple[str, str], deque[float]] = defaultdict(deque)

    def take(self, account: str, operation: str) -> tuple[Use, float]:
        """Let one request in, or not.

        :param account: its sub-account.
        :param operation: its operation.
        :return: the window that is nearest to its end; and the seconds until a request would be let in, 0
            where this one was.
        """
        windows = LIMITS.get(operation, OTHER)
        now = self._clock.now()
        with self._lock:
            log = self._logs[account, operation]
            while log and log[0] <= now - max(window.seconds for window in windows):
                log.popleft()
            wait = max(_wait(log, window, now) for window in windows)
            if not wait or self._penalty:
                log.append(now)
            uses = [Use(sum(moment > now - window.seconds for moment in log), window) for window in windows]
        return max(uses, key=lambda use: use.used / use.window.calls), wait

    def forget(self) -> None:
        """Forget all requests."""
        with self._lock:
            self._logs.clear()


def _wait(log: deque[float], window: Window, now: float) -> float:
    """Return the seconds until a window has room; the oldest of its requests must leave it first."""
    if len(log) < window.calls:
        return 0.0
    return max(0.0, log[-window.calls] + window.seconds - now)
