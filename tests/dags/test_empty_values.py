"""Empty values in real DAG runs: they select no lead, and are never treated as left out."""

from __future__ import annotations

import pytest

from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.dags.lead_tracker import LeadTracker, both_modes
from tests.support.airflow_quirks import none_in_xcom
from tests.support.dag_runs import run_tasks

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"


@pytest.fixture
def ringcx_settings():
    return Settings(size=1500)


@pytest.fixture
def tracker(airflow_db, ringcx_sandbox):
    return LeadTracker(ringcx_sandbox)


# Criteria

BLANKS = {"none": None, "empty": [], "text": "", "gaps": [None, ""]}
READY_LEADS = {"leadStates": ["READY"]}


def of(key):
    return "{{ ti.xcom_pull('data')['" + key + "'] }}"


def empty_criteria(campaign):
    """Return criteria that would select far more leads if their empty values were left out."""
    one = {"campaignIds": [campaign]}
    cases = {f"ids_{blank}": {**one, "externIds": of(blank)} for blank in BLANKS}
    cases |= {f"states_{blank}": {**one, "leadStates": of(blank)} for blank in ("none", "empty", "text")}
    cases |= {f"campaigns_{blank}": {**READY_LEADS, "campaignIds": of(blank)} for blank in ("none", "empty")}
    cases |= {
        f"{key}_none": {**one, key: of("none")}
        for key in (
            "leadIds", "leadPhoneNumbers", "listIds", "leadTimezones", "firstName", "agentId", "suppressed",
            "loadedDtsEnd",
        )
    }  # fmt: skip
    return cases | {
        "whole_none": of("none"),
        "whole_dict": "{{ {} }}",
        "whole_inner": of("criteria"),
        "json": {**one, "externIds": "{{ ti.xcom_pull('data')['empty'] | tojson }}"},
        "json_none": {**one, "externIds": "{{ none | tojson }}"},
        "item": {**one, "externIds": [of("none")]},
        "nested_item": {**one, "externIds": [of("empty")]},
        "constant": {**one, "externIds": "{{ '' }}"},
        "condition": {**one, "leadStates": "{% if false %}['READY']{% endif %}"},
        "spaces": {**one, "leadStates": "  {{ '' }}\n"},
        "comment": {**one, "leadStates": "{# none #}"},
        "comparison": {**one, "leadPassesCriteria": {"operator": "EQUALS", "value": of("none")}},
        "no_such_task": {**one, "externIds": "{{ ti.xcom_pull('missing') }}"},
        "no_conf": {**one, "externIds": "{{ dag_run.conf.get('ids') }}"},
        "campaign_id": {**READY_LEADS, "campaignId": of("none"), "campaignIds": [campaign]},
        "list_of_campaign": {**READY_LEADS, "campaignId": campaign, "campaignIds": of("empty")},
    }


def tasks_with_empty_criteria(campaign, cases, blanks):
    inner = {"campaignIds": [campaign], "leadStates": []}

    @task(multiple_outputs=True)
    def data():
        return {**blanks, "criteria": inner}

    @task
    def same(item):
        return item

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def stop():
        return False

    @task
    def skipped():
        return ["never"]

    made = data()

    def cancel(task_id, criteria, **arguments):
        made >> LeadActionOperator(
            task_id=task_id,
            lead_action="CANCEL_LEADS",
            search_criteria=criteria,
            account_wide=True,
            **arguments,
        )

    for name, criteria in cases.items():
        cancel(name, criteria)
    one = {"campaignIds": [campaign]}
    for key in blanks:
        cancel(f"arg_{key}", {**one, "externIds": made[key]})
        cancel(f"arg_states_{key}", {**one, "leadStates": made[key]})
    cancel("arg_whole", made["none"])
    cancel("arg_whole_inner", made["criteria"])
    cancel("dataclass", LeadSearchCriteria(campaign_ids=[campaign], lead_states=made["empty"]))
    cancel("parameter", {**one, "externIds": "{{ params.ids }}"}, params={"ids": []})
    nothing = skipped()
    stop() >> nothing
    cancel("after_skipped", {**one, "leadStates": nothing}, trigger_rule="none_failed")
    cancel(
        "after_no_mapping",
        {**one, "leadStates": same.expand(item=same.override(task_id="no_items")([]))},
        trigger_rule="none_failed",
    )


