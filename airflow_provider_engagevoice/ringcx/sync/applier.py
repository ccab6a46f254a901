"""Applies a plan: removals first, then updates, then loads, so that a failure leaves fewer people called."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult, empty_result
from airflow_provider_engagevoice.ringcx.campaigns import Campaign, CampaignService
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.endpoints import RequestStepsFn
from airflow_provider_engagevoice.ringcx.exceptions import (
    PlanApplied,
    PlanExpired,
    PlanMismatch,
    SyncInProgress,
    without_context,
)
from airflow_provider_engagevoice.ringcx.files.private_file import PrivateFile
from airflow_provider_engagevoice.ringcx.leads.moves import MovePlan, plan_move
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.loading.lead_load import LeadLoad, RowInput
from airflow_provider_engagevoice.ringcx.loading.load_lists import MAX_NAME
from airflow_provider_engagevoice.ringcx.loading.loader import LeadLoader
from airflow_provider_engagevoice.ringcx.loading.mapping import RowMapper
from airflow_provider_engagevoice.ringcx.loading.options import LoadOptions, complete_load_options
from airflow_provider_engagevoice.ringcx.loading.row_reader import LoadCheck
from airflow_provider_engagevoice.ringcx.loading.row_run import RowRun
from airflow_provider_engagevoice.ringcx.loading.row_spool import RowSpool
from airflow_provider_engagevoice.ringcx.loading.source_guard import SourceGuard
from airflow_provider_engagevoice.ringcx.steps import Steps
from airflow_provider_engagevoice.ringcx.sync.diff import LOAD
from airflow_provider_engagevoice.ringcx.sync.hidden_loads import check_hidden_loads
from airflow_provider_engagevoice.ringcx.sync.lead_updates import SyncUpdates
from airflow_provider_engagevoice.ringcx.sync.live_leads import LiveLeads
from airflow_provider_engagevoice.ringcx.sync.options import ACTION_OF_REMOVAL
from airflow_provider_engagevoice.ringcx.sync.owner import sync_token
from airflow_provider_engagevoice.ringcx.sync.plan import SyncPlan, require_safe
from airflow_provider_engagevoice.ringcx.sync.plan_folder import PlanFolder
from airflow_provider_engagevoice.ringcx.sync.planned_work import PlannedRows, PlannedWork
from airflow_provider_engagevoice.ringcx.sync.removals import LeadRemover, find_list
from airflow_provider_engagevoice.ringcx.sync.result import SyncResult, log_result, sync_result
from airflow_provider_engagevoice.ringcx.sync.sync_report import loads_path, report_lines
from airflow_provider_engagevoice.ringcx.sync.tables import normalizer

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.storage.base import StateStore

log = logging.getLogger(__name__)

#: Seconds after which the lease of a task that has died ends if the store does not detect that.
_LEASE = 120.0
#: Longest beginning of the name of the list that removed leads are moved to.
_LONGEST_NAME = MAX_NAME - len(" removed XXXX-XXXX")


@dataclass(frozen=True)
class Approval:
    """A plan that is to be applied, and its approval.

    :param folder: the plan.
    :param approve: fingerprint of the plan that a person has approved; None for none.
    :param report: path of the report; None for no report.
    """

    folder: PlanFolder
    approve: str | None = None
    report: str | os.PathLike[str] | None = None


@dataclass
class SyncApplier:
    """Applies plans of one sub-account. A retry continues where the attempt before has ended.

    :param request_steps: sends a request: method, path and keyword arguments.
    :param campaigns: looks up campaigns and lists.
    :param leads: searches and counts leads.
    :param cancel_token: cancels the work between two requests.
    :param host: address of RingCX.
    :param store: keeps other tasks from applying a plan to the same campaign; None to allow them.
    """

    request_steps: RequestStepsFn
    campaigns: CampaignService
    leads: LeadSearch
    cancel_token: CancelToken
    host: str
    store: StateStore | None = None
    #: Result of the plan that is or was applied last; None before the first one.
    result: SyncResult | None = field(default=None, init=False)

    def check(self, plan: SyncPlan, approval: Approval) -> None:
        """Raise if a plan must not be applied.

        :param plan: the plan.
        :param approval: its approval.
        :raises PlanMismatch: if it is for another RingCX or sub-account, or another plan was approved.
        :raises PlanExpired: if it is too old.
        :raises PlanApplied: if it was applied before.
        :raises UnsafePlan: if it exceeds a limit and is not approved.
        """
        default_account = self.campaigns.account_id
        if (plan.host, plan.default_account) != (self.host, default_account):
            raise PlanMismatch(
                f"Use the connection that the plan was made with: its account is {plan.default_account} at "
                f"{plan.host}, this one's is {default_account} at {self.host}"
            )
        check_expiry(plan)
        if approval.folder.is_applied(plan):
            raise PlanApplied(f"Plan again: plan {plan.fingerprint} was applied before")
        if approval.approve is not None and approval.approve != plan.fingerprint:
            raise PlanMismatch(
                f"Look at the plan and approve it with its fingerprint {plan.fingerprint}; another one was "
                "approved"
            )
        if approval.approve is None:
            require_safe(plan)

    @without_context
    def execute(self, plan: SyncPlan, rows: RowInput, approval: Approval) -> SyncResult:
        """Apply a plan.

        :param plan: the plan.
        :param rows: the rows, read again; a row counts only if it is still what it was.
        :param approval: its approval, and the path of the report.
        :return: the result.
        :raises PlanRefused: as :meth:`check` does; ``SourceChanged`` if the source differs too much.
        :raises SyncInProgress: if another task applies a plan to this campaign.
        :raises RowsRejected: if RingCX rejects rows; the others are loaded.
        :raises EngageVoiceError: if a request fails. A retry continues there.
        """
        self.result = None
        self.check(plan, approval)
        campaign = self.campaigns.find(plan.campaign_id, account_id=plan.account_id)
        log.info("Applying plan %s to %r", plan.fingerprint, plan.campaign_name)
        check = LoadCheck(complete_load_options(plan.options.load_options))
        with (
            self._lease(plan),
            approval.folder.database(plan) as database,
            RowRun(rows, f"apply-{plan.owner}").rows(check) as spool,
        ):
            # Again: another task may have applied it before this one had the lease.
            self.check(plan, approval)
            work = PlannedWork(database, normalizer(plan.options.normalizations))
            work.compare_source(spool.iter_checked())
            approval.folder.mark_started(plan)
            result = self._apply(plan, campaign, spool, work, approval)
            approval.folder.mark_applied(plan, result)
        return result

    def _apply(
        self, plan: SyncPlan, campaign: Campaign, spool: RowSpool, work: PlannedWork, approval: Approval
    ) -> SyncResult:
        action = ACTION_OF_REMOVAL[plan.options.removal or "suppress"]
        counts = empty_result(action, plan.account_id, dry_run=False)
        request_steps = partial(self._request_until_expiry, plan)
        loader = LeadLoader(request_steps, self.leads, self.cancel_token, self.host)
        report, loads = None, None
        if approval.report is not None:
            report = PrivateFile(approval.report, "report", f"sync-{plan.owner}")
            loads = loads_path(Path(approval.report))
            loads.unlink(missing_ok=True)
        try:
            self._change_leads(plan, spool, work, counts)
            if work.count(LOAD):
                check_hidden_loads(self.request_steps, self.leads, campaign, plan)
                loader.execute(_load(plan, campaign, PlannedRows(spool, work), loads))
        finally:
            self.result = sync_result(
                plan, work, counts["requests"], loader.result, approval.folder.path, approval.report
            )
            log_result(self.result)
            if report is not None:
                report.finish(report_lines(work, loads))
        return self.result

    def _change_leads(self, plan: SyncPlan, spool: RowSpool, work: PlannedWork, counts: ActionResult) -> None:
        """Remove leads, then update leads."""
        live = LiveLeads(self.leads, plan.campaign_id, work.normalize)
        check = partial(check_expiry, plan)
        if plan.options.removal is not None:
            LeadRemover(
                self.request_steps,
                live,
                work,
                plan.options.removal,
                counts,
                self._move(plan),
                self.campaigns,
                check,
            ).run()
        SyncUpdates(self.request_steps, live, work, spool, plan.options.compare, check).run()

    def _move(self, plan: SyncPlan) -> MovePlan | None:
        if plan.options.move_target is None:
            return None
        move = plan_move(
            self.campaigns,
            target_campaign=plan.options.move_target,
            new_list_name=f"{plan.list_name[:_LONGEST_NAME]} removed {plan.fingerprint}",
            account_id=plan.account_id,
        )
        return find_list(self.campaigns, move)

    def _request_until_expiry(self, plan: SyncPlan, method: str, path: str, **options: Any) -> Steps[Any]:
        """Send a request of the load, unless the plan has expired meanwhile."""
        if "/leadLoader/" in path:
            check_expiry(plan)
        return (yield from self.request_steps(method, path, **options))

    @contextmanager
    def _lease(self, plan: SyncPlan) -> Iterator[None]:
        """Keep other tasks from applying a plan to the same campaign.

        :raises SyncInProgress: if one does.
        """
        release: Callable[[], object] | None = None
        if self.store is not None:
            key = f"sync {plan.host} {plan.account_id} {plan.campaign_id}"
            release = self.store.acquire_lock(key, _LEASE)
            if release is None:
                raise SyncInProgress(
                    f"Wait until the other task has ended: it applies a plan to campaign "
                    f"{plan.campaign_name!r} now"
                )
        try:
            yield
        finally:
            if release is not None:
                release()


def check_expiry(plan: SyncPlan) -> None:
    """Raise if a plan is too old.

    :param plan: the plan.
    :raises PlanExpired: if it is.
    """
    if datetime.now(timezone.utc) >= plan.expires:
        raise PlanExpired(
            f"Plan again: the plan was valid until {plan.expires.isoformat(timespec='seconds')}. What was "
            "done until then stays done"
        )


def _load(plan: SyncPlan, campaign: Campaign, rows: PlannedRows, report: Path | None) -> LeadLoad:
    # Existing leads are looked up right before they would be loaded: another program may have loaded them.
    options = LoadOptions(
        existing="skip",
        load_options=plan.options.load_options,
        on_rejected="continue",
        max_rejected=plan.source["max_rejected"],
    )
    guard = SourceGuard(allow_empty=True, on_rejected="continue")
    return LeadLoad(
        campaign,
        RowInput(rows, RowMapper(), guard, report),
        plan.list_name,
        sync_token(plan.owner, plan.fingerprint),
        options,
        not_before=plan.created,
    )
