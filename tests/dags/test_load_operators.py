"""LoadLeadsOperator and UpdateLeadsOperator in DAG runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.dag_runs import run_tasks

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

pytestmark = pytest.mark.usefixtures("airflow_db")

MAPPING = {"crm_id": "externId", "mobile": "leadPhone", "first": "firstName", "plan": "extendedLeadData.plan"}


def write_csv(path: Path, count: int) -> str:
    lines = [f"C-{number},303555{number:04d},Ada{number},gold" for number in range(count)]
    path.write_text("crm_id,mobile,first,plan\n" + "\n".join(lines) + "\n")
    return str(path)


def leads_of(ringcx: Any, prefix: str = "C-") -> dict[str, Any]:
    return {
        lead["externId"]: lead
        for lead in ringcx.leads("Spring Renewals")
        if str(lead["externId"]).startswith(prefix)
    }


def load_file(source, report, mapping):
    LoadLeadsOperator(
        task_id="load",
        campaign="Spring Renewals",
        source=source,
        mapping=mapping,
        report=report,
        list_name="CRM {{ ds }}",
        chunk_size=100,
    )


def test_load_of_a_file_loads_each_row_and_reports_it(ringcx_sandbox, tmp_path):
    report = tmp_path / "report.csv"
    run = run_tasks(
        load_file, source=write_csv(tmp_path / "rows.csv", 250), report=str(report), mapping=MAPPING
    )
    assert run.states() == {"load": "success"}
    loaded = leads_of(ringcx_sandbox)
    assert len(loaded) == 250
    assert loaded["C-7"]["firstName"] == "Ada7"
    assert json.loads(loaded["C-7"]["extraData"]) == {"plan": "gold"}
    assert loaded["C-7"]["listDesc"].startswith("CRM 20")
    result = run.xcom("load")
    assert {key: result[key] for key in ("rows", "leads_inserted", "requests")} == {
        "rows": 250,
        "leads_inserted": 250,
        "requests": 3,
    }
    lines = list(csv.DictReader(report.open()))
    assert [line["outcome"] for line in lines] == ["loaded"] * 250
    assert int(lines[7]["lead_id"]) == loaded["C-7"]["leadId"]


def load_rows_of_a_task():
    @task(show_return_value_in_logs=False)
    def rows():
        return [
            {"externId": f"C-{n}", "leadPhone": f"303555{n:04d}", "lastName": "Secretname"} for n in (1, 2)
        ]

    load = LoadLeadsOperator(task_id="load", campaign="Spring Renewals", leads=rows())
    load >> UpdateLeadsOperator(
        task_id="update", campaign="Spring Renewals", leads=[{"externId": "C-1", "city": "Denver"}]
    )


def test_rows_of_another_task_are_loaded_and_not_shown(ringcx_sandbox, logged):
    run = run_tasks(load_rows_of_a_task)
    assert set(run.states().values()) == {"success"}
    assert leads_of(ringcx_sandbox)["C-1"]["city"] == "Denver"
    assert run.rendered_fields("load")["leads"] == "*** (2 rows)"
    assert "Secretname" not in logged()
    assert run.xcom("update")["leads_updated"] == 1


def load_nothing():
    @task
    def rows():
        return None

    @task
    def no_rows():
        return []

    LoadLeadsOperator(task_id="none", campaign="Spring Renewals", leads=rows())
    LoadLeadsOperator(task_id="empty", campaign="Spring Renewals", leads=no_rows())
    LoadLeadsOperator(task_id="allowed", campaign="Spring Renewals", leads=no_rows(), allow_empty=True)


def test_missing_rows_fail_and_send_nothing(ringcx_sandbox, logged):
    run = run_tasks(load_nothing)
    states = run.states()
    assert (states["none"], states["empty"], states["allowed"]) == ("failed", "failed", "success")
    assert "the task that should return the rows was skipped" in logged()
    assert "Set allow_empty=True" in logged()
    assert not any("leadLoader" in request.path for request in ringcx_sandbox.requests)


def load_mapped(files, report):
    LoadLeadsOperator.partial(
        task_id="load", campaign="Spring Renewals", mapping={"crm_id": "externId", "mobile": "leadPhone"},
        unmapped="ignore", report=report,
    ).expand(source=files)  # fmt: skip


@pytest.mark.parametrize(("name", "state"), [("report.csv", "failed"), ("{{ ti.map_index }}.csv", "success")])
def test_mapped_loads_need_reports_of_their_own(ringcx_sandbox, tmp_path, name, state):
    files = [write_csv(tmp_path / f"rows{number}.csv", 5) for number in range(2)]
    run = run_tasks(load_mapped, files=files, report=str(tmp_path / name))
    assert set(run.states().values()) == {state}
