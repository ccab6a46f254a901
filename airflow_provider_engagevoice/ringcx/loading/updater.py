"""Updates leads of a campaign with the rows of a source: only the fields that differ."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from airflow_provider_engagevoice.ringcx.bulk.pipeline import Pipeline
from airflow_provider_engagevoice.ringcx.bulk.progress import ProgressLogger
from airflow_provider_engagevoice.ringcx.campaigns import Campaign
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.defaults import CHUNK_SIZE
from airflow_provider_engagevoice.ringcx.endpoints import RequestStepsFn
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, without_context
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.loading.chunk_loader import rejected_error
from airflow_provider_engagevoice.ringcx.loading.lead_load import DEFAULT_IN_FLIGHT, LoadResult, RowInput
from airflow_provider_engagevoice.ringcx.loading.ledger import RowLedger
from airflow_provider_engagevoice.ringcx.loading.load_summary import load_result, log_summary
from airflow_provider_engagevoice.ringcx.loading.lookup import LeadLookup
from airflow_provider_engagevoice.ringcx.loading.options import UpdateOptions
from airflow_provider_engagevoice.ringcx.loading.row_reader import check_update
from airflow_provider_engagevoice.ringcx.loading.row_run import RowRun
from airflow_provider_engagevoice.ringcx.loading.rows import Outcome
from airflow_provider_engagevoice.ringcx.loading.updates import LeadUpdates
from airflow_provider_engagevoice.ringcx.steps import Steps

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeadUpdate:
    """An update of leads of a campaign with rows.

    :param campaign: the campaign.
    :param input: the rows.
    :param options: its options.
    :param dry_run: only find what would change.
    """

    campaign: Campaign
    input: RowInput
    options: UpdateOptions = field(default_factory=UpdateOptions)
    dry_run: bool = False


@dataclass
class LeadUpdater:
    """Updates leads of one sub-account. A retry finds by itself what is left to change.

    :param request_steps: sends a request: method, path and keyword arguments.
    :param leads: searches leads.
    :param cancel_token: cancels the update between two requests.
    """

    request_steps: RequestStepsFn
    leads: LeadSearch
    cancel_token: CancelToken = field(default_factory=CancelToken)
    #: Result of the update that runs or ran last, also if an exception ended it; None before the first one.
    result: LoadResult | None = field(default=None, init=False)

    @without_context
    def execute(self, update: LeadUpdate) -> LoadResult:
        """Change the fields of leads that differ from the rows.

        :param update: the rows and the options.
        :return: the result.
        :raises SourceRejected: if the rows are not what they must be. Nothing was changed.
        :raises TooManyLeads: if more leads differ than ``max_updates``. Nothing was changed.
        :raises RowsRejected: if more rows are rejected than the options accept.
        :raises Cancelled: if the task was cancelled.
        """
        self.result = None
        name = f"update-{update.campaign['campaign_id']}"
        with RowRun(update.input, name).rows(check_update) as spool:
            ledger = RowLedger(spool)
            try:
                self._run(update, ledger)
            except EngageVoiceError as error:
                error.result = dict(self._result(update, ledger))
                raise
            finally:
                self.result = self._result(update, ledger)
                log_summary(self.result, ledger, f"Update in {update.campaign['campaign_name']!r}:")
            return self.result

    def _run(self, update: LeadUpdate, ledger: RowLedger) -> None:
        campaign, options = update.campaign, update.options
        updates = LeadUpdates(self.request_steps, campaign["account_id"], campaign["campaign_id"], ledger)
        lookup = LeadLookup(self.leads, campaign["campaign_id"])
        limit = options.max_in_flight or DEFAULT_IN_FLIGHT

        def look_up(number: int) -> Steps[None]:
            rows = ledger.spool.read_chunk(number, CHUNK_SIZE)
            found = yield from lookup.find(row.key for row in rows)
            missing = [row for row in rows if row.key not in found]
            ledger.record(
                number,
                missing,
                Outcome.REJECTED,
                "not_found",
                "The campaign has no lead with this external id",
            )
            updates.plan(number, [row for row in rows if row.key in found], found)

        chunks = range(-(-ledger.spool.rows // CHUNK_SIZE))
        Pipeline(self.cancel_token, 1, limit).run(map(look_up, chunks))
        if options.on_rejected == "fail" and ledger.exceeds_rejected("fail", options.max_rejected):
            raise rejected_error(ledger)
        updates.check_limit(options.max_updates)
        if update.dry_run:
            return
        progress = ProgressLogger("Updating", ledger.spool.count_updates(), 1, noun="lead")
        Pipeline(self.cancel_token, limit, 2 * limit).run(updates.work(CHUNK_SIZE, progress))
        if ledger.exceeds_rejected(options.on_rejected, options.max_rejected):
            raise rejected_error(ledger)

    def _result(self, update: LeadUpdate, ledger: RowLedger) -> LoadResult:
        requests = ledger.total(Outcome.UPDATED)
        return load_result(update.campaign, ledger, requests, update.input.report, dry_run=update.dry_run)
