"""Documented rate limits of RingCX.

Source: contract and guide. Limits are per sub-account; all windows of an operation apply at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class RateWindow:
    """A limit on the number of requests within a sliding window.

    :param max_requests: most requests within the window.
    :param period: length of the window in seconds.
    """

    max_requests: int
    period: float


DEFAULT_LIMIT = (RateWindow(120, 60),)
"""Limit of operations without a documented one. Assumed: what the guide states for most operations."""

LIMITS: Mapping[str, tuple[RateWindow, ...]] = {
    "token_exchange": (RateWindow(5, 60),),
    "lead_search": (RateWindow(15, 10), RateWindow(60, 30)),
    "lead_count": (RateWindow(90, 10), RateWindow(180, 30)),
    "phone_list_search": (RateWindow(30, 10), RateWindow(120, 60)),
    "lead_action": (RateWindow(30, 10), RateWindow(120, 60)),
    "direct_load": (RateWindow(30, 10), RateWindow(120, 60)),
    "preview_load": (RateWindow(12, 30), RateWindow(18, 60)),
    "process_load": (RateWindow(9, 3), RateWindow(30, 30)),
    "lead_update": (RateWindow(12, 3), RateWindow(150, 60)),
}
"""Windows by operation. A search with ``count=true`` has a separate limit. Assumed: the guide's "search by
exact number" is the search by phone list."""
