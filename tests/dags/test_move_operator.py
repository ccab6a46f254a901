"""MoveLeadsOperator in DAG runs: settings, names, ids and logs."""

from __future__ import annotations

import pytest

from tests.support.dag_runs import run_tasks

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

pytestmark = pytest.mark.usefixtures("airflow_db")


def moves_with_settings(source, target, list_name, list_id):
    MoveLeadsOperator(
        task_id="to_named_list",
        source_campaign=source,
        target_campaign=target,
        target_list=list_name,
        search_criteria={"leadStates": ["READY"]},
        copy=True,
    )
    MoveLeadsOperator(
        task_id="to_list_id",
        target_campaign=target,
        target_list=list_id,
        search_criteria={"campaignIds": [source], "leadStates": ["PAUSED"]},
    )
    MoveLeadsOperator(
        task_id="unknown_list",
        target_campaign=target,
        target_list="Nowhere",
        search_criteria={"campaignIds": [source]},
    )
    MoveLeadsOperator(
        task_id="other_account",
        target_campaign="In-Home Estimates",
        account_id="50810002",
        source_campaign=source,
        search_criteria={},
    )
    MoveLeadsOperator(
        task_id="generated_list_name",
        source_campaign=source,
        target_campaign=target,
        search_criteria={"leadStates": ["CANCELLED"]},
        copy="TRANSITION",
    )
    MoveLeadsOperator(
        task_id="contradictory_criteria",
        source_campaign=source,
        target_campaign=target,
        search_criteria={"campaignIds": [1]},
    )
    MoveLeadsOperator(
        task_id="dry_run",
        source_campaign=source,
        target_campaign=target,
        search_criteria={},
        dry_run=True,
    )


def test_moves_with_settings_have_expected_effects(ringcx_sandbox, logged):
    source = ringcx_sandbox.campaign("Spring Renewals")
    lists = sorted({(lead["listId"], lead["listDesc"]) for lead in ringcx_sandbox.leads("Summer Win-Back")})
    before = {lead["leadId"]: lead for lead in ringcx_sandbox.leads()}

    run = run_tasks(
        moves_with_settings,
        source=source["campaignId"],
        target="Summer Win-Back",
        list_name=lists[0][1],
        list_id=lists[1][0],
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
    generated = run.xcom("generated_list_name")["list_name"]
    assert generated.startswith(f"{run.dag_run.dag_id}.generated_list_name ")
    assert run.xcom("dry_run")["leads_matched"] > 0
    assert run.xcom("dry_run")["list_id"] is None
    failed = {name for name, state in run.states().items() if state == "failed"}
    assert failed == {"unknown_list", "other_account", "contradictory_criteria"}
    text = logged()
    assert "has no list 'Nowhere'" in text
    assert f"Campaign {source['campaignId']} is not among the campaigns of the criteria: [1]" in text


def moves_with_unusual_arguments():
    @task
    def batch():
        return 2026

    source = CampaignLookupSensor(task_id="source", campaign_name="Spring Renewals")
    target = CampaignLookupSensor(task_id="target", campaign_name="Summer Win-Back")
    to_new_list = MoveLeadsOperator(
        task_id="number_as_list_name",
        source_campaign=source.output,
        target_campaign=target.output,
        new_list_name=batch(),
        search_criteria={"leadStates": ["READY"]},
    )
    to_existing_list = MoveLeadsOperator(
        task_id="list_name_of_digits",
        source_campaign=source.output,
        target_campaign=target.output,
        target_list="2026",
        search_criteria={"leadStates": ["PAUSED"]},
    )
    wrong_list = MoveLeadsOperator(
        task_id="wrong_list",
        source_campaign=source.output,
        target_campaign=target.output,
        target_list=target.output,
        search_criteria={},
    )
    wrong_campaign = MoveLeadsOperator(
        task_id="wrong_campaign",
        source_campaign=source.output,
        target_campaign=["Summer Win-Back"],
        search_criteria={},
        retries=1,
    )
    to_new_list >> to_existing_list >> [wrong_list, wrong_campaign]


def test_move_accepts_names_of_digits_and_sensor_results(ringcx_sandbox, logged):
    run = run_tasks(moves_with_unusual_arguments)
    states = run.states()
    assert states.pop("wrong_campaign") == "failed"
    assert states.pop("wrong_list") == "failed"
    assert set(states.values()) == {"success"}
    first, second = run.xcom("number_as_list_name"), run.xcom("list_name_of_digits")
    assert first["list_name"] == "2026"
    assert first["list_id"] == second["list_id"] is not None
    listed = [lead for lead in ringcx_sandbox.leads("Summer Win-Back") if lead["listId"] == first["list_id"]]
    assert len(listed) == first["leads_updated"] + second["leads_updated"]
    assert run.attempts("wrong_campaign") == 1
    text = logged()
    assert "target_campaign must be a name or an id, not a list" in text
    assert "target_list must be a name or an id, not a dict" in text


def test_move_logs_criteria_result_and_target(ringcx_sandbox, logged):
    run_tasks(moves_with_unusual_arguments)
    text = logged()
    assert "READY leads from 'Spring Renewals'" in text
    assert "matched (1 request)" in text
    assert "Target: list '2026'" in text
    assert "Found campaign 'Spring Renewals': id " in text
