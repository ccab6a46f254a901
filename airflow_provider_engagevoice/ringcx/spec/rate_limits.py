"""How often RingCX may be asked: the documented windows.

Source: contract and guide, per sub-account; both windows of an operation apply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class RateWindow:
    """A limit of requests in a span of time.

    :param calls: most requests.
    :param seconds: length of the span, which slides.
    """

    max_requests: int
    period: float


OTHER = (RateWindow(120, 60),)
"""For operations whose limit no document states. Assumed: what the guide says of most of them."""

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
"""The windows by operation. A search with ``count=true`` has an allowance of its own. That the guide's
"search by exact number" is the search by phone list is assumed."""
