"""The difference of both sides of a sync: what is removed, updated and loaded, and what is left alone."""

from __future__ import annotations

import hashlib
import itertools
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

from airflow_provider_engagevoice.ringcx.leads.temporary import temporary_database_errors
from airflow_provider_engagevoice.ringcx.loading.row_spool import near_key
from airflow_provider_engagevoice.ringcx.loading.updates import changed_fields
from airflow_provider_engagevoice.ringcx.sync.lead_states import (
    FINISHED_STATES,
    KEPT_STATES,
    NOT_DIALLED_STATES,
    PROTECTED_STATES,
    is_removed,
    removable_states,
)
from airflow_provider_engagevoice.ringcx.sync.options import SyncOptions
from airflow_provider_engagevoice.ringcx.sync.tables import SyncTables

REMOVE, UPDATE, LOAD = "remove", "update", "load"
"""Kinds of actions of a plan, in the order in which they are applied."""

_BATCH_SIZE = 5_000
_ACTIONS = """
CREATE TABLE plan.actions (
    position INTEGER PRIMARY KEY, action TEXT NOT NULL, lead_id INTEGER, key BLOB NOT NULL, digest INTEGER,
    kept_id INTEGER)
"""
#: In an order that does not depend on that of the source.
_ALL_ACTIONS = "SELECT action, lead_id, key, digest, kept_id FROM plan.actions ORDER BY 1, 2, 3"
_INSERT = "INSERT INTO plan.actions (action, lead_id, key, digest, kept_id) VALUES (?, ?, ?, ?, ?)"
#: Valid rows whose external id no lead has.
_MISSING = "FROM wanted w LEFT JOIN live l ON l.key = w.key WHERE l.lead_id IS NULL AND w.lead IS NOT NULL"
_UNMATCHED = "FROM live l LEFT JOIN wanted w ON w.key = l.key WHERE w.key IS NULL AND l.key <> ''"
_SURPLUS = (
    f"SELECT l.lead_id, l.key, l.list_id, l.state, l.suppressed {_UNMATCHED} AND l.is_managed"
    " AND l.lead_id > ? ORDER BY l.lead_id LIMIT ?"
)
_LOADS = f"SELECT w.rowid, w.key, w.digest {_MISSING} AND w.rowid > ? ORDER BY w.rowid LIMIT ?"
_NEAR_MISSES = f"SELECT count(*) {_MISSING} AND w.near IN (SELECT near FROM near)"  # noqa: S608
#: Managed leads that can be removed, whether the source has them or not.
_REMOVABLE = """
SELECT count(*) FROM live WHERE is_managed AND key <> '' AND state IN ({states}) {suppressed}
"""
#: Managed leads that are dialled and whose external id another lead has, too.
_DUPLICATES = """
SELECT l.key, l.lead_id, l.state, l.list_id, l.loaded, l.passes FROM live l
JOIN (SELECT key FROM live WHERE key <> '' GROUP BY key HAVING count(*) > 1) USING (key)
JOIN wanted w ON w.key = l.key
WHERE l.is_managed AND NOT l.suppressed AND l.state NOT IN ({finished}) ORDER BY l.key, l.lead_id
"""
#: External ids of the source all of whose leads were taken out of dialling.
_RETURNED = """
SELECT count(*) FROM (
    SELECT 1 FROM live l JOIN wanted w ON w.key = l.key
    GROUP BY l.key HAVING min(l.suppressed OR l.state IN ('CANCELLED', 'PAUSED')))
"""
#: Managed leads that can still be dialled, each the only one with its external id, and their rows.
_DIALLED = """
SELECT l.lead_id, l.key, l.state, l.row, w.digest, w.lead FROM live l
JOIN wanted w ON w.key = l.key
WHERE l.is_managed AND NOT l.suppressed AND l.state NOT IN ({finished}) AND w.lead IS NOT NULL
AND l.key NOT IN (SELECT key FROM duplicates) AND l.lead_id > ? ORDER BY l.lead_id LIMIT ?
"""


