"""Private temporary tables of both sides of a sync: the rows of the source and the leads of the campaign."""

from __future__ import annotations

import itertools
import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_engagevoice.ringcx.leads.search import lead_id_of
from airflow_provider_engagevoice.ringcx.leads.temporary import (
    open_temporary_database,
    temporary_database_errors,
)
from airflow_provider_engagevoice.ringcx.loading.row_spool import CheckedRow, near_key
from airflow_provider_engagevoice.ringcx.spec.lead_fields import KEY_FIELD

_BATCH_SIZE = 5_000
#: SQLite's page cache in KiB, and the memory of its sorts. With eight times as much, a plan takes 3 % less
#: CPU time.
_CACHE_KIB = 4_096
_SCHEMA = """
CREATE TABLE wanted (key TEXT, number INTEGER, near TEXT, digest INTEGER, lead TEXT);
CREATE TABLE live (
    lead_id INTEGER PRIMARY KEY, key TEXT, list_id INTEGER, is_managed INTEGER, state TEXT,
    suppressed INTEGER, passes INTEGER, loaded TEXT, row TEXT);
"""
#: An external id of several rows: which of them is meant is not known, so none of them is valid.
_REPEATED = """
CREATE TABLE repeated AS SELECT key FROM wanted GROUP BY key HAVING count(*) > 1;
UPDATE wanted SET lead = NULL, digest = NULL WHERE key IN (SELECT key FROM repeated);
DELETE FROM wanted WHERE key IN (SELECT key FROM repeated)
    AND rowid NOT IN (SELECT min(rowid) FROM wanted GROUP BY key);
"""


@dataclass
class SyncTables:
    """Both sides of a sync in a temporary file without a name, which does not outlive the process.

    ``wanted`` has one line for each external id of the source; its ``lead`` is null if the rows with this id
    are rejected or differ. ``live`` has one line for each lead of the campaign.

    :param normalizations: how external ids are changed before they are compared.
    :param compare: fields whose values are kept on both sides, for updates.
    :param owned_lists: the lists whose leads are managed; None for all leads.
    :raises TransientError: if the file cannot be written, for example because there is no room for it.
    :raises PermanentError: if it cannot be created.
    """

    normalizations: Sequence[str] = ()
    compare: Sequence[str] = ()
    owned_lists: frozenset[int] | None = None
    #: Rows without a valid external id.
    rows_without_key: int = field(default=0, init=False)
    #: External ids of several rows that differ.
    repeated_keys: int = field(default=0, init=False)
    _pending: dict[int, tuple[Any, ...]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._normalize = normalizer(self.normalizations)
        with temporary_database_errors():
            self.database = open_temporary_database(_SCHEMA, _CACHE_KIB)

    def add_rows(self, rows: Iterable[CheckedRow]) -> None:
        """Add all rows of the source.

        :param rows: the rows after the checks.
        """
        records = map(self._wanted, self._with_key(rows))
        while batch := list(itertools.islice(records, _BATCH_SIZE)):
            with temporary_database_errors():
                self.database.executemany("INSERT INTO wanted VALUES (?, ?, ?, ?, ?)", batch)
        with temporary_database_errors():
            self.database.execute("CREATE INDEX wanted_key ON wanted (key)")
            for statement in _REPEATED.split(";"):
                self.database.execute(statement)
            self.repeated_keys = self.database.execute("SELECT count(*) FROM repeated").fetchone()[0]

    def add(self, row: Mapping[str, Any], *, matches: bool = True) -> None:
        """Add a lead of the campaign, or replace it if it was read before.

        :param row: RingCX's row.
        :param matches: not used: all leads of the campaign are read.
        """
        list_id, key = row.get("listId"), row.get(KEY_FIELD)
        kept = json.dumps(row) if self.compare else None
        self._pending[lead_id_of(row)] = (
            self._normalize(str(key)) if key not in (None, "") else "",
            list_id,
            self.owned_lists is None or list_id in self.owned_lists,
            str(row.get("leadState")),
            row.get("suppressed") is True,
            row.get("leadPasses"),
            row.get("loadedDts"),
            kept,
        )
        if len(self._pending) >= _BATCH_SIZE:
            self.flush()

    def remove(self, lead_id: int) -> None:
        """Remove a lead that is no longer in the campaign, if it is there.

        :param lead_id: its id.
        """
        self.flush()
        with temporary_database_errors():
            self.database.execute("DELETE FROM live WHERE lead_id = ?", (lead_id,))

    def flush(self) -> None:
        """Write the leads that are still in memory."""
        if self._pending:
            with temporary_database_errors():
                self.database.executemany(
                    "INSERT OR REPLACE INTO live VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [(lead_id, *values) for lead_id, values in self._pending.items()],
                )
            self._pending = {}

    def managed_lists(self) -> frozenset[int]:
        """Return the lists that managed leads are in."""
        with temporary_database_errors():
            found = self.database.execute("SELECT DISTINCT list_id FROM live WHERE is_managed").fetchall()
        return frozenset(list_id for (list_id,) in found if list_id is not None)

    def close(self) -> None:
        """Delete the temporary file."""
        self.database.close()

    def _with_key(self, rows: Iterable[CheckedRow]) -> Iterator[CheckedRow]:
        for row in rows:
            if row.key is None:
                self.rows_without_key += 1
            else:
                yield row

    def _wanted(self, row: CheckedRow) -> tuple[Any, ...]:
        key = self._normalize(str(row.key))
        lead = row.lead
        if lead is not None:
            # The fields that are compared; the values of the others are not needed for a plan.
            lead = json.dumps(fields_of(json.loads(lead), self.compare)) if self.compare else "{}"
        near = row.near if row.near is not None and key == row.key else near_key(key)
        return key, row.number, near, row.digest, lead


def normalizer(normalizations: Sequence[str]) -> Callable[[str], str]:
    """Return the function that changes external ids before they are compared.

    :param normalizations: any of ``options.NORMALIZATIONS``.
    """

    def normalize(key: str) -> str:
        if "nfc" in normalizations:
            key = unicodedata.normalize("NFC", key)
        if "strip" in normalizations:
            key = key.strip()
        return key.casefold() if "casefold" in normalizations else key

    return normalize if normalizations else lambda key: key


def fields_of(lead: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return some fields of a lead, as far as it has them.

    :param lead: the lead.
    :param names: names of fields; ``extendedLeadData.plan`` is the key ``plan`` of that field.
    """
    found: dict[str, Any] = {}
    for name in names:
        outer, _, inner = name.partition(".")
        value = lead.get(outer)
        if not inner and value is not None:
            found[outer] = value
        elif isinstance(value, Mapping) and inner in value:
            found.setdefault(outer, {})[inner] = value[inner]
    return found
