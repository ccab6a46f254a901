"""Peak memory of loads of ten thousand to a million rows, by source. No server takes part."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

COUNTS = (10_000, 100_000, 1_000_000)

_CLIENT = """
import json, sys
from pathlib import Path
from airflow_provider_engagevoice.ringcx import LeadRows
from airflow_provider_engagevoice.ringcx.transport.http import HttpTransport
from tests.support.clients import make_client

def respond(self, request, headers):
    if request.method == "GET":
        campaign = {"campaignId": 1, "campaignName": "Spring Renewals", "isActive": 1}
        groups = [{"dialGroupId": 1, "dialGroupName": "Group", "campaigns": [campaign]}]
        return [] if request.url.endswith("/lists") else groups
    return {"leadsInserted": len(request.json["uploadLeads"]), "processingStatus": "DEFAULT_NOT_A_FAILURE"}

HttpTransport._attempt = respond
kind, source = sys.argv[1:]
if kind == "sql":
    from airflow_provider_engagevoice.hooks.sql_rows import SqlRows
    rows = LeadRows(leads=SqlRows("source", f"SELECT * FROM {source}"))
else:
    rows = LeadRows(source=source)
# This client has no limiter, with which it would last a quarter of an hour.
client = make_client("https://ringcx.example.com", "api_token")
result = client.load_leads("Spring Renewals", rows, list_name="Benchmark", verify=False)
# Not ru_maxrss, which includes the peak of the process that has started this one.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([result["leads_inserted"], int(peak.split()[1])]))
"""


def measure_table() -> str:
    """Measure all sources; return a Markdown table with the conditions below it."""
    rows = [
        f"| source | {' | '.join(f'{count:,} rows' for count in COUNTS)} | a million above ten thousand |",
        f"|---|{'---|' * len(COUNTS)}---|",
    ]
    with tempfile.TemporaryDirectory(prefix="engagevoice-bench-") as folder, ExitStack() as stack:
        for name, prepare in _SOURCES.items():
            try:
                peaks = [_measure(*prepare(Path(folder), count, stack)) for count in COUNTS]
            except pytest.skip.Exception as skipped:
                print(f"{name}: not measured ({skipped})", file=sys.stderr)
                continue
            print(name, peaks, file=sys.stderr, flush=True)
            cells = [f"{peak:,.0f} MB" for peak in peaks]
            rows.append(f"| {name} | {' | '.join(cells)} | {peaks[-1] - peaks[0]:+.0f} MB |")
    return "\n".join(rows) + (
        "\n\nPeak resident memory of the process with its libraries, 500 rows in a request, 8 requests in "
        "flight. RingCX is replaced by a function that accepts all rows at once.\n"
    )


def _measure(kind: str, source: str, environment: Mapping[str, str]) -> float:
    """Return the peak memory of one load in MB."""
    done = subprocess.run(
        [sys.executable, "-c", _CLIENT, kind, source],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(json.loads(done.stdout.splitlines()[-1])[1]) * 1024 / 1e6


def _rows(count: int) -> Iterator[tuple[str, str, str, str]]:
    return ((f"B-{n:08d}", f"303{n:07d}", "Ada", "Denver") for n in range(count))


_COLUMNS = ("externId", "leadPhone", "firstName", "city")

Prepared = tuple[str, str, Mapping[str, str]]


def _csv(folder: Path, count: int, stack: ExitStack) -> Prepared:
    path = folder / f"{count}.csv"
    with path.open("w") as file:
        file.write(",".join(_COLUMNS) + "\n")
        file.writelines(",".join(row) + "\n" for row in _rows(count))
    return "file", str(path), {}


def _json_lines(folder: Path, count: int, stack: ExitStack) -> Prepared:
    path = folder / f"{count}.jsonl"
    with path.open("w") as file:
        file.writelines(json.dumps(dict(zip(_COLUMNS, row, strict=True))) + "\n" for row in _rows(count))
    return "file", str(path), {}


def _parquet(folder: Path, count: int, stack: ExitStack) -> Prepared:
    import pyarrow
    import pyarrow.parquet

    path = folder / f"{count}.parquet"
    schema = pyarrow.schema([(name, pyarrow.string()) for name in _COLUMNS])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        rows = _rows(count)
        while batch := list(itertools.islice(rows, 50_000)):
            columns = zip(*batch, strict=True)
            writer.write_table(pyarrow.table(list(map(pyarrow.array, columns)), schema=schema))
    return "file", str(path), {}


def _sqlite(folder: Path, count: int, stack: ExitStack) -> Prepared:
    path = folder / f"{count}.db"
    with sqlite3.connect(path) as database:
        database.execute('CREATE TABLE leads ("externId", "leadPhone", "firstName", city)')
        database.executemany("INSERT INTO leads VALUES (?, ?, ?, ?)", _rows(count))
    database.close()
    connection = {"conn_type": "sqlite", "host": str(path)}
    return "sql", "leads", {"AIRFLOW_CONN_SOURCE": json.dumps(connection)}


def _postgres(folder: Path, count: int, stack: ExitStack) -> Prepared:
    from tests.support.postgres import postgres_server

    if not hasattr(stack, "postgres"):
        stack.postgres = stack.enter_context(postgres_server())  # type: ignore[attr-defined]
    url: str = stack.postgres  # type: ignore[attr-defined]
    import psycopg2

    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE leads_{count} AS SELECT 'B-' || n AS \"externId\","
            " '303' || lpad(n::text, 7, '0') AS \"leadPhone\", 'Ada' AS \"firstName\", 'Denver' AS city"
            f" FROM generate_series(1, {count}) n"
        )
    connection.close()
    return "sql", f"leads_{count}", {"AIRFLOW_CONN_SOURCE": url}


_SOURCES: Mapping[str, Callable[[Path, int, ExitStack], Prepared]] = {
    "CSV": _csv,
    "JSON lines": _json_lines,
    "Parquet": _parquet,
    "SQLite": _sqlite,
    "PostgreSQL": _postgres,
}