@dataclass
class SyncCounts:
    """Number of rows and leads of each kind. The fields of ``to_json`` are those of a plan's ``counts``."""

    wanted: int = 0
    leads: int = 0
    managed: int = 0
    load: int = 0
    remove: int = 0
    update: int = 0
    unchanged: int = 0
    missing: int = 0
    surplus: int = 0
    changed: int = 0
    removable: int = 0
    held_back_surplus: int = 0
    near_misses: int = 0
    returned: int = 0
    kept: int = 0
    finished: int = 0
    removed_before: int = 0
    duplicate_keys: int = 0
    leads_without_key: int = 0
    rejected_rows: int = 0
    rows_without_key: int = 0
    repeated_keys: int = 0
    held_back: Counter[str] = field(default_factory=Counter)
    #: Removed leads by list and state.
    removals: Counter[tuple[int, str]] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        values = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        return {**values, "held_back": dict(sorted(self.held_back.items()))}


def key_hash(key: str) -> bytes:
    """Return what a plan keeps of an external id.

    :param key: the external id, normalized.
    """
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@dataclass
class SyncDiff:
    """Writes the actions of a plan.

    :param tables: both sides, complete.
    :param options: the options of the sync.
    :param path: the plan's database, an empty file, whose name is removed.
    """

    tables: SyncTables
    options: SyncOptions
    path: str
    counts: SyncCounts = field(default_factory=SyncCounts, init=False)
    #: Digest of all actions.
    digest: str = field(default="", init=False)

    def write(self) -> SyncCounts:
        """Write all actions; return how many leads and rows are of which kind.

        :raises TransientError: if there is no room for the database.
        """
        with temporary_database_errors():
            self.tables.flush()
            database = self.tables.database
            database.execute("COMMIT")
            database.execute("CREATE INDEX live_key ON live (key)")
            database.execute("ATTACH ? AS plan", (self.path,))
            database.execute("PRAGMA plan.journal_mode = OFF")
            database.execute("PRAGMA plan.synchronous = OFF")
            database.create_function("near_key", 1, near_key, deterministic=True)
            database.execute("BEGIN")
            database.execute(_ACTIONS)
            # The caller has the file open: it does not outlive the process.
            Path(self.path).unlink()
            self._count_sides(database)
            self._add_removals(database)
            self._add_duplicates(database)
            self._add_updates(database)
            self._add_loads(database)
            self._digest_actions(database)
            database.execute("CREATE INDEX plan.actions_by_key ON actions (key)")
            database.execute("COMMIT")
            database.execute("DETACH plan")
        return self.counts

    def _digest_actions(self, database: sqlite3.Connection) -> None:
        digest = hashlib.sha256()
        for row in database.execute(_ALL_ACTIONS):
            digest.update(repr(row).encode())
        self.digest = digest.hexdigest()

    def _count_sides(self, database: sqlite3.Connection) -> None:
        counts = self.counts
        counts.wanted, valid = _one(database, "SELECT count(*), count(lead) FROM wanted")
        counts.rejected_rows = counts.wanted - valid
        counts.rows_without_key = self.tables.rows_without_key
        counts.repeated_keys = self.tables.repeated_keys
        counts.leads, counts.managed, counts.leads_without_key = _one(
            database, "SELECT count(*), total(is_managed), count(*) FILTER (WHERE key = '') FROM live"
        )
        counts.managed = int(counts.managed)
        removal = self.options.removal or "suppress"
        states = _texts(removable_states(removal) | PROTECTED_STATES)
        suppressed = "AND NOT suppressed" if removal == "suppress" else ""
        (counts.removable,) = _one(database, _REMOVABLE.format(states=states, suppressed=suppressed))

    def _add_removals(self, database: sqlite3.Connection) -> None:
        """Add the managed leads that the source does not have."""
        found = _rows(database, _SURPLUS)
        self._add(database, (self._removal(*row[:4], suppressed=row[4]) for row in found))

    def _removal(
        self, lead_id: int, key: str, list_id: int, state: str, *, suppressed: bool
    ) -> tuple[Any, ...] | None:
        counts, removal = self.counts, self.options.removal
        counts.surplus += 1
        if state in KEPT_STATES:
            counts.kept += 1
        elif is_removed(removal, state, suppressed=suppressed):
            counts.removed_before += 1
        elif removal is None:
            pass
        elif state in PROTECTED_STATES:
            counts.held_back[state] += 1
            counts.held_back_surplus += 1
        elif state not in removable_states(removal):
            counts.finished += 1
        else:
            counts.remove += 1
            counts.removals[list_id, state] += 1
            return REMOVE, lead_id, key_hash(key), None, None
        return None

    def _add_duplicates(self, database: sqlite3.Connection) -> None:
        """Add managed leads whose external id another managed lead has, too."""
        database.execute("CREATE TABLE duplicates (key TEXT PRIMARY KEY)")
        rows = database.execute(_DUPLICATES.format(finished=_texts(NOT_DIALLED_STATES)))

        def removals() -> Iterator[tuple[Any, ...] | None]:
            for key, group in itertools.groupby(rows, itemgetter(0)):
                leads = list(group)
                if len(leads) > 1:
                    self.counts.duplicate_keys += 1
                    database.execute("INSERT INTO duplicates VALUES (?)", (key,))
                    yield from self._surplus_duplicates(leads)

        self._add(database, removals())

    def _surplus_duplicates(self, group: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, ...] | None]:
        """Yield the removals of all leads of a group but the one that is kept; none if that is not clear."""
        if self.options.on_duplicate == "report":
            return
        by = 4 if self.options.on_duplicate == "keep_newest" else 5
        values = [row[by] for row in group]
        if any(value is None for value in values) or values.count(max(values)) > 1:
            return
        (kept_id,) = (row[1] for row in group if row[by] == max(values))
        for key, lead_id, state, list_id, *_ in (row for row in group if row[1] != kept_id):
            action = self._removal(lead_id, key, list_id, state, suppressed=False)
            self.counts.surplus -= 1
            yield None if action is None else (*action[:4], kept_id)

    def _add_updates(self, database: sqlite3.Connection) -> None:
        """Add the leads whose fields differ, if no other lead has their external id."""
        (self.counts.returned,) = _one(database, _RETURNED)
        if self.options.on_changed == "ignore":
            return
        found = _rows(database, _DIALLED.format(finished=_texts(FINISHED_STATES | KEPT_STATES)))
        self._add(database, (self._update(*row) for row in found))

    def _update(
        self,
        lead_id: int,
        key: str,
        state: str,
        row: str,
        digest: int,
        lead: str,
    ) -> tuple[Any, ...] | None:
        if not changed_fields(json.loads(lead), json.loads(row)):
            return None
        self.counts.changed += 1
        if state in PROTECTED_STATES:
            self.counts.held_back[state] += 1
            return None
        self.counts.update += 1
        return UPDATE, lead_id, key_hash(key), digest, None

    def _add_loads(self, database: sqlite3.Connection) -> None:
        """Add the rows that the campaign does not have."""
        counts = self.counts
        (counts.missing,) = _one(database, f"SELECT count(*) {_MISSING}")
        counts.unchanged = counts.wanted - counts.rejected_rows - counts.missing - counts.update
        if not counts.missing:
            return
        database.execute(f"CREATE TABLE near AS SELECT DISTINCT near_key(l.key) AS near {_UNMATCHED}")
        database.execute("CREATE INDEX near_near ON near (near)")
        (counts.near_misses,) = _one(database, _NEAR_MISSES)
        if self.options.on_missing == "load":
            counts.load = counts.missing
            found = _rows(database, _LOADS)
            self._add(database, ((LOAD, None, key_hash(key), digest, None) for _, key, digest in found))

    def _add(self, database: sqlite3.Connection, actions: Iterator[tuple[Any, ...] | None]) -> None:
        database.executemany(_INSERT, (action for action in actions if action is not None))


def _texts(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in sorted(values))


def _one(database: sqlite3.Connection, query: str) -> Any:
    return database.execute(query).fetchone()


def _rows(database: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query that is ordered by its first column, a part at a time."""
    last = -1
    while found := database.execute(query, (last, _BATCH_SIZE)).fetchall():
        yield from found
        last = found[-1][0]