@none_in_xcom
@both_modes
def test_empty_criteria_change_no_lead(tracker, native):
    run = run_tasks(
        tasks_with_empty_criteria,
        campaign=tracker.campaign,
        cases=empty_criteria(tracker.campaign),
        blanks=BLANKS,
        native=native,
    )
    states = run.states()
    assert [states.pop(name) for name in ("data", "stop", "no_items")] == ["success"] * 3
    assert {name: state for name, state in states.items() if state != "skipped"} == {}
    assert tracker.sandbox.requests == []
    assert tracker.changed() == []


def mapped_tasks_with_empty_criteria(campaign, blanks):
    one = {"campaignIds": [campaign]}
    criteria = [{**one, "leadStates": blank} for blank in blanks] + [{"externIds": []}, {}]

    @task
    def give(value):
        return value

    entries = give.override(task_id="entries")(criteria)
    kwargs = give.override(task_id="kwargs_list")([{"search_criteria": entry} for entry in criteria])
    none, empty = give.override(task_id="none")(None), give.override(task_id="empty")([])

    def mapped_over(task_id, **partial):
        return LeadActionOperator.partial(
            task_id=task_id, lead_action="CANCEL_LEADS", account_wide=True, **partial
        )

    mapped_over("expand").expand(search_criteria=entries)
    mapped_over("kwargs").expand_kwargs(kwargs)
    mapped_over("map").expand(search_criteria=entries.map(lambda entry: {**entry, "physicalStates": []}))
    mapped_over("over_empty").expand(search_criteria=empty)
    mapped_over("over_literal_empty").expand(search_criteria=[])
    pulled = "{{ ti.xcom_pull('none') }}"
    literal = [{**one, "leadStates": pulled}, {**one, "leadStates": [pulled]}, pulled]
    none >> mapped_over("literal").expand(search_criteria=literal)
    none >> mapped_over("literal_kwargs").expand_kwargs([{"search_criteria": entry} for entry in literal])
    for name, value in [("partial_template", pulled), ("partial_arg", none)]:
        act = mapped_over(name, search_criteria={**one, "leadStates": value}).expand(max_leads=[900])
        none >> act


@pytest.mark.timeout(1800)  # Airflow 3.0 to 3.2 need seconds for each of 50 tasks.
@both_modes
def test_mapped_empty_criteria_change_no_lead(tracker, native):
    blanks = [None, [], "", [None]]
    run = run_tasks(mapped_tasks_with_empty_criteria, campaign=tracker.campaign, blanks=blanks, native=native)
    states = run.states()
    assert {states.pop(name) for name in ("entries", "kwargs_list", "none", "empty")} == {"success"}
    assert len(states) == 3 * 6 + 2 + 3 + 3 + 2
    assert {name: state for name, state in states.items() if state != "skipped"} == {}
    assert tracker.sandbox.requests == []
    assert tracker.changed() == []


def tasks_with_every_on_empty(campaign):
    for on_empty in ("skip", "fail", "succeed"):
        common = {
            "search_criteria": {"campaignIds": [campaign], "externIds": "{{ [] }}"},
            "on_empty": on_empty,
            "retries": 2,
        }
        LeadActionOperator(task_id=on_empty, lead_action="DELETE_LEADS", **common)
        MoveLeadsOperator(task_id=f"move_{on_empty}", target_campaign="Summer Win-Back", **common)
        EmailLeadsOperator(task_id=f"email_{on_empty}", email_to="a@example.com", **common)


