"""Executes bulk actions on the leads of one sub-account."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_engagevoice.ringcx.bulk.action import (
    DEFAULT_IN_FLIGHT,
    ActionResult,
    BulkAction,
    empty_result,
)
from airflow_provider_engagevoice.ringcx.bulk.action_request import ActionSender
from airflow_provider_engagevoice.ringcx.bulk.checkpoint import CheckpointStore, NullCheckpointStore
from airflow_provider_engagevoice.ringcx.bulk.descriptions import describe_start, matching
from airflow_provider_engagevoice.ringcx.bulk.no_match import NoMatchExplainer
from airflow_provider_engagevoice.ringcx.bulk.pipeline import Pipeline
from airflow_provider_engagevoice.ringcx.bulk.progress import ProgressLogger
from airflow_provider_engagevoice.ringcx.bulk.runner import BulkRunner
from airflow_provider_engagevoice.ringcx.campaigns import CampaignService
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.endpoints import RequestStepsFn
from airflow_provider_engagevoice.ringcx.exceptions import (
    NoLeadsMatched,
    TooManyLeads,
    counted,
    without_context,
)
from airflow_provider_engagevoice.ringcx.leads.moves import NewListTracker, is_new_list
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Chunks
from airflow_provider_engagevoice.ringcx.steps import Steps

log = logging.getLogger(__name__)


@dataclass
class LeadActionExecutor:
    """Executes bulk actions on the leads of one sub-account.

    :param request_steps: sends a request: method, path and keyword arguments.
    :param leads: counts leads.
    :param campaigns: looks up campaigns and lists.
    :param cancel_token: cancels the running action between two requests.
    :param host: base URL of RingCX; a checkpoint of another host is not resumed from.
    :param connection_id: id of the Airflow connection, for the log.
    """

    request_steps: RequestStepsFn
    leads: LeadSearch
    campaigns: CampaignService
    cancel_token: CancelToken = field(default_factory=CancelToken)
    host: str = ""
    connection_id: str = ""
    #: Result of the action that runs or ran last, also if an exception ended it; None before the first one.
    result: ActionResult | None = field(default=None, init=False)

    @without_context
    def execute(self, action: BulkAction, checkpoints: CheckpointStore | None = None) -> ActionResult:
        """Execute an action, with one request for each chunk of its ids.

        The leads of a chunk are counted before its request, usually while earlier requests are in flight.
        If none matches, no request is sent. With ``max_leads`` or ``dry_run`` all leads are counted first.

        :param action: the action, the leads and the options.
        :param checkpoints: keeps the progress, so that a retry resumes; None to keep none.
        :return: the result.
        :raises TooManyLeads: if more leads match than ``max_leads``.
        :raises NoLeadsMatched: if none matches and ``on_no_match`` is not ``"warn"``.
        :raises ActionRejected: if RingCX responds with ``success: false``, unless ``on_rejected`` is
            ``"ignore"``.
        :raises VerificationFailed: if ``verify`` finds leads that are not in the expected state.
        :raises Cancelled: if the task was cancelled.
        :raises OutcomeUnknown: if an action that is not retry-safe may have been applied, wholly or in part.
        """
        result = empty_result(action.name, self.leads.account_id, dry_run=action.dry_run)
        if action.selection.empty_reason:
            return result
        chunks = action.chunks()
        log.info("%s, %s", describe_start(action), self._where())
        if action.dry_run or action.max_leads is not None:
            matched = self._count_all(action, chunks)
            if action.dry_run:
                log.info("Dry run: %s, nothing was changed", matching(matched))
                result["leads_matched"] = matched
                self._check_match(action, result, chunks)
                return _with_target(result, action.params)
        runner = BulkRunner(
            action,
            chunks,
            self.leads,
            ActionSender(self.request_steps, self.leads.account_id, action.spec, result),
            result,
            partial(self._new_list, action) if is_new_list(action.params) else None,
            checkpoints or NullCheckpointStore(),
            self.cancel_token,
            self.host,
        )
        self.result = result
        params = runner.run()
        self._check_match(action, result, chunks)
        return _with_target(result, params)

    def _check_match(self, action: BulkAction, result: ActionResult, chunks: Chunks) -> None:
        """Log and raise as ``on_no_match`` says if no lead matched.

        :raises NoLeadsMatched: unless ``on_no_match`` is ``"warn"``.
        """
        if result["leads_matched"] or not action.spec.needs_leads:
            return
        what = f"the {len(chunks.ids):,} {chunks.key}" if chunks.key else "the criteria"
        causes = NoMatchExplainer(self.leads, self.campaigns).explain(chunks)
        if action.on_no_match == "warn" and not (chunks.key or causes):
            # Filters that match no lead now are usual; the summary says it.
            return
        message = f"No lead matches {what}" + (f". {causes}" if causes else "")
        if action.on_no_match != "warn":
            raise NoLeadsMatched(message)
        log.warning("%s", message)

    def _where(self) -> str:
        """Describe the sub-account and the host for the log."""
        place = f"account {self.leads.account_id} at {urlsplit(self.host).netloc or self.host}"
        return f"{place} via {self.connection_id}" if self.connection_id else place

    def _count_all(self, action: BulkAction, chunks: Chunks) -> int:
        """Return the number of leads that match; raise if it exceeds ``max_leads``."""
        matched = 0
        progress = ProgressLogger(f"Counting for {action.name}", len(chunks.ids), len(chunks))

        def count(number: int) -> Steps[None]:
            nonlocal matched
            leads = yield from self.leads.count_steps(chunks[number])
            matched += leads
            progress.add(chunks.size_in(number))

        Pipeline(self.cancel_token, 1, DEFAULT_IN_FLIGHT).run(map(count, range(len(chunks))))
        if action.max_leads is not None and matched > action.max_leads:
            raise TooManyLeads(
                f"{action.name} would act on {counted(matched, 'lead')}, more than "
                f"max_leads={action.max_leads}; nothing was changed"
            )
        return matched

    def _new_list(self, action: BulkAction, previous_list_ids: list[int] | None) -> NewListTracker:
        target = action.target
        if target is None:
            target = self.campaigns.find(action.params["CAMPAIGN_ID"], account_id=self.leads.account_id)
        if previous_list_ids is None:
            return NewListTracker.before_move(self.campaigns, target)
        return NewListTracker(self.campaigns, target, frozenset(previous_list_ids))


def _with_target(result: ActionResult, params: Mapping[str, Any]) -> ActionResult:
    """Add the target of a move to its result."""
    if "LIST_ID" in params:
        result["campaign_id"] = params["CAMPAIGN_ID"]
        result["list_id"] = None if is_new_list(params) else int(params["LIST_ID"])
        result["list_name"] = params.get("LIST_NAME")
    return result
