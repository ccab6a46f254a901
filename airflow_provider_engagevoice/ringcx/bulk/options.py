"""Options of a bulk action, checked without loading the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidParameter,
)
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.spec.lead_actions import Action

ON_REJECTED = ("fail", "continue", "ignore")
"""What may be done where RingCX rejects a request."""


def validate_options(max_leads: int | None, chunk_size: int, on_rejected: str = "fail") -> None:
    """Check the bounds of an act before anything is sent.

    :param max_leads: most leads to act on.
    :param chunk_size: most ids in one request.
    :param on_rejected: what to do where RingCX rejects a request.
    :raises InvalidParameter: where one is none.
    """
    if max_leads is not None and not _is_count(max_leads):
        raise InvalidParameter("max_leads must be a whole number of leads, or None for no bound")
    if not _is_count(chunk_size) or chunk_size == 0:
        raise InvalidParameter("chunk_size must be a whole number of ids, at least 1")
    if on_rejected not in ON_REJECTED:
        raise InvalidParameter(f"on_rejected must be one of {', '.join(ON_REJECTED)}, not {on_rejected!r}")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def check_verifiable(action: Action, params: Mapping[str, Any] | None = None) -> None:
    """Refuse to verify what no search can tell.

    :param action: the action.
    :param params: its ``paramMap``; None where it is not known yet.
    :raises InvalidParameter: where ``verify`` makes no sense for it.
    """
    if action.success is None:
        raise InvalidParameter(f"verify: no search tells whether {action.name} has been done")
    for name, value in action.success.only_with.items():
        if params is not None and params.get(name) != value:
            raise InvalidParameter(f"verify: {action.name} can be verified only with {name} {value}")


def check_source(action: Action, params: Mapping[str, Any], selection: Selection) -> None:
    """Refuse to verify a move that no search tells from none.

    :param action: the action.
    :param params: its ``paramMap``.
    :param selection: the leads.
    :raises InvalidParameter: where moved leads would still be selected.
    """
    sources = selection.body.get("campaignIds", ())
    if "CAMPAIGN_ID" in params and (not sources or params["CAMPAIGN_ID"] in sources):
        raise InvalidParameter(
            f"verify: {action.name} can be verified only where the criteria name the campaigns that the "
            "leads are moved from, and the target is none of them"
        )
