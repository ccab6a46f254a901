"""Throughput of one load over latency, as a share of the throughput that RingCX's limits allow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS
from airflow_provider_engagevoice.ringcx.storage.file import FOLDER_VARIABLE
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.benchmarks.limits.theoretical_minimum import minimum_seconds

LATENCIES = (0.05, 0.3, 1.0)
CHUNK_SIZES = (500, 1000)
JITTER = 0.1
#: Twice as many requests as the limit of a minute allows.
REQUESTS = 240

_CLIENT = """
import sys
from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
source, size = sys.argv[1:]
result = EngageVoiceHook().load_leads("Spring Renewals", source=source, chunk_size=int(size))
print(result["leads_inserted"])
"""


def measure_table() -> str:
    """Measure all sizes and latencies; return a Markdown table with the conditions below it."""
    rows = [
        f"| rows in a request | {' | '.join(map(_label, LATENCIES))} | leads per second | 429 |",
        f"|---|{'---|' * len(LATENCIES)}---|---|",
    ]
    minimum = minimum_seconds(REQUESTS, LIMITS["direct_load"])
    for size in CHUNK_SIZES:
        shares, rejected, rate = [], 0, 0.0
        for latency in LATENCIES:
            print(f"Measuring: {size} rows, latency {_label(latency)} ...", file=sys.stderr, flush=True)
            seconds, refused = _measure(size, latency)
            shares.append(f"{(minimum + latency) / seconds:.1%}")
            rejected, rate = rejected + refused, REQUESTS * size / seconds
            print(f"  {shares[-1]} in {seconds:.1f} s", file=sys.stderr, flush=True)
        rows.append(f"| {size:,} | {' | '.join(shares)} | {rate:,.0f} | {rejected} |")
    return "\n".join(rows) + (
        f"\n\n{REQUESTS} requests of one task, with {JITTER:.0%} jitter. 100% is the least time from the "
        f"first request to the last response: {minimum:.0f} s, which the limits require, and one latency. "
        f"Leads per second at a latency of {_label(LATENCIES[-1])}.\n"
    )


def _measure(size: int, latency: float) -> tuple[float, int]:
    """Return the seconds from the first load request to the last response, and the number of 429."""
    settings = Settings(size=100, latency=latency, latency_jitter=JITTER)
    with (
        tempfile.TemporaryDirectory(prefix="engagevoice-bench-") as folder,
        SandboxServer(settings) as sandbox,
    ):
        source = Path(folder) / "leads.csv"
        with source.open("w") as file:
            file.write("externId,leadPhone,firstName,city\n")
            file.writelines(f"B-{n},303{n:07d},Ada,Denver\n" for n in range(REQUESTS * size))
        environment = {
            **os.environ,
            "AIRFLOW_HOME": folder,
            "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT": json.dumps(sandbox.connection),
            FOLDER_VARIABLE: str(Path(folder) / "shared"),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        done = subprocess.run(
            [sys.executable, "-c", _CLIENT, str(source), str(size)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or int(done.stdout.split()[-1]) != REQUESTS * size:
            raise RuntimeError(f"The load failed: {done.stdout[-500:]}{done.stderr[-2000:]}")
        loads = [request for request in sandbox.requests if request.operation == "direct_load"]
        begin = min(request.time - request.milliseconds / 1000 for request in loads)
        end = max(request.time for request in loads if request.status == 200)
        return end - begin, sum(request.status == 429 for request in sandbox.requests)


def _label(latency: float) -> str:
    return f"{latency:g} s" if latency >= 1 else f"{latency * 1000:.0f} ms"
