"""Client-side rate limiter: delays each request until all documented windows have capacity."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field

from airflow_provider_engagevoice.ringcx import clock
from airflow_provider_engagevoice.ringcx.concurrency import LOG_WAIT_AFTER, CancelToken
from airflow_provider_engagevoice.ringcx.exceptions import RateLimited
from airflow_provider_engagevoice.ringcx.observers import AttemptObserver
from airflow_provider_engagevoice.ringcx.ratelimit.operations import RateLimit, format_windows
from airflow_provider_engagevoice.ringcx.steps import Sleep, Steps, run
from airflow_provider_engagevoice.ringcx.storage.base import LimitExceeded, StateStore
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore

log = logging.getLogger(__name__)

WINDOW_MARGIN = 0.5
"""Seconds added to the period of each window, since network delays vary. With half a second, none of 1,605
requests at full rate was rejected on a network with delays of up to 0.3 s."""

LIMIT_TIMEOUT = 900.0
"""Longest wait of one request for its slot, in seconds."""

#: A long wait is logged after ``LOG_WAIT_AFTER``, then at this interval, in seconds; rejections likewise.
_LOG_INTERVAL = 60.0

#: Seconds before the slot at which the observer of an attempt is notified: the usual duration of that call,
#: and not more, since the outcome of the request is unknown if the task is killed after it.
_OBSERVER_LEAD = 0.25
#: Lateness that is accepted with any margin, in seconds.
_MIN_TOLERANCE = 0.05


@dataclass
class RateLimiter:
    """Sends requests at the slots that the limits allow, in the order in which they ask.

    :param store: where slots are reserved.
    :param margin: seconds added to the period of each window.
    :param timeout: longest wait of a request, in seconds.
    """

    store: StateStore = field(default_factory=MemoryStore)
    margin: float = WINDOW_MARGIN
    timeout: float = LIMIT_TIMEOUT
    #: Number of requests that RingCX rejected with 429, by operation.
    rejections: Counter[str] = field(default_factory=Counter, init=False)
    _next_log: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    def acquire(
        self,
        limit: RateLimit,
        cancel_token: CancelToken | None = None,
        observer: AttemptObserver | None = None,
    ) -> float:
        """Reserve a slot for a request and wait for it.

        A reserved slot stays reserved even if the wait is cancelled.

        :param limit: what the request counts towards.
        :param cancel_token: cancels the wait; default None, the wait cannot be cancelled.
        :param observer: notified shortly before the slot; if that takes so long that the slot is missed,
            another one is reserved.
        :return: the seconds waited.
        :raises RateLimited: if the slot is more than ``timeout`` seconds away; nothing is reserved then.
        :raises Cancelled: if the wait was cancelled.
        """
        token = cancel_token or CancelToken()
        return run(self.acquire_steps(limit, observer), token.sleep)

    def acquire_steps(self, limit: RateLimit, observer: AttemptObserver | None = None) -> Steps[float]:
        """Reserve a slot for a request and wait for it, like :meth:`acquire`, as steps."""
        seconds = self._reserve(limit)
        if observer is None:
            yield from self._sleep(seconds, limit)
            return seconds
        left, lead = seconds, _OBSERVER_LEAD
        while True:
            slot = clock.monotonic() + left
            yield from self._sleep(left - lead, limit)
            notified_at = clock.monotonic()
            observer.on_attempt()
            left = slot - clock.monotonic()
            if -left > max(self.margin / 2, _MIN_TOLERANCE):
                # Later reservations rely on this request being sent in its slot.
                left = self._reserve(limit)
                seconds += left
            if left <= lead:
                yield from self._sleep(left, limit)
                return seconds
            observer.on_not_applied()
            lead = max(lead, clock.monotonic() - notified_at)

    def record_rejection(self, limit: RateLimit) -> None:
        """Count a request that RingCX rejected with 429 although it was sent in its slot.

        Logs a warning at most once a minute.

        :param limit: what the request counts towards.
        """
        self.rejections[limit.operation] += 1
        now = clock.monotonic()
        if now < self._next_log.get(limit.key, now):
            return
        self._next_log[limit.key] = now + _LOG_INTERVAL
        log.warning(
            "429 for %s (%d so far) although this client is within the limit (%s): another client uses the "
            "sub-account, or some tasks do not share %s. Retrying",
            limit.operation,
            self.rejections[limit.operation],
            format_windows(limit.windows),
            self.store.name,
        )

    def _reserve(self, limit: RateLimit) -> float:
        """Reserve a slot; return the seconds until it."""
        try:
            return self.store.reserve_slot(limit.key, limit.windows, self.margin, self.timeout)
        except LimitExceeded as error:
            raise RateLimited(
                f"Rate limit for {limit.operation}: the next free slot is in {error.wait:.0f} s, later than "
                f"limit_timeout={self.timeout:g} s allows",
                status=None,
                retry_after=error.wait,
            ) from None

    def _sleep(self, seconds: float, limit: RateLimit) -> Steps[None]:
        """Sleep, and log long waits periodically."""
        left, until_log = seconds, LOG_WAIT_AFTER
        while left > until_log:
            yield Sleep(until_log)
            left -= until_log
            log.info(
                "Waiting for the rate limit of %s (%s): %.0f s left",
                limit.operation,
                format_windows(limit.windows),
                left,
            )
            until_log = _LOG_INTERVAL
        yield Sleep(left)
