"""States of leads in which a sync may change them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_engagevoice.ringcx.spec.enums import LEAD_STATES

PROTECTED_STATES = frozenset(
    {"ACTIVE", "PENDING", "PENDING-HCI", "PENDING-CALLBACK", "CALLBACK", "AGENT-CALLBACK"}
)
"""An agent or the dialer is at work on the lead, or a callback was promised: nothing changes it now."""

KEPT_STATES = frozenset({"DO-NOT-CALL", "WHITELIST"})
"""The lead must not be called again. It is never removed, so that its external id is never loaded again."""

FINISHED_STATES = frozenset(
    {"CANCELLED", "COMPLETE", "DISCONNECTED", "INTERCEPT", "MAX-DIAL-LIMIT", "TRANSITIONED"}
)
"""The lead is not dialled any more. Suppressing, pausing or cancelling it would only lose its state."""


NOT_DIALLED_STATES = FINISHED_STATES | KEPT_STATES | {"PAUSED"}
"""The lead is not dialled in this state."""

_STATE_OF_REMOVAL = {"cancel": "CANCELLED", "pause": "PAUSED"}


def is_removed(removal: str | None, state: object, *, suppressed: bool) -> bool:
    """Return whether a lead was removed in a certain way.

    :param removal: the way, a key of ``ACTION_OF_REMOVAL``; None for none.
    :param state: state of the lead.
    :param suppressed: whether it is suppressed.
    """
    if removal == "suppress":
        return suppressed
    return removal in _STATE_OF_REMOVAL and state == _STATE_OF_REMOVAL[removal]


def removable_states(removal: str) -> frozenset[str]:
    """Return the states in which surplus leads are removed.

    :param removal: how: a key of ``ACTION_OF_REMOVAL``.
    """
    left_out = PROTECTED_STATES | KEPT_STATES
    if removal in ("suppress", "pause", "cancel"):
        left_out |= FINISHED_STATES
    if removal == "pause":
        left_out |= {"PAUSED"}
    return frozenset(LEAD_STATES) - left_out


def not_removed_states(removal: str) -> frozenset[str]:
    """Return the states of leads that were not removed.

    :param removal: how: a key of ``ACTION_OF_REMOVAL``.
    """
    return frozenset(LEAD_STATES) - {_STATE_OF_REMOVAL.get(removal, "")}


def is_dialled(row: Mapping[str, Any]) -> bool:
    """Return whether a lead is dialled, now or later.

    :param row: RingCX's row.
    """
    return row.get("leadState") not in NOT_DIALLED_STATES and row.get("suppressed") is not True
