"""Kills of a load's process at every request; the next attempt loads what is missing, and nothing twice.

The next attempt runs on the same host, with the checkpoint of the killed one, or on another host without it.
Tasks of Airflow before 3.3 keep the checkpoint in files of the host or in Redis, those of Airflow 3.3 in the
task state store.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.attempts import AttemptResult, AttemptRunner
from tests.support.load_tasks import KILLED, KillPoint, LoadTask
from tests.support.processes import wait_for

CHUNK_SIZE = 2


@dataclass(frozen=True)
class Load:
    """A kind of load of ten rows in five chunks, if the options do not say otherwise.

    :param requests: number of its requests by operation.
    :param options: options of the load.
    :param existing: number of rows that the campaign has already.
    :param has_report: it writes a report.
    """

    requests: dict[str, int]
    options: dict[str, Any] = field(default_factory=dict)
    existing: int = 0
    has_report: bool = False

    def kill_points(self) -> list[KillPoint]:
        """Return each request; those that change leads twice, because they may be applied or lost."""
        return [
            KillPoint(operation, number, is_applied)
            for operation, count in {"dial_groups_with_children": 1, "lists": 2, **self.requests}.items()
            for number in range(1, count + 1)
            for is_applied in (True, False)
            if is_applied or operation in ("direct_load", "lead_update")
        ]


LOADS = {
    "one-in-flight": Load({"direct_load": 5, "lead_count": 1}, {"max_in_flight": 1}),
    "eight-in-flight": Load({"direct_load": 5, "lead_count": 1}, {"max_in_flight": 8}),
    "one-chunk": Load({"direct_load": 1, "lead_count": 1}, {"chunk_size": 1000}),
    "skip": Load(
        {"lead_search": 5, "direct_load": 4, "lead_count": 6},
        {"existing": "skip", "max_in_flight": 2},
        existing=3,
    ),
    "update": Load(
        {"lead_search": 5, "lead_update": 3, "direct_load": 4, "lead_count": 6},
        {"existing": "update", "max_in_flight": 2},
        existing=3,
    ),
    "fail": Load({"lead_search": 5, "direct_load": 5, "lead_count": 6}, {"existing": "fail"}),
    "report": Load({"lead_search": 5, "direct_load": 5, "lead_count": 5}, has_report=True),
}
#: Where the checkpoint is, and where the next attempt runs.
PLACES = [
    ("host", "same"),
    ("host", "other"),
    ("host", "cleared"),
    ("redis", "other"),
    ("task_state", "other"),
    ("task_state", "cleared"),
]


def kill_cases() -> Iterator[Any]:
    """Yield the parameters of all kills: kind of load, kill point, store, and place of the next attempt.

    `make test` runs those that differ most from each other.
    """
    for kind, load in LOADS.items():
        for point in load.kill_points():
            for store, place in PLACES:
                is_quick = is_quick_case(kind, point, store, place)
                yield pytest.param(
                    kind,
                    point,
                    store,
                    place,
                    id=f"{kind}-{point}-{store}-{place}",
                    marks=[] if is_quick else [pytest.mark.slow],
                )


def is_quick_case(kind: str, point: KillPoint, store: str, place: str) -> bool:
    """Return whether `make test` runs a case."""
    if kind == "one-in-flight":
        is_third_load = point.operation == "direct_load" and point.number == 3
        return is_third_load or (store, place) in (("host", "same"), ("host", "other"))
    if point.operation not in ("direct_load", "lead_update"):
        return False
    # In turn: applied without a checkpoint, lost with that of Airflow 3.3.
    is_odd = bool(point.number % 2)
    return (point.is_applied, store, place) == (is_odd, "host" if is_odd else "task_state", "other")


@pytest.fixture(scope="session")
def attempt_runner() -> Iterator[AttemptRunner]:
    runner = AttemptRunner()
    yield runner
    runner.close()


@pytest.fixture
def make_task(
    ringcx: SandboxServer, attempt_runner: AttemptRunner, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[..., LoadTask]:
    """Return a function that makes a task of a kind of load, with its checkpoint in a kind of store."""

    def make(kind: str, store: str = "host", existing: int = 0) -> LoadTask:
        load = LOADS[kind]
        existing = existing or load.existing
        return LoadTask(
            attempt_runner,
            ringcx,
            tmp_path,
            new=10 - existing,
            existing_rows=existing,
            options={"chunk_size": CHUNK_SIZE, **load.options},
            store=request.getfixturevalue("redis").url if store == "redis" else "host",
            has_task_state=store == "task_state",
            has_report=load.has_report,
        )

    return make


@pytest.mark.parametrize("kind", LOADS)
def test_load_sends_the_requests_of_the_kill_points(make_task: Callable[..., LoadTask], kind: str) -> None:
    """Otherwise the test below would miss some of them."""
    task = make_task(kind)
    task.assert_complete(task.run(is_retry=False))
    expected = {"dial_groups_with_children": 1, "lists": 2, **LOADS[kind].requests}
    assert collections.Counter(request.operation for request in task.ringcx.requests) == expected


@pytest.mark.parametrize(("kind", "point", "store", "place"), kill_cases())
def test_attempt_after_kill_loads_each_row_once(
    make_task: Callable[..., LoadTask], kind: str, point: KillPoint, store: str, place: str
) -> None:
    task = make_task(kind, store)
    task.run_killed(point)
    task.assert_complete(task.resume(place))


@pytest.mark.parametrize("outcome", ["applied", "lost"])
@pytest.mark.parametrize(("store", "place"), [("host", "same"), ("host", "other"), ("task_state", "other")])
def test_attempt_after_kill_with_all_chunks_in_flight(
    make_task: Callable[..., LoadTask], store: str, place: str, outcome: str
) -> None:
    task = make_task("eight-in-flight", store)
    task.reset_requests()
    all_sent = threading.Barrier(5, action=task.attempt_runner.kill, timeout=20)
    task.ringcx.fault("meanwhile", operation="direct_load", times=5, work=all_sent.wait)
    if outcome == "lost":
        task.ringcx.fault("drop", operation="direct_load", times=5)
    assert task.run(is_retry=False) == KILLED
    task.wait_until_idle()
    task.assert_complete(task.resume(place))
    assert task.load_requests() == (5 if outcome == "applied" else 10)


#: A load in five chunks saves its checkpoint before each request, after its outcome, and at the end.
SAVES = range(1, 12)


@pytest.mark.parametrize("place", ["same", "other"])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    "save", [pytest.param(n, marks=[] if n in (2, 7) else pytest.mark.slow) for n in SAVES]
)
def test_attempt_after_kill_at_a_checkpoint(
    make_task: Callable[..., LoadTask], place: str, moment: str, save: int
) -> None:
    task = make_task("eight-in-flight")
    task.reset_requests()
    assert task.run(is_retry=False, kill_at=f"{moment} save {save}") == KILLED
    task.wait_until_idle()
    task.assert_complete(task.resume(place))


FIRST_KILLS = [
    KillPoint("direct_load", number, is_applied) for number in (1, 3, 4) for is_applied in (True, False)
]
SECOND_KILLS = [
    KillPoint("lists", 1),
    KillPoint("lists", 2),
    KillPoint("lead_search", 2),
    KillPoint("direct_load", 1),
    KillPoint("direct_load", 1, is_applied=False),
    KillPoint("direct_load", 2),
]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["one-in-flight", "eight-in-flight", "skip", "report"])
@pytest.mark.parametrize(("store", "place"), [("host", "same"), ("host", "other"), ("task_state", "other")])
@pytest.mark.parametrize("second", SECOND_KILLS, ids=str)
@pytest.mark.parametrize("first", FIRST_KILLS, ids=str)
def test_attempt_after_two_kills_loads_each_row_once(
    make_task: Callable[..., LoadTask], kind: str, store: str, place: str, first: KillPoint, second: KillPoint
) -> None:
    """The second attempt ends before the second kill if it needs fewer requests."""
    task = make_task(kind, store)
    task.run_killed(first)
    task.prepare_kill(second)
    result = task.resume(place)
    task.wait_until_idle()
    if result != KILLED:
        task.assert_complete(result)
    task.assert_complete(task.resume(place))


class TestLateCommit:
    """RingCX processes a request of the killed attempt only while the next attempt runs."""

    def run_killed(self, task: LoadTask) -> Callable[[], None]:
        """Run an attempt that is killed during its second load; return a function that lets RingCX resume."""
        resume = threading.Event()

        def kill_and_wait() -> None:
            task.attempt_runner.kill()
            resume.wait(20)

        task.ringcx.fault("meanwhile", operation="direct_load", at=[2], work=kill_and_wait)
        assert task.run(is_retry=False) == KILLED
        before = task.load_requests()

        def let_resume() -> None:
            resume.set()
            wait_for(lambda: task.load_requests() > before)

        return let_resume

    @pytest.mark.parametrize("place", ["same", "other"])
    def test_retry_waits_for_it(self, make_task: Callable[..., LoadTask], place: str) -> None:
        task = make_task("one-in-flight")
        # Long enough for several look-ups on a busy machine. Each reads the lists.
        task.waits = (0.5, 0.5, 1.0, 1.0)
        task.ringcx.fault("meanwhile", operation="lists", at=[4], work=self.run_killed(task))
        task.assert_complete(task.resume(place))

    def test_attempt_that_cannot_know_of_it_names_it(self, make_task: Callable[..., LoadTask]) -> None:
        """A person cleared the task while RingCX processed the request, and there is no checkpoint."""
        task = make_task("one-in-flight")
        task.ringcx.fault("meanwhile", operation="direct_load", at=[3], work=self.run_killed(task))
        result = task.resume("cleared")
        assert result.error == "LoadedTwice"
        assert "2 leads of list 'Loaded by a test' may be in the campaign twice" in result.message
        assert task.times_loaded() == [1, 1, 2, 2, 1, 1, 1, 1, 1, 1]


class TestExistingLeadsAfterKillBeforeTheFirstLoad:
    """The retry runs on another host: neither a checkpoint nor a list shows that nothing has been sent."""

    KILL_POINT = KillPoint("lists", 1)

    def run_retry(self, make_task: Callable[..., LoadTask], existing: str) -> tuple[LoadTask, AttemptResult]:
        task = make_task("one-in-flight", existing=3)
        task.options["existing"] = existing
        task.run_killed(self.KILL_POINT)
        return task, task.resume("other")

    @pytest.mark.parametrize("existing", ["skip", "update"])
    def test_existing_leads_do_not_count_as_loaded(
        self, make_task: Callable[..., LoadTask], existing: str
    ) -> None:
        task, result = self.run_retry(make_task, existing)
        task.assert_complete(result)

    def test_existing_fail_sends_nothing(self, make_task: Callable[..., LoadTask]) -> None:
        task, result = self.run_retry(make_task, "fail")
        assert result.error == "LeadsExist"
        assert task.times_loaded() == [1] * 3 + [0] * 7

    def test_existing_load_adds_second_leads(self, make_task: Callable[..., LoadTask]) -> None:
        task, result = self.run_retry(make_task, "load")
        assert not result.error
        assert task.times_loaded() == [2] * 3 + [1] * 7
