"""Counts of what became of the rows of a load or an update."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_engagevoice.ringcx.loading.lookup import FoundLead
from airflow_provider_engagevoice.ringcx.loading.options import rejected_limit
from airflow_provider_engagevoice.ringcx.loading.row_spool import RowSpool
from airflow_provider_engagevoice.ringcx.loading.rows import LeadRow, Outcome
from airflow_provider_engagevoice.ringcx.transport.sanitize import sanitize

Counts = Counter[tuple[Outcome, str]]
"""Numbers of rows by outcome and code."""


@dataclass
class RowLedger:
    """Outcome of each row that has one, and their counts.

    :param spool: the rows; those that are rejected already are counted.
    """

    spool: RowSpool
    #: Rows of complete chunks, without those that were rejected before any request.
    counts: Counts = field(default_factory=Counter, init=False)
    #: Rows that are not loaded, by outcome and reason.
    reasons: Counter[tuple[Outcome, str]] = field(default_factory=Counter, init=False)
    #: Number of rows that several leads of this load have, by chunk.
    loaded_twice: Counter[int] = field(default_factory=Counter, init=False)
    #: Rows of chunks that are not complete: a later attempt counts them again.
    _open: defaultdict[int, Counts] = field(default_factory=lambda: defaultdict(Counter), init=False)

    def __post_init__(self) -> None:
        self._checked: Counts = Counter()
        for (outcome, code, message), count in self.spool.count_outcomes().items():
            self._checked[outcome, code] += count
            self.reasons[outcome, message] += count

    def record(
        self,
        number: int,
        rows: Sequence[LeadRow],
        outcome: Outcome,
        code: str = "",
        message: str = "",
        leads: Sequence[list[FoundLead]] | None = None,
    ) -> None:
        """Record the outcome of rows.

        :param number: their chunk.
        :param rows: the rows.
        :param outcome: what became of them.
        :param code: short name of the reason.
        :param message: the reason, for the report. RingCX's may contain a lead's data.
        :param leads: the leads of each row, if they are known.
        """
        if not rows:
            return
        ids = None if leads is None else [each[0].lead_id for each in leads]
        self.spool.set_outcome(rows, outcome, code, message, ids)
        self._open[number][outcome, code] += len(rows)
        if message:
            self.reasons[outcome, sanitize(message)] += len(rows)
        if leads is not None and outcome is Outcome.LOADED:
            self.loaded_twice[number] += sum(len(each) > 1 for each in leads)

    def complete(self, number: int) -> None:
        """Count the rows of a chunk as complete."""
        self.counts.update(self._open.pop(number, Counter()))

    def has_any(self, number: int, *outcomes: Outcome) -> bool:
        """Return whether any row of a chunk that is not complete has one of some outcomes.

        :param number: the chunk.
        :param outcomes: the outcomes.
        """
        return not {outcome for outcome, _ in self._open[number]}.isdisjoint(outcomes)

    def complete_all(self) -> None:
        """Count the rows of all chunks as complete."""
        for number in list(self._open):
            self.complete(number)

    def by_code(self) -> Mapping[tuple[Outcome, str], int]:
        """Return the number of rows by outcome and code."""
        total = self.counts + self._checked
        for counts in self._open.values():
            total.update(counts)
        return total

    def total(self, *outcomes: Outcome) -> int:
        """Return the number of rows with one of some outcomes.

        :param outcomes: the outcomes.
        """
        return sum(count for (outcome, _), count in self.by_code().items() if outcome in outcomes)

    @property
    def supplied(self) -> int:
        """Number of rows that passed all checks before the first request."""
        return self.spool.rows - sum(self._checked.values())

    def exceeds_rejected(self, on_rejected: str, max_rejected: int | str | None) -> bool:
        """Return whether more rows are rejected than the options accept.

        :param on_rejected: what to do about rejected rows.
        :param max_rejected: most rejected rows; None for none, or any if ``on_rejected`` is ``"ignore"``.
        """
        most = rejected_limit(max_rejected, self.spool.rows)
        if most is None:
            most = self.spool.rows if on_rejected == "ignore" else 0
        return self.total(Outcome.REJECTED) > most
