"""Who is told of the tries of a request."""

from __future__ import annotations

from typing import Protocol


class AttemptObserver(Protocol):
    """Is told of the tries of a request, so that somebody knows of it even where this process dies."""

    def on_attempt(self) -> None:
        """Just before a try, when its moment within the limits is there; where it raises, nothing is sent."""

    def on_not_applied(self) -> None:
        """The try has surely done nothing. Another one may follow, after a pause."""
