"""Validation of a bulk action's options; imported when a DAG is parsed, so it loads nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.leads.selection import Selection
    from airflow_provider_engagevoice.ringcx.spec.lead_actions import Action

ON_REJECTED = ("fail", "continue", "ignore")
"""Valid values of ``on_rejected``."""

ON_NO_MATCH = ("warn", "fail", "skip")
"""Valid values of ``on_no_match``."""

ON_INVALID_ID = ("fail", "skip")
"""Valid values of ``on_invalid_id``."""

MAX_IN_FLIGHT = 16
"""Largest value of ``max_in_flight``."""


def validate_options(
    max_leads: int | None,
    chunk_size: int,
    on_rejected: str = "fail",
    on_no_match: str = "warn",
    on_invalid_id: str = "fail",
    max_in_flight: int | None = None,
) -> None:
    """Raise if an option of a bulk action is not valid.

    :param max_leads: maximum number of leads to act on; None for no limit.
    :param chunk_size: maximum number of ids in one request.
    :param on_rejected: what to do if RingCX rejects a request.
    :param on_no_match: what to do if no lead matches.
    :param on_invalid_id: what to do about an id that is not valid.
    :param max_in_flight: most requests in flight at once; None for the default of the action.
    :raises InvalidParameter: if one of them is not valid.
    """
    validate_limit("max_leads", max_leads)
    if not is_count(chunk_size) or chunk_size == 0:
        raise InvalidParameter("chunk_size must be a whole number of ids, at least 1")
    validate_on_rejected(on_rejected)
    if on_no_match not in ON_NO_MATCH:
        raise InvalidParameter(f"on_no_match must be one of {', '.join(ON_NO_MATCH)}, not {on_no_match!r}")
    if on_invalid_id not in ON_INVALID_ID:
        raise InvalidParameter(f'on_invalid_id must be "fail" or "skip", not {on_invalid_id!r}')
    validate_in_flight(max_in_flight)


def validate_limit(name: str, value: object) -> None:
    """Raise if a limit is neither a whole number nor None.

    :param name: the argument.
    :param value: its value.
    """
    if value is not None and not is_count(value):
        raise InvalidParameter(f"{name} must be a whole number of leads, or None for no limit")


def validate_on_rejected(on_rejected: object) -> None:
    """Raise if what to do about rejections is not valid.

    :param on_rejected: the argument.
    """
    if on_rejected not in ON_REJECTED:
        raise InvalidParameter(f"on_rejected must be one of {', '.join(ON_REJECTED)}, not {on_rejected!r}")


def validate_in_flight(max_in_flight: object) -> None:
    """Raise if the number of requests in flight is not valid.

    :param max_in_flight: the number; None for the default.
    """
    if max_in_flight is not None and not (
        isinstance(max_in_flight, int) and is_count(max_in_flight) and 1 <= max_in_flight <= MAX_IN_FLIGHT
    ):
        raise InvalidParameter(
            f"max_in_flight must be a whole number from 1 to {MAX_IN_FLIGHT}, or None for the default"
        )


def is_count(value: object) -> bool:
    """Return whether a value is a whole number, zero or more (True and False are not)."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def check_verifiable(spec: Action, params: Mapping[str, Any] | None = None) -> None:
    """Raise if no search can show whether an action took effect.

    :param spec: the action.
    :param params: its ``paramMap``; None if it is not known yet.
    :raises InvalidParameter: if ``verify`` is not possible for it.
    """
    if spec.success is None:
        raise InvalidParameter(f"verify is not possible for {spec.name}: no search shows its effect")
    for name, value in spec.success.only_with.items():
        if params is not None and params.get(name) != value:
            raise InvalidParameter(f"verify: {spec.name} can be verified only with {name} {value}")


def check_move_verifiable(spec: Action, params: Mapping[str, Any], selection: Selection) -> None:
    """Raise if the criteria of a move would still select the leads that it has moved.

    :param spec: the action.
    :param params: its ``paramMap``.
    :param selection: the leads.
    :raises InvalidParameter: if the criteria name no source campaign, or the target is one of them.
    """
    sources = selection.body.get("campaignIds", ())
    if "CAMPAIGN_ID" in params and (not sources or params["CAMPAIGN_ID"] in sources):
        raise InvalidParameter(
            f"verify: {spec.name} can be verified only if the criteria name the campaigns that the leads are "
            "moved from, and the target is none of them"
        )
