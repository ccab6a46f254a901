"""Plans and applies syncs: the entry of this package."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice.ringcx.campaigns import CampaignService
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.endpoints import RequestStepsFn
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, PlanRefused
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.loading.lead_rows import LeadRows
from airflow_provider_engagevoice.ringcx.sync.applier import Approval, SyncApplier, check_expiry
from airflow_provider_engagevoice.ringcx.sync.job import SyncJob, planned_rows
from airflow_provider_engagevoice.ringcx.sync.options import SyncOptions
from airflow_provider_engagevoice.ringcx.sync.plan import SyncPlan
from airflow_provider_engagevoice.ringcx.sync.plan_folder import PlanFolder
from airflow_provider_engagevoice.ringcx.sync.planner import SyncPlanner
from airflow_provider_engagevoice.ringcx.sync.result import SyncResult

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.storage.base import StateStore


@dataclass
class SyncService:
    """Keeps campaigns in step with rows.

    :param request_steps: sends a request: method, path and keyword arguments.
    :param campaigns: looks up campaigns and lists.
    :param leads: returns the lead search of a sub-account.
    :param cancel_token: cancels the work between two requests.
    :param host: address of RingCX.
    :param store: keeps two tasks from applying plans to one campaign at once.
    """

    request_steps: RequestStepsFn
    campaigns: CampaignService
    leads: Callable[[str | None], LeadSearch]
    cancel_token: CancelToken
    host: str
    store: StateStore | None = None
    _applier: SyncApplier | None = field(default=None, init=False)

    @property
    def result(self) -> SyncResult | None:
        """Result of the plan that is or was applied last, also if an exception ended it."""
        return None if self._applier is None else self._applier.result

    def plan(
        self,
        campaign: str | int,
        rows: LeadRows,
        options: SyncOptions,
        path: Any,
        *,
        name: str,
        list_name: str,
        max_rejected: int | str | None = None,
        run_id: str = "",
        account_id: str | None = None,
    ) -> Mapping[str, Any]:
        """Compare a campaign with rows, and write what would make it equal to them. Changes nothing.

        :param campaign: name or id of the campaign.
        :param rows: the rows that it should have, and what is expected of them. Their report is not written.
        :param options: the options of the sync.
        :param path: folder of the plan, local or an object of Airflow's ``ObjectStoragePath``.
        :param name: name of the sync, the same in all of its runs: it owns the leads that it has loaded.
        :param list_name: name of the lists that applying the plan makes.
        :param max_rejected: rejected rows that are accepted: a number, or a percentage such as ``"1%"``;
            default None, none.
        :param run_id: identifies the run that makes the plan, for :meth:`started_plan`; default
            none.
        :param account_id: the sub-account; default the connection's, else all are searched for the campaign.
        :return: ``plan, fingerprint, counts, trips, summary, expires``. ``trips`` are the checks that the
            plan does not pass; then it is applied only if its fingerprint is approved.
        :raises SourceRejected: if the rows are not what they must be. There is no plan.
        :raises LeadsChanged: if the leads changed faster than they could be read. There is no plan.
        """
        job = SyncJob.create(
            self.campaigns.find(campaign, account_id=account_id),
            rows,
            options,
            name=name,
            list_name=list_name,
            max_rejected=max_rejected,
            run_id=run_id,
        )
        planner = SyncPlanner(
            self.request_steps,
            self.campaigns,
            self.leads(job.campaign["account_id"]),
            self.cancel_token,
            self.host,
        )
        return planner.execute(job, PlanFolder(path))

    def apply(
        self,
        path: Any,
        rows: LeadRows | Callable[[SyncPlan], LeadRows],
        *,
        approve: str | None = None,
        report: str | os.PathLike[str] | None = None,
    ) -> SyncResult:
        """Apply a plan: remove, update and load. A later attempt continues where an earlier one has ended.

        :param path: folder of the plan.
        :param rows: the rows, read again, or a function that returns them for the plan. Only their ``leads``
            and ``source`` count; the other arguments are those of the plan.
        :param approve: fingerprint of the plan if a person has approved it although it exceeds a limit.
        :param report: path of a private CSV file with one line for each change; default None, no report.
        :return: the result.
        :raises PlanRefused: if the plan is not applied.
        :raises EngageVoiceError: as :meth:`SyncApplier.execute` does.
        """
        folder = PlanFolder(path)
        plan = folder.read()
        self._applier = SyncApplier(
            self.request_steps,
            self.campaigns,
            self.leads(plan.account_id),
            self.cancel_token,
            self.host,
            self.store,
        )
        approval = Approval(folder, approve, report)
        row_input = planned_rows(plan.source, rows if isinstance(rows, LeadRows) else rows(plan))
        return self._applier.execute(plan, row_input, approval)

    def started_plan(self, path: Any, run_id: str) -> SyncPlan | None:
        """Return the plan that an earlier attempt of a run has begun to apply, if it can still be applied.

        A retry must continue it: a new plan would load rows again that RingCX does not show yet.

        :param path: folder of the plan.
        :param run_id: the run.
        :return: the plan; None if there is none of this run, none of it was applied, all of it, or it is too
            old.
        """
        if not run_id:
            raise InvalidParameter("run_id must not be empty")
        folder = PlanFolder(path)
        try:
            plan = folder.read()
            check_expiry(plan)
        except PlanRefused:
            return None
        if plan.run_id != run_id or not folder.is_started(plan) or folder.is_applied(plan):
            return None
        return plan
