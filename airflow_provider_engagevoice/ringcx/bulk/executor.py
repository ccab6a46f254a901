"""Acting on leads: counted first, in as many requests as needed, every answer read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult, BulkAction, empty_result
from airflow_provider_engagevoice.ringcx.bulk.checkpoint import CheckpointStore, NullCheckpointStore
from airflow_provider_engagevoice.ringcx.bulk.options import _is_count
from airflow_provider_engagevoice.ringcx.bulk.prefetch import CountPrefetcher, LeadCounter
from airflow_provider_engagevoice.ringcx.bulk.progress import each
from airflow_provider_engagevoice.ringcx.bulk.runner import BulkRunner
from airflow_provider_engagevoice.ringcx.campaigns import CampaignService
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.endpoints import RequestFn, account_path
from airflow_provider_engagevoice.ringcx.exceptions import (
    ActionRejected,
    EngageVoiceError,
    OutcomeUnknown,
    TooManyLeads,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.ringcx.leads.moves import NewListTracker, is_new_list
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.observers import AttemptObserver
from airflow_provider_engagevoice.ringcx.spec.lead_actions import Action
from airflow_provider_engagevoice.ringcx.transport.responses import sanitize
from airflow_provider_engagevoice.ringcx.transport.retry import FailureKind, RetryDecision

log = logging.getLogger(__name__)


@dataclass
class LeadActionExecutor:
    """Acts on the leads of one sub-account.

    :param request: sends a request: method, path, and keyword arguments.
    :param leads: counts leads.
    :param campaigns: looks up lists.
    :param stop: set where the task is to end: the action does so between two requests.
    :param beside: makes what counts the leads of a request while the one before it is under way; None to
        count them after it.
    """

    request: RequestFn
    leads: LeadSearch
    campaigns: CampaignService
    stop: CancelToken = field(default_factory=CancelToken)
    beside: Callable[[], CountPrefetcher] | None = None
    #: Counts of the action that runs or ran last, also if an exception ended it; None before the first.
    result: ActionResult | None = field(default=None, init=False)

    def execute(self, act: BulkAction, journal: CheckpointStore | None = None) -> ActionResult:
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
        summary = empty_result(act.action.name, self.leads.account_id, dry_run=act.dry_run)
        if act.selection.empty:
            return summary
        chunks = act.chunks()
        log.info("%s on %s", act.action.name, act.selection.describe())
        if act.dry_run or act.max_leads is not None:
            numbers = each(f"Counting for {act.action.name}", chunks, range(len(chunks)))
            matched = sum(self.leads.count(chunks[number]) for number in numbers)
            _check_bound(act, matched)
        if act.dry_run:
            log.info("%s: %d leads match; dry run, nothing was changed", act.action.name, matched)
            summary["leads_matched"] = matched
            return _with_target(summary, act.params)
        send = partial(self._send, act.action, summary)
        make_list = partial(self._new_list, act) if is_new_list(act.params) else None
        counting = LeadCounter(self.leads, chunks, self.stop, self.beside)
        self.result = summary
        run = BulkRunner(act, counting, send, summary, make_list, journal or NullCheckpointStore(), self.stop)
        return _with_target(summary, run.go())

    def _new_list(self, act: BulkAction, older: list[int] | None) -> NewListTracker:
        target = act.target
        if target is None:
            target = self.campaigns.find(act.params["CAMPAIGN_ID"], account_id=self.leads.account_id)
        if older is None:
            return NewListTracker.before_move(self.campaigns, target)
        return NewListTracker(self.campaigns, target, frozenset(older))

    def _send(
        self,
        action: Action,
        summary: ActionResult,
        chunk: Selection,
        params: Mapping[str, Any],
        observer: AttemptObserver | None = None,
    ) -> None:
        path = f"{account_path(self.leads.account_id)}/campaignLeads/actions"
        counted = _AttemptCounter(observer)
        try:
            answer = self.request(
                "PUT",
                path,
                params={"leadAction": action.name},
                json={"campaignLeadSearchCriteria": chunk.body, "leadActionParams": {"paramMap": params}},
                retry_safe=action.is_retry_safe(params),
                observer=counted,
            )
        finally:
            # Not sooner: what is noted of a request that was begun does not count it yet.
            summary["requests"] += counted.maybe_done
        if answer is False or (isinstance(answer, dict) and answer.get("success") is False):
            said = answer.get("errorMessage") if isinstance(answer, dict) else None
            raise ActionRejected(
                f"RingCX rejected {action.name}: {sanitize(str(said or 'it gave no reason'))}", status=200
            )
        if not isinstance(answer, dict) or answer.get("success") is not True:
            raise _unconfirmed(action, params)
        summary["leads_updated"] += _number(answer, "leadUpdateCount")
        summary["leads_deleted"] += _number(answer, "leadDeleteCount")
        summary["redials_deleted"] += _number(answer, "redialDeleteCount")
        summary["dialer_refreshed"] |= answer.get("dialerRefreshed") is True


@dataclass
class _AttemptCounter:
    """Tells whether a request may have been done.

    :param watch: is told the same.
    """

    observer: AttemptObserver | None
    maybe_done: bool = False
    _before: bool = False

    def on_attempt(self) -> None:
        if self.observer is not None:
            self.observer.on_attempt()
        self._before, self.maybe_done = self.maybe_done, True

    def on_not_applied(self) -> None:
        # A try before this one may still have done it.
        self.maybe_done = self._before
        if self.observer is not None:
            self.observer.on_not_applied()


def _check_bound(act: BulkAction, matched: int) -> None:
    """Refuse to act on more leads than the author allowed."""
    if act.max_leads is not None and matched > act.max_leads:
        raise TooManyLeads(
            f"{act.action.name} would act on {matched} leads, more than max_leads={act.max_leads}; nothing "
            "was changed"
        )


def _with_target(summary: ActionResult, params: Mapping[str, Any]) -> ActionResult:
    """Add the target of a move to its summary."""
    if "LIST_ID" in params:
        summary["campaign_id"] = params["CAMPAIGN_ID"]
        summary["list_id"] = None if is_new_list(params) else int(params["LIST_ID"])
        summary["list_name"] = params.get("LIST_NAME")
    return summary


def _unconfirmed(action: Action, params: Mapping[str, Any]) -> EngageVoiceError:
    text = f"RingCX answered {action.name} with something other than its result"
    if FailureKind.INVALID_RESPONSE.then(action.is_retry_safe(params)) is RetryDecision.RAISE:
        return UnexpectedResponse(text, status=200)
    return OutcomeUnknown(
        f"{text}. It may have been done and must not be done twice; look at the leads", status=200
    )


def _number(answer: Mapping[str, Any], key: str) -> int:
    value = answer.get(key)
    return value if isinstance(value, int) and _is_count(value) else 0
