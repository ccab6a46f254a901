"""Throughput over latency: the hook in one and in eight processes, and other clients on the same work."""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.benchmarks.limits.workload import Measurement, Workload, run_processes

LATENCIES = (0.05, 0.3, 1.0, 3.0)
JITTER = 0.1
#: Three times as many requests as the limit of a minute allows, so that the start counts for little.
REQUESTS, CHUNK_SIZE = 360, 100
ID_COUNT = REQUESTS * CHUNK_SIZE


@dataclass(frozen=True)
class Client:
    """A client of the table.

    :param title: its name in the table.
    :param name: its name in ``compared_clients.py``.
    :param processes: number of its processes.
    """

    title: str
    name: str
    processes: int


CLIENTS = (
    Client("`EngageVoiceHook`, one task", "hook", 1),
    Client("`EngageVoiceHook`, 8 processes on one host", "hook", 8),
    Client("RingCentral's `ringcentral-engage-voice` in a loop", "official", 1),
    Client("Airflow's `HttpOperator` for each chunk, 8 in parallel, `retries=2` after 30 s", "http", 8),
)


def measure_table() -> str:
    """Measure all clients at all latencies; return a Markdown table with the conditions below it."""
    measured: dict[tuple[Client, float], Measurement] = {}
    for latency in LATENCIES:
        print(f"Measuring: latency {_seconds(latency)} ...", file=sys.stderr, flush=True)
        with ThreadPoolExecutor(len(CLIENTS)) as pool:
            results = pool.map(lambda client: _measure(client, latency), CLIENTS)  # noqa: B023
            for client, result in zip(CLIENTS, results, strict=True):
                measured[client, latency] = result
                print(f"  {client.title}: {result}", file=sys.stderr, flush=True)
    rows = [
        f"| client | {' | '.join(map(_seconds, LATENCIES))} | 429 | sign-ins |",
        f"|---|{'---|' * len(LATENCIES)}---|---|",
    ]
    for client in CLIENTS:
        of_client = [measured[client, latency] for latency in LATENCIES]
        cells = [_share(result, latency) for result, latency in zip(of_client, LATENCIES, strict=True)]
        counts = [
            " ".join(map(str, each))
            for each in zip(*((r.rejected, r.sign_ins) for r in of_client), strict=True)
        ]
        rows.append(f"| {client.title} | {' | '.join([*cells, *counts])} |")
    minimum = measured[CLIENTS[0], LATENCIES[0]].minimum
    return "\n".join(rows) + (
        f"\n\nPAUSE_LEADS on {ID_COUNT:,} external ids in {REQUESTS} requests, with {JITTER:.0%} jitter. "
        f"100% is the least time from the first action to the last response: {minimum:.0f} s, which the "
        "limits require, and one latency.\n"
    )


def _measure(client: Client, latency: float) -> Measurement:
    """Run a client against a separate sandbox."""
    settings = Settings(size=int(ID_COUNT * 1.7), latency=latency, latency_jitter=JITTER)
    with tempfile.TemporaryDirectory(prefix="engagevoice-bench-") as folder:
        template, subfolder = Path(folder) / "template.db", Path(folder) / "work"
        subfolder.mkdir()
        with SandboxServer(settings, database=str(template)):
            pass
        workload = Workload(
            subfolder, template, settings, client.processes, ID_COUNT, CHUNK_SIZE, "PAUSE_LEADS"
        )
        with workload.serve():
            run_processes(client.name, workload)
        return workload.measure()


def _share(measured: Measurement, latency: float) -> str:
    """Return the least time as a part of the time that was needed, or the progress of the client."""
    if measured.leads_done < ID_COUNT:
        return f"{measured.leads_done / ID_COUNT:.0%} of the leads"
    return f"{(measured.minimum + latency) / measured.action_seconds:.1%}"


def _seconds(latency: float) -> str:
    return f"{latency:g} s" if latency >= 1 else f"{latency * 1000:.0f} ms"
