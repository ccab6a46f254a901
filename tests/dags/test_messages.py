"""Log lines that a person sees: the reason of a skip or failure, the action and its place."""

from __future__ import annotations

import re

import pytest

from tests.support.dag_runs import run_tasks

pytestmark = pytest.mark.usefixtures("airflow_db")

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"


def skipped_tasks():
    @task
    def crm_sync():
        return []

    common = {"lead_action": "CANCEL_LEADS"}
    misspelt = "{{ ti.xcom_pull('crm_snyc') }}"
    LeadActionOperator(
        task_id="misspelt", search_criteria={"campaignIds": [1], "externIds": misspelt}, **common
    )
    LeadActionOperator(
        task_id="nested", search_criteria={"campaignIds": ["{{ params.x }}"]}, params={"x": None}, **common
    )
    LeadActionOperator(task_id="whole", search_criteria=misspelt, **common)
    LeadActionOperator(task_id="output", search_criteria={"externIds": crm_sync()}, **common)
    LeadActionOperator(task_id="file", source="{{ ti.xcom_pull('export') }}", **common)
    LeadActionOperator(
        task_id="campaign",
        search_criteria={},
        campaign="{{ ti.xcom_pull('find') }}",
        on_empty="succeed",
        **common,
    )


def test_skipped_task_logs_the_empty_template(ringcx_sandbox, logged):
    states = run_tasks(skipped_tasks).states()
    assert states.pop("crm_sync") == states.pop("campaign") == "success"
    assert set(states.values()) == {"skipped"}
    text = logged().replace("\\", "")
    skipped = "Task skipped (on_empty='skip')"
    misspelt = """its template "{{ ti.xcom_pull('crm_snyc') }}" is None. """ + skipped
    assert f"Nothing selected: externIds is empty; {misspelt}" in text
    assert (
        f"Nothing selected: campaignIds is empty; its template '{{{{ params.x }}}}' is None. {skipped}"
        in text
    )
    assert f"Nothing selected: the search criteria are empty; {misspelt}" in text
    assert f"Nothing selected: externIds is empty; the output of task 'crm_sync' is empty. {skipped}" in text
    assert """Nothing selected: source is empty; its template "{{ ti.xcom_pull('export') }}" is""" in text
    assert """Nothing selected: campaign is empty; its template "{{ ti.xcom_pull('find') }}" is""" in text
    assert ringcx_sandbox.requests == []


def ambiguous_campaigns():
    common = {"search_criteria": {"leadStates": ["READY"]}, "retries": 1}
    MoveLeadsOperator(
        task_id="move", source_campaign="Reactivation", target_campaign="Summer Win-Back", **common
    )
    LeadActionOperator(task_id="cancel", lead_action="CANCEL_LEADS", campaign="Reactivation", **common)
    CampaignLookupSensor(task_id="wait", campaign_name="Reactivation")

    @task(retries=1)
    def own():
        from airflow_provider_engagevoice.hooks.engagevoice import no_retry_on_permanent_errors

        with no_retry_on_permanent_errors():
            EngageVoiceHook().find_campaign("Reactivation")

    own()


def test_ambiguous_campaign_logs_a_fix_the_caller_has(ringcx_sandbox, logged):
    run = run_tasks(ambiguous_campaigns)
    assert set(run.states().values()) == {"failed"}
    assert [run.attempts(name) for name in ("move", "cancel", "own")] == [1, 1, 1]
    lines = logged().splitlines()
    ids = [lead["campaignId"] for lead in ringcx_sandbox.leads("Reactivation")]
    either = " or ".join(str(each) for each in sorted(set(ids)))
    for fix in (
        f"Pass the id, source_campaign={either}",
        f"Pass the id, campaign={either}",
        "Set dial_group_name='Renewals East' or 'Win-Back'",
    ):
        assert any(
            f"CampaignAmbiguous: {fix}: 2 campaigns are named 'Reactivation'" in line for line in lines
        ), fix
    # One campaign in a line, before the traceback.
    assert any(re.search(r"\bid \d+ in dial group '[^']*' of account \d+", line) for line in lines)


def actions_by_campaign_name():
    cancel = LeadActionOperator(
        task_id="cancel",
        lead_action="CANCEL_LEADS",
        campaign="{{ params.name }}",
        search_criteria={"leadStates": ["READY"]},
        params={"name": "Spring Renewals"},
    )
    email = EmailLeadsOperator(
        task_id="email",
        campaign="Spring Renewals",
        search_criteria={"leadStates": ["CANCELLED"]},
        email_to=["a@example.com", "b@example.com"],
    )
    other = LeadActionOperator(
        task_id="contradictory",
        lead_action="CANCEL_LEADS",
        campaign="Spring Renewals",
        search_criteria={"campaignIds": [1]},
    )
    none = MoveLeadsOperator(
        task_id="none",
        source_campaign="Spring Renewals",
        target_campaign="Summer Win-Back",
        search_criteria={"leadStates": ["READY"]},
    )
    cancel >> email >> [other, none]


