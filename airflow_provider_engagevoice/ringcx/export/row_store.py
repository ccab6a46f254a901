"""Private temporary table of the leads of an export, each once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_engagevoice.ringcx.leads.search import lead_id_of
from airflow_provider_engagevoice.ringcx.leads.temporary import (
    open_temporary_database,
    temporary_database_errors,
)

_BATCH_SIZE = 1_000
#: SQLite's page cache in KiB. The leads are written and read almost in order.
_CACHE_KIB = 4_096
_SCHEMA = "CREATE TABLE leads (lead_id INTEGER PRIMARY KEY, row TEXT);"


class LeadStore:
    """Leads in a temporary file without a name, which does not outlive the process.

    :param fields: fields of each lead that are kept; None for the whole row.
    :raises TransientError: if the file cannot be written, for example because there is no room for it.
    :raises PermanentError: if it cannot be created.
    """

    def __init__(self, fields: Sequence[str] | None = None) -> None:
        self._fields = fields
        self._pending: dict[int, str | None] = {}
        with temporary_database_errors():
            self._database = open_temporary_database(_SCHEMA, _CACHE_KIB)

    def add(self, row: Mapping[str, Any], *, matches: bool = True) -> None:
        """Add a lead, or replace it if it was read before.

        :param row: RingCX's row.
        :param matches: whether it matches all criteria; if not, it is only counted, default True.
        """
        values = row if self._fields is None else [row.get(field) for field in self._fields]
        self._pending[lead_id_of(row)] = json.dumps(values, ensure_ascii=False) if matches else None
        if len(self._pending) >= _BATCH_SIZE:
            self._flush()

    def remove(self, lead_id: int) -> None:
        """Remove a lead that is no longer among those that RingCX finds, if it is there.

        :param lead_id: its id.
        """
        self._flush()
        with temporary_database_errors():
            self._database.execute("DELETE FROM leads WHERE lead_id = ?", (lead_id,))

    def __len__(self) -> int:
        """Return the number of leads that match."""
        return self._count("SELECT count(*) FROM leads WHERE row IS NOT NULL")

    @property
    def left_out(self) -> int:
        """Number of leads that do not match."""
        return self._count("SELECT count(*) FROM leads WHERE row IS NULL")

    def __iter__(self) -> Iterator[Any]:
        """Yield the values of each lead in the order of the fields, or its row, in the order of the ids."""
        self._flush()
        last = -1
        while True:
            with temporary_database_errors():
                found = self._database.execute(
                    "SELECT lead_id, row FROM leads WHERE lead_id > ? AND row IS NOT NULL "
                    "ORDER BY lead_id LIMIT ?",
                    (last, _BATCH_SIZE),
                ).fetchall()
            if not found:
                return
            for _, row in found:
                yield json.loads(row)
            last = found[-1][0]

    def close(self) -> None:
        """Delete the temporary file."""
        self._database.close()

    def _count(self, query: str) -> int:
        self._flush()
        with temporary_database_errors():
            return int(self._database.execute(query).fetchone()[0])

    def _flush(self) -> None:
        if self._pending:
            with temporary_database_errors():
                self._database.executemany(
                    "INSERT OR REPLACE INTO leads VALUES (?, ?)", self._pending.items()
                )
            self._pending = {}
