"""PlanSyncOperator, ApplySyncOperator and SyncLeadsOperator in DAG runs."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.dag_runs import run_tasks
from tests.support.loading import crm_row, crm_rows, write_csv

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

pytestmark = pytest.mark.usefixtures("airflow_db")


def keys_of(ringcx: Any) -> list[str]:
    """Return the external ids of the tests that may be dialled."""
    return sorted(
        str(lead["externId"])
        for lead in ringcx.leads("Spring Renewals")
        if str(lead["externId"]).startswith("K-") and not lead["suppressed"]
    )


def keys(numbers: Sequence[int]) -> list[str]:
    return [f"K-{number}" for number in numbers]


def plan_and_apply(source, plan, report, options, approve=None):
    planned = PlanSyncOperator(
        task_id="plan",
        campaign="Spring Renewals",
        source=source,
        plan=plan,
        on_surplus="suppress",
        sync_name="nightly",
        **options,
    )
    apply = ApplySyncOperator(
        task_id="apply", plan="{{ ti.xcom_pull('plan')['plan'] }}", approve=approve, report=report
    )
    planned >> apply


@pytest.fixture
def run(ringcx_sandbox, tmp_path):
    """Return a function that plans and applies rows in a DAG run."""
    number = 0

    def run_rows(rows: list[dict[str, Any]], approve: str | None = None, **options: Any) -> Any:
        nonlocal number
        number += 1
        return run_tasks(
            plan_and_apply,
            source=write_csv(tmp_path / f"{number}.csv", rows),
            plan=str(tmp_path / f"{number}.plan"),
            report=str(tmp_path / "report.csv"),
            options=options,
            approve=approve,
        )

    return run_rows


def test_plan_is_applied(ringcx_sandbox, run, tmp_path):
    assert set(run(crm_rows(4)).states().values()) == {"success"}
    second = run(crm_rows(4, start=1))
    assert keys_of(ringcx_sandbox) == keys([1, 2, 3, 4])
    plan, result = second.xcom("plan"), second.xcom("apply")
    assert (plan["counts"]["load"], plan["counts"]["remove"], plan["trips"]) == (1, 1, [])
    assert plan["summary"].startswith("**Spring Renewals**")
    assert (result["leads_inserted"], result["leads_removed"], result["in_step"]) == (1, 1, True)
    assert result["fingerprint"] == plan["fingerprint"]
    with (tmp_path / "report.csv").open() as file:
        assert [(line["action"], line["outcome"]) for line in csv.DictReader(file)] == [
            ("remove", "removed"),
            ("load", "loaded"),
        ]


def test_unsafe_plan_fails_and_is_shown(ringcx_sandbox, run, logged):
    run(crm_rows(4))
    unsafe = run(crm_rows(3), max_removals=0)
    assert unsafe.states() == {"plan": "failed", "apply": "upstream_failed"}
    assert unsafe.xcom("plan")["trips"] == ["removals"]
    assert unsafe.xcom("plan")["fingerprint"] in logged()
    assert keys_of(ringcx_sandbox) == keys([0, 1, 2, 3])


@pytest.mark.parametrize(
    ("approve", "state"),
    [
        ("{{ ti.xcom_pull('plan')['fingerprint'] }}", "success"),
        ("AAAA-AAAA", "failed"),
        ("{{ '' }}", "failed"),
        (None, "failed"),
    ],
)
def test_unsafe_plan_is_applied_only_if_it_is_approved(ringcx_sandbox, run, approve, state):
    run(crm_rows(4))
    asked = run(crm_rows(3), approve, max_removals=0, on_unsafe="succeed")
    assert asked.states() == {"plan": "success", "apply": state}
    assert keys_of(ringcx_sandbox) == keys([0, 1, 2] if state == "success" else [0, 1, 2, 3])


def sync_rows(rows, plan, retries=0):
    @task
    def read():
        return rows

    SyncLeadsOperator(
        task_id="sync",
        campaign="Spring Renewals",
        leads=read(),
        plan=plan,
        on_surplus={"move": "Summer Win-Back"},
        sync_name="nightly",
        retries=retries,
    )


def test_sync_does_both(ringcx_sandbox, tmp_path):
    for number, rows in enumerate([crm_rows(4), crm_rows(4, start=1)]):
        run = run_tasks(sync_rows, rows=rows, plan=str(tmp_path / f"{number}.plan"))
        assert run.state("sync") == "success"
    assert keys_of(ringcx_sandbox) == keys([1, 2, 3, 4])
    assert run.xcom("sync")["leads_removed"] == 1
    moved = [lead for lead in ringcx_sandbox.leads("Summer Win-Back") if lead["externId"] == "K-0"]
    assert len(moved) == 1


def test_retry_of_a_sync_loads_no_row_twice(ringcx_sandbox, tmp_path):
    """The second attempt continues the plan of the first one, whose rows it may not see yet."""
    ringcx_sandbox.fault("drop", when="after", operation="direct_load", at=[1])
    ringcx_sandbox.fault("status", status=503, operation="lists", skip=2, times=5)
    run = run_tasks(sync_rows, rows=crm_rows(4), plan=str(tmp_path / "a.plan"), retries=2)
    assert run.state("sync") == "success"
    assert run.attempts("sync") == 2
    assert keys_of(ringcx_sandbox) == keys([0, 1, 2, 3])


def test_empty_source_fails_and_changes_nothing(ringcx_sandbox, tmp_path):
    run_tasks(sync_rows, rows=crm_rows(4), plan=str(tmp_path / "0.plan"))
    run = run_tasks(sync_rows, rows=[], plan=str(tmp_path / "1.plan"), retries=2)
    assert (run.state("sync"), run.attempts("sync")) == ("failed", 1)
    assert keys_of(ringcx_sandbox) == keys([0, 1, 2, 3])


def sync_query(database, plan):
    arguments = {"sql": "SELECT * FROM people WHERE phone <> ?", "sql_conn_id": database, "parameters": [""]}
    planned = PlanSyncOperator(
        task_id="plan",
        campaign="Spring Renewals",
        plan=plan,
        on_surplus="suppress",
        mapping={"id": "externId", "phone": "leadPhone"},
        **arguments,
    )
    planned >> ApplySyncOperator(task_id="apply", plan=plan, **arguments)


def test_rows_of_a_query_are_read_again(ringcx_sandbox, tmp_path, monkeypatch):
    pytest.importorskip("airflow.providers.sqlite.hooks.sqlite")
    path = tmp_path / "crm.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE people (id TEXT, phone TEXT)")
        database.executemany("INSERT INTO people VALUES (?, ?)", [tuple(row.values()) for row in crm_rows(3)])
    database.close()
    monkeypatch.setenv("AIRFLOW_CONN_CRM", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    run = run_tasks(sync_query, database="crm", plan=str(tmp_path / "a.plan"))
    assert set(run.states().values()) == {"success"}
    assert keys_of(ringcx_sandbox) == keys([0, 1, 2])


def sync_mapped(sources, plan):
    PlanSyncOperator.partial(
        task_id="plan", campaign="Spring Renewals", plan=plan, on_surplus="ignore", sync_name="a"
    ).expand(source=sources)


@pytest.mark.parametrize(("name", "state"), [("a.plan", "failed"), ("{{ ti.map_index }}.plan", "success")])
def test_mapped_plans_need_different_paths(ringcx_sandbox, tmp_path, name, state):
    sources = [write_csv(tmp_path / f"{number}.csv", crm_rows(2, start=number)) for number in range(2)]
    run = run_tasks(sync_mapped, sources=sources, plan=str(tmp_path / name))
    assert set(run.states().values()) == {state}


def sync_mapped_without_name(sources, plan):
    PlanSyncOperator.partial(
        task_id="plan", campaign="Spring Renewals", plan=plan, on_surplus="ignore"
    ).expand(source=sources)


def test_mapped_syncs_need_a_name(ringcx_sandbox, tmp_path, logged):
    """Each would otherwise count the leads of the others as surplus."""
    sources = [write_csv(tmp_path / "a.csv", crm_rows(2))]
    run = run_tasks(sync_mapped_without_name, sources=sources, plan=str(tmp_path / "{{ ti.map_index }}.plan"))
    assert set(run.states().values()) == {"failed"}
    assert "Set sync_name" in logged()


def test_plan_and_result_show_no_data_of_leads(ringcx_sandbox, run, logged):
    rows = [crm_row(number, firstName="Zebulon", email="zeb@example.com") for number in range(3)]
    finished = run(rows)
    shown = repr(finished.xcom("plan")) + repr(finished.xcom("apply")) + logged()
    assert not [mark for mark in ("Zebulon", "zeb@", "617555") if mark in shown]


def test_path_of_a_plan_is_in_object_storage(ringcx_sandbox, s3, tmp_path):
    source = write_csv(tmp_path / "rows.csv", crm_rows(3))
    run = run_tasks(plan_and_apply, source=source, plan=s3.url("a.plan"), report=None, options={})
    assert set(run.states().values()) == {"success"}
    assert keys_of(ringcx_sandbox) == keys([0, 1, 2])
    assert {Path(name).name for name in s3.objects()} == {
        "applied.json",
        "plan.db",
        "plan.html",
        "plan.json",
        "started.json",
    }
