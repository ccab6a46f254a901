"""Kills of a task's process at every point, under LocalExecutor; Airflow retries the task."""

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
    from tests.system.cluster.airflow_cluster import Cluster

try:
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor  # noqa: F401
except ImportError:
    pytest.skip("Airflow has a task state store from 3.3 on", allow_module_level=True)

CHUNKS, CHUNK_SIZE = 3, 4
DAG_ID = "kill_attempts"
KINDS = ("copy", "manual", "move")


@dataclass(frozen=True)
class KillPoint:
    """When a task's process is killed: before it saves a checkpoint, or while a request is in flight.

    :param name: its name.
    :param before_save: values of the checkpoint.
    :param in_flight: number of the chunk whose request RingCX has received, from 1.
    :param applied: that request is applied.
    """

    name: str
    before_save: dict[str, Any] | None = None
    in_flight: int | None = None
    applied: bool = False


KILL_POINTS = (
    *(
        KillPoint(f"before-{n}", before_save={"in_flight": {str(n - 1): CHUNK_SIZE}})
        for n in range(1, CHUNKS + 1)
    ),
    KillPoint("before-end", before_save={"finished": True}),
    *(KillPoint(f"in-{n}-applied", in_flight=n, applied=True) for n in range(1, CHUNKS + 1)),
    *(KillPoint(f"in-{n}-lost", in_flight=n) for n in range(1, CHUNKS + 1)),
)


@dataclass(frozen=True)
class KilledTask:
    """A task that is killed at one point, with a separate sandbox and its leads."""

    kind: str
    kill_point: KillPoint
    sandbox: SandboxServer
    leads: Sequence[dict[str, Any]]

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.kill_point.name}"

    @property
    def outcome_is_unknown(self) -> bool:
        """Whether the outcome of the request cannot be determined; a move is looked up in its source."""
        return self.kill_point.in_flight is not None and self.kind != "move"

    def specification(self) -> dict[str, Any]:
        """Return the task as the DAG file reads it."""
        return {
            "task_id": self.name,
            "kind": self.kind,
            "kill_before_save": self.kill_point.before_save,
            "arguments": {
                "engagevoice_conn_id": self._conn_id,
                "chunk_size": CHUNK_SIZE,
                "search_criteria": {
                    "campaignIds": [self.sandbox.campaign("Spring Renewals")["campaignId"]],
                    "leadIds": [lead["leadId"] for lead in self.leads],
                },
                **self._action_arguments(),
            },
        }

    def _action_arguments(self) -> dict[str, Any]:
        if self.kind == "manual":
            return {"lead_action": "MANUAL_LEADS", "action_params": PARAMS["MANUAL_LEADS"]}
        copy = self.kind == "copy"
        return {"target_campaign": "Summer Win-Back", "new_list_name": "Once", "copy": copy}

    @property
    def _conn_id(self) -> str:
        return self.name.replace("-", "_")

    @property
    def environment(self) -> dict[str, str]:
        """The environment variable with its connection."""
        return {f"AIRFLOW_CONN_{self._conn_id.upper()}": json.dumps(self.sandbox.connection)}

    def set_faults(self, folder: Path) -> None:
        """Let the sandbox kill the process while the request of the kill point is in flight, if there is one.

        :param folder: folder with the pid files.
        """
        if self.kill_point.in_flight is None:
            return

        def kill() -> None:
            os.kill(int((folder / self.name).read_text()), signal.SIGKILL)

        match = {"operation": "lead_action", "at": [self.kill_point.in_flight]}
        self.sandbox.fault("meanwhile", work=kill, **match)
        if not self.kill_point.applied:
            self.sandbox.fault("drop", **match)

    def expected(self) -> str:
        """Return how often the action must have been applied to each lead, as :meth:`times_applied`.

        It is once, except for a lost chunk whose outcome was reported as unknown.
        """
        is_lost = self.outcome_is_unknown and not self.kill_point.applied
        lost = self.kill_point.in_flight if is_lost else None
        return " ".join(("0" if n == lost else "1") * CHUNK_SIZE for n in range(1, CHUNKS + 1))

    def times_applied(self) -> str:
        """Return how often the action was applied to each lead: one digit per lead, one word per chunk."""
        if self.kind == "manual":
            passes = {lead["leadId"]: lead["leadPasses"] for lead in self.sandbox.leads()}
            times = [passes[lead["leadId"]] - lead["leadPasses"] for lead in self.leads]
        else:
            arrived = [lead for lead in self.sandbox.leads("Summer Win-Back") if lead["listDesc"] == "Once"]
            assert len({lead["listId"] for lead in arrived}) == 1, f"{self.name} created several lists"
            counts = Counter(lead["externId"] for lead in arrived)
            times = [counts[lead["externId"]] for lead in self.leads]
        chunks = (times[n : n + CHUNK_SIZE] for n in range(0, len(times), CHUNK_SIZE))
        return " ".join("".join(map(str, chunk)) for chunk in chunks)


