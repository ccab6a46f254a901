"""Private temporary table of all rows of a source, with the outcome of each."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from airflow_provider_engagevoice.ringcx.leads.id_spool import comparison_key
from airflow_provider_engagevoice.ringcx.leads.temporary import (
    open_temporary_database,
    temporary_database_errors,
)
from airflow_provider_engagevoice.ringcx.loading.rows import LeadRow, Outcome
from airflow_provider_engagevoice.ringcx.spec.lead_fields import PHONE_FIELDS

_BATCH_SIZE = 5_000
#: SQLite's page cache in KiB. More does not make a load faster, since rows are written and read in order.
_CACHE_KIB = 1_024
_SCHEMA = """
CREATE TABLE rows (
    position INTEGER PRIMARY KEY, number INTEGER, key TEXT, near TEXT, digest INTEGER, lead TEXT);
CREATE TABLE outcomes (
    position INTEGER PRIMARY KEY, outcome TEXT, code TEXT, message TEXT, lead_id INTEGER);
CREATE TABLE updates (position INTEGER PRIMARY KEY, lead_id INTEGER, body TEXT);
"""
#: Keys of several valid rows, with the first of them and the number of different rows.
_FIND_REPEATED = """
CREATE TABLE repeated AS
SELECT key, min(position) AS first, count(DISTINCT digest) AS variants
FROM rows WHERE lead IS NOT NULL GROUP BY key HAVING count(*) > 1
"""
_ADD_REPEATED = """
INSERT INTO outcomes (position, outcome, code, message)
SELECT position, ?, ?, ? FROM rows JOIN repeated USING (key)
WHERE lead IS NOT NULL AND {condition}
"""


@dataclass(frozen=True)
class RowOutcome:
    """One row of the report.

    :param number: number of the row in the source.
    :param key: its external id; None if it has no valid one.
    :param outcome: what became of it; None if it is still to be sent.
    :param code: short name of the reason; empty if there is none.
    :param message: the reason; the one of RingCX if it has rejected the row.
    :param lead_id: id of the lead in RingCX, if known.
    """

    number: int
    key: str | None
    outcome: Outcome | None
    code: str
    message: str
    lead_id: int | None


class CheckedRow(NamedTuple):
    """One row after the checks.

    :param position: its place among all rows of the source, from 0.
    :param number: number of the row in the source.
    :param key: its external id; None if it has no valid one.
    :param near: text that is equal for external ids that systems often confuse; None for a rejected row.
    :param digest: digest of its lead; None for a rejected row.
    :param lead: its lead as JSON; None if the row is rejected.
    """

    position: int
    number: int
    key: str | None
    near: str | None
    digest: int | None
    lead: str | None


class RowSpool:
    """All rows of a source in a temporary file, so that nothing is sent while a row can still be wrong.

    The file has no name and is private: SQLite unlinks it as soon as it is open, so it does not outlive the
    process, even if the process is killed.

    :raises TransientError: if the file cannot be written, for example because there is no room for it.
    :raises PermanentError: if it cannot be created.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        #: Number of rows.
        self.rows = 0
        with temporary_database_errors():
            self._database = open_temporary_database(_SCHEMA, _CACHE_KIB)

    @property
    def fingerprint(self) -> str:
        """Digest of all valid rows in their order."""
        return self._digest.hexdigest()[:16]

    def add(self, rows: Iterable[tuple[int, str | None, dict[str, Any] | None, str, str]]) -> None:
        """Add rows.

        :param rows: for each row its number, its external id, its lead, and the code and the message of its
            rejection. The lead is None if the row is rejected.
        """
        records = map(self._record, rows)
        while batch := list(itertools.islice(records, _BATCH_SIZE)):
            rejected = [
                (record[0], Outcome.REJECTED.value, code, message)
                for record, code, message in batch
                if record[-1] is None
            ]
            with temporary_database_errors():
                self._database.executemany(
                    "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)", [record for record, _, _ in batch]
                )
                self._database.executemany(
                    "INSERT INTO outcomes (position, outcome, code, message) VALUES (?, ?, ?, ?)", rejected
                )

    def _record(
        self, row: tuple[int, str | None, dict[str, Any] | None, str, str]
    ) -> tuple[tuple[Any, ...], str, str]:
        number, key, lead, code, message = row
        position = self.rows
        self.rows += 1
        if lead is None or key is None:
            return (position, number, key, None, None, None), code, message
        text = json.dumps(lead, ensure_ascii=False, sort_keys=True)
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        self._digest.update(digest)
        content = int.from_bytes(digest, "big", signed=True)
        return (position, number, key, near_key(key), content, text), code, message

    def resolve_duplicates(self) -> None:
        """Keep one of several equal rows with the same external id; reject all if they differ."""
        with temporary_database_errors():
            self._database.execute(_FIND_REPEATED)
            self._database.execute(
                _ADD_REPEATED.format(condition="variants = 1 AND position <> first"),
                (Outcome.DUPLICATE.value, "repeated_row", "The source has the same row several times"),
            )
            self._database.execute(
                _ADD_REPEATED.format(condition="variants > 1"),
                (
                    Outcome.REJECTED.value,
                    "conflicting_rows",
                    "The source has several rows with this external id, and they differ",
                ),
            )
            self._database.execute("DROP TABLE repeated")

    def near_misses(self, limit: int) -> tuple[int, list[int]]:
        """Return external ids that differ from another one only in a way in which systems often differ.

        :param limit: most row numbers to return.
        :return: how many there are, and the numbers of the first rows.
        """
        with temporary_database_errors():
            self._database.execute(
                "CREATE TABLE similar AS SELECT near, count(*) AS keys FROM"
                " (SELECT DISTINCT near, key FROM rows WHERE lead IS NOT NULL)"
                " GROUP BY near HAVING count(*) > 1"
            )
            count = self._database.execute("SELECT total(keys) FROM similar").fetchone()[0]
            numbers = self._database.execute(
                "SELECT number FROM rows JOIN similar USING (near) ORDER BY position LIMIT ?", (limit,)
            ).fetchall()
            self._database.execute("DROP TABLE similar")
        return int(count), [number for (number,) in numbers]

    def read_chunk(self, number: int, size: int) -> list[LeadRow]:
        """Return the rows of a chunk that have no outcome yet.

        :param number: the chunk, from 0.
        :param size: number of rows in a chunk, whatever their outcome.
        :return: the rows in their order.
        """
        with temporary_database_errors():
            found = self._database.execute(
                "SELECT r.position, r.number, r.key, r.lead FROM rows r"
                " LEFT JOIN outcomes o USING (position)"
                " WHERE r.position >= ? AND r.position < ? AND o.position IS NULL ORDER BY r.position",
                (number * size, (number + 1) * size),
            ).fetchall()
        return [
            LeadRow(position, row_number, key, json.loads(lead)) for position, row_number, key, lead in found
        ]

    def read_phones(self, number: int, size: int) -> set[str]:
        """Return the phone numbers of the rows of a chunk that are loaded.

        :param number: the chunk, from 0.
        :param size: number of rows in a chunk, whatever their outcome.
        """
        with temporary_database_errors():
            found = self._database.execute(
                "SELECT lead FROM rows JOIN outcomes USING (position)"
                " WHERE position >= ? AND position < ? AND outcome = ?",
                (number * size, (number + 1) * size, Outcome.LOADED.value),
            ).fetchall()
        return {phone for (lead,) in found if (phone := json.loads(lead).get(PHONE_FIELDS[0]))}

    def read_loaded(self, number: int, size: int) -> list[LeadRow]:
        """Return the rows of a chunk that are loaded, without their leads.

        :param number: the chunk, from 0.
        :param size: number of rows in a chunk, whatever their outcome.
        :return: the rows whose outcome is ``LOADED``, or that have none although all rows are sent.
        """
        with temporary_database_errors():
            found = self._database.execute(
                "SELECT position, number, key FROM rows LEFT JOIN outcomes USING (position)"
                " WHERE position >= ? AND position < ? AND coalesce(outcome, ?) = ? ORDER BY position",
                (number * size, (number + 1) * size, Outcome.LOADED.value, Outcome.LOADED.value),
            ).fetchall()
        return [LeadRow(position, row_number, key, {}) for position, row_number, key in found]

    def set_outcome(
        self,
        rows: Sequence[LeadRow],
        outcome: Outcome,
        code: str = "",
        message: str = "",
        lead_ids: Sequence[int | None] | None = None,
    ) -> None:
        """Store the outcome of rows.

        :param rows: the rows.
        :param outcome: what became of them.
        :param code: short name of the reason.
        :param message: the reason.
        :param lead_ids: ids of their leads in RingCX, in the same order; None if they are not known.
        """
        ids = [None] * len(rows) if lead_ids is None else lead_ids
        with temporary_database_errors():
            self._database.executemany(
                "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?)",
                [
                    (row.position, outcome.value, code, message, lead_id)
                    for row, lead_id in zip(rows, ids, strict=True)
                ],
            )

    def add_updates(self, updates: Iterable[tuple[LeadRow, int, dict[str, Any]]]) -> None:
        """Store updates of leads.

        :param updates: for each lead its row, its id and the fields that change.
        """
        with temporary_database_errors():
            self._database.executemany(
                "INSERT INTO updates VALUES (?, ?, ?)",
                [(row.position, lead_id, json.dumps(body)) for row, lead_id, body in updates],
            )

    def count_updates(self) -> int:
        """Return the number of stored updates."""
        with temporary_database_errors():
            return int(self._database.execute("SELECT count(*) FROM updates").fetchone()[0])

    def iter_updates(self) -> Iterator[tuple[LeadRow, int, dict[str, Any]]]:
        """Yield the stored updates in the order of their rows: the row, the lead's id and its new fields."""
        last = -1
        while True:
            with temporary_database_errors():
                found = self._database.execute(
                    "SELECT position, number, key, lead_id, body FROM updates JOIN rows USING (position)"
                    " WHERE position > ? ORDER BY position LIMIT ?",
                    (last, _BATCH_SIZE),
                ).fetchall()
            if not found:
                return
            for position, number, key, lead_id, body in found:
                fields = json.loads(body)
                yield LeadRow(position, number, key, fields), lead_id, fields
            last = found[-1][0]

    def count_outcomes(self) -> dict[tuple[Outcome, str, str], int]:
        """Return the number of rows by outcome, code and message."""
        with temporary_database_errors():
            found = self._database.execute(
                "SELECT outcome, code, message, count(*) FROM outcomes GROUP BY 1, 2, 3"
            ).fetchall()
        return {(Outcome(outcome), code, message): count for outcome, code, message, count in found}

    def first_rows(self, outcome: Outcome, limit: int) -> list[tuple[int, str]]:
        """Return the first rows with an outcome.

        :param outcome: the outcome.
        :param limit: most rows to return.
        :return: number and message of each.
        """
        with temporary_database_errors():
            return self._database.execute(
                "SELECT number, message FROM rows JOIN outcomes USING (position)"
                " WHERE outcome = ? ORDER BY position LIMIT ?",
                (outcome.value, limit),
            ).fetchall()

    def iter_outcomes(self) -> Iterator[RowOutcome]:
        """Yield all rows in their order, each with its outcome."""
        for start in range(0, self.rows, _BATCH_SIZE):
            with temporary_database_errors():
                found = self._database.execute(
                    "SELECT r.number, r.key, o.outcome, o.code, o.message, o.lead_id FROM rows r"
                    " LEFT JOIN outcomes o USING (position)"
                    " WHERE r.position >= ? AND r.position < ? ORDER BY r.position",
                    (start, start + _BATCH_SIZE),
                ).fetchall()
            for number, key, outcome, code, message, lead_id in found:
                yield RowOutcome(
                    number, key, Outcome(outcome) if outcome else None, code or "", message or "", lead_id
                )

    def iter_checked(self) -> Iterator[CheckedRow]:
        """Yield all rows in their order after the checks; of several equal rows the first."""
        last = -1
        while True:
            with temporary_database_errors():
                found = self._database.execute(
                    "SELECT position, r.number, r.key, r.near, r.digest, r.lead, o.outcome FROM rows r"
                    " LEFT JOIN outcomes o USING (position) WHERE position > ? ORDER BY position LIMIT ?",
                    (last, _BATCH_SIZE),
                ).fetchall()
            if not found:
                return
            for position, number, key, near, digest, lead, outcome in found:
                if outcome != Outcome.DUPLICATE.value:
                    yield CheckedRow(position, number, key, near, digest, None if outcome else lead)
            last = found[-1][0]

    def lead_at(self, position: int) -> LeadRow:
        """Return a row.

        :param position: its place among all rows of the source; it has passed the checks.
        """
        with temporary_database_errors():
            number, key, lead = self._database.execute(
                "SELECT number, key, lead FROM rows WHERE position = ?", (position,)
            ).fetchone()
        return LeadRow(position, number, key, json.loads(lead))

    def close(self) -> None:
        """Delete the temporary file."""
        self._database.close()


def near_key(key: str) -> str:
    """Return a text that is equal for external ids that systems often confuse."""
    text = "".join(str(comparison_key(key)).split()).removesuffix(".0")
    if text.isdecimal():
        return text.lstrip("0") or "0"
    # A Salesforce id has 15 letters, or 18 with a checksum.
    return text[:15] if len(text) == 18 and text.isalnum() else text
