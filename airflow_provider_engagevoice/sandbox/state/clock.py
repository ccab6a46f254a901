"""The sandbox's own clock, which a test may move on."""

from __future__ import annotations

import threading
import time

#: The years 1971 to 9000, in seconds since 1970: room on either side for dates reckoned from now.
_FIRST, _LAST = 31_536_000.0, 221_845_392_000.0


class Clock:
    """Time as the sandbox sees it: the real time, plus what it was moved on by."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offset = 0.0
        # The monotonic clock keeps tokens right when the machine's time is set anew.
        self._start = time.time() - time.monotonic()

    def now(self) -> float:
        """Return the seconds since 1970."""
        return self._start + time.monotonic() + self._offset

    def milliseconds(self) -> int:
        """Return the milliseconds since 1970, the way the database keeps moments."""
        return int(self.now() * 1000)

    @property
    def ahead(self) -> float:
        """By how many seconds it was moved on."""
        return self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock on.

        :param seconds: by how much; a negative number moves it back.
        :raises ValueError: it would leave the years 1971 to 9000, which dates can be written in.
        """
        with self._lock:
            if not _FIRST <= self.now() + seconds <= _LAST:
                raise ValueError(f"the clock cannot leave the calendar by {seconds!r} seconds")
            self._offset += seconds

    def reset(self) -> None:
        """Undo every :meth:`advance`."""
        with self._lock:
            self._offset = 0.0
