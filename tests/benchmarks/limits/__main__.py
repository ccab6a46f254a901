"""Measures throughput under RingCX's rate limits: one task, many processes, Celery workers, other clients.

Prints two Markdown tables. ``python -m tests.benchmarks.limits [NAME ...]`` runs only the named measurements;
``latency`` is the table over latency.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import version
from pathlib import Path

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.benchmarks.limits import latency
from tests.benchmarks.limits.workload import (
    CHUNK_SIZE,
    ID_COUNT,
    Measurement,
    Workload,
    run_processes,
)
from tests.system.cluster.airflow_cluster import DAGS_FOLDER, check_requirements, start_cluster
from tests.system.cluster.services import MissingRequirement

ROOT = Path(__file__).resolve().parents[3]
LATENCY = 0.05
SETTINGS = Settings(size=int(ID_COUNT * 1.7), limits="documented", latency=LATENCY)
ONE_TASK, CELERY, LATENCY_TABLE = "one-task", "celery", "latency"

HEAD = """| client | leads done of 100,000 | requests | seconds | throughput vs. the limits | 429 | sign-ins |
|---|---|---|---|---|---|---|"""


def main(names: Sequence[str]) -> int:
    """Run the measurements and print the table; return the exit code.

    :param names: measurements to run; empty for all.
    """
    try:
        check_requirements()
    except MissingRequirement as missing:
        print(missing, file=sys.stderr)
        return 1
    if not names or names == [LATENCY_TABLE]:
        print(latency.measure_table())
    if names == [LATENCY_TABLE]:
        return 0
    rows: list[str] = []
    with tempfile.TemporaryDirectory(prefix="engagevoice-bench-") as folder:
        template = Path(folder) / "template.db"
        with SandboxServer(SETTINGS, database=str(template)):
            pass
        for number, (name, (file_count, measure)) in enumerate(_MEASUREMENTS.items()):
            if names and name not in names:
                continue
            subfolder = Path(folder) / str(number)
            subfolder.mkdir()
            print(f"Measuring: {name} ...", file=sys.stderr, flush=True)
            with Workload(subfolder, template, SETTINGS, file_count).serve() as workload:
                measure(workload)
            rows.append(_table_row(_TITLES[name], workload.measure()))
            print(rows[-1], *workload.notes, sep="\n  ", file=sys.stderr, flush=True)
    print(HEAD, *rows, sep="\n")
    print(f"\n{_describe_conditions()}")
    return 0


def _table_row(title: str, measured: Measurement) -> str:
    """Return a row of the table."""
    done, repeated, minimum = measured.leads_done, measured.leads_repeated, measured.minimum
    cells = [
        title,
        f"{done:,}" + (f", {repeated:,} more than once" if repeated else ""),
        f"{measured.requests}",
        f"{measured.seconds:.1f} s",
        f"{minimum / measured.seconds:.1%} of {minimum:.0f} s" if done == ID_COUNT else "-",
        f"{measured.rejected}",
        f"{measured.sign_ins}",
    ]
    return f"| {' | '.join(cells)} |"


def _describe_conditions() -> str:
    """Return a sentence with the date, the machine and the versions of the measurement."""
    day = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    return (
        f"Measured with `make bench-limits` on {day}: {os.cpu_count()} CPUs ({platform.machine()}), Python "
        f"{platform.python_version()}, Airflow {version('apache-airflow')}, a sandbox with the documented "
        f"limits and a latency of {LATENCY * 1000:.0f} ms, MANUAL_LEADS in chunks of {CHUNK_SIZE} ids."
    )


def _measure_one_task(workload: Workload) -> None:
    """Run a DAG with one task in real Airflow."""
    command = [sys.executable, str(ROOT / "scripts" / "run_dag.py"), str(DAGS_FOLDER / "engagevoice_bulk.py")]
    result_file = workload.folder / "result.json"
    completed = subprocess.run(
        [*command, str(result_file)],
        env=workload.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=400,
    )
    if completed.returncode or json.loads(result_file.read_text())["state"] != "success":
        raise RuntimeError(f"The DAG run failed:\n{completed.stdout[-3000:]}")


def _measure_celery(workload: Workload) -> None:
    """Run the same DAG with several mapped tasks on two Celery workers."""
    names = ("BULK_SOURCES", "BULK_CHUNK_SIZE")
    variables = {name: workload.environment()[name] for name in names}
    with start_cluster(workload.sandbox.connection, variables, log=lambda message: None) as cluster:
        cluster.run_dag("engagevoice_bulk", lambda states: None)


def _measure_processes(client: str) -> Callable[[Workload], None]:
    """Return a function that runs a client in one process per id file."""
    return partial(run_processes, client)


#: Number of id files and the measurement, by name.
_MEASUREMENTS: dict[str, tuple[int, Callable[[Workload], None]]] = {
    ONE_TASK: (1, _measure_one_task),
    "processes-8": (8, _measure_processes("hook")),
    "processes-16": (16, _measure_processes("hook")),
    CELERY: (8, _measure_celery),
    "official": (1, _measure_processes("official")),
    "http": (8, _measure_processes("http")),
}
_TITLES = {
    ONE_TASK: "`LeadActionOperator`, one task",
    "processes-8": "`EngageVoiceHook`, 8 processes on one host",
    "processes-16": "`EngageVoiceHook`, 16 processes on one host",
    CELERY: "`LeadActionOperator`, 8 mapped tasks on two Celery workers, Redis",
    "official": "RingCentral's `ringcentral-engage-voice` in a loop",
    "http": "Airflow's `HttpOperator` for each chunk, 8 in parallel, `retries=2` after 30 s",
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
