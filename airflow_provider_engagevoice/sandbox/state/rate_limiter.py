"""Sliding-window rate limiter with the documented limits, per sub-account and operation."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from airflow_provider_engagevoice.ringcx.spec.rate_limits import DEFAULT_LIMIT, LIMITS, RateWindow
from airflow_provider_engagevoice.sandbox.state.clock import Clock


@dataclass(frozen=True)
class WindowUsage:
    """Usage of one window.

    :param used: counted requests in the window, including the current one if it counts.
    :param window: the window.
    """

    used: int
    window: RateWindow

    def __str__(self) -> str:
        return f"{self.used} of {self.window.max_requests} in {self.window.period:g} s"


class RateLimiter:
    """Timestamps of counted requests, by sub-account and operation.

    :param clock: the sandbox's clock.
    :param penalty: whether rejected requests count as well.
    """

    def __init__(self, clock: Clock, penalty: bool = False) -> None:
        self._clock = clock
        self._penalty = penalty
        self._lock = threading.Lock()
        self._logs: dict[tuple[str, str], deque[float]] = {}

    def acquire(self, account: str, operation: str) -> tuple[WindowUsage, float]:
        """Count a request if all windows have capacity.

        :param account: its sub-account.
        :param operation: its operation.
        :return: the fullest window; and the seconds until a request would be accepted, 0 if this one was.
        """
        windows = LIMITS.get(operation, DEFAULT_LIMIT)
        with self._lock:
            # Read inside the lock, so that the timestamps in a log are ascending.
            now = self._clock.now()
            log = self._log(account, operation, windows)
            wait = _longest_wait(log, windows, now)
            if not wait:
                log.append(now)
            elif self._penalty:
                log.append(now)
                wait = _longest_wait(log, windows, now)
            return _fullest(log, windows, now), wait

    def usage(self) -> dict[tuple[str, str], WindowUsage]:
        """Return the fullest window by sub-account and operation, without unused ones."""
        now = self._clock.now()
        with self._lock:
            usages = {
                key: _fullest(log, LIMITS.get(key[1], DEFAULT_LIMIT), now) for key, log in self._logs.items()
            }
        return {key: usage for key, usage in usages.items() if usage.used}

    def _log(self, account: str, operation: str, windows: tuple[RateWindow, ...]) -> deque[float]:
        """Return the log, bounded by the largest window: older requests do not affect the result."""
        most = max(window.max_requests for window in windows)
        return self._logs.setdefault((account, operation), deque(maxlen=most))

    def clear(self) -> None:
        """Delete all counted requests."""
        with self._lock:
            self._logs.clear()


def _fullest(log: deque[float], windows: tuple[RateWindow, ...], now: float) -> WindowUsage:
    """Return the window with the highest usage relative to its limit."""
    usages = [
        WindowUsage(sum(_seconds_left(timestamp, window, now) > 0 for timestamp in log), window)
        for window in windows
    ]
    return max(usages, key=lambda usage: usage.used / usage.window.max_requests)


def _longest_wait(log: deque[float], windows: tuple[RateWindow, ...], now: float) -> float:
    """Return the seconds until all windows have capacity."""
    return max(_wait(log, window, now) for window in windows)


def _wait(log: deque[float], window: RateWindow, now: float) -> float:
    """Return the seconds until a window has capacity, i.e. until its oldest request leaves it."""
    if len(log) < window.max_requests:
        return 0.0
    return max(0.0, _seconds_left(log[-window.max_requests], window, now))


def _seconds_left(timestamp: float, window: RateWindow, now: float) -> float:
    """Return the seconds until a request leaves a window; 0 exactly at the end of the window."""
    return timestamp + window.period - now
