"""Adjustable clock of the sandbox.

The functions :func:`monotonic` and :func:`wall_time` read the operating system's clocks. A test may freeze
the time with freezegun, which replaces ``time.monotonic`` and ``time.time`` for some threads only: fault
rules, tokens and limits would be compared by two different clocks.
"""

from __future__ import annotations

import sys
import threading
import time

#: Allowed range in seconds since 1970 (years 1971 to 9000); leaves room for dates computed from the time.
_MIN_TIME, _MAX_TIME = 31_536_000.0, 221_845_392_000.0


if sys.platform == "win32":  # has no clock_gettime

    def monotonic() -> float:
        """Return the value of a clock that cannot go backward, in seconds."""
        return time.monotonic()

    def wall_time() -> float:
        """Return the time in seconds since 1970."""
        return time.time()

else:

    def monotonic() -> float:
        """Return the value of a clock that cannot go backward, in seconds."""
        return time.clock_gettime(time.CLOCK_MONOTONIC)

    def wall_time() -> float:
        """Return the time in seconds since 1970."""
        return time.clock_gettime(time.CLOCK_REALTIME)


class Clock:
    """Real time plus an offset that can be changed by :meth:`advance`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offset = 0.0
        # Monotonic, so that token lifetimes stay correct if the system time is changed.
        self._start = wall_time() - monotonic()

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return self._start + monotonic() + self._offset

    def milliseconds(self) -> int:
        """Return the time in milliseconds since 1970, the unit of timestamps in the database."""
        return int(self.now() * 1000)

    @property
    def offset(self) -> float:
        """Seconds by which the clock has been advanced."""
        return self._offset

    def advance(self, seconds: float) -> None:
        """Advance the clock.

        :param seconds: number of seconds; a negative number sets the clock back.
        :raises ValueError: if the time would leave the years 1971 to 9000, which dates can represent.
        """
        with self._lock:
            if not _MIN_TIME <= self.now() + seconds <= _MAX_TIME:
                raise ValueError(
                    f"cannot advance the clock by {seconds!r} seconds: it must stay in the years 1971 to 9000"
                )
            self._offset += seconds

    def reset(self) -> None:
        """Return to the real time."""
        with self._lock:
            self._offset = 0.0
