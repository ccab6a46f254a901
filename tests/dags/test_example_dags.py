"""The example DAGs in real Airflow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.dag_runs import dag_file, run_dag_file

pytestmark = pytest.mark.usefixtures("airflow_db")

EXAMPLES = Path(__file__).parents[2] / "example_dags"


def lead_ids(leads: list[dict[str, Any]]) -> set[int]:
    return {lead["leadId"] for lead in leads}


def run_example(name: str, **params):
    with dag_file(f"{name}.py", (EXAMPLES / f"{name}.py").read_text()) as path:
        return run_dag_file(path, run_conf=params or None)


def count_requests(sandbox: SandboxServer, ending: str) -> int:
    return sum(request.path.endswith(ending) for request in sandbox.requests)


def test_guide_flow_moves_selected_leads_and_emails_their_list(ringcx_sandbox):
    ready = lead_ids(
        [lead for lead in ringcx_sandbox.leads("Spring Renewals") if lead["leadState"] == "READY"]
    )
    others = lead_ids(ringcx_sandbox.leads()) - ready
    target = ringcx_sandbox.campaign("Summer Win-Back")
    other_campaigns = {
        lead["leadId"]: lead["campaignId"] for lead in ringcx_sandbox.leads() if lead["leadId"] in others
    }

    run = run_example("move_and_email")

    assert set(run.states().values()) == {"success"}
    moved = run.xcom("move")
    after = {lead["leadId"]: lead for lead in ringcx_sandbox.leads()}
    assert {i for i in after if after[i]["listId"] == moved["list_id"]} == ready
    assert {after[i]["campaignId"] for i in ready} == {target["campaignId"]}
    assert {i: after[i]["campaignId"] for i in others} == other_campaigns
    assert [set(mail["lead_ids"]) for mail in ringcx_sandbox.outbox] == [ready]
    assert moved == {
        "lead_action": "MOVE_TO_CAMPAIGN",
        "dry_run": False,
        "leads_matched": len(ready),
        "leads_updated": len(ready),
        "leads_deleted": 0,
        "redials_deleted": 0,
        "dialer_refreshed": False,
        "requests": 1,
        "account_id": "50810001",
        "campaign_id": target["campaignId"],
        "list_id": moved["list_id"],
        "list_name": "From Spring Renewals",
    }


def test_guide_flow_signs_in_once_and_sends_few_requests(ringcx_sandbox):
    run_example("move_and_email")
    assert count_requests(ringcx_sandbox, "/login/rc/accesstoken") == 1
    # One for each sensor, and one for the move, which checks the campaign ids.
    assert count_requests(ringcx_sandbox, "/dialGroups/withChildren") == 3
    assert count_requests(ringcx_sandbox, "/campaignLeads/actions") == 2


def test_guide_flow_second_run_skips_email(ringcx_sandbox):
    run_example("move_and_email")
    run = run_example("move_and_email")
    assert run.state("move") == "success"
    assert run.xcom("move")["list_id"] is None
    assert run.state("email") == "skipped"
    assert len(ringcx_sandbox.outbox) == 1


def test_crm_sync_performs_actions_on_selected_leads(ringcx_sandbox, tmp_path):
    ready = [lead for lead in ringcx_sandbox.leads("Spring Renewals") if lead["leadState"] == "READY"]
    renewed, do_not_call, warm, stopped = ready[0:5], ready[5:8], ready[8:12], ready[12:15]
    stopped_file = tmp_path / "stopped.txt"
    stopped_file.write_text("".join(f"{lead['externId']}\n" for lead in stopped))

    run = run_example(
        "after_crm_sync",
        campaign="Spring Renewals",
        agent_id=agent_id(ringcx_sandbox),
        renewed=[lead["externId"] for lead in renewed],
        do_not_call=[lead["externId"] for lead in do_not_call],
        warm=[lead["externId"] for lead in warm],
        stopped=str(stopped_file),
    )

    assert set(run.states().values()) == {"success"}
    after = {lead["leadId"]: lead for lead in ringcx_sandbox.leads()}
    assert {after[i]["leadState"] for i in lead_ids(renewed)} == {"CANCELLED"}
    assert all(after[i]["suppressed"] for i in lead_ids(do_not_call))
    assert all(after[i]["pendingAgentName"] for i in lead_ids(warm))
    assert {after[i]["leadState"] for i in lead_ids(stopped)} == {"PAUSED"}
    unselected = lead_ids(ready) - lead_ids(renewed + do_not_call + warm + stopped)
    before = {lead["leadId"]: lead for lead in ready}
    assert all(after[i] == before[i] for i in unselected)


def test_crm_sync_with_empty_lists_changes_no_leads(ringcx_sandbox):
    before = ringcx_sandbox.leads()
    run = run_example("after_crm_sync", renewed=[], do_not_call=[], warm=[])
    states = run.states()
    assert states.pop("crm_sync") == "success"
    assert set(states.values()) == {"skipped"}
    assert ringcx_sandbox.leads() == before
    assert ringcx_sandbox.requests == []


def test_crm_sync_with_its_defaults_changes_leads_of_the_sandbox(ringcx_sandbox):
    states = run_example("after_crm_sync").states()
    assert states.pop("pause_stopped") == "skipped"
    assert set(states.values()) == {"success"}
    changed = {lead["externId"]: lead for lead in ringcx_sandbox.leads("Spring Renewals")}
    assert changed["CRM-0003519"]["leadState"] == changed["CRM-0003527"]["leadState"] == "CANCELLED"
    assert changed["CRM-0003529"]["suppressed"]
    assert changed["CRM-0003531"]["pendingAgentName"]


def test_mapped_campaigns_pauses_ready_leads_of_each(ringcx_sandbox):
    names = {"Spring Renewals", "Summer Win-Back"}
    ready = {lead["leadId"] for lead in ringcx_sandbox.leads() if lead["leadState"] == "READY"}
    selected = {lead["leadId"] for lead in ringcx_sandbox.leads() if lead["campaignName"] in names} & ready

    run = run_example("mapped_campaigns")

    assert run.states() == {
        "find[0]": "success",
        "find[1]": "success",
        "pause[0]": "success",
        "pause[1]": "success",
    }
    after = {lead["leadId"]: lead["leadState"] for lead in ringcx_sandbox.leads()}
    assert {after[i] for i in selected} == {"PAUSED"}
    assert {after[i] for i in ready - selected} == {"READY"}


def agent_id(sandbox: SandboxServer) -> int:
    from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook

    return next(EngageVoiceHook().get_conn().campaigns.agents())["agentId"]


@pytest.mark.parametrize("name", [path.stem for path in sorted(EXAMPLES.glob("*.py"))])
def test_example_parses_without_warnings_of_this_package(name, airflow_db, tmp_path):
    shutil.copy(EXAMPLES / f"{name}.py", tmp_path)
    code = (
        "import warnings, runpy, sys; import airflow.models; "
        "warnings.filterwarnings('error', module='airflow_provider_engagevoice'); "
        "warnings.filterwarnings('error', module='__main__'); "
        "runpy.run_path(sys.argv[1], run_name='__main__')"
    )
    completed = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / f"{name}.py")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
