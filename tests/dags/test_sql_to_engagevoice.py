"""SqlToEngageVoiceOperator in DAG runs, from a SQLite database."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.support.dag_runs import run_tasks

pytest.importorskip("airflow.providers.sqlite.hooks.sqlite")

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

pytestmark = pytest.mark.usefixtures("airflow_db")


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a connection to a database with 300 contacts, every third of which is to be called."""
    path = tmp_path / "warehouse.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE contacts (id INTEGER, mobile TEXT, surname TEXT, stage TEXT)")
        database.executemany(
            "INSERT INTO contacts VALUES (?, ?, ?, ?)",
            [(n, f"303555{n:04d}", "Secretname", "call" if n % 3 == 0 else "won") for n in range(300)],
        )
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    return "warehouse"


def load_query(conn_id):
    SqlToEngageVoiceOperator(
        task_id="load",
        sql="SELECT id AS crm_id, mobile, surname FROM contacts WHERE stage = :stage",
        parameters={"stage": "{{ 'call' }}"},
        sql_conn_id=conn_id,
        campaign="Spring Renewals",
        mapping={"crm_id": "externId", "mobile": "leadPhone", "surname": "lastName"},
        list_name="CRM",
        expect_rows=">=50",
    )
    SqlToEngageVoiceOperator(
        task_id="short",
        sql="SELECT id AS externId, mobile AS leadPhone FROM contacts LIMIT 10",
        sql_conn_id=conn_id,
        campaign="Spring Renewals",
        expect_rows=">=50",
    )


def test_rows_of_a_query_are_loaded(ringcx_sandbox: Any, warehouse: str, logged: Any) -> None:
    run = run_tasks(load_query, conn_id=warehouse)
    assert run.states() == {"load": "success", "short": "failed"}
    loaded = [lead for lead in ringcx_sandbox.leads("Spring Renewals") if lead["lastName"] == "Secretname"]
    assert {lead["externId"] for lead in loaded} == {str(n) for n in range(0, 300, 3)}
    assert len(loaded) == 100
    assert run.rendered_fields("load")["parameters"] == "***"
    assert run.rendered_fields("load")["sql"].startswith("SELECT id AS crm_id")
    assert "it has 10 rows, and expect_rows is >=50" in logged()
    assert "Secretname" not in logged()
