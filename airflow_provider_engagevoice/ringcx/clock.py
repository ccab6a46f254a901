"""Real monotonic clock, for waits and lifetimes.

Tests freeze or move the time with freezegun or time-machine, which replace ``time.monotonic`` (freezegun also
in modules that imported the function). A wait measured with a frozen clock never ends. Neither library
replaces the system call behind ``clock_gettime(CLOCK_MONOTONIC)``.
"""

from __future__ import annotations

import sys
import time

if sys.platform == "win32":  # has no clock_gettime

    def monotonic() -> float:
        """Return the value of a clock that cannot go backward, in seconds."""
        return time.monotonic()

else:

    def monotonic() -> float:
        """Return the value of a clock that cannot go backward, in seconds."""
        return time.clock_gettime(time.CLOCK_MONOTONIC)
