"""State of a running load: which chunks are complete, which may be in flight, and the counts so far."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.checkpoint import CheckpointStore
from airflow_provider_engagevoice.ringcx.leads.coercion import to_datetime
from airflow_provider_engagevoice.ringcx.loading.lead_load import LeadLoad
from airflow_provider_engagevoice.ringcx.loading.ledger import RowLedger
from airflow_provider_engagevoice.ringcx.loading.row_spool import RowSpool
from airflow_provider_engagevoice.ringcx.loading.rows import LeadRow, Outcome

log = logging.getLogger(__name__)

#: Increase it if the fields of the checkpoint change. A load then looks up all rows, as without a checkpoint.
_VERSION = 1


@dataclass
class LoadState:
    """State of one attempt of a load. The checkpoint is saved before each request and after its outcome.

    The checkpoint saves look-ups; what it does not show is looked up in RingCX by external id. So it is not
    used if the rows have changed since the earlier attempt. With a report, which has a line for each row, it
    keeps only the chunks whose rows are all loaded.

    :param load: the load.
    :param spool: its rows.
    :param store: keeps the checkpoint.
    """

    load: LeadLoad
    spool: RowSpool
    store: CheckpointStore
    requests: int = field(default=0, init=False)
    failed_agents: int = field(default=0, init=False)
    #: Time of the first request of the load, by the clock of this host; None if it is not known.
    since: datetime | None = field(default=None, init=False)
    #: Chunks whose request may be in flight or lost; each is looked up before it is sent.
    in_doubt: set[int] = field(default_factory=set, init=False)
    is_finished: bool = field(default=False, init=False)
    _complete: set[int] = field(default_factory=set, init=False)
    #: Chunks that are not complete and that this or an earlier attempt has worked on.
    _begun: set[int] = field(default_factory=set, init=False)
    #: Those of them that this attempt has looked at.
    _known: set[int] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.ledger = RowLedger(self.spool)
        saved = self.store.load(self.load, self._fingerprint)
        is_ours = saved is not None and saved.get("fingerprint") == self._fingerprint
        checkpoint = saved if is_ours and saved is not None else {}
        #: An earlier attempt may have sent requests that no checkpoint shows.
        self.is_lost = not checkpoint and self.store.is_retry and not self.store.absence_means_not_started
        #: An earlier attempt may have sent requests, so all rows that it may have sent are looked up.
        self.is_resumed = bool(checkpoint) or self.is_lost
        self._resume(checkpoint)
        if self.since is None:
            self.since = self.load.not_before if self.is_resumed else datetime.now(timezone.utc)

    @property
    def chunk_count(self) -> int:
        """Number of chunks."""
        return -(-self.spool.rows // self.load.options.chunk_size)

    def chunks_to_do(self) -> Iterator[int]:
        """Yield the chunks that are not complete."""
        return (number for number in range(self.chunk_count) if number not in self._complete)

    def read_chunk(self, number: int) -> list[LeadRow]:
        """Return the rows of a chunk that have no outcome yet.

        :param number: the chunk.
        """
        return self.spool.read_chunk(number, self.load.options.chunk_size)

    def is_in_doubt(self, number: int) -> bool:
        """Return whether a request of a chunk may have been sent without a known outcome.

        :param number: the chunk.
        """
        return self.is_lost or number in self.in_doubt

    def set_in_flight(self, number: int) -> None:
        """Save that a request of a chunk is about to be sent."""
        self.requests += 1
        self.in_doubt = self.in_doubt | {number}
        self.save()

    def set_not_applied(self, number: int, *, was_in_doubt: bool) -> None:
        """Save that the request of a chunk has certainly not been applied.

        :param number: the chunk.
        :param was_in_doubt: an earlier request of the chunk may have been applied.
        """
        self.requests -= 1
        if not was_in_doubt:
            self.in_doubt.discard(number)
        self.save()

    def complete(self, number: int) -> None:
        """Save that all rows of a chunk have an outcome.

        A chunk with rows that RingCX rejected, or whose outcome is unknown, is not complete: a later attempt
        looks them up and sends them again, in case their cause has been corrected.

        :param number: the chunk.
        """
        self._known.add(number)
        if not self.ledger.has_any(number, Outcome.UNKNOWN):
            self.in_doubt.discard(number)
        if self.ledger.has_any(number, *self._looked_up_again):
            self._begun.add(number)
        else:
            self._complete.add(number)
            self._begun.discard(number)
            self.ledger.complete(number)
        self.save()

    @property
    def _looked_up_again(self) -> set[Outcome]:
        """Outcomes of rows that a later attempt looks up again."""
        if self.load.input.report is not None:
            return {*Outcome} - {Outcome.LOADED}
        return {Outcome.REJECTED, Outcome.UNKNOWN}

    def record_in_doubt(self) -> None:
        """Record rows as unknown that may be loaded, because the load ends before it is known."""
        earlier = set(self.chunks_to_do()) if self.is_lost else self._begun
        for number in sorted(self.in_doubt | (earlier - self._known)):
            rows = self.read_chunk(number)
            code, message = (
                ("no_response", "The request for the row had no response")
                if number in self.in_doubt
                else ("earlier_attempt", "An earlier attempt may have loaded the row")
            )
            self.ledger.record(number, rows, Outcome.UNKNOWN, code, message)

    def finish(self) -> None:
        """Save that nothing is left to do."""
        self.is_finished = True
        self.in_doubt = set()
        if self.load.input.report is None:
            self._complete = set(range(self.chunk_count))
            self.ledger.complete_all()
        self.save()

    def save(self) -> None:
        """Save the checkpoint."""
        first = next(self.chunks_to_do(), self.chunk_count)
        self.store.save(
            {
                "fingerprint": self._fingerprint,
                "action": self.load.name,
                "version": _VERSION,
                "source": self._source,
                "next": first,
                "complete": sorted(number for number in self._complete if number > first),
                "begun": sorted(self._begun),
                "in_doubt": sorted(self.in_doubt),
                "counts": [[outcome.value, code, n] for (outcome, code), n in self.ledger.counts.items()],
                "requests": self.requests,
                "since": self.since.isoformat() if self.since is not None else None,
                "finished": self.is_finished,
            }
        )

    @property
    def _fingerprint(self) -> str:
        return f"load {self.load.token}"

    @property
    def _source(self) -> str:
        has_report = self.load.input.report is not None
        return f"{self.spool.fingerprint} {self.load.options.chunk_size} {has_report}"

    def _resume(self, saved: Mapping[str, Any]) -> None:
        """Take over what the checkpoint of an earlier attempt shows."""
        if not saved:
            return
        self.requests = saved["requests"]
        self.since = to_datetime(saved["since"]) if saved["since"] else None
        if saved["version"] != _VERSION or saved["source"] != self._source:
            log.warning(
                "The rows or the options have changed since the last attempt; each row is looked up before "
                "it is sent"
            )
            self.is_lost = True
            return
        self.in_doubt, self._begun = set(saved["in_doubt"]), set(saved["begun"])
        self._complete = {*range(saved["next"]), *saved["complete"]}
        self.ledger.counts = Counter({(Outcome(outcome), code): n for outcome, code, n in saved["counts"]})
        self.is_finished = saved["finished"] and self.load.input.report is None
        if self.load.input.report is not None:
            for number in self._complete:
                self.spool.set_outcome(self.read_chunk(number), Outcome.LOADED)
        log.info(
            "%s: resuming; a previous attempt completed %d of %d chunks%s",
            self.load.name,
            len(self._complete),
            self.chunk_count,
            ", nothing is left to do" if self.is_finished else "",
        )
