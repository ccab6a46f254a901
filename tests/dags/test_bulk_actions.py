"""Bulk actions in DAG runs: id files, reports, retries, kills and arguments."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.operators.leads import EmailLeadsOperator, LeadActionOperator
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria, InvalidParameter
from tests.support.dag_runs import run_tasks

pytestmark = pytest.mark.usefixtures("airflow_db")


def actions_from_id_files(folder, campaign):
    common: dict[str, Any] = {"lead_action": "SUPPRESS_LEADS", "engagevoice_conn_id": "engagevoice_default"}
    LeadActionOperator(task_id="path", source=folder + "/{{ 'ids' }}.csv", source_column="crm", **common)
    LeadActionOperator(task_id="url", source="file://" + folder + "/ids.csv", source_column="crm", **common)
    LeadActionOperator(task_id="empty", source=folder + "/empty.txt", **common)
    LeadActionOperator(task_id="none", source="{{ none }}", **common)
    LeadActionOperator(task_id="missing", source=folder + "/no.txt", retries=1, **common)
    LeadActionOperator(task_id="ids", source="{{ ['A-secret'] }}", **common)
    LeadActionOperator(
        task_id="with_criteria",
        source=folder + "/ids.csv",
        source_column="crm",
        search_criteria={"campaignIds": [campaign]},
        report=folder + "/{{ task.task_id }}.csv",
        **common,
    )


def test_ids_from_files_are_used_but_not_logged(ringcx_sandbox, logged, tmp_path: Path):
    spring = ringcx_sandbox.leads("Spring Renewals")[:4]
    ids = [lead["externId"] for lead in spring]
    (tmp_path / "ids.csv").write_text("name,crm\n" + "".join(f"x,{name}\n" for name in [*ids, "A-secret"]))
    (tmp_path / "empty.txt").write_text("")
    run = run_tasks(actions_from_id_files, folder=str(tmp_path), campaign=spring[0]["campaignId"])
    states = run.states()
    assert [states[name] for name in ("path", "url", "with_criteria")] == ["success"] * 3
    assert [states[name] for name in ("empty", "none")] == ["skipped"] * 2
    assert [states[name] for name in ("missing", "ids")] == ["failed"] * 2
    assert run.attempts("missing") == 1
    assert run.xcom("with_criteria")["leads_updated"] == 4
    assert run.xcom("with_criteria")["ids_not_found"] == 1
    assert "A-secret,not_found" in (tmp_path / "with_criteria.csv").read_text()
    assert run.rendered_fields("path")["source"] == str(tmp_path / "ids.csv")
    assert run.rendered_fields("ids")["source"] == "***"
    assert "A-secret" not in logged()


def manual_leads(ids, retries):
    LeadActionOperator(
        task_id="act",
        lead_action="MANUAL_LEADS",
        search_criteria={"leadIds": ids},
        action_params={
            "PASS_DISPOSITION": "Sale",
            "REQUEUE": False,
            "DO_NOT_CALL": False,
            "PASS_DELAY": 0,
            "MERGE_ORIGINAL": False,
        },
        chunk_size=2,
        retries=retries,
    )


def first_ready_leads(ringcx_sandbox, count):
    leads = [lead for lead in ringcx_sandbox.leads("Spring Renewals") if lead["leadState"] == "READY"]
    return leads[:count]


def added_passes(ringcx_sandbox, leads):
    passes = {lead["leadId"]: lead["leadPasses"] for lead in ringcx_sandbox.leads()}
    return [passes[lead["leadId"]] - lead["leadPasses"] for lead in leads]


def test_retry_resumes_after_completed_chunks(ringcx_sandbox, logged):
    leads = first_ready_leads(ringcx_sandbox, 8)
    # The third and the fourth chunk are counted in turns; one of them fails after five attempts.
    ringcx_sandbox.fault("status", operation="lead_count", at=list(range(3, 12)), status=503)
    run = run_tasks(manual_leads, ids=[lead["leadId"] for lead in leads], retries=2)
    assert run.states() == {"act": "success"}
    assert run.attempts("act") == 2
    assert added_passes(ringcx_sandbox, leads) == [1] * 8
    assert run.xcom("act")["leads_updated"] == 8
    assert "a previous attempt completed 2 of 4 chunks" in logged()


def failing_without_xcom(ids):
    for push in (True, False):
        LeadActionOperator(
            task_id=f"push_{push}",
            lead_action="CANCEL_LEADS",
            search_criteria={"leadIds": ids},
            chunk_size=1,
            do_xcom_push=push,
        )


def test_failing_task_with_do_xcom_push_false_pushes_nothing(ringcx_sandbox):
    ringcx_sandbox.fault("status", operation="lead_action", at=[2, 3, 4], status=400)
    leads = first_ready_leads(ringcx_sandbox, 2)
    run = run_tasks(failing_without_xcom, ids=[lead["leadId"] for lead in leads])
    assert run.states() == {"push_True": "failed", "push_False": "failed"}
    assert run.xcom("push_True")["lead_action"] == "CANCEL_LEADS"
    assert run.xcom("push_False") is None


def test_terminated_task_stops_between_chunks(ringcx_sandbox, logged):
    leads = first_ready_leads(ringcx_sandbox, 8)
    previous_handler = signal.getsignal(signal.SIGTERM)
    ringcx_sandbox.fault(
        "meanwhile", operation="lead_action", at=[3], work=lambda: os.kill(os.getpid(), signal.SIGTERM)
    )
    try:
        run = run_tasks(manual_leads, ids=[lead["leadId"] for lead in leads], retries=0)
    finally:
        signal.signal(signal.SIGTERM, previous_handler)
    passes = added_passes(ringcx_sandbox, leads)
    assert run.states() == {"act": "failed"}
    # The request in flight was awaited.
    assert passes == [1] * 6 + [0] * 2
    assert run.xcom("act")["leads_updated"] == 6
    assert run.xcom("act")["requests"] == 3
    assert "MANUAL_LEADS stopped after" in logged()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, InvalidParameter, "Pass search_criteria, source or both"),
        ({"source": "x.txt", "source_as": "ids"}, InvalidParameter, "source_as must be one of"),
        ({"source": "x.txt", "search_criteria": {"externIds": ["a"]}}, InvalidCriteria, "not in both"),
        ({"search_criteria": {"leadIds": [1]}, "on_rejected": "skip"}, InvalidParameter, "on_rejected"),
        ({"search_criteria": {"leadIds": [1]}, "verify": "True"}, InvalidParameter, "verify must be"),
    ],
    ids=["nothing", "source_as", "both", "on_rejected", "verify"],
)
def test_operator_with_invalid_arguments_fails_at_parse_time(arguments, error, message):
    with pytest.raises(error, match=message):
        LeadActionOperator(task_id="act", lead_action="CANCEL_LEADS", **arguments)


def test_verify_of_unverifiable_action_fails_at_parse_time():
    with pytest.raises(
        InvalidParameter, match="verify is not possible for EMAIL_LEADS: no search shows its effect"
    ):
        EmailLeadsOperator(
            task_id="mail", search_criteria={"leadIds": [1]}, email_to="a@example.com", verify=True
        )


def test_hook_accepts_iterators_of_any_length(ringcx_sandbox):
    spring = ringcx_sandbox.leads("Spring Renewals")
    ids = [lead["externId"] for lead in spring]
    many = itertools.chain(ids, (f"none-{n}" for n in range(21_000)))
    assert EngageVoiceHook().count_leads({"externIds": many}) >= len(spring)
    found = EngageVoiceHook().search_leads({"externIds": iter(ids[:3])})
    assert {lead["externId"] for lead in found} == set(ids[:3])