@pytest.fixture
def tasks() -> Iterator[list[KilledTask]]:
    with contextlib.ExitStack() as stack:
        killed_tasks = []
        for kind in KINDS:
            for kill_point in KILL_POINTS:
                sandbox = stack.enter_context(SandboxServer(Settings(size=300, limits="off")))
                ready = [lead for lead in sandbox.leads("Spring Renewals") if lead["leadState"] == "READY"]
                killed_tasks.append(KilledTask(kind, kill_point, sandbox, ready[: CHUNKS * CHUNK_SIZE]))
        yield killed_tasks


@dataclass(frozen=True)
class AttemptLog:
    """States and logs of all attempts in one run of the DAG."""

    airflow: Cluster
    run_id: str

    def check(self, expected: dict[str, tuple[str, int]]) -> None:
        """Compare the state and the number of attempts of each task with the expected ones."""
        instances = self.airflow.task_instances(DAG_ID, self.run_id)
        found = {task["task_id"]: (task["state"], task["try_number"]) for task in instances}
        wrong = [name for name in expected if found[name] != expected[name]]
        message = [f"{name}: {found[name]} instead of {expected[name]}" for name in wrong]
        for name in wrong[:3]:
            message += [f"Log of {name}:", *self.events(name, found[name][1])[-10:]]
        assert not wrong, "\n".join(message)

    def events(self, task_id: str, attempt: int) -> list[str]:
        """Return the log of an attempt, including Airflow's lines about its end."""
        log = self.airflow.read_task_log(DAG_ID, self.run_id, task_id, -1, attempt)
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


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_retry_after_kill_applies_action_once(tasks: list[KilledTask], tmp_path: Path) -> None:
    """If the outcome of a chunk is unknown, the retry fails once; once cleared, it skips the chunk."""
    # Imported here because it needs Airflow 3.
    from tests.support.local_airflow import local_airflow

    assert all(len(task.leads) == CHUNKS * CHUNK_SIZE for task in tasks)
    (tmp_path / "tasks.json").write_text(json.dumps([task.specification() for task in tasks]))
    for task in tasks:
        task.set_faults(tmp_path)
    environment = {name: value for task in tasks for name, value in task.environment.items()}
    environment["KILL_TEST_FOLDER"] = str(tmp_path)
    # One test for all tasks, which run in parallel, because Airflow's start takes long.
    with local_airflow(tmp_path, Path(__file__).parent / "kill_dags", environment) as airflow:
        attempts = AttemptLog(airflow, airflow.run_dag(DAG_ID, lambda states: None, 150))
        first = {task.name: "".join(attempts.events(task.name, 1)) for task in tasks}
        assert not [name for name, log in first.items() if "SIGKILL" not in log], "not killed"
        attempts.check({task.name: ("failed" if task.outcome_is_unknown else "success", 2) for task in tasks})
        for task in tasks:
            message = f"interrupted in chunk {task.kill_point.in_flight} of {CHUNKS}"
            second = "".join(attempts.events(task.name, 2))
            assert (message in second) == task.outcome_is_unknown, task.name
        airflow.clear_failed_tasks(DAG_ID, attempts.run_id)
        airflow.wait_for_run(DAG_ID, attempts.run_id, lambda states: None, 150)
        attempts.check({task.name: ("success", 3 if task.outcome_is_unknown else 2) for task in tasks})
    results = {task.name: (task.times_applied(), task.expected()) for task in tasks}
    wrong = [
        f"{name}: {times} instead of {expected}"
        for name, (times, expected) in results.items()
        if times != expected
    ]
    assert not wrong, "How often the action was applied to each lead:\n" + "\n".join(wrong)
