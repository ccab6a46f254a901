"""Keeps the documented limits: sliding windows per sub-account and operation."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS, OTHER, RateWindow
from airflow_provider_engagevoice.sandbox.state.clock import Clock


@dataclass(frozen=True)
class Use:
    """How much of one window is used up.

    :param used: requests in it that count, this one included if it does.
    :param window: the window.
    """

    used: int
    window: RateWindow

    def __str__(self) -> str:
        return f"{self.used} of {self.window.max_requests} in {self.window.period:g} s"


class RateLimits:
    """The logs of all requests that count, by sub-account and operation.

    :param clock: the sandbox's clock.
    :param penalty: let refused requests count, too.
    """

    def __init__(self, clock: Clock, penalty: bool = False) -> None:
        self._clock = clock
        self._penalty = penalty
        self._lock = threading.Lock()
        self._logs: dict[tuple[str, str], deque[float]] = {}

    def take(self, account: str, operation: str) -> tuple[Use, float]:
        """Let one request in, or not.

        :param account: its sub-account.
        :param operation: its operation.
        :return: the window that is nearest to its end; and the seconds until a request would be let in, 0
            where this one was.
        """
        windows = LIMITS.get(operation, OTHER)
        with self._lock:
            # Read inside the lock, so that the moments of a log never go backwards.
            now = self._clock.now()
            log = self._log(account, operation, windows)
            wait = _longest_wait(log, windows, now)
            if not wait:
                log.append(now)
            elif self._penalty:
                log.append(now)
                wait = _longest_wait(log, windows, now)
            return _nearest(log, windows, now), wait

    def in_use(self) -> dict[tuple[str, str], Use]:
        """Return the window nearest to its end, by sub-account and operation; of those in use only."""
        now = self._clock.now()
        with self._lock:
            uses = {key: _nearest(log, LIMITS.get(key[1], OTHER), now) for key, log in self._logs.items()}
        return {key: use for key, use in uses.items() if use.used}

    def _log(self, account: str, operation: str, windows: tuple[RateWindow, ...]) -> deque[float]:
        """Return the latest requests, as many as the largest window holds: older ones decide nothing."""
        most = max(window.max_requests for window in windows)
        return self._logs.setdefault((account, operation), deque(maxlen=most))

    def forget(self) -> None:
        """Forget all requests."""
        with self._lock:
            self._logs.clear()


def _nearest(log: deque[float], windows: tuple[RateWindow, ...], now: float) -> Use:
    """Return the window that is nearest to its end."""
    uses = [Use(sum(_left(moment, window, now) > 0 for moment in log), window) for window in windows]
    return max(uses, key=lambda use: use.used / use.window.max_requests)


def _longest_wait(log: deque[float], windows: tuple[RateWindow, ...], now: float) -> float:
    """Return the seconds until all windows have room."""
    return max(_wait(log, window, now) for window in windows)


def _wait(log: deque[float], window: RateWindow, now: float) -> float:
    """Return the seconds until a window has room; the oldest of its requests must leave it first."""
    return max(0.0, _left(log[-window.max_requests], window, now)) if len(log) >= window.max_requests else 0.0


def _left(moment: float, window: RateWindow, now: float) -> float:
    """Return the seconds until a request leaves a window; none is left exactly at the window's end."""
    return moment + window.period - now
