"""Tells in the log how far long work has come."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator

from airflow_provider_engagevoice.ringcx.leads.selection import Chunks

log = logging.getLogger(__name__)

_EVERY = 10.0


class ProgressLogger:
    """The progress of an action over many ids.

    :param what: name of the action.
    :param total: ids in all.
    :param requests: requests that they take.
    :param done: ids done before, by an earlier try of the task.
    """

    def __init__(self, what: str, total: int, requests: int, done: int = 0) -> None:
        self._what = what
        self._total = total
        self._done = self._before = done
        self._started = self._told = time.monotonic()
        if requests > 1:
            log.info("%s: %s ids in %s requests", what, f"{total:,}", f"{requests:,}")

    def add(self, ids: int) -> None:
        """Count ids as done, and tell at most every 10 seconds."""
        self._done += ids
        now = time.monotonic()
        if now - self._told >= _EVERY and self._done < self._total:
            self._told = now
            log.info("%s: %s", self._what, self._line(now))

    def _line(self, now: float) -> str:
        rate = (self._done - self._before) / max(now - self._started, 0.001)
        left = (self._total - self._done) / rate if rate else 0.0
        return (
            f"{self._done:,} of {self._total:,} ids, {self._done / self._total:.0%}, "
            f"{rate:,.0f} a second, {_shown(left)} left"
        )


def each(what: str, chunks: Chunks, numbers: Collection[int]) -> Iterator[int]:
    """Give numbers of requests, and tell how far they have come.

    :param what: what is done to them.
    :param parts: all requests.
    :param numbers: the numbers.
    :return: the numbers, each to be worked on before the next one is asked for.
    """
    progress = ProgressLogger(what, sum(map(chunks.size_in, numbers)), len(numbers))
    for number in numbers:
        yield number
        progress.add(chunks.size_in(number))


def _shown(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
