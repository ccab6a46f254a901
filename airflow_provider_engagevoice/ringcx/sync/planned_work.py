"""The actions of a plan, joined with the source as it is now."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from airflow_provider_engagevoice.ringcx.exceptions import SourceChanged
from airflow_provider_engagevoice.ringcx.loading.row_spool import CheckedRow, RowSpool
from airflow_provider_engagevoice.ringcx.loading.rows import NumberedRows
from airflow_provider_engagevoice.ringcx.sync.diff import LOAD, REMOVE, UPDATE, key_hash
from airflow_provider_engagevoice.ringcx.sync.options import PERCENT_FLOOR

_BATCH_SIZE = 5_000
#: Share of the actions whose rows may have changed since the plan was made.
_MAX_DRIFT = 0.05
_SCHEMA = """
CREATE TABLE source (row INTEGER PRIMARY KEY, key BLOB, digest INTEGER);
CREATE TABLE outcomes (position INTEGER PRIMARY KEY, outcome TEXT, code TEXT);
"""
#: Actions whose rows are as they were when the plan was made, and those rows.
_SAME_ROW = "FROM actions a JOIN source s ON s.key = a.key AND s.digest = a.digest WHERE a.action = ?"
_CHUNKS = {
    REMOVE: "SELECT position, lead_id, key, NULL, kept_id FROM actions LEFT JOIN outcomes USING (position)"
    " WHERE action = ? AND outcome IS NULL",
    UPDATE: f"SELECT a.position, a.lead_id, a.key, s.row {_SAME_ROW}",
}
#: In the order of the plan, whatever the order of the source is now.
_ROWS = f"SELECT a.position, s.row {_SAME_ROW} AND a.position > ? ORDER BY a.position LIMIT ?"
_COUNT_SAME = f"SELECT count(DISTINCT a.position) {_SAME_ROW}"
_COUNT = "SELECT count(*) FROM actions WHERE action = ?"
#: A duplicate lead is removed although the source has its external id.
_ADD_RETURNED = """
INSERT INTO outcomes SELECT position, 'source_changed', 'in_source_again' FROM actions
WHERE action = ? AND kept_id IS NULL AND key IN (SELECT key FROM source)
"""
_OUTCOMES = """
SELECT outcome, code, count(*) FROM actions JOIN outcomes USING (position) WHERE action = ? GROUP BY 1, 2
"""


@dataclass(frozen=True)
class PlannedLead:
    """A lead that a plan removes or updates.

    :param position: place of the action in the plan.
    :param lead_id: the lead.
    :param key: hash of its external id.
    :param row: place of its row in the source; None for a removal.
    :param kept_id: lead that is kept in its place, if it is removed as a duplicate.
    """

    position: int
    lead_id: int
    key: bytes
    row: int | None
    kept_id: int | None = None


@dataclass
class PlannedWork:
    """Changes of a plan, as far as the source is still the same.

    :param database: the plan's database, a private copy.
    :param normalize: changes external ids before they are compared.
    """

    database: sqlite3.Connection
    normalize: Callable[[str], str]
    #: Number of actions whose row was changed or has gone, or has come back.
    source_changed: int = field(default=0, init=False)

    def compare_source(self, rows: Iterable[CheckedRow]) -> None:
        """Find the actions whose rows are as they were when the plan was made.

        :param rows: all rows of the source, after the checks.
        :raises SourceChanged: if too many are not.
        """
        self.database.executescript(_SCHEMA)
        self.database.execute("BEGIN")
        self.database.executemany(
            "INSERT INTO source VALUES (?, ?, ?)",
            (
                (
                    row.position,
                    key_hash(self.normalize(row.key)),
                    row.digest if row.lead is not None else None,
                )
                for row in rows
                if row.key is not None
            ),
        )
        self.database.execute("CREATE INDEX source_key ON source (key)")
        same = sum(self._one(_COUNT_SAME, action) for action in (UPDATE, LOAD))
        planned = self.count(UPDATE) + self.count(LOAD)
        total = planned + self.count(REMOVE)
        self.database.execute(_ADD_RETURNED, (REMOVE,))
        self.source_changed = planned - same + self._one("SELECT count(*) FROM outcomes")
        if self.source_changed >= PERCENT_FLOOR and self.source_changed > _MAX_DRIFT * total:
            raise SourceChanged(
                f"Plan again: {self.source_changed:,} of the {total:,} planned changes do not fit the source "
                "any more. Nothing was changed"
            )

    def leads(self, action: str, size: int) -> Iterator[list[PlannedLead]]:
        """Yield the leads of an action in chunks.

        :param action: ``REMOVE`` or ``UPDATE``.
        :param size: number of leads in a chunk.
        """
        last, query = -1, f"{_CHUNKS[action]} AND position > ? ORDER BY position LIMIT ?"
        while found := self.database.execute(query, (action, last, size)).fetchall():
            yield [PlannedLead(*row) for row in found]
            last = found[-1][0]

    def sent(self, size: int) -> Iterator[list[PlannedLead]]:
        """Yield the leads in chunks whose removal was sent and not looked up yet.

        :param size: number of leads in a chunk.
        """
        last = -1
        while found := self.database.execute(
            "SELECT position, lead_id, key, NULL FROM actions JOIN outcomes USING (position)"
            " WHERE outcome = 'sent' AND position > ? ORDER BY position LIMIT ?",
            (last, size),
        ).fetchall():
            yield [PlannedLead(*row) for row in found]
            last = found[-1][0]

    def outcomes(self, action: str) -> dict[tuple[str, str], int]:
        """Return the number of leads of an action by outcome and code.

        :param action: ``REMOVE`` or ``UPDATE``.
        """
        found = self.database.execute(_OUTCOMES, (action,))
        return {(outcome, code): count for outcome, code, count in found}

    def count(self, action: str) -> int:
        """Return the number of planned actions of a kind, whether the source has changed or not.

        :param action: the kind.
        """
        return self._one(_COUNT, action)

    def rows(self, action: str) -> Iterator[int]:
        """Yield the places of the rows of an action in the source, in the order of the plan.

        :param action: ``UPDATE`` or ``LOAD``.
        """
        last = -1
        while found := self.database.execute(_ROWS, (action, last, _BATCH_SIZE)).fetchall():
            yield from (row for _, row in found)
            last = found[-1][0]

    def record(self, leads: Iterable[PlannedLead], outcome: str, code: str = "") -> None:
        """Store what became of leads.

        :param leads: the leads.
        :param outcome: what became of them.
        :param code: short name of the reason.
        """
        self.database.executemany(
            "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?)",
            [(lead.position, outcome, code) for lead in leads],
        )

    def iter_outcomes(self) -> Iterator[tuple[str, int, str, str]]:
        """Yield action, lead id, outcome and code of each lead that is removed or updated."""
        last = -1
        while found := self.database.execute(
            "SELECT position, action, lead_id, coalesce(outcome, 'not_done'), coalesce(code, '') FROM actions"
            " LEFT JOIN outcomes USING (position) WHERE lead_id IS NOT NULL AND position > ?"
            " ORDER BY position LIMIT ?",
            (last, _BATCH_SIZE),
        ).fetchall():
            yield from (tuple(row[1:]) for row in found)
            last = found[-1][0]

    def _one(self, query: str, *parameters: object) -> int:
        return int(self.database.execute(query, parameters).fetchone()[0])


@dataclass(frozen=True)
class PlannedRows:
    """The rows of a source that a plan loads, as leads.

    :param spool: all rows of the source.
    :param work: the plan.
    """

    spool: RowSpool
    work: PlannedWork
    unit: str = "row"

    def __iter__(self) -> NumberedRows:
        """Yield each row with its number in the source."""
        for position in self.work.rows(LOAD):
            row = self.spool.lead_at(position)
            yield row.number, row.lead
