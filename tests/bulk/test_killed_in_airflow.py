"""A task's process is killed at every moment; the next try goes on with Airflow's own task state store."""

from __future__ import annotations

import collections
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server import SandboxServer
from tests.harness import in_dags_folder

pytest.importorskip("airflow.sdk.execution_time.context")
try:
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor  # noqa: F401
except ImportError:
    pytest.skip("Airflow has a task state store from 3.3 on", allow_module_level=True)

CHUNKS, SIZE = 3, 4
DAG = """
from datetime import datetime
from airflow.sdk import DAG
from airflow_provider_engagevoice.operators.leads import LeadActionOperator, MoveLeadsOperator
with DAG({dag_id!r}, schedule=None, start_date=datetime(2026, 1, 1)) as dag:
    {operator}(task_id="act", chunk_size={size}, retries=3, **{arguments!r})
"""
MANUAL = {
    "PASS_DISPOSITION": "Sale",
    "REQUEUE": False,
    "DO_NOT_CALL": False,
    "PASS_DELAY": 0,
    "MERGE_ORIGINAL": False,
}


class Tasks:
    """Task processes, one at a time."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.bulk.task_processes", str(log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self.pid = 0

    def run(self, file: Path, then: str | None = None, env: dict[str, str] | None = None) -> str:
        """Run the first try of a new run, or the next one; give the state it ended in."""
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps({"file": str(file), "then": then}) + "\n")
        self._server.stdin.flush()
        self.pid = self._answer("pid")
        return str(self._answer("state"))

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(20)

    def _answer(self, name: str) -> Any:
        assert self._server.stdout is not None
        while line := self._server.stdout.readline():
            if name in (answer := json.loads(line)):
                return answer[name]
        raise AssertionError(f"the task processes ended:\n{self.log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def world() -> Iterator[SandboxServer]:
    from airflow_provider_engagevoice.sandbox.settings import Settings

    with SandboxServer(Settings(size=1000, limits="off")) as server:
        os.environ["AIRFLOW_CONN_ENGAGEVOICE_DEFAULT"] = json.dumps(server.connection)
        yield server
        del os.environ["AIRFLOW_CONN_ENGAGEVOICE_DEFAULT"]


@pytest.fixture(scope="module")
def tasks(
    airflow_db: Path, world: SandboxServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tasks]:
    tasks = Tasks(tmp_path_factory.mktemp("tasks") / "log")
    yield tasks
    tasks.close()


@pytest.fixture
def leads(world: SandboxServer) -> list[dict[str, Any]]:
    world.reset()
    ready = [lead for lead in world.leads("Spring Renewals") if lead["leadState"] == "READY"]
    return ready[: CHUNKS * SIZE]


def arguments_of(kind: str, world: SandboxServer, ids: list[int]) -> tuple[str, dict[str, Any]]:
    criteria = {"campaignIds": [world.campaign("Spring Renewals")["campaignId"]], "leadIds": ids}
    if kind == "manual":
        return "LeadActionOperator", {
            "lead_action": "MANUAL_LEADS",
            "action_params": MANUAL,
            "search_criteria": criteria,
        }
    move = {"search_criteria": criteria, "target_campaign": "Summer Win-Back", "new_list_name": "Once"}
    return "MoveLeadsOperator", {**move, "copy": kind == "copy"}


def done(kind: str, world: SandboxServer, leads: list[dict[str, Any]]) -> collections.Counter[int]:
    """How often each lead was acted on."""
    if kind == "manual":
        now = {lead["leadId"]: lead["leadPasses"] for lead in world.leads()}
        return collections.Counter(
            {lead["leadId"]: now[lead["leadId"]] - lead["leadPasses"] for lead in leads}
        )
    arrived = [lead for lead in world.leads("Summer Win-Back") if lead["listDesc"] == "Once"]
    assert len({lead["listId"] for lead in arrived}) <= 1
    by_extern = {lead["externId"]: lead["leadId"] for lead in leads}
    return collections.Counter(by_extern[lead["externId"]] for lead in arrived)


Kill = Callable[[SandboxServer, Callable[[], None]], None]


def before(chunk: int) -> Kill:
    """When the chunk is counted: the one before it has its outcome, this one is not begun."""

    def set_faults(world: SandboxServer, kill: Callable[[], None]) -> None:
        world.fault("meanwhile", operation="lead_count", at=[chunk], work=kill)

    return set_faults


def inside(chunk: int, *, applied: bool) -> Kill:
    """When the chunk's request has arrived; it takes effect or not."""

    def set_faults(world: SandboxServer, kill: Callable[[], None]) -> None:
        world.fault("meanwhile", operation="lead_action", at=[chunk], work=kill)
        if not applied:
            world.fault("drop", operation="lead_action", at=[chunk])

    return set_faults


KILLS: dict[str, tuple[int, Kill]] = {
    **{f"before-{n}": (0, before(n)) for n in (2, 3)},
    **{f"in-{n}-applied": (n, inside(n, applied=True)) for n in (1, 3)},
    **{f"in-{n}-lost": (n, inside(n, applied=False)) for n in (1, 2)},
}


@pytest.mark.parametrize("kind", ["copy", "manual", "move"])
@pytest.mark.parametrize("moment", sorted(KILLS))
def test_no_lead_is_skipped_and_none_done_twice(
    world: SandboxServer, tasks: Tasks, leads: list[dict[str, Any]], kind: str, moment: str
) -> None:
    """What a request did that the process was killed in may be unknown: the task says so, once."""
    ids = [lead["leadId"] for lead in leads]
    operator, arguments = arguments_of(kind, world, ids)
    dag_id = f"killed_{kind}_{moment.replace('-', '_')}"
    text = DAG.format(dag_id=dag_id, operator=operator, size=SIZE, arguments=arguments)
    unknown, set_faults = KILLS[moment]
    with in_dags_folder(f"{dag_id}.py", text) as file:
        set_faults(world, tasks.kill)
        assert tasks.run(file) == "killed"
        told = unknown and kind != "move"
        state = tasks.run(file, "retry")
        # A moved lead is gone from its source, so a move never has to ask.
        assert state == ("failed" if told else "success"), tasks.log.read_text()[-6000:]
        if told:
            assert tasks.run(file, "clear") == "success"
    counts = done(kind, world, leads)
    lost = ids[(unknown - 1) * SIZE : unknown * SIZE] if told and moment.endswith("lost") else []
    assert {lead_id: counts[lead_id] for lead_id in ids} == {
        lead_id: 0 if lead_id in lost else 1 for lead_id in ids
    }
