"""The example DAGs that load leads, in real Airflow."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.dags.test_example_dags import EXAMPLES, run_example
from tests.support.dag_runs import dag_file, run_dag_file

pytestmark = pytest.mark.usefixtures("airflow_db")


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to a database with 60 contacts, 40 of which are to be called."""
    pytest.importorskip("airflow.providers.sqlite.hooks.sqlite")
    path = tmp_path / "warehouse.db"
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE contacts (contact_id TEXT, mobile TEXT, first_name TEXT, last_name TEXT, plan TEXT,"
            " stage TEXT, score INTEGER)"
        )
        database.execute("CREATE TABLE refilled_contacts (contact_id TEXT PRIMARY KEY, run TEXT)")
        database.executemany(
            "INSERT INTO contacts VALUES (?, ?, 'Ada', 'Byron', 'gold', ?, ?)",
            [(f"W-{n}", f"303555{n:04d}", "call" if n < 40 else "won", n) for n in range(60)],
        )
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(path)}))


def keys_of(ringcx: Any, prefix: str) -> list[str]:
    leads = ringcx.leads("Spring Renewals")
    return sorted(lead["externId"] for lead in leads if str(lead["externId"]).startswith(prefix))


@pytest.mark.usefixtures("warehouse")
def test_warehouse_example_loads_each_contact_once(ringcx_sandbox, tmp_path):
    report = tmp_path / "report.csv"
    assert run_example("warehouse_to_campaign", report=str(report)).states() == {"load": "success"}
    assert run_example("warehouse_to_campaign", report=str(report)).states() == {"load": "success"}
    assert keys_of(ringcx_sandbox, "W-") == sorted(f"W-{n}" for n in range(40))
    with report.open() as file:
        assert {row["outcome"] for row in csv.DictReader(file)} == {"skipped_existing"}


def test_file_example_loads_valid_rows_and_counts_the_report(ringcx_sandbox, tmp_path):
    source = tmp_path / "leads.csv"
    rows = "".join(f"F-{n};303555{n:04d};North\n" for n in range(20))
    source.write_text(f"externId;leadPhone;region\n{rows}F-20;12;South\n")
    run = run_example("file_to_campaign", source=f"file://{source}", folder=str(tmp_path))
    assert run.states() == {"load": "failed", "summarize": "success"}
    assert run.xcom("summarize") == {"loaded": 20, "rejected": 1}
    assert len(keys_of(ringcx_sandbox, "F-")) == 20

    source.unlink()
    run = run_example("file_to_campaign", source=f"file://{source}", folder=str(tmp_path))
    assert run.states() == {"load": "failed", "summarize": "failed"}


def test_speed_to_lead_example_loads_a_lead_once(ringcx_sandbox):
    lead = {"externId": "web-1", "leadPhone": "3035550100", "firstName": "Ada"}
    for _ in range(2):
        assert run_example("speed_to_lead", lead=lead).states() == {"load": "success"}
    assert keys_of(ringcx_sandbox, "web-") == ["web-1"]


@pytest.mark.usefixtures("warehouse")
def test_refill_example_loads_contacts_only_if_the_campaign_runs_dry(ringcx_sandbox):
    source = (EXAMPLES / "refill_campaign.py").read_text()
    assert "timeout=timedelta(hours=1)" in source
    impatient = source.replace("timeout=timedelta(hours=1)", "timeout=0.1")
    with dag_file("refill_campaign.py", impatient) as path:
        run = run_dag_file(path, run_conf={"minimum": 0})
    assert set(run.states().values()) == {"skipped"}
    assert keys_of(ringcx_sandbox, "W-") == []
    # READY leads that have used up their passes are not dialled any more.
    with ringcx_sandbox._state.store.changing() as connection:
        connection.execute("UPDATE leads SET leadPasses = maxPasses WHERE leadState = 'READY'")
    run = run_example("refill_campaign", minimum=0, refill=10)
    assert run.states() == {"runs_dry": "success", "select_next": "success", "refill": "success"}
    assert run.xcom("runs_dry")["count"] == 0
    assert keys_of(ringcx_sandbox, "W-") == sorted(f"W-{n}" for n in range(30, 40))


@pytest.mark.usefixtures("warehouse")
def test_refill_example_loads_the_next_contacts_in_each_run(ringcx_sandbox):
    for loaded in (25, 40, 40):
        run = run_example("refill_campaign", minimum=100_000, refill=25)
        assert run.state("refill") == "success"
        assert keys_of(ringcx_sandbox, "W-") == sorted(f"W-{n}" for n in range(40 - loaded, 40))
    assert run.xcom("refill")["rows"] == 0


@pytest.mark.usefixtures("warehouse")
def test_refill_example_loads_a_selection_that_failed_when_cleared(ringcx_sandbox):
    ringcx_sandbox.fault("status", operation="lists", status=403)
    with dag_file("refill.py", (EXAMPLES / "refill_campaign.py").read_text()) as path:
        conf = {"minimum": 100_000, "refill": 10}
        run = run_dag_file(path, run_conf=conf)
        assert run.state("refill") == "failed"
        run = run_dag_file(path, run_conf=conf, cleared=run)
    assert run.state("refill") == "success"
    assert keys_of(ringcx_sandbox, "W-") == sorted(f"W-{n}" for n in range(30, 40))
