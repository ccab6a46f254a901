"""Makes a plan: compares the rows of a source with the leads of a campaign, and checks the difference."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from airflow_provider_engagevoice.ringcx.campaigns import (
    CampaignService,
    lead_list,
    list_rows,
    lists_path,
)
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.endpoints import RequestStepsFn
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, without_context
from airflow_provider_engagevoice.ringcx.export.lead_reader import LeadReader
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.leads.temporary import create_temporary_file, temporary_file_error
from airflow_provider_engagevoice.ringcx.loading.options import complete_load_options
from airflow_provider_engagevoice.ringcx.loading.row_reader import LoadCheck
from airflow_provider_engagevoice.ringcx.loading.row_run import RowRun
from airflow_provider_engagevoice.ringcx.steps import run
from airflow_provider_engagevoice.ringcx.sync.diff import SyncCounts, SyncDiff
from airflow_provider_engagevoice.ringcx.sync.guards import find_trips
from airflow_provider_engagevoice.ringcx.sync.job import SyncJob
from airflow_provider_engagevoice.ringcx.sync.owner import owned_lists
from airflow_provider_engagevoice.ringcx.sync.page import plan_page
from airflow_provider_engagevoice.ringcx.sync.plan import SyncPlan
from airflow_provider_engagevoice.ringcx.sync.plan_folder import PlanFolder, file_digest
from airflow_provider_engagevoice.ringcx.sync.summary import plan_result, summary_lines
from airflow_provider_engagevoice.ringcx.sync.tables import SyncTables

log = logging.getLogger(__name__)

#: Lists and states of removed leads that the page shows.
_REMOVALS_SHOWN = 200
#: Most searches in flight: enough to use RingCX's limit at a latency of 1.5 seconds. More take more memory.
_IN_FLIGHT = 5


@dataclass
class SyncPlanner:
    """Plans syncs of one sub-account. Changes nothing in RingCX.

    :param request_steps: sends a request: method, path and keyword arguments.
    :param campaigns: reads the lists of campaigns.
    :param leads: searches and counts leads.
    :param cancel_token: cancels the work between two requests.
    :param host: address of RingCX.
    """

    request_steps: RequestStepsFn
    campaigns: CampaignService
    leads: LeadSearch
    cancel_token: CancelToken
    host: str

    @without_context
    def execute(self, job: SyncJob, folder: PlanFolder) -> Mapping[str, Any]:
        """Compare both sides and write the plan.

        :param job: what is to be kept in step.
        :param folder: where the plan is written.
        :return: ``plan, fingerprint, counts, trips, summary, expires``. ``trips`` are the checks that the
            plan does not pass; then it is not applied unless a person approves its fingerprint.
        :raises SourceRejected: if the rows are not what they must be. There is no plan.
        :raises LeadsChanged: if the leads changed faster than they could be read. There is no plan.
        """
        _check_move(self.campaigns, job)
        descriptor, path = create_temporary_file("engagevoice-")
        with os.fdopen(descriptor, "rb") as database:
            try:
                plan = self._plan(job, database, path)
            except BaseException:
                Path(path).unlink(missing_ok=True)
                raise
            folder.write(plan, database, plan_page(plan))
        for line in summary_lines(plan):
            log.info("%s", line)
        return plan_result(plan, folder.path)

    def _plan(self, job: SyncJob, database: IO[bytes], path: str) -> SyncPlan:
        campaign, options = job.campaign, job.options
        check = LoadCheck(complete_load_options(options.load_options))
        response = run(self.request_steps("GET", lists_path(campaign)), self.cancel_token.sleep)
        lists = {each["list_id"]: each["list_name"] for each in map(lead_list, list_rows(response))}
        owned = owned_lists(job.owner, lists.items())
        managed = None if options.manages == "campaign" else owned
        tables = SyncTables(options.normalizations, options.compare, managed)
        try:
            with RowRun(job.input, job.owner).rows(check) as spool:
                tables.add_rows(spool.iter_checked())
            created = datetime.now(timezone.utc)
            selection = Selection({"campaignIds": [campaign["campaign_id"]]})
            reader = LeadReader(self.leads, self.campaigns, self.cancel_token, in_flight=_IN_FLIGHT)
            reader.read(selection, tables)
            diff = SyncDiff(tables, options, path)
            counts = diff.write()
            shown = tables.managed_lists()
        finally:
            tables.close()
        return SyncPlan(
            host=self.host,
            default_account=self.campaigns.account_id,
            account_id=campaign["account_id"],
            campaign_id=campaign["campaign_id"],
            campaign_name=campaign["campaign_name"],
            owner=job.owner,
            list_name=job.list_name,
            created=created,
            expires=created + options.expires_after,
            source=job.source,
            options=options,
            counts=counts.to_json(),
            removals=_removals(counts, lists),
            shown_lists=sorted(shown & owned),
            trips=find_trips(counts, options, _loaded_before(response)),
            actions_digest=diff.digest,
            database_digest=_digest(database),
            run_id=job.run_id,
        )


def _check_move(campaigns: CampaignService, job: SyncJob) -> None:
    """Raise if removed leads cannot be moved to the campaign that the options name."""
    if job.options.move_target is not None:
        account_id, campaign_id = job.campaign["account_id"], job.campaign["campaign_id"]
        target = campaigns.find(job.options.move_target, account_id=account_id)
        if target["campaign_id"] == campaign_id:
            raise InvalidParameter("on_surplus: move the leads to another campaign, not to the same one")


def _removals(counts: SyncCounts, lists: Mapping[int, str]) -> list[tuple[str, str, int]]:
    return [
        (lists.get(list_id, str(list_id)), state, number)
        for (list_id, state), number in counts.removals.most_common(_REMOVALS_SHOWN)
    ]


def _loaded_before(response: Any) -> int:
    """Return how many leads the lists were loaded with. Source: contract, ``CampaignLeadList``."""
    numbers = [row.get("leadsAccepted") for row in list_rows(response)]
    return sum(number for number in numbers if isinstance(number, int))


def _digest(database: IO[bytes]) -> str:
    try:
        return file_digest(database)
    except OSError as error:
        raise temporary_file_error(error.strerror or type(error).__name__, created=True) from None
