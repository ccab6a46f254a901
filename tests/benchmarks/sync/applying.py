"""Throughput of applying plans over latency, as a share of what RingCX's limits allow."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_engagevoice.ringcx import LeadRows
from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS
from airflow_provider_engagevoice.ringcx.storage.file import FOLDER_VARIABLE
from airflow_provider_engagevoice.ringcx.sync.options import SyncOptions
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.benchmarks.limits.theoretical_minimum import minimum_seconds
from tests.support.clients import make_client

LATENCIES = (0.05, 0.3, 1.0)
JITTER = 0.1
CAMPAIGN = "Spring Renewals"
CHANGES = {"load": 90_000, "remove": 45_000}
"""Changes of each plan: two minutes of RingCX's limits."""
GOAL = 0.95

#: The operation that makes each kind of change, and all that need their turn in RingCX's limits.
_OPERATIONS = {"load": "direct_load", "remove": "lead_action"}
_LIMITED = ("lead_search", "lead_count", *_OPERATIONS.values())

_CLIENT = """
import sys
from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.ringcx import LeadRows
plan, source, fingerprint = sys.argv[1:]
syncs = EngageVoiceHook().get_conn().syncs()
result = syncs.apply(plan, LeadRows(source=source), approve=fingerprint)
print(result["leads_inserted"], result["leads_removed"], result["in_step"])
"""


@dataclass(frozen=True)
class PreparedPlan:
    """A plan that can be applied to a copy of a sandbox.

    :param kind: ``load`` or ``remove``.
    :param changes: number of its changes.
    :param folder: the folder of the plan and of its source.
    :param fingerprint: approves the plan.
    :param port: port of the sandbox: a plan is for one address.
    """

    kind: str
    changes: int
    folder: Path
    fingerprint: str
    port: int

    @property
    def state(self) -> Path:
        """State file of the sandbox."""
        return self.folder / "state.db"

    @property
    def source(self) -> Path:
        """The rows of the plan."""
        return self.folder / "leads.csv"


def measure_table(changes: dict[str, int]) -> str:
    """Measure both kinds of plans over all latencies; return a Markdown table with the conditions below it.

    :param changes: number of changes of each kind of plan.
    """
    lines = [
        "| plan | latency | share | without look-ups | changes per second | searches | counts "
        "| loads or actions | 429 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind, count in changes.items():
        with tempfile.TemporaryDirectory(prefix="engagevoice-bench-") as folder:
            print(f"Planning: {kind} {count:,} ...", file=sys.stderr, flush=True)
            plan = _prepare(kind, count, Path(folder))
            for latency in LATENCIES:
                print(f"Measuring: latency {_label(latency)} ...", file=sys.stderr, flush=True)
                lines.append(_measure(plan, latency))
                print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines) + (
        f"\n\nOne task, 500 leads in a request, with {JITTER:.0%} jitter; surplus leads are suppressed. 100% "
        "is the least time that RingCX's limits require for as many searches, counts, loads and actions, "
        "whichever is longest, and the latencies of a search and of a change. Without look-ups, it is the "
        f"least time for as many loads or actions only. Goal: {GOAL:.0%} with look-ups.\n"
    )


def _prepare(kind: str, count: int, folder: Path) -> PreparedPlan:
    """Make a plan in a sandbox without limits that keeps its leads in a file."""
    options = SyncOptions(on_surplus="suppress", max_loads=None, max_removals=None)
    source = folder / "leads.csv"
    _write_source(source, count)
    arguments: dict[str, Any] = {"name": "nightly", "list_name": "Benchmark"}
    with SandboxServer(Settings(size=100, limits="off"), database=str(folder / "state.db")) as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        # A load without limits: this client has no limiter.
        syncs = make_client(sandbox.url, "api_token").syncs()
        plan = syncs.plan(CAMPAIGN, LeadRows(source=source), options, str(folder / "plan"), **arguments)
        if kind == "remove":
            syncs.apply(plan["plan"], LeadRows(source=source))
            _write_source(source, 10, start=count)
            plan = syncs.plan(CAMPAIGN, LeadRows(source=source), options, str(folder / "plan"), **arguments)
    return PreparedPlan(kind, count, folder, plan["fingerprint"], port)


def _write_source(path: Path, count: int, start: int = 0) -> None:
    with path.open("w") as file:
        file.write("externId,leadPhone,firstName,city\n")
        file.writelines(f"B-{n},303{n:07d},Ada,Denver\n" for n in range(start, start + count))


def _measure(plan: PreparedPlan, latency: float) -> str:
    """Apply a plan once; return the line of the table."""
    with _serve(plan, latency) as (sandbox, environment):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                _CLIENT,
                environment["BENCHMARK_PLAN"],
                str(plan.source),
                plan.fingerprint,
            ],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        expected = (plan.changes, 0) if plan.kind == "load" else (10, plan.changes)
        if done.returncode or done.stdout.split()[-3:] != [*map(str, expected), "True"]:
            raise RuntimeError(f"Applying failed: {done.stdout[-500:]}{done.stderr[-2000:]}")
        requests = [each for each in sandbox.requests if each.operation in _LIMITED]
        refused = sum(request.status == 429 for request in sandbox.requests)
    begin = min(request.time - request.milliseconds / 1000 for request in requests)
    seconds = max(request.time for request in requests) - begin
    sent = Counter(request.operation for request in requests)
    least = {name: minimum_seconds(count, LIMITS[name]) + 2 * latency for name, count in sent.items()}
    change = _OPERATIONS[plan.kind]
    cells = (
        plan.kind,
        _label(latency),
        f"{max(least.values()) / seconds:.1%}",
        f"{(least[change] - latency) / seconds:.1%}",
        f"{plan.changes / seconds:,.0f}",
        str(sent["lead_search"]),
        str(sent["lead_count"]),
        str(sent[change]),
        str(refused),
    )
    return f"| {' | '.join(cells)} |"


@contextmanager
def _serve(plan: PreparedPlan, latency: float) -> Iterator[tuple[SandboxServer, dict[str, str]]]:
    """Serve a copy of the sandbox with the documented limits; yield it and the environment of a task."""
    with tempfile.TemporaryDirectory(prefix="engagevoice-bench-") as name:
        folder = Path(name)
        shutil.copy(plan.state, folder / "state.db")
        shutil.copytree(plan.folder / "plan", folder / "plan")
        settings = Settings(size=100, latency=latency, latency_jitter=JITTER)
        with SandboxServer(settings, port=plan.port, database=str(folder / "state.db")) as sandbox:
            yield (
                sandbox,
                {
                    **os.environ,
                    "AIRFLOW_HOME": str(folder),
                    "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT": json.dumps(sandbox.connection),
                    FOLDER_VARIABLE: str(folder / "shared"),
                    "BENCHMARK_PLAN": str(folder / "plan"),
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                },
            )


def _label(latency: float) -> str:
    return f"{latency:g} s" if latency >= 1 else f"{latency * 1000:.0f} ms"
