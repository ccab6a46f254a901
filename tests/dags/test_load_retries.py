"""Loads in DAG runs whose attempts fail, are interrupted or are cleared: no row is loaded twice."""

from __future__ import annotations

import collections
import os
import re
import signal
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.loading import load_reconciler, load_verification
from airflow_provider_engagevoice.ringcx.transport import http
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.dag_runs import built_dag, run_dag_file, run_tasks

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

pytestmark = pytest.mark.usefixtures("airflow_db")

ROWS = [{"externId": f"C-{number}", "leadPhone": f"303555{number:04d}"} for number in range(6)]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_INITIAL_BACKOFF", 0.001)
    for module in (load_reconciler, load_verification):
        monkeypatch.setattr(module, "WAITS", (0.05, 0.05))


@pytest.fixture
def terminable():
    """Restore the handler of SIGTERM, which Airflow replaces in this process."""
    previous = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, previous)


def loads_of(ringcx: SandboxServer) -> list[dict[str, Any]]:
    return [lead for lead in ringcx.leads("Spring Renewals") if str(lead["externId"]).startswith("C-")]


def times_loaded(ringcx: SandboxServer) -> list[int]:
    """Return how many leads of the campaign have the external id of each row."""
    found = collections.Counter(lead["externId"] for lead in loads_of(ringcx))
    return [found[row["externId"]] for row in ROWS]


def tokens(ringcx: SandboxServer) -> list[str]:
    """Return the distinct tokens of loads in the names of the lists of the loaded leads."""
    names = {lead["listDesc"] for lead in loads_of(ringcx)}
    return sorted({match[1] for name in names if (match := re.search(r" · (\w{12})/\d", name))})


def count_loads(ringcx: SandboxServer) -> int:
    return sum(request.operation == "direct_load" for request in ringcx.requests)


def assert_counts(result: dict[str, Any], **counts: int) -> None:
    """Check the counts of a result, and that they add up."""
    parts = ("inserted", "updated", "skipped", "rejected", "unknown")
    assert sum(result[f"leads_{part}"] for part in parts) == result["rows"] or "inserted" in counts
    assert {name: result[f"leads_{name}"] for name in counts} == counts


def load_rows(rows, retries=1, seconds=None):
    LoadLeadsOperator(
        task_id="load",
        campaign="Spring Renewals",
        leads=rows,
        chunk_size=2,
        max_in_flight=1,
        retries=retries,
        execution_timeout=None if seconds is None else timedelta(seconds=seconds),
    )


def test_retry_after_lost_responses_loads_nothing_twice(ringcx_sandbox, logged):
    """RingCX has loaded the second chunk, and its look-up fails as well, so the first attempt fails."""
    ringcx_sandbox.fault("drop", when="after", operation="direct_load", at=[2])
    ringcx_sandbox.fault("status", status=503, operation="lists", skip=1, times=5)
    run = run_tasks(load_rows, rows=ROWS)
    assert (run.states(), run.attempts("load")) == ({"load": "success"}, 2)
    assert times_loaded(ringcx_sandbox) == [1] * 6
    assert count_loads(ringcx_sandbox) == 3
    assert_counts(run.xcom("load"), inserted=6, unknown=0)


def test_retry_after_execution_timeout_loads_nothing_twice(ringcx_sandbox, logged):
    """The response to the request in flight is awaited, and the retry loads the rest."""
    ringcx_sandbox.fault("slow", delay=4, when="after", operation="direct_load", at=[2])
    run = run_tasks(load_rows, rows=ROWS, seconds=3)
    assert (run.states(), run.attempts("load")) == ({"load": "success"}, 2)
    assert times_loaded(ringcx_sandbox) == [1] * 6
    assert count_loads(ringcx_sandbox) == 3
    assert_counts(run.xcom("load"), inserted=6)


@pytest.mark.parametrize("lost", [True, False])
def test_clear_after_unknown_outcome_loads_what_is_missing(ringcx_sandbox, logged, lost):
    """RingCX does not show the second request; it has lost it, or shows it only after the first attempt."""
    kind, when = ("drop", "before") if lost else ("drop", "after")
    ringcx_sandbox.fault(kind, when=when, operation="direct_load", at=[2])
    if not lost:
        ringcx_sandbox.fault("stale", operation="lead_search", seconds=10**6)
        ringcx_sandbox.fault("answer", body=[], operation="lists", skip=1, times=3)
    with built_dag(load_rows, rows=ROWS) as path:
        run = run_dag_file(path)
        assert (run.states(), run.attempts("load")) == ({"load": "failed"}, 1)
        assert_counts(run.xcom("load"), inserted=2, unknown=2)
        assert "Check the list" in logged()
        ringcx_sandbox.clear_faults()
        run = run_dag_file(path, cleared=run)
    assert (run.states(), run.attempts("load")) == ({"load": "success"}, 2)
    assert times_loaded(ringcx_sandbox) == [1] * 6
    assert count_loads(ringcx_sandbox) == (4 if lost else 3)
    assert_counts(run.xcom("load"), inserted=6, unknown=0)


