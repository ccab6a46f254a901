"""Spooled ids: deduplication and bounded memory."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import PermanentError, TransientError
from airflow_provider_engagevoice.ringcx.leads.id_spool import SpooledIds


def test_spooled_ids_million_ids_stay_in_bounded_memory() -> None:
    """Ids go from a generator to chunks as sent, in a process whose peak memory is measured."""
    code = """
import json, resource
from airflow_provider_engagevoice.ringcx.leads.selection import build_selection
from airflow_provider_engagevoice.ringcx.bulk import executor
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
list(build_selection({"externIds": ["x"] * 10}).chunks(500))
before, sent = peak(), 0
selection = build_selection({"externIds": (f"CRM-{n % 1_000_000:09}" for n in range(1_000_500))})
for chunk in selection.chunks(500):
    sent += len(json.loads(json.dumps(chunk.body))["externIds"])
print(json.dumps([sent, len(selection.chunks(500)), peak() - before]))
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=90,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    sent, chunks, kibibytes = json.loads(run.stdout.splitlines()[-1])
    assert (sent, chunks) == (1_000_000, 2000)
    # A list of the ids takes 80 MiB.
    assert kibibytes < 48 * 1024


def test_spooled_ids_without_room_name_tmpdir(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def connect_small(*args: Any, **options: Any) -> sqlite3.Connection:
        database = connect(*args, **options)
        database.execute("PRAGMA max_page_count = 5")
        return database

    monkeypatch.setattr(sqlite3, "connect", connect_small)
    with pytest.raises(TransientError, match=r"^Set TMPDIR to a folder that has room: .* is full"):
        SpooledIds(f"CRM-{number:09}" for number in range(10_000))


def test_spooled_ids_without_folder_name_tmpdir(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> sqlite3.Connection:
        # SQLite attempts several folders, which a test cannot all make unwritable.
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite3, "connect", fail)
    with pytest.raises(PermanentError, match=r"^Set TMPDIR to a folder that can be written to: "):
        SpooledIds(["CRM-1"])
