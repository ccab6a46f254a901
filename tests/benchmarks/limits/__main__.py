"""How near to RingCX's limits: one task, many processes, two Celery workers; and what others get done.

Prints a table in Markdown. ``python tests/benchmarks/limits [NAME ...]`` measures some of them only.
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

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))

from airflow_cluster.airflow import DAGS, check_needs, cluster  # noqa: E402
from airflow_cluster.leads import passes, times_done, write_sources  # noqa: E402
from airflow_cluster.services import Missing  # noqa: E402
from optimum import seconds_for  # noqa: E402
from ways import CHUNK, FAILED  # noqa: E402

from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS  # noqa: E402
from airflow_provider_engagevoice.ringcx.storage.file import FOLDER_VARIABLE  # noqa: E402
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer  # noqa: E402
from airflow_provider_engagevoice.sandbox.settings import Settings  # noqa: E402

IDS = 100_000
LATENCY = 0.05
SETTINGS = Settings(size=int(IDS * 1.7), limits="documented", latency=LATENCY)
ONE_TASK, CELERY = "one-task", "celery"


@dataclass
class Work:
    """100,000 leads of a sandbox of its own, to be acted on once.

    :param folder: an empty folder.
    :param base: state file with the leads.
    :param parts: into how many files the ids are cut.
    """

    folder: Path
    base: Path
    parts: int
    said: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def served(self) -> Iterator[Work]:
        """Serve the sandbox."""
        self.state = self.folder / "ringcx.db"
        shutil.copy(self.base, self.state)
        self.before = passes(self.state)
        self.ids = sorted(self.before)[:IDS]
        if len(self.ids) < IDS:
            raise RuntimeError(f"The sandbox has {len(self.ids)} leads only")
        self.sources = self.folder / "sources"
        self.sources.mkdir()
        self.files = write_sources(self.sources, self.ids, self.parts)
        with SandboxServer(SETTINGS, database=str(self.state)) as self.sandbox:
            yield self

    def environment(self) -> dict[str, str]:
        """Give the environment of a process that works on it."""
        kept = {name: value for name, value in os.environ.items() if "AIRFLOW_" not in name}
        return {
            **kept,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT": json.dumps(self.sandbox.connection),
            FOLDER_VARIABLE: str(self.folder / "shared"),
            "BULK_SOURCES": str(self.sources),
            "BULK_CHUNK_SIZE": str(CHUNK),
        }

    def row(self, name: str) -> str:
        """Write what was measured as a line of the table."""
        requests = self.sandbox.requests
        actions = [request for request in requests if request.operation == "lead_action"]
        statuses = Counter(request.status for request in actions)
        done = times_done(self.ids, self.before, passes(self.state))
        # From the first request of all, which is the sign-in, to the last that was done.
        seconds = max(request.time for request in actions if request.status == 200) - (
            min(request.time - request.milliseconds / 1000 for request in requests)
        )
        optimum = seconds_for(statuses[200], LIMITS["lead_action"])
        whole = done[1] == IDS
        share = f"{optimum / seconds:.1%} of {optimum:.0f} s" if whole else "-"
        sign_ins = sum(request.operation == "token_exchange" for request in requests)
        refused = sum(request.status == 429 for request in requests)
        twice = sum(count for times, count in done.items() if times > 1)
        cells = [
            name,
            f"{done[1]:,}" + (f", {twice:,} more than once" if twice else ""),
            f"{statuses[200]}",
            f"{seconds:.1f} s",
            share,
            f"{refused}",
            f"{sign_ins}",
        ]
        return f"| {' | '.join(cells)} |"


HEAD = """| what | leads done of 100,000 | requests | seconds | of what the windows allow | 429 | sign-ins |
|---|---|---|---|---|---|---|"""


def main(names: Sequence[str]) -> int:
    """Measure, and print the table."""
    try:
        check_needs()
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    rows: list[str] = []
    with tempfile.TemporaryDirectory(prefix="engagevoice-bench-") as folder:
        base = Path(folder) / "base.db"
        with SandboxServer(SETTINGS, database=str(base)):
            pass
        for number, (name, (parts, measure)) in enumerate(_MEASURES.items()):
            if names and name not in names:
                continue
            place = Path(folder) / str(number)
            place.mkdir()
            print(f"Measuring: {name} ...", file=sys.stderr, flush=True)
            with Work(place, base, parts).served() as work:
                measure(work)
            # Not sooner: the state file is locked while it is served.
            rows.append(work.row(_TITLES[name]))
            print(rows[-1], *work.said, sep="\n  ", file=sys.stderr, flush=True)
    print(HEAD, *rows, sep="\n")
    print(f"\n{_where()}")
    return 0


def _where() -> str:
    """Say when, where and with what it was measured."""
    day = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    return (
        f"Measured with `make bench-limits` on {day}: {os.cpu_count()} CPUs ({platform.machine()}), Python "
        f"{platform.python_version()}, Airflow {version('apache-airflow')}, a sandbox with the documented "
        f"limits that answers after {LATENCY * 1000:.0f} ms, MANUAL_LEADS in requests of {CHUNK} ids."
    )


def _one_task(work: Work) -> None:
    """A DAG with one task, in real Airflow."""
    command = [sys.executable, str(ROOT / "scripts" / "run_dag.py"), str(DAGS / "engagevoice_bulk.py")]
    result = work.folder / "result.json"
    ended = subprocess.run(
        [*command, str(result)],
        env=work.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=400,
    )
    if ended.returncode or json.loads(result.read_text())["state"] != "success":
        raise RuntimeError(ended.stdout[-3000:])


def _celery(work: Work) -> None:
    """The same DAG with several mapped tasks, on two Celery workers."""
    names = ("BULK_SOURCES", "BULK_CHUNK_SIZE")
    variables = {name: work.environment()[name] for name in names}
    with cluster(work.sandbox.connection, variables, say=lambda text: None) as airflow:
        airflow.run("engagevoice_bulk", lambda states: None)


def _ways(way: str) -> Callable[[Work], None]:
    """Let as many processes as there are files go one way."""

    def measure(work: Work) -> None:
        script = str(Path(__file__).with_name("ways.py"))
        started = [
            subprocess.Popen(
                [sys.executable, script, way, str(file)],
                env=work.environment(),
                cwd=work.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for file in work.files
        ]
        try:
            _go(started, work)
        finally:
            for process in started:
                process.kill()
                process.communicate()

    return measure


def _go(started: Sequence[subprocess.Popen[str]], work: Work) -> None:
    """Let them begin together, and wait for all."""
    for process in started:
        assert process.stdout
        while (line := process.stdout.readline()) and line != "ready\n":
            pass
        if not line:
            raise RuntimeError("A process ended before it began")
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = "".join(process.communicate(timeout=400)[0] for process in started).splitlines()
    failures = Counter(line for line in said if line.startswith(FAILED))
    work.said += [f"{count} x {line}" for line, count in failures.items()]


_MEASURES: dict[str, tuple[int, Callable[[Work], None]]] = {
    ONE_TASK: (1, _one_task),
    "processes-8": (8, _ways("hook")),
    "processes-16": (16, _ways("hook")),
    CELERY: (8, _celery),
    "official": (1, _ways("official")),
    "http": (8, _ways("http")),
}
_TITLES = {
    ONE_TASK: "`LeadActionOperator`, one task",
    "processes-8": "`EngageVoiceHook`, 8 processes of one host",
    "processes-16": "`EngageVoiceHook`, 16 processes of one host",
    CELERY: "`LeadActionOperator`, 8 mapped tasks on two Celery workers, Redis",
    "official": "RingCentral's `ringcentral-engage-voice` in a loop",
    "http": "Airflow's `HttpOperator` for each request, 8 at a time, `retries=2` after 30 s",
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