def test_clear_of_a_successful_load_loads_nothing(ringcx_sandbox):
    with built_dag(load_rows, rows=ROWS) as path:
        run = run_dag_file(path)
        run = run_dag_file(path, cleared=run)
    assert (run.states(), run.attempts("load")) == ({"load": "success"}, 2)
    assert times_loaded(ringcx_sandbox) == [1] * 6
    assert_counts(run.xcom("load"), inserted=6)


def test_terminated_load_awaits_its_request(ringcx_sandbox, logged, terminable):
    """With on_kill on Airflow 3, and by an exception in the thread of the task on Airflow 2."""
    ringcx_sandbox.fault(
        "meanwhile", operation="direct_load", at=[2], work=lambda: os.kill(os.getpid(), signal.SIGTERM)
    )
    with built_dag(load_rows, rows=ROWS, retries=0) as path:
        run = run_dag_file(path)
        assert run.states() == {"load": "failed"}
        assert times_loaded(ringcx_sandbox) == [1, 1, 1, 1, 0, 0]
        assert_counts(run.xcom("load"), inserted=4, unknown=0)
        run = run_dag_file(path, cleared=run)
    assert run.states() == {"load": "success"}
    assert times_loaded(ringcx_sandbox) == [1] * 6
    assert count_loads(ringcx_sandbox) == 3
    assert_counts(run.xcom("load"), inserted=6)


def load_in_a_task(rows):
    @task(retries=1)
    def load(rows, ti=None):
        result = EngageVoiceHook().load_leads("Spring Renewals", rows, chunk_size=2)
        if ti.try_number == 1:
            raise ValueError("the task's own code fails")
        return result

    load(rows)


@pytest.mark.parametrize("has_failed_request", [True, False])
def test_retry_of_a_task_that_calls_the_hook_loads_nothing_twice(ringcx_sandbox, logged, has_failed_request):
    if has_failed_request:
        ringcx_sandbox.fault("drop", when="after", operation="direct_load", at=[2])
    run = run_tasks(load_in_a_task, rows=ROWS)
    assert (run.states(), run.attempts("load")) == ({"load": "success"}, 2)
    assert times_loaded(ringcx_sandbox) == [1] * 6
    assert count_loads(ringcx_sandbox) == 3
    assert_counts(run.xcom("load"), inserted=6)


def load_mapped(rows):
    LoadLeadsOperator.partial(
        task_id="load", campaign="Spring Renewals", chunk_size=2, max_in_flight=1, retries=1
    ).expand(leads=rows)


def test_mapped_loads_are_separate_loads(ringcx_sandbox, logged):
    """The first one needs a retry."""
    ringcx_sandbox.fault("drop", when="after", operation="direct_load", at=[1])
    ringcx_sandbox.fault("status", status=503, operation="lists", skip=1, times=5)
    run = run_tasks(load_mapped, rows=[ROWS[:3], ROWS[3:]])
    assert run.states() == {"load[0]": "success", "load[1]": "success"}
    assert times_loaded(ringcx_sandbox) == [1] * 6
    assert len(tokens(ringcx_sandbox)) == 2
    for index in range(2):
        assert_counts(run.xcom("load", index), inserted=3)


def test_mapped_loads_of_the_same_rows_load_each_of_them(ringcx_sandbox):
    """With ``existing="load"``, whatever other loads have loaded."""
    run = run_tasks(load_mapped, rows=[ROWS, ROWS])
    assert set(run.states().values()) == {"success"}
    assert times_loaded(ringcx_sandbox) == [2] * 6
    assert len(tokens(ringcx_sandbox)) == 2


@pytest.mark.timeout(300)
@pytest.mark.parametrize("days", [2, pytest.param(30, marks=pytest.mark.slow)])
def test_runs_of_a_backfill_are_separate_loads(ringcx_sandbox, days):
    """Each date has mapped tasks; none takes the leads of another for its own."""
    first = datetime(2026, 3, 1, tzinfo=timezone.utc)
    with built_dag(load_mapped, rows=[ROWS[:1], ROWS[:1]]) as path:
        for day in range(days):
            run = run_dag_file(path, logical_date=first + timedelta(days=day))
            assert set(run.states().values()) == {"success"}
    assert times_loaded(ringcx_sandbox) == [2 * days, 0, 0, 0, 0, 0]
    assert len(tokens(ringcx_sandbox)) == 2 * days


def two_loads():
    @task
    def load(names):
        rows = [{"externId": f"C-{n}", "leadPhone": f"303555{n:04d}"} for n in range(2)]
        hook = EngageVoiceHook()
        return [hook.load_leads("Spring Renewals", rows, list_name=name)["leads_inserted"] for name in names]

    load.override(task_id="different")(["A", "B"])
    load.override(task_id="same")(["C", "C"])


def test_loads_of_one_task_need_different_lists(ringcx_sandbox, logged):
    run = run_tasks(two_loads)
    assert run.states() == {"different": "success", "same": "failed"}
    assert run.xcom("different") == [2, 2]
    assert "Pass a load_id: this task has begun a load with the same list_name already" in logged()
