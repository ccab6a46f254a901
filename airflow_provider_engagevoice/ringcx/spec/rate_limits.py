"""How often RingCX may be asked: the documented windows.

Source: contract and guide, per sub-account; both windows of an operation apply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """A limit of requests in a span of time.

    :param calls: most requests.
    :param seconds: length of the span, which slides.
    """

    calls: int
    seconds: float


OTHER = (Window(120, 60),)
"""For operations whose limit no document states. Assumed: what the guide says of most of them."""

LIMITS: Mapping[str, tuple[Window, ...]] = {
    "token_exchange": (Window(5, 60),),
    "lead_search": (Window(15, 10), Window(60, 30)),
    "lead_count": (Window(90, 10), Window(180, 30)),
    "phone_list_search": (Window(30, 10), Window(120, 60)),
    "lead_action": (Window(30, 10), Window(120, 60)),
    "direct_load": (Window(30, 10), Window(120, 60)),
    "preview_load": (Window(12, 30), Window(18, 60)),
    "process_load": (Window(9, 3), Window(30, 30)),
    "lead_update": (Window(12, 3), Window(150, 60)),
}
"""The windows by operation. A search with ``count=true`` has an allowance of its own. That the guide's
"search by exact number" is the search by phone list is assumed."""
