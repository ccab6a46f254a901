"""Observer interface for request attempts."""

from __future__ import annotations

from typing import Protocol


class AttemptObserver(Protocol):
    """Observer of the attempts of a request, so that a record of them can outlive this process."""

    def on_attempt(self) -> None:
        """Handle an attempt that is about to be sent: its rate-limit slot is due.

        If this raises, nothing is sent.
        """

    def on_not_applied(self) -> None:
        """Handle an attempt that was certainly not applied. Another one may follow after a pause."""
