"""A task's process is killed at every moment, under LocalExecutor; Airflow runs the task again by itself."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.support.clients import PARAMS

if TYPE_CHECKING:
    from airflow_cluster.airflow import Cluster

try:
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor  # noqa: F401
except ImportError:
    pytest.skip("Airflow has a task state store from 3.3 on", allow_module_level=True)

CHUNKS, SIZE = 3, 4
KINDS = ("copy", "manual", "move")


@dataclass(frozen=True)
class Moment:
    """When a task's process is killed.

    :param name: what it is called.
    :param dies_at: what the record holds that the task is about to keep.
    :param inside: the request that has arrived, by number.
    :param applied: that request takes effect.
    """

    name: str
    dies_at: dict[str, Any] | None = None
    inside: int | None = None
    applied: bool = False


MOMENTS = (
    *(Moment(f"before-{n}", dies_at={"begun": n - 1}) for n in range(1, CHUNKS + 1)),
    Moment("before-end", dies_at={"finished": True}),
    *(Moment(f"in-{n}-applied", inside=n, applied=True) for n in range(1, CHUNKS + 1)),
    *(Moment(f"in-{n}-lost", inside=n) for n in range(1, CHUNKS + 1)),
)


@dataclass(frozen=True)
class Task:
    """A task that is killed at one moment, with leads of its own in a sandbox of its own."""

    kind: str
    moment: Moment
    world: SandboxServer
    leads: Sequence[dict[str, Any]]

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.moment.name}"

    @property
    def is_told(self) -> bool:
        """Whether nobody can know what the request did; moved leads are gone from their source."""
        return self.moment.inside is not None and self.kind != "move"

    def written(self) -> dict[str, Any]:
        """Write it the way the DAG file reads it."""
        return {
            "task_id": self.name,
            "kind": self.kind,
            "dies_at": self.moment.dies_at,
            "arguments": {
                "engagevoice_conn_id": self._conn_id,
                "chunk_size": SIZE,
                "search_criteria": {
                    "campaignIds": [self.world.campaign("Spring Renewals")["campaignId"]],
                    "leadIds": [lead["leadId"] for lead in self.leads],
                },
                **self._arguments(),
            },
        }

    def _arguments(self) -> dict[str, Any]:
        if self.kind == "manual":
            return {"lead_action": "MANUAL_LEADS", "action_params": PARAMS["MANUAL_LEADS"]}
        copy = self.kind == "copy"
        return {"target_campaign": "Summer Win-Back", "new_list_name": "Once", "copy": copy}

    @property
    def _conn_id(self) -> str:
        return self.name.replace("-", "_")

    @property
    def environment(self) -> dict[str, str]:
        return {f"AIRFLOW_CONN_{self._conn_id.upper()}": json.dumps(self.world.connection)}

    def set_faults(self, folder: Path) -> None:
        """Have its process killed while a request is under way, where that is its moment."""
        if self.moment.inside is None:
            return

        def kill() -> None:
            os.kill(int((folder / self.name).read_text()), signal.SIGKILL)

        which = {"operation": "lead_action", "at": [self.moment.inside]}
        self.world.fault("meanwhile", work=kill, **which)
        if not self.moment.applied:
            self.world.fault("drop", **which)

    def expected(self) -> str:
        """How often each lead is to be acted on in the end: once, or as somebody was told."""
        lost = self.moment.inside if self.is_told and not self.moment.applied else None
        return " ".join(("0" if n == lost else "1") * SIZE for n in range(1, CHUNKS + 1))

    def done(self) -> str:
        """How often each lead was acted on, chunk by chunk."""
        if self.kind == "manual":
            passes = {lead["leadId"]: lead["leadPasses"] for lead in self.world.leads()}
            times = [passes[lead["leadId"]] - lead["leadPasses"] for lead in self.leads]
        else:
            arrived = [lead for lead in self.world.leads("Summer Win-Back") if lead["listDesc"] == "Once"]
            assert len({lead["listId"] for lead in arrived}) == 1, f"{self.name} made several lists"
            counts = Counter(lead["externId"] for lead in arrived)
            times = [counts[lead["externId"]] for lead in self.leads]
        return " ".join("".join(map(str, times[n : n + SIZE])) for n in range(0, len(times), SIZE))


@pytest.fixture
def tasks() -> Iterator[list[Task]]:
    with contextlib.ExitStack() as worlds:
        found = []
        for kind in KINDS:
            for moment in MOMENTS:
                world = worlds.enter_context(SandboxServer(Settings(size=300, limits="off")))
                ready = [lead for lead in world.leads("Spring Renewals") if lead["leadState"] == "READY"]
                found.append(Task(kind, moment, world, ready[: CHUNKS * SIZE]))
        yield found


@dataclass(frozen=True)
class Tries:
    """All tries of all tasks so far, in one run of the DAG."""

    airflow: Cluster
    run_id: str

    def check(self, wanted: dict[str, tuple[str, int]]) -> None:
        """Compare the state of each task, and how often it was tried, with what should be."""
        instances = self.airflow.tasks("killed", self.run_id)
        found = {task["task_id"]: (task["state"], task["try_number"]) for task in instances}
        wrong = [name for name in wanted if found[name] != wanted[name]]
        shown = [f"{name}: {found[name]} instead of {wanted[name]}" for name in wrong]
        for name in wrong[:3]:
            shown += [f"Log of {name}:", *self.events(name, found[name][1])[-10:]]
        assert not wrong, "\n".join(shown)

    def events(self, name: str, attempt: int) -> list[str]:
        """Read what was logged in one try of a task, by it and about its end."""
        log = self.airflow.log_of("killed", self.run_id, name, -1, attempt)
        entries = [json.loads(line) for line in log.splitlines()]
        return [
            " ".join(
                [
                    entry["event"],
                    entry.get("signal_name", ""),
                    *(error["exc_value"] for error in entry.get("error_detail", ())),
                ]
            )
            for entry in entries
        ]


@pytest.mark.timeout(400)
def test_no_lead_is_skipped_and_none_done_twice(tasks: list[Task], tmp_path: Path) -> None:
    """What a request did that the process was killed in may be unknown: the task says so, once."""
    # Not sooner: it is for Airflow 3.
    from tests.support.local_airflow import local_airflow

    assert all(len(task.leads) == CHUNKS * SIZE for task in tasks)
    (tmp_path / "tasks.json").write_text(json.dumps([task.written() for task in tasks]))
    for task in tasks:
        task.set_faults(tmp_path)
    environment = {name: value for task in tasks for name, value in task.environment.items()}
    environment["KILLED_FOLDER"] = str(tmp_path)
    # All of them in one test, and at once: it takes Airflow long to start.
    with local_airflow(tmp_path, Path(__file__).parent / "kill_dags", environment) as airflow:
        tries = Tries(airflow, airflow.run("killed", lambda states: None, 150))
        first = {task.name: "".join(tries.events(task.name, 1)) for task in tasks}
        assert not [name for name, log in first.items() if "SIGKILL" not in log], "not killed"
        tries.check({task.name: ("failed" if task.is_told else "success", 2) for task in tasks})
        for task in tasks:
            said = f"broken off in request {task.moment.inside} of {CHUNKS}"
            assert (said in "".join(tries.events(task.name, 2))) == task.is_told, task.name
        airflow.clear_failed("killed", tries.run_id)
        airflow.wait("killed", tries.run_id, lambda states: None, 150)
        tries.check({task.name: ("success", 3 if task.is_told else 2) for task in tasks})
    done = {task.name: (task.done(), task.expected()) for task in tasks}
    wrong = [f"{name}: {times} instead of {once}" for name, (times, once) in done.items() if times != once]
    assert not wrong, "How often each lead was acted on:\n" + "\n".join(wrong)
