"""A bulk action and its result."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from airflow_provider_engagevoice.ringcx.bulk.options import check_source, check_verifiable
from airflow_provider_engagevoice.ringcx.campaigns import Campaign
from airflow_provider_engagevoice.ringcx.criteria import CHUNK_SIZE
from airflow_provider_engagevoice.ringcx.leads.action_params import find_action, parse_params, with_defaults
from airflow_provider_engagevoice.ringcx.leads.selection import Chunks, Selection
from airflow_provider_engagevoice.ringcx.spec.lead_actions import Action


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
    """What an action did.

    Counts are RingCX's own (contract, ``LeadActionResult``), summed over requests. ``leads_matched`` is
    counted before the act; ``requests`` are the requests that acted. A move adds ``campaign_id``,
    ``list_id`` (None where no list was made) and ``list_name`` of its target. ``ids_rejected`` is there
    where ``on_rejected`` is not ``"fail"``, ``ids_not_found`` where a report was asked for.
    """

    ids_rejected: int
    ids_not_found: int
    campaign_id: int | None
    list_id: int | None
    list_name: str | None


@dataclass(frozen=True)
class BulkAction:
    """One action on one selection, checked and ready to be done.

    :param action: the action.
    :param selection: the leads.
    :param params: the action's ``paramMap``.
    :param dry_run: count the leads and do nothing.
    :param max_leads: refuse to act on more leads than this; None for no bound.
    :param chunk_size: most ids in one request.
    :param target: the campaign of a move, where it has been looked up already.
    :param on_rejected: where RingCX rejects a request: ``"fail"`` ends there, ``"continue"`` does the others
        and fails then, ``"ignore"`` does the others.
    :param report: file for the ids that were rejected or not found; None for none.
    :param verify: look afterwards whether all is done, and repeat the act where it is not.
    :param given: the parameters that were given, where more were filled in; None for ``params``.
    """

    action: Action
    selection: Selection
    params: Mapping[str, Any]
    dry_run: bool = False
    max_leads: int | None = None
    chunk_size: int = CHUNK_SIZE
    target: Campaign | None = None
    on_rejected: str = "fail"
    report: str | os.PathLike[str] | None = None
    verify: bool = False
    given: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, lead_action: object, selection: Selection, params: object, **bounds: Any) -> BulkAction:
        """Check an action and its parameters.

        :param lead_action: the action's name.
        :param selection: the leads.
        :param params: the action's parameters, as rendered.
        :param bounds: the other fields.
        :return: the act.
        :raises InvalidParameter: where the action is unknown, or a parameter missing or wrong, or it cannot
            be verified.
        """
        action = find_action(lead_action)
        given = parse_params(action, params)
        act = cls(action, selection, with_defaults(action, given), given=given, **bounds)
        if act.verify:
            check_verifiable(action, given)
            if not selection.empty:
                check_source(action, given, selection)
        return act

    def chunks(self) -> Chunks:
        """Cut the selection into what one request takes.

        :return: the parts; only one where doing the action to parts is not the same.
        """
        size = self.chunk_size if self.action.chunkable else None
        return self.selection.chunks(size, disjoint=not self.action.is_retry_safe(self.params))


def empty_result(lead_action: str, account_id: str, *, dry_run: bool) -> ActionResult:
    """Make the summary of an action before it has done anything.

    :param lead_action: the action's name.
    :param account_id: the sub-account.
    :param dry_run: nothing will be done.
    :return: the summary, all counts zero.
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
