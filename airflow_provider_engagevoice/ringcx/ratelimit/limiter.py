"""Keeps RingCX's limits before RingCX has to: each request waits for a moment that the windows allow."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, field

from airflow_provider_engagevoice.ringcx.concurrency import LOG_WAIT_AFTER, CancelToken
from airflow_provider_engagevoice.ringcx.exceptions import RateLimited
from airflow_provider_engagevoice.ringcx.observers import AttemptObserver
from airflow_provider_engagevoice.ringcx.ratelimit.operations import RateLimit, shown
from airflow_provider_engagevoice.ringcx.storage.base import LimitExceeded, StateStore
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore

log = logging.getLogger(__name__)

PAD = 0.5
"""Seconds that each window is taken longer. Requests reach RingCX sooner or later than they were sent; with
half a second, none of 1,605 requests at full rate came too early on a network that delays up to 0.3 s."""

LIMIT_TIMEOUT = 900.0
"""Most seconds that one request waits for its moment."""

_TELL_EVERY = 60.0

#: Seconds before its moment in which a request is noted as begun: what that takes as a rule, and not much
#: more, since nobody knows the fate of a request that a task was killed with after that.
_LEAD = 0.25
#: Seconds that no pad is needed for.
_LATE = 0.05


@dataclass
class RateLimiter:
    """Lets requests go at the moments that the limits allow, first come, first served.

    :param share: where the moments are booked.
    :param pad: seconds that each window is taken longer.
    :param timeout: most seconds that a request waits.
    """

    store: StateStore = field(default_factory=MemoryStore)
    pad: float = PAD
    timeout: float = LIMIT_TIMEOUT
    #: How many requests of each operation RingCX refused this limiter.
    refusals: Counter[str] = field(default_factory=Counter, init=False)
    _told: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    def wait(
        self, limit: RateLimit, stop: CancelToken | None = None, observer: AttemptObserver | None = None
    ) -> float:
        """Wait for the request's moment.

        A moment that was booked stays booked, even if the waiting is broken off: nobody gets it twice.

        :param limit: what the request counts towards.
        :param stop: breaks the waiting off; default nothing does.
        :param watch: is told shortly before the moment; if that takes so long that the moment goes by,
            another one is waited for.
        :return: the seconds waited.
        :raises RateLimited: where the moment is more than ``timeout`` seconds away; then none is booked.
        :raises Stopped: where the waiting was broken off.
        """
        stop = stop or CancelToken()
        seconds = self._book(limit)
        if observer is None:
            self._sleep(seconds, limit, stop)
            return seconds
        left, lead = seconds, _LEAD
        while True:
            moment = time.monotonic() + left
            self._sleep(left - lead, limit, stop)
            told = time.monotonic()
            observer.on_attempt()
            left = moment - time.monotonic()
            if -left > max(self.pad / 2, _LATE):
                # Requests that booked later count on it that this one was on time.
                left = self._book(limit)
                seconds += left
            if left <= lead:
                self._sleep(left, limit, stop)
                return seconds
            observer.on_not_applied()
            lead = max(lead, time.monotonic() - told)

    def refused(self, limit: RateLimit) -> None:
        """Note that RingCX refused a request for its limit although its moment was waited for.

        That is told at most once a minute.

        :param limit: what the request counts towards.
        """
        self.refusals[limit.operation] += 1
        now = time.monotonic()
        if now < self._told.get(limit.key, now):
            return
        self._told[limit.key] = now + _TELL_EVERY
        log.warning(
            "RingCX refused %s (429, %d so far) although its limit is kept here (%s): another program uses "
            "it, too, or tasks that do not share %s. What is refused is tried again",
            limit.operation,
            self.refusals[limit.operation],
            shown(limit.windows),
            self.store.name,
        )

    def _book(self, limit: RateLimit) -> float:
        """Book a moment; return the seconds until it."""
        try:
            return self.store.reserve_slot(limit.key, limit.windows, self.pad, self.timeout)
        except LimitExceeded as full:
            raise RateLimited(
                f"RingCX's limit for {limit.operation} is taken by requests before this one for the next "
                f"{full.wait:.0f} s, more than limit_timeout={self.timeout:g}",
                status=None,
                retry_after=full.wait,
            ) from None

    def _sleep(self, seconds: float, limit: RateLimit, stop: CancelToken) -> None:
        """Sleep, and say so now and then where it takes long."""
        left, until_told = seconds, LOG_WAIT_AFTER
        while left > until_told:
            stop.sleep(until_told)
            left -= until_told
            log.info(
                "Waiting for RingCX's limit of %s (%s): %.0f s more",
                limit.operation,
                shown(limit.windows),
                left,
            )
            until_told = _TELL_EVERY
        stop.sleep(left)