@both_modes
def test_on_empty_decides_the_final_state(tracker, native):
    run = run_tasks(tasks_with_every_on_empty, campaign=tracker.campaign, native=native)
    ends = {"skip": "skipped", "fail": "failed", "succeed": "success"}
    assert run.states() == {f"{kind}{end}": ends[end] for kind in ("", "move_", "email_") for end in ends}
    assert {run.attempts(name) for name in run.states()} == {1}
    for name in ("succeed", "move_succeed", "email_succeed"):
        result = run.xcom(name)
        assert result["account_id"] == "50810001"
        assert (result["leads_matched"], result["leads_updated"], result["requests"]) == (0, 0, 0)
    assert run.xcom("move_succeed")["list_id"] is None
    assert tracker.sandbox.requests == []


# Other arguments

BLANK_ARGUMENTS = {"none": None}


def tasks_with_empty_arguments(lead_ids, campaign, blanks):
    @task(multiple_outputs=True)
    def data():
        return blanks

    made = data()

    @task
    def nothing():
        return [None]

    nothings = nothing()
    one = {"leadIds": lead_ids, "campaignIds": [campaign]}
    move = {"search_criteria": one, "target_campaign": "Summer Win-Back"}
    act = {"search_criteria": one, "lead_action": "CANCEL_LEADS"}
    manual = {"PASS_DISPOSITION": "x", "REQUEUE": True, "PASS_DELAY": 0, "MERGE_ORIGINAL": True}
    callback = {"ACTION_TYPE": "AGENT", "RESERVATION_AGENT_ID": 1}

    def tasks(name, operator, field, arguments, wrap=lambda value: value):
        values = {f"{name}_{key}": "{{ ti.xcom_pull('data')['" + key + "'] }}" for key in blanks}
        values[f"{name}_arg"] = made["none"]
        for task_id, value in values.items():
            made >> operator(task_id=task_id, **{**arguments, field: wrap(value)})

    tasks("source", MoveLeadsOperator, "source_campaign", move)
    tasks("target", MoveLeadsOperator, "target_campaign", move)
    tasks("target_list", MoveLeadsOperator, "target_list", move)
    tasks("list_name", MoveLeadsOperator, "new_list_name", move)
    tasks("account", LeadActionOperator, "account_id", act)
    tasks("connection", LeadActionOperator, "engagevoice_conn_id", act)
    tasks("action", LeadActionOperator, "lead_action", act)
    email = {"search_criteria": one}
    tasks("email", EmailLeadsOperator, "email_to", email)
    tasks("one_of_emails", EmailLeadsOperator, "email_to", email, lambda value: ["a@example.com", value])
    tasks("params", LeadActionOperator, "action_params", {**act, "lead_action": "MANUAL_LEADS"})
    tasks(
        "do_not_call", LeadActionOperator, "action_params", {**act, "lead_action": "MANUAL_LEADS"},
        lambda value: {**manual, "DO_NOT_CALL": value},
    )  # fmt: skip
    tasks(
        "callback_date", LeadActionOperator, "action_params", {**act, "lead_action": "CALLBACK_LEADS"},
        lambda value: {**callback, "CALLBACK_DATE": value},
    )  # fmt: skip

    MoveLeadsOperator.partial(task_id="mapped_source", **move).expand(source_campaign=nothings)
    MoveLeadsOperator.partial(task_id="mapped_list", **move).expand(target_list=nothings)
    LeadActionOperator.partial(task_id="mapped_account", **act).expand(account_id=nothings)


@none_in_xcom
@both_modes
def test_empty_argument_is_not_treated_as_left_out(tracker, native):
    # Treated as left out, a source would move leads of every campaign, a target list would be a new one.
    lead_ids = [lead["leadId"] for lead in tracker.sandbox.leads(tracker.campaign)][:3]
    run = run_tasks(
        tasks_with_empty_arguments,
        lead_ids=lead_ids,
        campaign=tracker.campaign,
        blanks=BLANK_ARGUMENTS,
        native=native,
    )
    states = run.states()
    assert {states.pop(name) for name in ("data", "nothing")} == {"success"}
    sources = {name: state for name, state in states.items() if "source" in name}
    assert set(sources.values()) == {"skipped"}
    assert {name: state for name, state in states.items() if state != "failed"} == sources
    assert tracker.sandbox.requests == []
    assert tracker.sandbox.outbox == []
    assert tracker.changed() == []
