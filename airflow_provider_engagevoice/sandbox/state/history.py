"""What leads were before they were changed, for searches that are behind.

RingCX shows a loaded lead only after a while (observed: programs wait a second or two). A search that
is behind reads a lead's version of that moment, and does not see one that was loaded since.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

LONGEST = 3600.0
"""Seconds a search can be behind at the most."""

#: The tables that searches of leads read, and what names a row of each.
_TABLES = {"leads": ("leadId",), "lead_phones": ("digits", "leadId"), "redials": ("redialId",)}


class Shadows:
    """The older versions of rows, kept by triggers in tables that only this connection sees.

    They end with the connection: after a restart every change shows at once.

    :param connection: the database, with its tables.
    :param now: tells the time, in seconds since 1970; finer than the dates of leads, so that what happens
        within one millisecond keeps its order.
    :param seconds: how long versions are kept.
    """

    def __init__(self, connection: sqlite3.Connection, now: Callable[[], float], seconds: float) -> None:
        self._connection = connection
        self._now = now
        self._seconds = seconds
        connection.create_function("sandbox_clock", 0, now)
        for table in _TABLES:
            self._keep(table)

    def _keep(self, table: str) -> None:
        """Create the table of older versions and its triggers; ``existed`` 0 says there was no row."""
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
        """Return the names of a table's columns."""
        return [row["name"] for row in self._connection.execute(f"PRAGMA main.table_info({table})")]

    def keep(self, seconds: float) -> None:
        """Keep versions for at least so long."""
        self._seconds = max(self._seconds, seconds)

    def purge(self) -> None:
        """Forget the versions that are older than needed."""
        oldest = self._now() - self._seconds
        for table in _TABLES:
            self._connection.execute(f"DELETE FROM old_{table} WHERE changed <= ?", (oldest,))

    def forget(self) -> None:
        """Forget all versions."""
        for table in _TABLES:
            self._connection.execute(f"DELETE FROM old_{table}")

    def stop(self) -> None:
        """Keep no versions any more."""
        for table in _TABLES:
            for event in ("inserted", "updated", "deleted"):
                self._connection.execute(f"DROP TRIGGER temp.{table}_{event}")
            self._connection.execute(f"DROP TABLE temp.old_{table}")

    def behind(self, moment: float) -> str:
        """Return what makes a statement read the tables as they were.

        :param moment: when, in seconds since 1970.
        :return: a WITH clause to put before a SELECT that names the tables without a schema; empty where
            nothing has changed since.
        """
        changed = [table for table in _TABLES if self._has_changed(table, moment)]
        return f"WITH {', '.join(self._as_it_was(table, moment) for table in changed)} " if changed else ""

    def _has_changed(self, table: str, moment: float) -> bool:
        """Tell whether a table has changed since a moment."""
        found = self._connection.execute(f"SELECT 1 FROM old_{table} WHERE changed > ? LIMIT 1", (moment,))
        return found.fetchone() is not None

    def _as_it_was(self, table: str, moment: float) -> str:
        """Write a table as it was: its rows not changed since, and the first version kept of each other."""
        names, key = ", ".join(self._columns(table)), ", ".join(_TABLES[table])
        since = f"FROM temp.old_{table} WHERE changed > {moment!r}"
        return (
            f"{table} AS (SELECT {names} FROM main.{table} WHERE ({key}) NOT IN (SELECT {key} {since})"
            f" UNION ALL SELECT {names} FROM temp.old_{table} WHERE existed"
            f" AND rowid IN (SELECT min(rowid) {since} GROUP BY {key}))"
        )
