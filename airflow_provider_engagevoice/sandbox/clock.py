"""The sandbox's own clock, which a test may move on."""

from __future__ import annotations

import time


class Clock:
    """Time as the sandbox sees it: the real time, plus what it was moved on by."""

    def __init__(self) -> None:
        self._offset = 0.0
        # The monotonic clock keeps tokens right when the machine's time is set anew.
        self._start = time.time() - time.monotonic()

    def now(self) -> float:
        """Return the seconds since 1970."""
        return self._start + time.monotonic() + self._offset

    def milliseconds(self) -> int:
        """Return the milliseconds since 1970, the way the database keeps moments."""
        return int(self.now() * 1000)

    def advance(self, seconds: float) -> None:
        """Move the clock on.

        :param seconds: by how much; a negative number moves it back.
        """
        self._offset += seconds

    def reset(self) -> None:
        """Undo every :meth:`advance`."""
        self._offset = 0.0