@pytest.fixture
def second_account(ringcx_sandbox, monkeypatch):
    """The connection names no account, so that only the campaign decides it."""
    import json
    import os

    name = "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT"
    connection = json.loads(os.environ[name])
    connection["extra"].pop("account_id", None)
    monkeypatch.setenv(name, json.dumps(connection))
    return ringcx_sandbox


def test_actions_by_campaign_name_narrow_and_log_it(second_account, logged):
    sandbox = second_account
    before = {lead["leadId"]: lead for lead in sandbox.leads()}
    ready = {i for i, lead in before.items() if lead["leadState"] == "READY"}
    ready &= {lead["leadId"] for lead in sandbox.leads("Spring Renewals")}
    run = run_tasks(actions_by_campaign_name)
    states = run.states()
    assert states.pop("contradictory") == "failed"
    assert set(states.values()) == {"success"}
    after = {lead["leadId"]: lead for lead in sandbox.leads()}
    assert {i for i in after if after[i] != before[i]} == ready
    assert run.xcom("cancel")["account_id"] == "50810001"
    text = logged().replace("\\", "")
    place = f"account 50810001 at {sandbox.url.removeprefix('http://')} via engagevoice_default"
    campaign = sandbox.campaign("Spring Renewals")["campaignId"]
    target = sandbox.campaign("Summer Win-Back")["campaignId"]
    assert f"Cancelling READY leads in 'Spring Renewals' ({campaign}), {place}" in text
    assert f"Cancelled {len(ready)} leads of {len(ready)} matched (1 request)" in text
    moving = (
        f"Moving READY leads from 'Spring Renewals' ({campaign}) to 'Summer Win-Back' ({target}), {place}"
    )
    assert moving in text
    assert "No leads to move; no list was created" in text
    assert re.search(r"Emailed a list of [\d,]+ leads to 2 recipients \(1 request\)", text)


def tasks_without_prerequisites():
    common = {"lead_action": "CANCEL_LEADS", "retries": 1}
    LeadActionOperator(
        task_id="connection",
        search_criteria={"leadIds": [1]},
        engagevoice_conn_id="engagevoice_prod",
        **common,
    )
    LeadActionOperator(task_id="storage", source="s3://bucket/ids.csv", **common)


def test_missing_prerequisites_fail_once_with_the_fix(ringcx_sandbox, logged):
    run = run_tasks(tasks_without_prerequisites)
    assert set(run.states().values()) == {"failed"}
    assert run.attempts("connection") == run.attempts("storage") == 1
    text = logged().replace("\\", "")
    assert "Create the connection 'engagevoice_prod': Admin > Connections, type RingCX" in text
    assert "AIRFLOW_CONN_ENGAGEVOICE_PROD" in text
    assert 'pip install "apache-airflow-providers-amazon[s3fs]"' in text


def actions_by_campaign_name_in_hook():
    @task
    def act():
        hook = EngageVoiceHook()
        ready = {"leadStates": ["READY"]}
        counts = [hook.perform_lead_action("PAUSE_LEADS", ready, campaign=empty) for empty in (None, "")]
        counts.append(hook.perform_lead_action("PAUSE_LEADS", ready, campaign="Spring Renewals"))
        return [each["leads_updated"] for each in counts]

    act()


def test_hook_campaign_narrows_and_empty_selects_nothing(ringcx_sandbox, logged):
    ready = [lead for lead in ringcx_sandbox.leads("Spring Renewals") if lead["leadState"] == "READY"]
    run = run_tasks(actions_by_campaign_name_in_hook)
    assert run.xcom("act") == [0, 0, len(ready)]
    assert sum(lead["leadState"] == "PAUSED" for lead in ringcx_sandbox.leads("Spring Renewals")) >= len(
        ready
    )
    assert logged().count("Nothing selected: campaign is empty") >= 2


def tasks_that_match_nothing(campaign):
    for on_no_match in ("warn", "skip", "fail"):
        LeadActionOperator(
            task_id=on_no_match,
            lead_action="CANCEL_LEADS",
            search_criteria={"campaignIds": [campaign], "externIds": ["unknown-7"]},
            on_no_match=on_no_match,
            retries=1,
        )

    @task
    def hook():
        EngageVoiceHook().perform_lead_action(
            "CANCEL_LEADS", {"externIds": ["unknown-7"]}, on_no_match="skip"
        )

    hook()


def test_on_no_match_decides_the_state_of_the_task(ringcx_sandbox, logged):
    campaign = ringcx_sandbox.campaign("Spring Renewals")["campaignId"]
    run = run_tasks(tasks_that_match_nothing, campaign=campaign)
    assert run.states() == {"warn": "success", "skip": "skipped", "fail": "failed", "hook": "skipped"}
    assert run.attempts("fail") == 1
    assert run.xcom("warn")["leads_matched"] == 0
    assert "unknown-7" not in logged()
    assert "No lead matches the 1 externIds" in logged()
    assert "Task skipped (on_no_match='skip')" in logged()
