"""Measures throughput under RingCX's rate limits: one task, many processes, Celery workers, other clients.

Prints a Markdown table. ``python -m tests.benchmarks.limits [NAME ...]`` runs only the named measurements.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS
from airflow_provider_engagevoice.ringcx.storage.file import FOLDER_VARIABLE
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.benchmarks.limits.compared_clients import CHUNK_SIZE, FAILURE_PREFIX
from tests.benchmarks.limits.theoretical_minimum import minimum_seconds
from tests.system.cluster.airflow_cluster import DAGS_FOLDER, check_requirements, start_cluster
from tests.system.cluster.lead_passes import count_added_passes, read_passes, write_id_files
from tests.system.cluster.services import MissingRequirement

ROOT = Path(__file__).resolve().parents[3]
ID_COUNT = 100_000
LATENCY = 0.05
SETTINGS = Settings(size=int(ID_COUNT * 1.7), limits="documented", latency=LATENCY)
ONE_TASK, CELERY = "one-task", "celery"


@dataclass
class Workload:
    """100,000 leads in a separate sandbox, to which a client applies one action.

    :param folder: an empty folder.
    :param template: state file with the leads, which is copied.
    :param file_count: number of files into which the ids are divided.
    """

    folder: Path
    template: Path
    file_count: int
    notes: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def serve(self) -> Iterator[Workload]:
        """Serve the sandbox for the duration of the ``with`` block."""
        self.state_file = self.folder / "ringcx.db"
        shutil.copy(self.template, self.state_file)
        self.before = read_passes(self.state_file)
        self.ids = sorted(self.before)[:ID_COUNT]
        if len(self.ids) < ID_COUNT:
            raise RuntimeError(f"The sandbox has {len(self.ids)} leads; {ID_COUNT} are needed")
        self.sources = self.folder / "sources"
        self.sources.mkdir()
        self.files = write_id_files(self.sources, self.ids, self.file_count)
        with SandboxServer(SETTINGS, database=str(self.state_file)) as self.sandbox:
            yield self

    def environment(self) -> dict[str, str]:
        """Return environment variables for a process that runs a client."""
        inherited = {name: value for name, value in os.environ.items() if "AIRFLOW_" not in name}
        return {
            **inherited,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT": json.dumps(self.sandbox.connection),
            FOLDER_VARIABLE: str(self.folder / "shared"),
            "BULK_SOURCES": str(self.sources),
            "BULK_CHUNK_SIZE": str(CHUNK_SIZE),
        }

    def table_row(self, title: str) -> str:
        """Return the results as a row of the table."""
        requests = self.sandbox.requests
        actions = [request for request in requests if request.operation == "lead_action"]
        statuses = Counter(request.status for request in actions)
        leads = count_added_passes(self.ids, self.before, read_passes(self.state_file))
        # From the first request, which is the sign-in, to the last successful action.
        seconds = max(request.time for request in actions if request.status == 200) - (
            min(request.time - request.milliseconds / 1000 for request in requests)
        )
        minimum = minimum_seconds(statuses[200], LIMITS["lead_action"])
        is_complete = leads[1] == ID_COUNT
        efficiency = f"{minimum / seconds:.1%} of {minimum:.0f} s" if is_complete else "-"
        sign_ins = sum(request.operation == "token_exchange" for request in requests)
        rejected = sum(request.status == 429 for request in requests)
        repeated = sum(count for passes, count in leads.items() if passes > 1)
        cells = [
            title,
            f"{leads[1]:,}" + (f", {repeated:,} more than once" if repeated else ""),
            f"{statuses[200]}",
            f"{seconds:.1f} s",
            efficiency,
            f"{rejected}",
            f"{sign_ins}",
        ]
        return f"| {' | '.join(cells)} |"


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
            with Workload(subfolder, template, file_count).serve() as workload:
                measure(workload)
            # The state file is locked while the sandbox serves it.
            rows.append(workload.table_row(_TITLES[name]))
            print(rows[-1], *workload.notes, sep="\n  ", file=sys.stderr, flush=True)
    print(HEAD, *rows, sep="\n")
    print(f"\n{_describe_conditions()}")
    return 0


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

    def measure(workload: Workload) -> None:
        script = str(Path(__file__).with_name("compared_clients.py"))
        processes = [
            subprocess.Popen(
                [sys.executable, script, client, str(file)],
                env=workload.environment(),
                cwd=workload.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for file in workload.files
        ]
        try:
            _run_together(processes, workload)
        finally:
            for process in processes:
                process.kill()
                process.communicate()

    return measure


def _run_together(processes: Sequence[subprocess.Popen[str]], workload: Workload) -> None:
    """Start all clients at the same time, wait for them, and record their failures."""
    for process in processes:
        assert process.stdout
        while (line := process.stdout.readline()) and line != "ready\n":
            pass
        if not line:
            raise RuntimeError("A client process exited before it was ready")
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    lines = "".join(process.communicate(timeout=400)[0] for process in processes).splitlines()
    failures = Counter(line for line in lines if line.startswith(FAILURE_PREFIX))
    workload.notes += [f"{count} x {line}" for line, count in failures.items()]


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
