"""The main job, in real Airflow: find two campaigns, move the leads, mail the list."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.dag_runs import dag_file, run_dag_file, run_tasks

pytestmark = pytest.mark.usefixtures("airflow_db")

EXAMPLES = Path(__file__).parents[2] / "example_dags"


def ids(leads: list[dict]) -> set[int]:
    return {lead["leadId"] for lead in leads}


def run_example(name: str, **params):
    with dag_file(f"{name}.py", (EXAMPLES / f"{name}.py").read_text()) as path:
        return run_dag_file(path, run_conf=params or None)


def requests_to(sandbox: SandboxServer, ending: str) -> int:
    return sum(request.path.endswith(ending) for request in sandbox.requests)


def test_exactly_the_selected_leads_move_and_their_list_is_mailed(ringcx_sandbox):
    ready = ids([lead for lead in ringcx_sandbox.leads("Spring Renewals") if lead["leadState"] == "READY"])
    others = ids(ringcx_sandbox.leads()) - ready
    target = ringcx_sandbox.campaign("Summer Win-Back")
    elsewhere = {
        lead["leadId"]: lead["campaignId"] for lead in ringcx_sandbox.leads() if lead["leadId"] in others
    }

    run = run_example("move_and_email")

    assert set(run.states().values()) == {"success"}
    moved = run.xcom("move")
    after = {lead["leadId"]: lead for lead in ringcx_sandbox.leads()}
    assert {i for i in after if after[i]["listId"] == moved["list_id"]} == ready
    assert {after[i]["campaignId"] for i in ready} == {target["campaignId"]}
    assert {i: after[i]["campaignId"] for i in others} == elsewhere
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


def test_the_flow_signs_in_once_and_looks_up_with_one_request_each(ringcx_sandbox):
    run_example("move_and_email")
    assert requests_to(ringcx_sandbox, "/login/rc/accesstoken") == 1
    # One for each sensor and one for the move, which checks the ids it was given.
    assert requests_to(ringcx_sandbox, "/dialGroups/withChildren") == 3
    assert requests_to(ringcx_sandbox, "/campaignLeads/actions") == 2


def test_a_second_run_finds_nothing_to_move_and_mails_nothing(ringcx_sandbox):
    run_example("move_and_email")
    run = run_example("move_and_email")
    assert run.state("move") == "success"
    assert run.xcom("move")["list_id"] is None
    assert run.state("email") == "skipped"
    assert len(ringcx_sandbox.outbox) == 1


def test_after_a_crm_sync_each_person_gets_what_the_crm_says(ringcx_sandbox, tmp_path):
    campaign = ringcx_sandbox.campaign("Spring Renewals")
    ready = [lead for lead in ringcx_sandbox.leads("Spring Renewals") if lead["leadState"] == "READY"]
    renewed, unwilling, warm, away = ready[0:5], ready[5:8], ready[8:12], ready[12:15]
    stopped = tmp_path / "stopped.txt"
    stopped.write_text("".join(f"{lead['externId']}\n" for lead in away))

    run = run_example(
        "after_crm_sync",
        campaign_id=campaign["campaignId"],
        agent_id=agent_id(ringcx_sandbox),
        renewed=[lead["externId"] for lead in renewed],
        do_not_call=[lead["externId"] for lead in unwilling],
        warm=[lead["externId"] for lead in warm],
        stopped=str(stopped),
    )

    assert set(run.states().values()) == {"success"}
    after = {lead["leadId"]: lead for lead in ringcx_sandbox.leads()}
    assert {after[i]["leadState"] for i in ids(renewed)} == {"CANCELLED"}
    assert all(after[i]["suppressed"] for i in ids(unwilling))
    assert all(after[i]["pendingAgentName"] for i in ids(warm))
    assert {after[i]["leadState"] for i in ids(away)} == {"PAUSED"}
    untouched = ids(ready) - ids(renewed + unwilling + warm + away)
    before = {lead["leadId"]: lead for lead in ready}
    assert all(after[i] == before[i] for i in untouched)


def test_an_empty_crm_sync_touches_nobody(ringcx_sandbox):
    before = ringcx_sandbox.leads()
    run = run_example("after_crm_sync", campaign_id=ringcx_sandbox.campaign("Spring Renewals")["campaignId"])
    states = run.states()
    assert states.pop("crm_sync") == "success"
    assert set(states.values()) == {"skipped"}
    assert ringcx_sandbox.leads() == before
    assert ringcx_sandbox.requests == []


def test_mapping_over_campaigns_pauses_what_is_ready_in_each(ringcx_sandbox):
    named = {"Spring Renewals", "Summer Win-Back"}
    ready = {lead["leadId"] for lead in ringcx_sandbox.leads() if lead["leadState"] == "READY"}
    chosen = {lead["leadId"] for lead in ringcx_sandbox.leads() if lead["campaignName"] in named} & ready

    run = run_example("mapped_campaigns")

    assert run.states() == {
        "find[0]": "success",
        "find[1]": "success",
        "pause[0]": "success",
        "pause[1]": "success",
    }
    after = {lead["leadId"]: lead["leadState"] for lead in ringcx_sandbox.leads()}
    assert {after[i] for i in chosen} == {"PAUSED"}
    assert {after[i] for i in ready - chosen} == {"READY"}


def agent_id(sandbox: SandboxServer) -> int:
    from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook

    return next(EngageVoiceHook().get_conn().campaigns.agents())["agentId"]


def move_with_settings(source, target, first, second):
    MoveLeadsOperator(  # noqa: F821
        task_id="to_named_list",
        source_campaign=source,
        target_campaign=target,
        target_list=first,
        search_criteria={"leadStates": ["READY"]},
        copy=True,
    )
    MoveLeadsOperator(  # noqa: F821
        task_id="to_list_id",
        target_campaign=target,
        target_list=second,
        search_criteria={"campaignIds": [source], "leadStates": ["PAUSED"]},
    )
    MoveLeadsOperator(  # noqa: F821
        task_id="no_such_list",
        target_campaign=target,
        target_list="Nowhere",
        search_criteria={"campaignIds": [source]},
    )
    MoveLeadsOperator(  # noqa: F821
        task_id="other_account",
        target_campaign="In-Home Estimates",
        account_id="50810002",
        source_campaign=source,
        search_criteria={},
    )
    MoveLeadsOperator(  # noqa: F821
        task_id="named_by_airflow",
        source_campaign=source,
        target_campaign=target,
        search_criteria={"leadStates": ["CANCELLED"]},
        copy="TRANSITION",
    )
    MoveLeadsOperator(  # noqa: F821
        task_id="contradiction",
        source_campaign=source,
        target_campaign=target,
        search_criteria={"campaignIds": [1]},
    )
    MoveLeadsOperator(  # noqa: F821
        task_id="only_a_look",
        source_campaign=source,
        target_campaign=target,
        search_criteria={},
        dry_run=True,
    )


def test_move_settings(ringcx_sandbox, logged):
    source = ringcx_sandbox.campaign("Spring Renewals")
    lists = sorted({(lead["listId"], lead["listDesc"]) for lead in ringcx_sandbox.leads("Summer Win-Back")})
    before = {lead["leadId"]: lead for lead in ringcx_sandbox.leads()}

    run = run_tasks(
        move_with_settings,
        source=source["campaignId"],
        target="Summer Win-Back",
        first=lists[0][1],
        second=lists[1][0],
    )

    after = {lead["leadId"]: lead for lead in ringcx_sandbox.leads()}
    in_source = {i: lead for i, lead in before.items() if lead["campaignId"] == source["campaignId"]}

    def of_state(state):
        return {i for i, lead in in_source.items() if lead["leadState"] == state}

    copied = run.xcom("to_named_list")
    assert (copied["list_id"], copied["list_name"]) == lists[0]
    assert copied["leads_updated"] == len(of_state("READY"))
    assert all(after[i]["campaignId"] == source["campaignId"] for i in of_state("READY"))
    assert {after[i]["listId"] for i in of_state("PAUSED")} == {lists[1][0]}
    assert {after[i]["leadState"] for i in of_state("CANCELLED")} == {"TRANSITIONED"}
    made_up = run.xcom("named_by_airflow")["list_name"]
    assert made_up.startswith(f"{run.dag_run.dag_id}.named_by_airflow ")
    assert run.xcom("only_a_look")["leads_matched"] > 0
    assert run.xcom("only_a_look")["list_id"] is None
    failed = {name for name, state in run.states().items() if state == "failed"}
    assert failed == {"no_such_list", "other_account", "contradiction"}
    text = logged()
    assert "has no list 'Nowhere'" in text
    assert f"select from campaigns [1], not from campaign {source['campaignId']}" in text


@pytest.mark.parametrize("name", [path.stem for path in sorted(EXAMPLES.glob("*.py"))])
def test_the_examples_parse_without_a_warning_of_ours(name, airflow_db, tmp_path):
    import os
    import subprocess
    import sys

    shutil.copy(EXAMPLES / f"{name}.py", tmp_path)
    code = (
        "import warnings, runpy, sys; import airflow.models; "
        "warnings.filterwarnings('error', module='airflow_provider_engagevoice'); "
        "warnings.filterwarnings('error', module='__main__'); "
        "runpy.run_path(sys.argv[1], run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / f"{name}.py")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_sandbox_connection_is_json_that_airflow_takes(ringcx_sandbox):
    from airflow.models.connection import Connection

    taken = Connection.from_json(json.dumps(ringcx_sandbox.connection))
    assert (taken.conn_type, taken.host, taken.login) == ("engagevoice", ringcx_sandbox.url, "sandbox-client")
    assert taken.extra_dejson == ringcx_sandbox.connection["extra"]
