"""ExportLeadsOperator in DAG runs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from tests.dags.test_example_dags import EXAMPLES, run_example
from tests.support.dag_runs import dag_file, run_dag_file, run_tasks
from tests.support.postgres import postgres_server

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

pytestmark = pytest.mark.usefixtures("airflow_db")


def exports(folder):
    ExportLeadsOperator(
        task_id="ready",
        campaign="Spring Renewals",
        search_criteria={"leadStates": ["READY"]},
        output=folder + "/ready.csv",
        fields=["leadId", "externId", "leadState"],
    )
    ExportLeadsOperator(
        task_id="none", search_criteria={"externIds": "{{ [] }}"}, output=folder + "/none.jsonl"
    )
    ExportLeadsOperator(
        task_id="empty",
        search_criteria={"externIds": "{{ [] }}"},
        output=folder + "/empty.csv",
        on_empty="succeed",
    )


def test_export_writes_the_leads_that_match_and_a_manifest(ringcx_sandbox, tmp_path):
    ready = {
        lead["leadId"] for lead in ringcx_sandbox.leads("Spring Renewals") if lead["leadState"] == "READY"
    }
    run = run_tasks(exports, folder=str(tmp_path))
    assert run.states() == {"ready": "success", "none": "skipped", "empty": "success"}
    with (tmp_path / "ready.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {int(row["leadId"]) for row in rows} == ready
    assert len(rows) == len(ready) == run.xcom("ready")["count"]
    manifest = json.loads((tmp_path / "ready.csv.meta.json").read_text())
    assert (manifest["rows"], manifest["complete"]) == (len(ready), True)
    assert run.xcom("ready")["sha256"] == manifest["sha256"]
    assert (tmp_path / "empty.csv").read_text().startswith("leadId,externId,")
    assert not Path(tmp_path / "none.jsonl").exists()


CRITERIA = [{"externIds": ["CRM-0000012"]}, {"externIds": ["CRM-0000013"]}]


def export_by_criteria(path, criteria):
    ExportLeadsOperator.partial(task_id="export", output=path, fields=["leadId"]).expand(
        search_criteria=criteria
    )


def export_by_path(path, criteria):
    ExportLeadsOperator.partial(task_id="export", search_criteria=criteria[0], fields=["leadId"]).expand(
        output=[path, path]
    )


def export_by_path_and_criteria(path, criteria):
    ExportLeadsOperator.partial(task_id="export", fields=["leadId"]).expand(
        output=[path], search_criteria=criteria
    )


def export_by_arguments(path, criteria):
    ExportLeadsOperator.partial(task_id="export", fields=["leadId"]).expand_kwargs(
        [{"output": path, "search_criteria": each} for each in criteria]
    )


@pytest.mark.parametrize(("name", "state"), [("a.csv", "failed"), ("{{ ti.map_index }}.csv", "success")])
@pytest.mark.parametrize(
    "build", [export_by_criteria, export_by_path, export_by_path_and_criteria, export_by_arguments]
)
def test_mapped_exports_need_different_paths(ringcx_sandbox, tmp_path, logged, build, name, state):
    run = run_tasks(build, path=str(tmp_path / name), criteria=CRITERIA)
    assert set(run.states().values()) == {state}
    assert len(list(tmp_path.glob("*.csv"))) == (2 if state == "success" else 0)
    assert ("each mapped task needs its own path" in logged()) == (state == "failed")
    assert state == "success" or not any("leadSearch" in each.path for each in ringcx_sandbox.requests)


def load_the_export(folder):
    export = ExportLeadsOperator(
        task_id="export",
        campaign="Spring Renewals",
        search_criteria={"leadStates": ["READY"]},
        output=folder + "/ready.csv",
        fields=["externId", "leadPhone", "firstName"],
    )
    export >> LoadLeadsOperator(task_id="load", campaign="Summer Win-Back", source=folder + "/ready.csv")


def test_export_can_be_loaded(ringcx_sandbox, tmp_path):
    run = run_tasks(load_the_export, folder=str(tmp_path))
    assert set(run.states().values()) == {"success"}
    assert run.xcom("load")["leads_inserted"] == run.xcom("export")["count"] > 0


def test_export_to_object_storage_can_be_loaded(ringcx_sandbox, s3):
    run = run_tasks(load_the_export, folder=s3.url("outcomes"))
    assert set(run.states().values()) == {"success"}
    assert run.xcom("load")["leads_inserted"] == run.xcom("export")["count"] > 0
    assert set(s3.objects()) == {"outcomes/ready.csv", "outcomes/ready.csv.meta.json"}


def test_example_exports_the_leads_called_since_a_time(ringcx_sandbox, tmp_path):
    called = [lead for lead in ringcx_sandbox.leads("Spring Renewals") if lead["lastPassDts"]]
    since = sorted(lead["lastPassDts"] for lead in called)[len(called) // 2]
    run = run_example("export_outcomes", since=since, folder=str(tmp_path))
    assert run.states() == {"export": "success"}
    (path,) = tmp_path.glob("day=*/outcomes.parquet")
    exported = {row["leadId"] for row in pyarrow.parquet.read_table(path).to_pylist()}
    assert exported == {lead["leadId"] for lead in called if lead["lastPassDts"] > since}
    assert exported


@pytest.fixture
def warehouse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cursor of the database of the connection ``warehouse``, on a PostgreSQL server."""
    pytest.importorskip("airflow.providers.postgres.hooks.postgres")
    with postgres_server() as url:
        import psycopg2

        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", url)
        connection = psycopg2.connect(url)
        connection.autocommit = True
        yield connection.cursor()
        connection.close()


def test_example_merges_outcomes_into_postgres(ringcx_sandbox, warehouse, tmp_path):
    called = {lead["leadId"]: lead for lead in ringcx_sandbox.leads("Spring Renewals") if lead["lastPassDts"]}
    for _ in range(2):
        run = run_example("export_to_postgres", folder=str(tmp_path))
        assert set(run.states().values()) == {"success"}
        assert run.xcom("copy") == len(called)
        warehouse.execute("SELECT lead_id, state, passes, last_disposition FROM outcomes")
        rows = warehouse.fetchall()
        assert sorted(rows) == sorted(
            (key, lead["leadState"], lead["leadPasses"], lead["lastPassDispo"])
            for key, lead in called.items()
        )
        # A row that is older than the export is replaced, a newer one is kept.
        older, newer = sorted(called)[:2]
        warehouse.execute(
            "UPDATE outcomes SET state = 'OLD', last_pass_at = '2001-01-01' WHERE lead_id = %s", [older]
        )
    warehouse.execute(
        "UPDATE outcomes SET state = 'NEW', last_pass_at = '2100-01-01' WHERE lead_id = %s", [newer]
    )
    run_example("export_to_postgres", folder=str(tmp_path))
    warehouse.execute("SELECT lead_id, state FROM outcomes WHERE lead_id IN (%s, %s)", [older, newer])
    assert dict(warehouse.fetchall()) == {older: called[older]["leadState"], newer: "NEW"}


def test_example_notices_a_file_that_is_missing(ringcx_sandbox, warehouse, tmp_path):
    source = (EXAMPLES / "export_to_postgres.py").read_text()
    elsewhere = source.replace('exported["path"])', 'exported["path"] + ".other")')
    assert elsewhere != source
    with dag_file("export_to_postgres.py", elsewhere) as path:
        run = run_dag_file(path, run_conf={"folder": str(tmp_path)})
    assert (run.state("copy"), run.state("merge")) == ("failed", "upstream_failed")
