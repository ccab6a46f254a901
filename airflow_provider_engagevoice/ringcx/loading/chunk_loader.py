"""One chunk of a load: look up its rows, send them, and reconcile what the response leaves open."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from airflow_provider_engagevoice.ringcx.bulk.progress import ProgressLogger
from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidRequest,
    OutcomeUnknown,
    RowsRejected,
    counted,
)
from airflow_provider_engagevoice.ringcx.loading.ledger import RowLedger
from airflow_provider_engagevoice.ringcx.loading.load_reconciler import LoadReconciler, RecordLoaded
from airflow_provider_engagevoice.ringcx.loading.load_request import LoadReply, LoadSender
from airflow_provider_engagevoice.ringcx.loading.load_state import LoadState
from airflow_provider_engagevoice.ringcx.loading.lookup import FoundLead, select_leads
from airflow_provider_engagevoice.ringcx.loading.reply_reader import record_left_out, record_rejected
from airflow_provider_engagevoice.ringcx.loading.rows import LeadRow, Outcome
from airflow_provider_engagevoice.ringcx.spec.lead_fields import PHONE_FIELDS
from airflow_provider_engagevoice.ringcx.steps import Enter, Steps

log = logging.getLogger(__name__)

#: Failures of a load that have nothing to do with its rows, so that halving it would not help.
_ACCOUNT_FAILURES = ("DNC_ACCOUNT_SETTINGS", "DNC_UPLOAD_FAILED", "DNC_GREATER_ONE_DAY")
#: A chunk is halved until both halves have failed this many times in a row: the fault is not a single row.
_MAX_FAILED_HALVINGS = 2
#: Reasons in the error for rejected rows.
_REASONS_SHOWN = 5
#: Most requests for the same rows whose response is lost.
_MAX_SENDS = 5


@dataclass(frozen=True)
class _Refusal:
    """Rows that RingCX refused as a whole.

    :param rows: the rows that are not loaded.
    :param code: RingCX's status.
    :param message: RingCX's message.
    """

    rows: Sequence[LeadRow]
    code: str
    message: str


@dataclass(frozen=True)
class ChunkLoader:
    """Loads chunks, each as steps of a pipeline.

    :param state: state of the load.
    :param sender: sends one request.
    :param reconciler: finds out what RingCX has loaded.
    :param started: when this attempt started, by the monotonic clock.
    :param looks_up: rows whose external id the campaign has are found before they are sent.
    """

    state: LoadState
    sender: LoadSender
    reconciler: LoadReconciler
    started: float
    looks_up: bool

    def load(self, number: int, progress: ProgressLogger) -> Steps[None]:
        """Load one chunk.

        :param number: the chunk.
        :param progress: logs the progress.
        :raises OutcomeUnknown: if RingCX does not show whether rows were loaded.
        :raises RowsRejected: if RingCX rejected rows and ``on_rejected`` is ``"fail"``.
        """
        options, ledger = self.state.load.options, self.state.ledger
        rows = self.state.read_chunk(number)
        size = len(rows)
        rows = yield from self._without_known(number, rows)
        if rows:
            yield Enter()
            refusal = yield from self._send(number, rows)
            if refusal is not None:
                yield from self._halve(number, refusal, 0)
        self.state.complete(number)
        progress.add(size)
        if options.on_rejected == "fail" and ledger.exceeds_rejected("fail", options.max_rejected):
            raise rejected_error(ledger)

    def _without_known(self, number: int, rows: list[LeadRow]) -> Steps[list[LeadRow]]:
        """Record the rows that the campaign has already; return the others."""
        state, reconciler = self.state, self.reconciler
        if not rows:
            return rows
        is_skipping = state.load.options.existing == "skip"
        if state.is_in_doubt(number) or reconciler.lists.has_chunk(number):
            rows = yield from reconciler.reconcile_earlier(
                rows, self._recorder(number), self.started, if_unknown=self._is_ours_if_unknown
            )
            if rows and (yield from reconciler.has_hidden_leads(number)):
                raise _not_shown(len(rows), state.load.list_name)
            return (yield from self._look_up_existing(number, rows)) if rows and is_skipping else rows
        return (yield from self._look_up_existing(number, rows)) if self.looks_up else rows

    def _look_up_existing(self, number: int, rows: list[LeadRow]) -> Steps[list[LeadRow]]:
        """Look up which rows the campaign has; record those that are not to be sent; return the others."""
        found, existing = yield from self.find_existing(number, rows)
        if self.state.load.options.existing == "skip":
            self.skip_existing(number, existing, found)
        return self.state.read_chunk(number)

    def find_existing(
        self, number: int, rows: Sequence[LeadRow]
    ) -> Steps[tuple[dict[str, list[FoundLead]], list[LeadRow]]]:
        """Look up which rows the campaign has, and record those that this load has loaded.

        :param number: the chunk.
        :param rows: the rows.
        :return: the leads by external id, and the rows whose leads do not come from this load.
        """
        found = yield from self.reconciler.lookup.find(row.key for row in rows)
        is_ours = self._is_loaded_here if self.state.is_resumed else self._is_in_lists
        ours = select_leads(found, is_ours)
        loaded = [row for row in rows if row.key in ours]
        if loaded:
            self._recorder(number)(loaded, [ours[row.key] for row in loaded])
        return found, [row for row in rows if row.key in found and row.key not in ours]

    def skip_existing(
        self, number: int, rows: Sequence[LeadRow], found: Mapping[str, list[FoundLead]]
    ) -> None:
        """Record rows that are not sent because the campaign has them.

        :param number: the chunk.
        :param rows: the rows.
        :param found: the leads by external id.
        """
        self.state.ledger.record(
            number,
            rows,
            Outcome.SKIPPED_EXISTING,
            "existing",
            "The campaign has a lead with this external id",
            [found[row.key] for row in rows],
        )

    @property
    def _is_ours_if_unknown(self) -> bool:
        """Whether a lead counts as loaded by this load if nothing shows who has loaded it.

        Only if the row would be sent otherwise, so that it is not loaded twice.
        """
        return self.state.load.options.existing == "load"

    def _is_loaded_here(self, lead: FoundLead) -> bool:
        return self.reconciler.is_loaded_here(lead, if_unknown=self._is_ours_if_unknown)

    def _is_in_lists(self, lead: FoundLead) -> bool:
        return lead.list_id in self.reconciler.lists.list_ids

    def _send(self, number: int, rows: Sequence[LeadRow]) -> Steps[_Refusal | None]:
        """Send rows and record their outcome; return those that RingCX refused as a whole."""
        for _ in range(_MAX_SENDS):
            rows = self._without_duplicates(number, rows)
            if not rows:
                return None
            part = self.reconciler.lists.next_part(number)
            name = self.reconciler.lists.name_of(part)
            observer = _InFlightObserver(self.state, number, self.state.is_in_doubt(number))
            try:
                reply = yield from self.sender.send(rows, name, observer)
            except OutcomeUnknown as error:
                rows = yield from self._reconcile(number, part, rows, error)
                unknown = error
                continue
            except InvalidRequest as error:
                refusal = _Refusal(rows, f"http_{error.status}", str(error))
                return (yield from self._look_up_refused(number, part, refusal))
            self.state.failed_agents += reply.failed_agents
            if reply.failure and len(reply.rejected) < len(rows):
                refusal = _Refusal(rows, reply.failure, reply.message)
                return (yield from self._look_up_refused(number, part, refusal))
            yield from self._record_reply(number, rows, reply)
            return None
        raise unknown

    def _without_duplicates(self, number: int, rows: Sequence[LeadRow]) -> Sequence[LeadRow]:
        """Record rows whose phone number a loaded row of their chunk has, if RingCX is to remove them.

        RingCX compares the leads of one request only (guide). It would load the duplicates if they were sent
        without the row that it has kept.
        """
        options = self.state.load.options
        if options.request_options["duplicateHandling"] != "REMOVE_FROM_LIST":
            return rows
        taken = self.state.spool.read_phones(number, options.chunk_size)
        duplicates = [row for row in rows if row.lead.get(PHONE_FIELDS[0]) in taken]
        message = "RingCX has kept another row of the same request with this phone number"
        self.state.ledger.record(number, duplicates, Outcome.DUPLICATE, "deletedCount", message)
        return [row for row in rows if row not in duplicates]

    def _reconcile(
        self, number: int, part: str, rows: Sequence[LeadRow], error: OutcomeUnknown
    ) -> Steps[list[LeadRow]]:
        """Find out which rows of a request are loaded; return those that are to be sent.

        :raises OutcomeUnknown: if RingCX shows nothing of the request.
        """
        log.warning("%s. Looking up what RingCX has loaded of chunk %d", str(error).rstrip("."), number + 1)
        rest = yield from self.reconciler.reconcile(rows, self._recorder(number))
        # A request of which RingCX shows some leads was processed; sending the rest shows why it is missing.
        if rest and (len(rest) == len(rows) or (yield from self.reconciler.has_hidden_leads(number))):
            raise _not_shown(len(rest), self.reconciler.lists.name_of(part), error)
        log.info("Chunk %d: RingCX has loaded %d of %d rows", number + 1, len(rows) - len(rest), len(rows))
        return rest

    def _look_up_refused(self, number: int, part: str, refusal: _Refusal) -> Steps[_Refusal | None]:
        """Look up whether RingCX has loaded rows of a request although it says that it failed."""
        reconciler, record = self.reconciler, self._recorder(number)
        rest = yield from reconciler.look_up(refusal.rows, record)
        # A list of another name may be the one of this request if RingCX ignores the names.
        if rest and (part in reconciler.lists.by_part or reconciler.lists.has_other_new):
            rest = yield from reconciler.reconcile(rest, record)
            if rest and (yield from reconciler.has_hidden_leads(number)):
                raise _not_shown(len(rest), reconciler.lists.name_of(part))
        return replace(refusal, rows=rest) if rest else None

    def _halve(self, number: int, refusal: _Refusal, failed: int) -> Steps[None]:
        """Send the halves of refused rows, until the rows that RingCX refuses stand alone."""
        rows = refusal.rows
        if len(rows) == 1 or failed == _MAX_FAILED_HALVINGS or refusal.code in _ACCOUNT_FAILURES:
            self.state.ledger.record(number, rows, Outcome.REJECTED, refusal.code, refusal.message)
            return
        middle = (len(rows) + 1) // 2
        refusals = []
        for half in (rows[:middle], rows[middle:]):
            refused = yield from self._send(number, half)
            if refused is not None:
                refusals.append(refused)
        for refused in refusals:
            yield from self._halve(number, refused, failed + 1 if len(refusals) == 2 else 0)

    def _record_reply(self, number: int, rows: Sequence[LeadRow], reply: LoadReply) -> Steps[None]:
        """Record the outcome of all rows of a request that was processed."""
        if reply.inserted == len(rows) and not reply.failure:
            self.state.ledger.record(number, rows, Outcome.LOADED)
            return
        record = partial(self.state.ledger.record, number)
        rest = record_rejected(reply, rows, record)
        if not rest:
            return
        named = len(rows) - len(rest)
        if reply.inserted is not None and reply.inserted == len(rest) and not reply.failure:
            self.state.ledger.record(number, rest, Outcome.LOADED)
            return
        before = len(rest)
        if reply.inserted != 0 or sum(reply.left_out.values()) != len(rest):
            rest = yield from self._find_inserted(number, rest, reply.inserted)
        found = before - len(rest)
        missing = None if reply.inserted is None else reply.inserted - found
        log.debug("Chunk %d: %d rejected by name, %d found", number + 1, named, found)
        record_left_out(reply, rest, missing, record)

    def _find_inserted(
        self, number: int, rows: Sequence[LeadRow], inserted: int | None
    ) -> Steps[list[LeadRow]]:
        """Find the rows that were inserted; look again while RingCX shows fewer than it has inserted."""
        record = self._recorder(number)
        rest = yield from self.reconciler.look_up(rows, record)
        if inserted is None or len(rows) - len(rest) < inserted:
            rest = yield from self.reconciler.reconcile(rest, record)
        return rest

    def _recorder(self, number: int) -> RecordLoaded:
        def record_loaded(rows: Sequence[LeadRow], leads: Sequence[list[FoundLead]]) -> None:
            self.state.ledger.record(number, rows, Outcome.LOADED, leads=leads)

        return record_loaded


@dataclass(frozen=True)
class _InFlightObserver:
    """Saves for each attempt of a request that its chunk is in flight.

    :param state: state of the load.
    :param number: the chunk.
    :param was_in_doubt: an earlier request of the chunk may have been applied.
    """

    state: LoadState
    number: int
    was_in_doubt: bool

    def on_attempt(self) -> None:
        # Not earlier: a request that still waits for its slot has certainly not been applied.
        self.state.set_in_flight(self.number)

    def on_not_applied(self) -> None:
        self.state.set_not_applied(self.number, was_in_doubt=self.was_in_doubt)


def _not_shown(rows: int, list_name: str, cause: OutcomeUnknown | None = None) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"Check the list {list_name!r} in RingCX, then clear the task: a request for {counted(rows, 'row')} "
        "had no response, and RingCX shows none of them yet. The next attempt looks again before it sends "
        "them",
        status=None if cause is None else cause.status,
        request=None if cause is None else cause.request,
    )


def rejected_error(ledger: RowLedger) -> RowsRejected:
    """Return the error for rejected rows.

    :param ledger: the outcomes of all rows.
    """
    rejected, done = ledger.total(Outcome.REJECTED), ledger.total(Outcome.LOADED, Outcome.UPDATED)
    most = [
        f"\n{reason}: {count:,}"
        for (outcome, reason), count in ledger.reasons.most_common()
        if outcome is Outcome.REJECTED
    ]
    return RowsRejected(
        f"Correct {counted(rejected, 'row')} that RingCX rejected. {counted(done, 'row')} of "
        f"{ledger.spool.rows:,} are done; running the task again sends only what is missing"
        f"{''.join(most[:_REASONS_SHOWN])}",
        status=200,
    )
