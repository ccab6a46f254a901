"""Groups of lead states for the bars and columns of the campaign table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_engagevoice.ringcx.spec.enums import LEAD_STATES


@dataclass(frozen=True)
class StateGroup:
    """Lead states that are displayed as one.

    :param key: its CSS class.
    :param label: its column header.
    :param states: the states.
    """

    key: str
    label: str
    states: tuple[str, ...]


_CHOSEN = (
    StateGroup("ready", "Ready", ("READY",)),
    StateGroup("dialer", "Dialer", ("PENDING", "ACTIVE", "PENDING-HCI", "PENDING-ERR")),
    StateGroup("callback", "Callback", ("AGENT-CALLBACK", "CALLBACK", "PENDING-CALLBACK")),
    StateGroup("complete", "Complete", ("COMPLETE",)),
    StateGroup("held", "Held", ("PAUSED", "CANCELLED", "CALLBACK-CANCELLED")),
    StateGroup("dnc", "No call", ("DO-NOT-CALL",)),
)
_REST = tuple(state for state in LEAD_STATES if all(state not in group.states for group in _CHOSEN))

STATE_GROUPS = (*_CHOSEN, StateGroup("other", "Other", _REST))
"""All groups, in the order of a bar; the last one includes undocumented states."""

_GROUP_OF = {state: group.key for group in STATE_GROUPS for state in group.states}


def group_of(state: str | None) -> str:
    """Return the key of a state's group."""
    return _GROUP_OF.get(state or "", STATE_GROUPS[-1].key)


@dataclass(frozen=True)
class Segment:
    """A segment of a bar, in thousandths of the longest bar.

    :param key: key of the group.
    :param title: its tooltip.
    :param start: its left edge.
    :param width: its width.
    """

    key: str
    title: str
    start: float
    width: float


def by_group(states: Mapping[str, int]) -> dict[str, int]:
    """Return the number of leads by state group.

    :param states: number of leads by state.
    :return: number of leads by group key, for all groups in order.
    """
    counts: Counter[str] = Counter()
    for state, count in states.items():
        counts[group_of(state)] += count
    return {group.key: counts[group.key] for group in STATE_GROUPS}


def bar(groups: Mapping[str, int], longest: int) -> list[Segment]:
    """Return the segments of a stacked bar.

    :param groups: number of leads by group key.
    :param longest: number of leads that fill the whole width.
    :return: its segments; groups without leads have none.
    """
    segments = []
    start = 0.0
    for group in STATE_GROUPS:
        count = groups[group.key]
        if count:
            width = 1000 * count / max(longest, 1)
            segments.append(Segment(group.key, f"{group.label}: {count:,}", round(start, 2), round(width, 2)))
            start += width
    return segments
