"""Leads in a sandbox with RingCX's rate limits, processes that act on them, and what the sandbox records."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS
from airflow_provider_engagevoice.ringcx.storage.file import FOLDER_VARIABLE
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.benchmarks.limits.compared_clients import FAILURE_PREFIX
from tests.benchmarks.limits.theoretical_minimum import minimum_seconds
from tests.system.cluster.lead_passes import count_added_passes, read_passes, write_id_files

ID_COUNT = 100_000
CHUNK_SIZE = 500
#: Seconds after which a client is stopped.
TIME_LIMIT = 480.0


@dataclass
class Workload:
    """Leads in a separate sandbox, to which a client applies one action.

    :param folder: an empty folder.
    :param template: state file with the leads, which is copied.
    :param settings: settings of the sandbox.
    :param file_count: number of files into which the ids are divided.
    :param id_count: number of leads to act on.
    :param chunk_size: number of ids in a request.
    :param action: ``MANUAL_LEADS``, which adds a pass to each lead, or ``PAUSE_LEADS``.
    """

    folder: Path
    template: Path
    settings: Settings
    file_count: int
    id_count: int = ID_COUNT
    chunk_size: int = CHUNK_SIZE
    action: str = "MANUAL_LEADS"
    notes: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def serve(self) -> Iterator[Workload]:
        """Serve the sandbox for the duration of the ``with`` block."""
        self.state_file = self.folder / "ringcx.db"
        shutil.copy(self.template, self.state_file)
        self.before = read_passes(self.state_file)
        self.ids = sorted(self.before)[: self.id_count]
        if len(self.ids) < self.id_count:
            raise RuntimeError(f"The sandbox has {len(self.ids)} leads; {self.id_count} are needed")
        self.sources = self.folder / "sources"
        self.sources.mkdir()
        self.files = write_id_files(self.sources, self.ids, self.file_count)
        with SandboxServer(self.settings, database=str(self.state_file)) as self.sandbox:
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
            "BULK_CHUNK_SIZE": str(self.chunk_size),
            "BULK_ACTION": self.action,
        }

    def measure(self) -> Measurement:
        """Return what the sandbox recorded; it must no longer serve, since it locks the state file."""
        requests = self.sandbox.requests
        actions = [request for request in requests if request.operation == "lead_action"]
        accepted = [request for request in actions if request.status == 200]
        last = max(request.time for request in accepted)
        leads = count_added_passes(self.ids, self.before, read_passes(self.state_file))
        return Measurement(
            leads_done=leads[1] if self.action == "MANUAL_LEADS" else len(accepted) * self.chunk_size,
            leads_repeated=sum(count for passes, count in leads.items() if passes > 1),
            requests=len(accepted),
            seconds=last - min(request.time - request.milliseconds / 1000 for request in requests),
            action_seconds=last - min(request.time - request.milliseconds / 1000 for request in actions),
            minimum=minimum_seconds(len(accepted), LIMITS["lead_action"]),
            rejected=sum(request.status == 429 for request in requests),
            sign_ins=sum(request.operation == "token_exchange" for request in requests),
        )


@dataclass(frozen=True)
class Measurement:
    """Result of one client.

    :param leads_done: leads to which the action was applied.
    :param leads_repeated: leads to which it was applied more than once.
    :param requests: action requests that succeeded.
    :param seconds: from the first request, which is the sign-in, to the last successful action.
    :param action_seconds: from the first action to the last successful one.
    :param minimum: seconds from the first action to the last one if each is sent as early as the windows
        allow.
    :param rejected: requests that were rejected with 429.
    :param sign_ins: number of sign-ins.
    """

    leads_done: int
    leads_repeated: int
    requests: int
    seconds: float
    action_seconds: float
    minimum: float
    rejected: int
    sign_ins: int


def run_processes(client: str, workload: Workload) -> None:
    """Run a client in one process per id file; all start at the same time.

    :param client: name of the client, as in ``compared_clients.py``.
    :param workload: the leads; gets a note of each failure.
    """
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
    end = time.monotonic() + TIME_LIMIT
    lines = [line for process in processes for line in _output(process, end).splitlines()]
    failures = Counter(line for line in lines if line.startswith(FAILURE_PREFIX))
    workload.notes += [f"{count} x {line}" for line, count in failures.items()]


def _output(process: subprocess.Popen[str], end: float) -> str:
    """Return what a process has written when it ends; stop it if it takes too long."""
    try:
        return process.communicate(timeout=max(end - time.monotonic(), 0.1))[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0] + f"{FAILURE_PREFIX}stopped after {TIME_LIMIT:.0f} s\n"
