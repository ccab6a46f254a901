"""Acting on leads: counted first, in as many requests as needed, every answer read."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypedDict

from airflow_provider_engagevoice.ringcx.bulk.checkpoint import Journal, NoJournal
from airflow_provider_engagevoice.ringcx.bulk.prefetch import Counting
from airflow_provider_engagevoice.ringcx.bulk.prefetch_thread import Beside
from airflow_provider_engagevoice.ringcx.bulk.progress import each
from airflow_provider_engagevoice.ringcx.bulk.runner import Run
from airflow_provider_engagevoice.ringcx.bulk.verification import check_source, check_verifiable
from airflow_provider_engagevoice.ringcx.campaigns import Campaign, Campaigns, Request, account_path
from airflow_provider_engagevoice.ringcx.concurrency import Stop
from airflow_provider_engagevoice.ringcx.criteria import CHUNK_SIZE
from airflow_provider_engagevoice.ringcx.exceptions import (
    ActionRejected,
    EngageVoiceError,
    InvalidParameter,
    OutcomeUnknown,
    TooManyLeads,
    UnexpectedAnswer,
)
from airflow_provider_engagevoice.ringcx.leads.action_params import fill_params, find_action, read_given
from airflow_provider_engagevoice.ringcx.leads.moves import NewList, is_new_list
from airflow_provider_engagevoice.ringcx.leads.search import Leads
from airflow_provider_engagevoice.ringcx.leads.selection import Parts, Selection
from airflow_provider_engagevoice.ringcx.observers import Watch
from airflow_provider_engagevoice.ringcx.spec.lead_actions import Action
from airflow_provider_engagevoice.ringcx.transport.responses import tidy
from airflow_provider_engagevoice.ringcx.transport.retry import Failure, Step

log = logging.getLogger(__name__)


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


class ActionSummary(_Counts, total=False):
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


ON_REJECTED = ("fail", "continue", "ignore")
"""What may be done where RingCX rejects a request."""


@dataclass(frozen=True)
class Act:
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
    def of(cls, lead_action: object, selection: Selection, params: object, **bounds: Any) -> Act:
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
        given = read_given(action, params)
        act = cls(action, selection, fill_params(action, given), given=given, **bounds)
        if act.verify:
            check_verifiable(action, given)
            if not selection.empty:
                check_source(action, given, selection)
        return act

    def parts(self) -> Parts:
        """Cut the selection into what one request takes.

        :return: the parts; only one where doing the action to parts is not the same.
        """
        size = self.chunk_size if self.action.divisible else None
        return self.selection.parts(size, disjoint=not self.action.may_be_repeated(self.params))


@dataclass(frozen=True)
class LeadActions:
    """Acts on the leads of one sub-account.

    :param request: sends a request: method, path, and keyword arguments.
    :param leads: counts leads.
    :param campaigns: looks up lists.
    :param stop: set where the task is to end: the action does so between two requests.
    :param beside: makes what counts the leads of a request while the one before it is under way; None to
        count them after it.
    """

    request: Request
    leads: Leads
    campaigns: Campaigns
    stop: Stop = field(default_factory=Stop)
    beside: Callable[[], Beside] | None = None

    def perform(self, act: Act, journal: Journal | None = None) -> ActionSummary:
        """Do an action, in as many requests as its ids need.

        Each request is counted before it is sent, as a rule while the one before it is under way, and not
        sent where nothing matches. With ``max_leads`` and ``dry_run`` all is counted before anything is sent.

        :param act: the action, the leads and the bounds.
        :param journal: keeps the progress, so that another try goes on after it; None to keep none.
        :return: what was done.
        :raises TooManyLeads: where more leads match than ``max_leads``.
        :raises ActionRejected: where RingCX says ``success: false``, unless ``on_rejected`` is ``"ignore"``.
        :raises NotAllDone: where ``verify`` finds leads that are not done.
        :raises Stopped: where the task is to end.
        :raises OutcomeUnknown: where an action that must not be repeated may have been done, wholly or
            in part.
        """
        summary = nothing_done(act.action.name, self.leads.account_id, dry_run=act.dry_run)
        if act.selection.empty:
            return summary
        parts = act.parts()
        log.info("%s on %s", act.action.name, act.selection.describe())
        if act.dry_run or act.max_leads is not None:
            numbers = each(f"Counting for {act.action.name}", parts, range(len(parts)))
            matched = sum(self.leads.count(parts[number]) for number in numbers)
            _check_bound(act, matched)
        if act.dry_run:
            log.info("%s: %d leads match; dry run, nothing was changed", act.action.name, matched)
            summary["leads_matched"] = matched
            return _with_target(summary, act.params)
        send = partial(self._send, act.action, summary)
        make_list = partial(self._new_list, act) if is_new_list(act.params) else None
        counting = Counting(self.leads, parts, self.stop, self.beside)
        run = Run(act, counting, send, summary, make_list, journal or NoJournal(), self.stop)
        return _with_target(summary, run.go())

    def _new_list(self, act: Act, older: list[int] | None) -> NewList:
        target = act.target
        if target is None:
            target = self.campaigns.find(act.params["CAMPAIGN_ID"], account_id=self.leads.account_id)
        if older is None:
            return NewList.before_move(self.campaigns, target)
        return NewList(self.campaigns, target, frozenset(older))

    def _send(
        self,
        action: Action,
        summary: ActionSummary,
        part: Selection,
        params: Mapping[str, Any],
        watch: Watch | None = None,
    ) -> None:
        path = f"{account_path(self.leads.account_id)}/campaignLeads/actions"
        counted = _Counted(watch)
        try:
            answer = self.request(
                "PUT",
                path,
                params={"leadAction": action.name},
                json={"campaignLeadSearchCriteria": part.body, "leadActionParams": {"paramMap": params}},
                repeatable=action.may_be_repeated(params),
                watch=counted,
            )
        finally:
            # Not sooner: what is noted of a request that was begun does not count it yet.
            summary["requests"] += counted.maybe_done
        if answer is False or (isinstance(answer, dict) and answer.get("success") is False):
            said = answer.get("errorMessage") if isinstance(answer, dict) else None
            raise ActionRejected(
                f"RingCX rejected {action.name}: {tidy(str(said or 'it gave no reason'))}", status=200
            )
        if not isinstance(answer, dict) or answer.get("success") is not True:
            raise _unconfirmed(action, params)
        summary["leads_updated"] += _number(answer, "leadUpdateCount")
        summary["leads_deleted"] += _number(answer, "leadDeleteCount")
        summary["redials_deleted"] += _number(answer, "redialDeleteCount")
        summary["dialer_refreshed"] |= answer.get("dialerRefreshed") is True


@dataclass
class _Counted:
    """Tells whether a request may have been done.

    :param watch: is told the same.
    """

    watch: Watch | None
    maybe_done: bool = False
    _before: bool = False

    def begins(self) -> None:
        if self.watch is not None:
            self.watch.begins()
        self._before, self.maybe_done = self.maybe_done, True

    def undone(self) -> None:
        # A try before this one may still have done it.
        self.maybe_done = self._before
        if self.watch is not None:
            self.watch.undone()


def nothing_done(lead_action: str, account_id: str, *, dry_run: bool) -> ActionSummary:
    """Make the summary of an action before it has done anything.

    :param lead_action: the action's name.
    :param account_id: the sub-account.
    :param dry_run: nothing will be done.
    :return: the summary, all counts zero.
    """
    return ActionSummary(
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


def check_bounds(max_leads: int | None, chunk_size: int, on_rejected: str = "fail") -> None:
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


def _check_bound(act: Act, matched: int) -> None:
    """Refuse to act on more leads than the author allowed."""
    if act.max_leads is not None and matched > act.max_leads:
        raise TooManyLeads(
            f"{act.action.name} would act on {matched} leads, more than max_leads={act.max_leads}; nothing "
            "was changed"
        )


def _with_target(summary: ActionSummary, params: Mapping[str, Any]) -> ActionSummary:
    """Add the target of a move to its summary."""
    if "LIST_ID" in params:
        summary["campaign_id"] = params["CAMPAIGN_ID"]
        summary["list_id"] = None if is_new_list(params) else int(params["LIST_ID"])
        summary["list_name"] = params.get("LIST_NAME")
    return summary


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _unconfirmed(action: Action, params: Mapping[str, Any]) -> EngageVoiceError:
    text = f"RingCX answered {action.name} with something other than its result"
    if Failure.ODD.then(action.may_be_repeated(params)) is Step.FAIL:
        return UnexpectedAnswer(text, status=200)
    return OutcomeUnknown(
        f"{text}. It may have been done and must not be done twice; look at the leads", status=200
    )


def _number(answer: Mapping[str, Any], key: str) -> int:
    value = answer.get(key)
    return value if isinstance(value, int) and _is_count(value) else 0
