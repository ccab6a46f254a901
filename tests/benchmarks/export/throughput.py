"""Throughput of one export over latency, as a share of what RingCX's limit of searches allows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from airflow_provider_engagevoice.ringcx import LeadRows, LoadOptions
from airflow_provider_engagevoice.ringcx.leads.search import PAGE_SIZE
from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS
from airflow_provider_engagevoice.ringcx.storage.file import FOLDER_VARIABLE
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.benchmarks.limits.theoretical_minimum import minimum_seconds
from tests.support.clients import make_client

LATENCIES = (0.05, 0.3, 1.0)
JITTER = 0.1
LIST_SIZE = 500
#: Three times as many pages as the limit of a minute allows, so that the start counts for little.
ROWS = 270_000

_CLIENT = """
import sys
from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
hook = EngageVoiceHook()
campaign = hook.find_campaign("Spring Renewals")["campaign_id"]
result = hook.export_leads({"campaignIds": [campaign]}, sys.argv[1])
print(result["count"], result["complete"], result["requests"])
"""


def measure_table(rows: int) -> str:
    """Measure all latencies; return a Markdown table with the conditions below it.

    :param rows: number of leads that are loaded before, in lists of 500.
    """
    with tempfile.TemporaryDirectory(prefix="engagevoice-bench-") as folder:
        state = Path(folder) / "state.db"
        _load(state, rows)
        lines = [
            "| latency | share | leads per second | searches | counts | 429 |",
            "|---|---|---|---|---|---|",
        ]
        for latency in LATENCIES:
            print(f"Measuring: latency {_label(latency)} ...", file=sys.stderr, flush=True)
            lines.append(_measure(state, Path(folder), latency))
            print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines) + (
        f"\n\nOne export of {rows:,} leads in lists of {LIST_SIZE} to CSV, with {JITTER:.0%} jitter, proof "
        "of completeness included. 100% is the least time from the first request to the last response for as "
        f"many searches as pages of {PAGE_SIZE:,} leads: what the limit of searches requires, and one "
        "latency.\n"
    )


def _load(state: Path, rows: int) -> None:
    """Load leads into a sandbox without limits that keeps them in a file."""
    print(f"Loading {rows:,} leads ...", file=sys.stderr, flush=True)
    with SandboxServer(Settings(size=100, limits="off"), database=str(state)) as sandbox:
        leads = [{"externId": f"B-{n}", "leadPhone": f"303{n:07d}", "firstName": "Ada"} for n in range(rows)]
        client = make_client(sandbox.url, "api_token")
        options = LoadOptions(chunk_size=LIST_SIZE)
        # A load without limits: this client has no limiter.
        client.load_leads("Spring Renewals", LeadRows(leads), options, list_name="Benchmark", verify=False)


def _measure(loaded: Path, folder: Path, latency: float) -> str:
    """Export once; return the line of the table."""
    state = folder / f"{latency}.db"
    shutil.copy(loaded, state)
    settings = Settings(size=100, latency=latency, latency_jitter=JITTER)
    with SandboxServer(settings, database=str(state)) as sandbox:
        environment = {
            **os.environ,
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT": json.dumps(sandbox.connection),
            FOLDER_VARIABLE: str(folder / f"shared-{latency}"),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        done = subprocess.run(
            [sys.executable, "-c", _CLIENT, str(folder / "leads.csv")],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        expected = len(sandbox.leads("Spring Renewals"))
        if done.returncode or done.stdout.split()[-3:-1] != [str(expected), "True"]:
            raise RuntimeError(f"The export failed: {done.stdout[-500:]}{done.stderr[-2000:]}")
        requests = [each for each in sandbox.requests if each.operation in ("lead_search", "lead_count")]
        begin = min(request.time - request.milliseconds / 1000 for request in requests)
        seconds = max(request.time for request in requests) - begin
        searches = sum(request.operation == "lead_search" for request in requests)
        refused = sum(request.status == 429 for request in sandbox.requests)
    least = minimum_seconds(-(-expected // PAGE_SIZE), LIMITS["lead_search"]) + latency
    cells = (
        _label(latency),
        f"{least / seconds:.1%}",
        f"{expected / seconds:,.0f}",
        str(searches),
        str(len(requests) - searches),
        str(refused),
    )
    return f"| {' | '.join(cells)} |"


def _label(latency: float) -> str:
    return f"{latency:g} s" if latency >= 1 else f"{latency * 1000:.0f} ms"
