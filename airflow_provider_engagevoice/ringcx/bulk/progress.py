"""Progress of long bulk work in the log."""

from __future__ import annotations

import logging

from airflow_provider_engagevoice.ringcx import clock
from airflow_provider_engagevoice.ringcx.exceptions import counted

log = logging.getLogger(__name__)

#: Seconds between two progress lines.
_INTERVAL = 10.0


class ProgressLogger:
    """Logs the progress of work on many ids or rows, at most every 10 seconds.

    :param work: name of the work, such as the lead action.
    :param total: number of ids.
    :param chunk_count: number of chunks that they are split into.
    :param done: number of ids that an earlier attempt of the task has processed.
    :param noun: what is counted, in the singular.
    """

    def __init__(self, work: str, total: int, chunk_count: int, done: int = 0, noun: str = "id") -> None:
        self._work = work
        self._total = total
        self._noun = noun
        self._done = self._done_before = done
        self._started = self._last_logged = clock.monotonic()
        if chunk_count > 1:
            log.info("%s: %s in %s", work, counted(total, noun), counted(chunk_count, "chunk"))

    def add(self, number: int) -> None:
        """Count ids as processed, and log the progress if the last line is old enough."""
        self._done += number
        now = clock.monotonic()
        if now - self._last_logged >= _INTERVAL and self._done < self._total:
            self._last_logged = now
            log.info("%s: %s", self._work, self._line(now))

    def _line(self, now: float) -> str:
        rate = (self._done - self._done_before) / max(now - self._started, 0.001)
        remaining = (self._total - self._done) / rate if rate else 0.0
        return (
            f"{self._done:,} of {self._total:,} {self._noun}s, {self._done / self._total:.0%}, "
            f"{rate:,.0f} per second, {_format_duration(remaining)} left"
        )


def _format_duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
