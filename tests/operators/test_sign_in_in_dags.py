"""Signing in from DAG runs: every way, tokens that end, credentials that are wrong, and what logs show."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_engagevoice.sandbox.server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.faults import Faults, after, raw_server
from tests.harness import run_tasks

ACTIONS = "/campaignLeads/actions"


def set_connection(monkeypatch, connection, name="DEFAULT"):
    monkeypatch.setenv(f"AIRFLOW_CONN_ENGAGEVOICE_{name}", json.dumps(connection))


def pause(campaign, conn_ids=("engagevoice_default",)):
    for conn_id in conn_ids:
        LeadActionOperator(  # noqa: F821
            task_id=conn_id,
            lead_action="PAUSE_LEADS",
            search_criteria={"campaignIds": [campaign], "leadStates": ["READY"]},
            engagevoice_conn_id=conn_id,
            retries=3,
        )


def test_every_sign_in_works_in_a_dag_run(sandbox, monkeypatch):
    methods = ("ringcentral", "api_token", "engage", "legacy")
    for method in methods:
        set_connection(monkeypatch, sandbox.connection_for(method), method.upper())
    conn_ids = tuple(f"engagevoice_{method}" for method in methods)
    run = run_tasks(pause, campaign=sandbox.campaign("Spring Renewals")["campaignId"], conn_ids=conn_ids)
    assert run.states() == dict.fromkeys(conn_ids, "success")


@pytest.mark.parametrize("ending", ["expire_tokens", "revoke_tokens"])
def test_a_token_that_ends_before_the_act_is_replaced_and_the_act_done_once(sandbox, faults, ending):
    faults.on(ACTIONS, after(getattr(sandbox, ending)))
    run = run_tasks(pause, campaign=sandbox.campaign("Spring Renewals")["campaignId"])
    assert run.states() == {"engagevoice_default": "success"}
    assert [r.status for r in sandbox.requests if r.path.endswith(ACTIONS)] == [401, 200]
    assert {lead["leadState"] for lead in sandbox.leads("Spring Renewals")} & {"READY"} == set()


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
def test_wrong_credentials_fail_once_and_say_what_to_check(
    sandbox, monkeypatch, logged, method, wrong, advice
):
    right = sandbox.connection_for(method)
    extra = {**right["extra"], **wrong.get("extra", {})}
    set_connection(monkeypatch, {**right, **wrong, "extra": extra})
    before = sandbox.leads()
    run = run_tasks(pause, campaign=sandbox.campaign("Spring Renewals")["campaignId"])
    assert run.states() == {"engagevoice_default": "failed"}
    assert run.tries("engagevoice_default") == 1
    assert advice in logged()
    assert sum(request.status in (400, 401) for request in sandbox.requests) == 1
    assert sandbox.leads() == before


def test_a_service_that_is_away_is_tried_again_by_airflow(sandbox, monkeypatch):
    from airflow_provider_engagevoice.ringcx import http

    monkeypatch.setattr(http, "_FIRST_PAUSE", 0.001)
    campaign = sandbox.campaign("Spring Renewals")["campaignId"]
    with raw_server(lambda number, request: None, listening=False) as away:
        set_connection(monkeypatch, {**sandbox.connection_for("api_token"), "host": away.url})
        run = run_tasks(pause, campaign=campaign)
    assert run.states() == {"engagevoice_default": "failed"}
    assert run.tries("engagevoice_default") == 4


def test_no_log_line_of_a_dag_run_shows_a_secret_or_a_lead(airflow_db, tmp_path, monkeypatch):
    issued: list[str] = []
    faults = Faults()

    def listening(app):
        """Note every token that the sandbox gives out."""

        async def wrapped(scope, receive, send):
            async def sending(message):
                body = message.get("body", b"").decode(errors="replace")
                issued.extend(re.findall(r'"(?:access_?[tT]oken|refresh_?[tT]oken)": ?"([^"]+)"', body))
                await send(message)

            await faults.around(app)(scope, receive, sending)

        return wrapped

    root = Path(__file__).parents[2]
    with SandboxServer(Settings(size=500), wrap=listening) as sandbox:
        faults.on(ACTIONS, after(sandbox.expire_tokens))
        done = subprocess.run(
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
                "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT": json.dumps(sandbox.connection),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        phones = {lead["leadPhone"] for lead in sandbox.leads()}
        extern_ids = {lead["externId"] for lead in sandbox.leads()}
    assert json.loads((tmp_path / "result.json").read_text())["state"] == "success", done.stderr
    text = done.stdout + done.stderr
    text += "".join(
        path.read_text(errors="replace") for path in (tmp_path / "logs").rglob("*") if path.is_file()
    )
    assert "leads match" in text
    assert len(issued) >= 3
    for secret in ("sandbox-secret", "sandbox-jwt", *issued):
        assert secret not in text
    assert {phone for phone in phones if phone in text} == set()
    assert {extern_id for extern_id in extern_ids if extern_id in text} == set()
