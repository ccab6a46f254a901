"""Loads rows into a campaign: every row once, or named in the result."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from airflow_provider_engagevoice.ringcx import clock
from airflow_provider_engagevoice.ringcx.bulk.checkpoint import CheckpointStore, NullCheckpointStore
from airflow_provider_engagevoice.ringcx.bulk.pipeline import Pipeline
from airflow_provider_engagevoice.ringcx.bulk.progress import ProgressLogger
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.endpoints import RequestStepsFn
from airflow_provider_engagevoice.ringcx.exceptions import (
    EngageVoiceError,
    LeadsExist,
    OutcomeUnknown,
    TooManyLeads,
    counted,
    without_context,
)
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.loading.chunk_loader import ChunkLoader, rejected_error
from airflow_provider_engagevoice.ringcx.loading.lead_load import LeadLoad, LoadResult
from airflow_provider_engagevoice.ringcx.loading.load_lists import LoadLists
from airflow_provider_engagevoice.ringcx.loading.load_reconciler import LoadReconciler
from airflow_provider_engagevoice.ringcx.loading.load_request import LoadSender
from airflow_provider_engagevoice.ringcx.loading.load_state import LoadState
from airflow_provider_engagevoice.ringcx.loading.load_summary import load_result, log_summary
from airflow_provider_engagevoice.ringcx.loading.load_verification import LoadVerifier
from airflow_provider_engagevoice.ringcx.loading.lookup import LeadLookup
from airflow_provider_engagevoice.ringcx.loading.row_reader import LoadCheck
from airflow_provider_engagevoice.ringcx.loading.row_run import RowRun
from airflow_provider_engagevoice.ringcx.loading.rows import LeadRow, Outcome
from airflow_provider_engagevoice.ringcx.loading.updates import LeadUpdates
from airflow_provider_engagevoice.ringcx.steps import Steps, run

log = logging.getLogger(__name__)

#: Rows from which a load with dialPriority IMMEDIATE is warned of: it displaces all other leads. Assumed.
_MANY_IMMEDIATE = 1_000


@dataclass
class LeadLoader:
    """Loads rows into a campaign of one sub-account.

    :param request_steps: sends a request: method, path and keyword arguments.
    :param leads: searches and counts leads.
    :param cancel_token: cancels the load between two requests.
    :param host: base URL of RingCX, for the log.
    """

    request_steps: RequestStepsFn
    leads: LeadSearch
    cancel_token: CancelToken = field(default_factory=CancelToken)
    host: str = ""
    #: Result of the load that runs or ran last, also if an exception ended it; None before the first one.
    result: LoadResult | None = field(default=None, init=False)

    @without_context
    def execute(self, load: LeadLoad, checkpoints: CheckpointStore | None = None) -> LoadResult:
        """Load all rows that the campaign does not have from an earlier attempt of the same load.

        :param load: the rows and the options.
        :param checkpoints: keeps the progress, which saves look-ups in a later attempt; None to keep none.
        :return: the result.
        :raises SourceRejected: if the rows are not what they must be. Nothing was sent.
        :raises LeadsExist: if the campaign has any of the rows and ``existing`` is ``"fail"``.
        :raises TooManyLeads: if there are more rows than ``max_leads`` or ``max_updates``.
        :raises RowsRejected: if RingCX rejects more rows than the options accept.
        :raises OutcomeUnknown: if RingCX does not show whether rows were loaded.
        :raises VerificationFailed: if RingCX does not show all leads that it reported as inserted.
        :raises LoadedTwice: if RingCX processed a request late, after the rows were sent a second time.
        :raises Cancelled: if the task was cancelled.
        """
        self.result = None
        place = urlsplit(self.host).netloc or self.host
        log.info(
            "Loading into %r (%s), list %r, account %s at %s",
            load.campaign["campaign_name"],
            load.campaign["campaign_id"],
            load.list_name,
            load.campaign["account_id"],
            place,
        )
        if not load.campaign["is_active"]:
            log.warning("The campaign is not active: its leads are not dialled until it is")
        with RowRun(load.input, load.token).rows(LoadCheck(load.options.request_options)) as spool:
            state = LoadState(load, spool, checkpoints or NullCheckpointStore())
            try:
                self._run(load, state)
            except BaseException as error:
                state.record_in_doubt()
                if isinstance(error, EngageVoiceError):
                    error.result = dict(self._result(load, state))
                raise
            finally:
                self.result = self._result(load, state)
                self._log_end(load, state, self.result)
            return self.result

    def _run(self, load: LeadLoad, state: LoadState) -> None:
        self._check_limits(load, state)
        lists = LoadLists(self.request_steps, load.campaign, load.list_name, load.token)
        run(lists.refresh(), self.cancel_token.sleep)
        state.is_resumed = state.is_resumed or bool(lists.by_part)
        lookup = LeadLookup(self.leads, load.campaign["campaign_id"])
        reconciler = LoadReconciler(lists, lookup, state.since)
        sender = LoadSender(
            self.request_steps,
            load.campaign["account_id"],
            load.campaign["campaign_id"],
            load.options.request_options,
        )
        is_searched_first = load.options.existing in ("fail", "update") or load.dry_run
        looks_up = not is_searched_first and (load.options.existing == "skip" or state.is_resumed)
        loader = ChunkLoader(state, sender, reconciler, clock.monotonic(), looks_up)
        if state.is_finished:
            return
        if is_searched_first:
            self._handle_existing(load, state, loader)
        if load.dry_run:
            return
        self._send(load, state, loader)
        self._check(load, state, LoadVerifier(state, reconciler, self.cancel_token))
        state.finish()

    def _check_limits(self, load: LeadLoad, state: LoadState) -> None:
        count, most = state.ledger.supplied, load.options.max_leads
        if most is not None and count > most:
            raise TooManyLeads(
                f"Raise max_leads above {most:,} to load {counted(count, 'row')}. Nothing was sent in this "
                "attempt"
            )
        if load.options.request_options["dialPriority"] == "IMMEDIATE" and count > _MANY_IMMEDIATE:
            log.warning(
                "dialPriority IMMEDIATE puts %s before all others of the campaign", counted(count, "lead")
            )

    def _handle_existing(self, load: LeadLoad, state: LoadState, loader: ChunkLoader) -> None:
        """Look up all rows before the first request, and do what ``existing`` says.

        :raises LeadsExist: if the campaign has any of them, and ``existing`` is ``"fail"``.
        """
        updates = LeadUpdates(
            self.request_steps, load.campaign["account_id"], load.campaign["campaign_id"], state.ledger
        )
        conflicts: list[LeadRow] = []
        existing_count = 0

        def look_up(number: int) -> Steps[None]:
            rows = state.read_chunk(number)
            if not rows:
                return
            nonlocal existing_count
            found, existing = yield from loader.find_existing(number, rows)
            existing_count += len(existing)
            if load.options.existing == "fail":
                conflicts.extend(existing)
            elif load.options.existing == "update":
                updates.plan(number, existing, found)
            elif load.options.existing == "skip":
                loader.skip_existing(number, existing, found)

        Pipeline(self.cancel_token, 1, load.in_flight).run(map(look_up, state.chunks_to_do()))
        if conflicts:
            numbers = ", ".join(map(str, sorted(row.number for row in conflicts)[:5]))
            more = ", ..." if len(conflicts) > 5 else ""
            raise LeadsExist(
                f'Set existing to "skip", "update" or "load": the campaign has the external ids of '
                f"{counted(len(conflicts), 'row')} ({load.input.rows.unit} {numbers}{more}). "
                "Nothing was sent in this attempt"
            )
        count = state.spool.count_updates()
        if load.dry_run:
            log.info(
                "The campaign has %s of them already%s",
                counted(existing_count, "row"),
                f"; {counted(count, 'lead')} would be updated" if load.options.existing == "update" else "",
            )
        updates.check_limit(load.options.max_updates)
        if not load.dry_run:
            progress = ProgressLogger("Updating", count, 1, noun="lead")
            work = updates.work(load.options.chunk_size, progress)
            Pipeline(self.cancel_token, load.in_flight, 2 * load.in_flight).run(work)

    def _send(self, load: LeadLoad, state: LoadState, loader: ChunkLoader) -> None:
        done = state.ledger.total(Outcome.LOADED)
        progress = ProgressLogger("Loading", state.ledger.supplied, state.chunk_count, done, "row")
        work = (loader.load(number, progress) for number in state.chunks_to_do())
        Pipeline(self.cancel_token, load.in_flight, 2 * load.in_flight).run(work)

    def _check(self, load: LeadLoad, state: LoadState, verifier: LoadVerifier) -> None:
        """Raise if the load is not as it must be although all requests have a response."""
        ledger, options = state.ledger, load.options
        if state.requests or state.is_resumed:
            run(verifier.reconciler.lists.refresh(), self.cancel_token.sleep)
            verifier.check_loaded_twice()
            if not verifier.reconciler.lists.by_part and ledger.total(Outcome.LOADED):
                log.warning(
                    "RingCX shows no list of this load, so the names of lists do not show what is loaded. A "
                    "retry without the checkpoint recognizes leads by external id and time only"
                )
        unknown = ledger.total(Outcome.UNKNOWN)
        if unknown:
            raise OutcomeUnknown(
                f"Check the list {load.list_name!r} in RingCX, then clear the task: it is not known whether "
                f"{counted(unknown, 'row')} of {ledger.spool.rows:,} are loaded. The next attempt looks "
                "again before it sends them"
            )
        if ledger.exceeds_rejected(options.on_rejected, options.max_rejected):
            raise rejected_error(ledger)
        if load.verify:
            verifier.run()

    def _log_end(self, load: LeadLoad, state: LoadState, result: LoadResult) -> None:
        if state.failed_agents:
            log.warning(
                "%s could not be reserved: reserveAgent is not an agent of the account",
                counted(state.failed_agents, "lead"),
            )
        title = "Dry run of a load, nothing was sent" if load.dry_run else "Load"
        log_summary(result, state.ledger, f"{title} into {load.campaign['campaign_name']!r}:")

    def _result(self, load: LeadLoad, state: LoadState) -> LoadResult:
        return load_result(
            load.campaign,
            state.ledger,
            state.requests + state.ledger.total(Outcome.UPDATED),
            load.input.report,
            load.list_name,
            dry_run=load.dry_run,
        )
