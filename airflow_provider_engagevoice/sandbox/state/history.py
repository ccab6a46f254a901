"""Row history for stale reads (eventual consistency).

RingCX shows a loaded lead only after a delay (observed: programs wait a second or two). A delayed search
reads the version of each lead at an earlier time, and does not find leads loaded since then.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

MAX_DELAY = 3600.0
"""Maximum delay of a search, in seconds."""

#: Tables that lead searches read, and the primary key of each.
_TABLES = {"leads": ("leadId",), "lead_phones": ("digits", "leadId"), "redials": ("redialId",)}


class RowHistory:
    """Old versions of rows, recorded by triggers in temporary tables of one connection.

    They are lost when the connection is closed: after a restart every change is visible at once.

    :param connection: the database, with its tables.
    :param now: returns the time in seconds since 1970; finer than the milliseconds of lead timestamps, so
        that changes within one millisecond keep their order.
    :param seconds: how long versions are kept.
    """

    def __init__(self, connection: sqlite3.Connection, now: Callable[[], float], seconds: float) -> None:
        self._connection = connection
        self._now = now
        self._seconds = seconds
        connection.create_function("sandbox_clock", 0, now)
        for table in _TABLES:
            self._record(table)

    def _record(self, table: str) -> None:
        """Create the history table and its triggers; ``existed`` is 0 if the row did not exist before."""
        columns = self._columns(table)
        names, key = ", ".join(columns), ", ".join(_TABLES[table])
        old, new_key = (
            ", ".join(f"{row}.{name}" for name in each)
            for row, each in (("OLD", columns), ("NEW", _TABLES[table]))
        )
        run = self._connection.execute
        empty = f"SELECT 0.0 AS changed, 0 AS existed, * FROM main.{table} LIMIT 0"
        run(f"CREATE TEMP TABLE old_{table} AS {empty}")
        run(f"CREATE INDEX temp.old_{table}_changed ON old_{table} (changed)")
        run(
            f"CREATE TEMP TRIGGER {table}_inserted AFTER INSERT ON main.{table} BEGIN"
            f" INSERT INTO old_{table} (changed, existed, {key}) VALUES (sandbox_clock(), 0, {new_key}); END"
        )
        for event in ("UPDATE", "DELETE"):
            run(
                f"CREATE TEMP TRIGGER {table}_{event.lower()}d AFTER {event} ON main.{table} BEGIN"
                f" INSERT INTO old_{table} (changed, existed, {names})"
                f" VALUES (sandbox_clock(), 1, {old}); END"
            )

    def _columns(self, table: str) -> list[str]:
        """Return the column names of a table."""
        return [row["name"] for row in self._connection.execute(f"PRAGMA main.table_info({table})")]

    def extend(self, seconds: float) -> None:
        """Keep versions for at least this many seconds."""
        self._seconds = max(self._seconds, seconds)

    def purge(self) -> None:
        """Delete versions older than the retention time."""
        oldest = self._now() - self._seconds
        for table in _TABLES:
            self._connection.execute(f"DELETE FROM old_{table} WHERE changed <= ?", (oldest,))

    def clear(self) -> None:
        """Delete all versions."""
        for table in _TABLES:
            self._connection.execute(f"DELETE FROM old_{table}")

    def drop(self) -> None:
        """Stop recording: drop the triggers and history tables."""
        for table in _TABLES:
            for event in ("inserted", "updated", "deleted"):
                self._connection.execute(f"DROP TRIGGER temp.{table}_{event}")
            self._connection.execute(f"DROP TABLE temp.old_{table}")

    def with_clause(self, timestamp: float) -> str:
        """Return a WITH clause that makes a SELECT read the tables as of a timestamp.

        :param timestamp: seconds since 1970.
        :return: the clause, to be put before a SELECT that names the tables without a schema; empty if
            nothing has changed since.
        """
        changed = [table for table in _TABLES if self._has_changed(table, timestamp)]
        return f"WITH {', '.join(self._as_of(table, timestamp) for table in changed)} " if changed else ""

    def _has_changed(self, table: str, timestamp: float) -> bool:
        """Return whether a table has changed since a timestamp."""
        found = self._connection.execute(f"SELECT 1 FROM old_{table} WHERE changed > ? LIMIT 1", (timestamp,))
        return found.fetchone() is not None

    def _as_of(self, table: str, timestamp: float) -> str:
        """Return a table expression: unchanged rows, and the first version recorded of each changed row."""
        names, key = ", ".join(self._columns(table)), ", ".join(_TABLES[table])
        since = f"FROM temp.old_{table} WHERE changed > {timestamp!r}"
        return (
            f"{table} AS (SELECT {names} FROM main.{table} WHERE ({key}) NOT IN (SELECT {key} {since})"
            f" UNION ALL SELECT {names} FROM temp.old_{table} WHERE existed"
            f" AND rowid IN (SELECT min(rowid) {since} GROUP BY {key}))"
        )
