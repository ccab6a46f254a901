"""Bulk action and its result."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from airflow_provider_engagevoice.ringcx.bulk.options import (
    check_move_verifiable,
    check_verifiable,
    validate_options,
)
from airflow_provider_engagevoice.ringcx.campaigns import Campaign
from airflow_provider_engagevoice.ringcx.defaults import CHUNK_SIZE
from airflow_provider_engagevoice.ringcx.exceptions import require_bool
from airflow_provider_engagevoice.ringcx.leads.action_params import find_action, parse_params, with_defaults
from airflow_provider_engagevoice.ringcx.leads.selection import Chunks, Selection
from airflow_provider_engagevoice.ringcx.spec.lead_actions import Action

DEFAULT_IN_FLIGHT = 8
"""Most requests of a retry-safe action in flight at once: enough to use RingCX's limits at a latency of four
seconds."""

ONE_PER_LEAD = frozenset({"leadIds", "externIds"})
"""A lead has only one of these, so it is in one chunk, and no chunk changes the count of another."""


class _Counts(TypedDict):
    lead_action: str
    dry_run: bool
    leads_matched: int
    leads_updated: int
    leads_deleted: int
    redials_deleted: int
    dialer_refreshed: bool
    requests: int
    account_id: str


class ActionResult(_Counts, total=False):
    """Result of a bulk action.

    Counts are those that RingCX returns (contract, ``LeadActionResult``), summed over all requests.

    ``leads_matched`` is counted before the action. ``requests`` counts the requests that changed leads or may
    have. A move adds ``campaign_id``, ``list_id`` (None if no list was made) and ``list_name`` of its target.
    ``ids_rejected`` is present unless ``on_rejected`` is ``"fail"``, ``ids_not_found`` if there is a report,
    ``ids_invalid`` if ``on_invalid_id`` is ``"skip"``.
    ``leads_unknown`` is present if chunks were skipped because their outcome is unknown: the number of their
    leads, which ``leads_matched`` contains.
    """

    ids_rejected: int
    leads_unknown: int
    ids_not_found: int
    ids_invalid: int
    campaign_id: int | None
    list_id: int | None
    list_name: str | None


@dataclass(frozen=True)
class BulkAction:
    """A lead action on a selection, with validated parameters and options.

    :param spec: the action's row in the table of lead actions.
    :param selection: the leads.
    :param params: the action's ``paramMap``, with defaults filled in.
    :param dry_run: only count the leads.
    :param max_leads: fail if more leads match; None for no limit.
    :param chunk_size: maximum number of ids in one request.
    :param target: target campaign of a move, if it is known already.
    :param on_rejected: what to do if RingCX rejects a request: ``"fail"`` stops there, ``"continue"`` sends
        the remaining requests and fails at the end, ``"ignore"`` sends the remaining requests.
    :param report: path of the report of unprocessed ids; None for no report.
    :param on_no_match: what to do if no lead matches: ``"warn"`` logs a warning with likely causes if there
        are ids, ``"fail"`` and ``"skip"`` raise ``NoLeadsMatched``.
    :param verify: count afterwards which leads are not in the expected state, and retry for those.
    :param max_in_flight: most requests in flight at once; None for the default, see :func:`in_flight_limit`.
    :param authored_params: the parameters without the defaults that were filled in; None if there are none.
    :param source: campaign that the selection was narrowed to by name or id, for the log; None if there is
        none.
    """

    spec: Action
    selection: Selection
    params: Mapping[str, Any]
    dry_run: bool = False
    max_leads: int | None = None
    chunk_size: int = CHUNK_SIZE
    target: Campaign | None = None
    on_rejected: str = "fail"
    report: str | os.PathLike[str] | None = None
    verify: bool = False
    authored_params: Mapping[str, Any] | None = None
    source: Campaign | None = None
    on_no_match: str = "warn"
    max_in_flight: int | None = None

    @classmethod
    def create(cls, lead_action: object, selection: Selection, params: object, **options: Any) -> BulkAction:
        """Return a bulk action with validated parameters.

        :param lead_action: name of the action.
        :param selection: the leads.
        :param params: parameters of the action, as rendered.
        :param options: other fields of this class.
        :return: the bulk action.
        :raises InvalidParameter: if the action is unknown, a parameter is missing or wrong, or the action
            cannot be verified.
        """
        spec = find_action(lead_action)
        authored = parse_params(spec, params)
        action = cls(spec, selection, with_defaults(spec, authored), authored_params=authored, **options)
        require_bool(dry_run=action.dry_run, verify=action.verify)
        validate_options(
            action.max_leads,
            action.chunk_size,
            action.on_rejected,
            action.on_no_match,
            max_in_flight=action.max_in_flight,
        )
        if action.verify:
            check_verifiable(spec, authored)
            if not selection.empty_reason:
                check_move_verifiable(spec, authored, selection)
        return action

    @property
    def name(self) -> str:
        """Name of the lead action, such as ``CANCEL_LEADS``."""
        return self.spec.name

    @property
    def is_retry_safe(self) -> bool:
        """Whether a request of this action may be retried if its outcome is unknown."""
        return self.spec.is_retry_safe(self.params)

    @property
    def generated_params(self) -> dict[str, Any]:
        """The parameters that were filled in with defaults, such as the current time."""
        authored = self.authored_params
        return {name: value for name, value in self.params.items() if authored and name not in authored}

    def chunks(self) -> Chunks:
        """Split the selection into chunks of one request each.

        :return: the chunks; a single one if the action on chunks would differ from the action on the whole.
        """
        size = self.chunk_size if self.spec.chunkable else None
        return self.selection.chunks(size, disjoint=not self.is_retry_safe)


def in_flight_limit(action: BulkAction, is_retry_safe: bool, key: str | None) -> int:
    """Return how many requests of an action may be in flight at once.

    :param action: the action.
    :param is_retry_safe: whether its requests may be retried if their outcome is unknown. If not, the default
        is one, so that the outcome of one chunk at most is unknown after a crash.
    :param key: the list of ids that is split.
    :return: the limit; 1 if one lead may be in two chunks.
    """
    if key is not None and key not in ONE_PER_LEAD:
        return 1
    if action.max_in_flight is not None:
        return action.max_in_flight
    return DEFAULT_IN_FLIGHT if is_retry_safe else 1


def empty_result(lead_action: str, account_id: str, *, dry_run: bool) -> ActionResult:
    """Return the result of an action that has not sent a request.

    :param lead_action: name of the action.
    :param account_id: the sub-account.
    :param dry_run: whether the action only counts leads.
    :return: the result, with all counts zero.
    """
    return ActionResult(
        lead_action=lead_action,
        dry_run=dry_run,
        leads_matched=0,
        leads_updated=0,
        leads_deleted=0,
        redials_deleted=0,
        dialer_refreshed=False,
        requests=0,
        account_id=account_id,
    )
