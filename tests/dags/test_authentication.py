"""Authentication in DAG runs: all methods, expired tokens, wrong credentials, and secrets in logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.airflow_quirks import without_supervisor_messages
from tests.support.dag_runs import run_tasks
from tests.support.raw_server import raw_server

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

pytestmark = pytest.mark.usefixtures("airflow_db")

ACTIONS = "/campaignLeads/actions"


def set_connection(monkeypatch, connection, name="DEFAULT"):
    monkeypatch.setenv(f"AIRFLOW_CONN_ENGAGEVOICE_{name}", json.dumps(connection))


def pause_leads(campaign, conn_ids=("engagevoice_default",)):
    for conn_id in conn_ids:
        LeadActionOperator(
            task_id=conn_id,
            lead_action="PAUSE_LEADS",
            search_criteria={"campaignIds": [campaign], "leadStates": ["READY"]},
            engagevoice_conn_id=conn_id,
            retries=3,
        )


def test_each_authentication_method_works(ringcx_sandbox, monkeypatch):
    methods = ("ringcentral", "api_token", "engage", "legacy")
    for method in methods:
        set_connection(monkeypatch, ringcx_sandbox.connection_for(method), method.upper())
    conn_ids = tuple(f"engagevoice_{method}" for method in methods)
    run = run_tasks(
        pause_leads, campaign=ringcx_sandbox.campaign("Spring Renewals")["campaignId"], conn_ids=conn_ids
    )
    assert run.states() == dict.fromkeys(conn_ids, "success")


@pytest.mark.parametrize("invalidate", ["expire_tokens", "revoke_tokens"])
def test_invalid_token_is_replaced_and_action_applied_once(ringcx_sandbox, invalidate):
    ringcx_sandbox.fault("meanwhile", work=getattr(ringcx_sandbox, invalidate), operation="lead_action")
    run = run_tasks(pause_leads, campaign=ringcx_sandbox.campaign("Spring Renewals")["campaignId"])
    assert run.states() == {"engagevoice_default": "success"}
    assert [r.status for r in ringcx_sandbox.requests if r.path.endswith(ACTIONS)] == [401, 200]
    assert {lead["leadState"] for lead in ringcx_sandbox.leads("Spring Renewals")} & {"READY"} == set()


@pytest.mark.parametrize(
    ("method", "wrong", "advice"),
    [
        ("ringcentral", {"password": "wrong-secret"}, "check the connection's login (client id), password"),
        ("ringcentral", {"extra": {"jwt_token": "wrong-jwt-token"}}, "and extra jwt_token"),
        ("api_token", {"password": "wrong-secret"}, "permanent API token"),
        ("engage", {"password": "wrong-secret"}, "password and extra platform_id"),
        ("legacy", {"login": "wrong-user"}, "check the connection's login and password"),
    ],
)
def test_wrong_credentials_fail_once_with_advice(ringcx_sandbox, monkeypatch, logged, method, wrong, advice):
    correct = ringcx_sandbox.connection_for(method)
    extra = {**correct["extra"], **wrong.get("extra", {})}
    set_connection(monkeypatch, {**correct, **wrong, "extra": extra})
    before = ringcx_sandbox.leads()
    run = run_tasks(pause_leads, campaign=ringcx_sandbox.campaign("Spring Renewals")["campaignId"])
    assert run.states() == {"engagevoice_default": "failed"}
    assert run.attempts("engagevoice_default") == 1
    assert advice in logged()
    assert sum(request.status in (400, 401) for request in ringcx_sandbox.requests) == 1
    assert ringcx_sandbox.leads() == before


def test_unreachable_service_is_retried_by_airflow(ringcx_sandbox, monkeypatch):
    from airflow_provider_engagevoice.ringcx.transport import http

    monkeypatch.setattr(http, "_INITIAL_BACKOFF", 0.001)
    campaign = ringcx_sandbox.campaign("Spring Renewals")["campaignId"]
    with raw_server(lambda number, request: None, listening=False) as server:
        set_connection(monkeypatch, {**ringcx_sandbox.connection_for("api_token"), "host": server.url})
        run = run_tasks(pause_leads, campaign=campaign)
    assert run.states() == {"engagevoice_default": "failed"}
    assert run.attempts("engagevoice_default") == 4


@pytest.mark.ringcx_sandbox(size=500)
def test_logs_contain_no_secrets_or_lead_data(ringcx_sandbox, issued_tokens, tmp_path):
    root = Path(__file__).parents[2]
    ringcx_sandbox.fault("meanwhile", work=ringcx_sandbox.expire_tokens, operation="lead_action")
    completed = subprocess.run(
        [
            sys.executable,
            str(root / "scripts" / "run_dag.py"),
            str(root / "example_dags" / "move_and_email.py"),
            str(tmp_path / "result.json"),
        ],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "AIRFLOW_HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    phones = {lead["leadPhone"] for lead in ringcx_sandbox.leads()}
    extern_ids = {lead["externId"] for lead in ringcx_sandbox.leads()}
    assert json.loads((tmp_path / "result.json").read_text())["state"] == "success", completed.stderr
    text = without_supervisor_messages(completed.stdout + completed.stderr)
    text += "".join(
        path.read_text(errors="replace") for path in (tmp_path / "logs").rglob("*") if path.is_file()
    )
    assert "matched (1 request)" in text
    assert len(issued_tokens) >= 3
    for secret in ("sandbox-secret", "sandbox-jwt", *issued_tokens):
        assert secret not in text
    assert {phone for phone in phones if phone in text} == set()
    assert {extern_id for extern_id in extern_ids if extern_id in text} == set()


def test_sandbox_connection_can_be_loaded_by_airflow(ringcx_sandbox):
    from airflow.models.connection import Connection

    loaded = Connection.from_json(json.dumps(ringcx_sandbox.connection))
    assert (loaded.conn_type, loaded.login) == ("engagevoice", "sandbox-client")
    assert loaded.host == ringcx_sandbox.url
    assert loaded.extra_dejson == ringcx_sandbox.connection["extra"]
