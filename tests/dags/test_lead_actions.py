"""The 13 lead actions in DAG runs, and operators with missing or invalid parameters."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_engagevoice.operators.leads import (
    EmailLeadsOperator,
    LeadActionOperator,
    MoveLeadsOperator,
)
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS
from tests.support.dag_runs import run_tasks

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

pytestmark = pytest.mark.usefixtures("airflow_db")

MANUAL = {
    "PASS_DISPOSITION": "Callback requested",
    "REQUEUE": "true",
    "DO_NOT_CALL": False,
    "PASS_DELAY": "15",
    "MERGE_ORIGINAL": True,
}
MOVE = {
    "CAMPAIGN_ID": "250004",
    "LIST_ID": "0",
    "LIST_NAME": "New Leads List",
    "CREATE_COPY_SETTING": "false",
    "DUPLICATE_ACTION_SETTING": "MOVE",
}
PARAMS: dict[str, dict[str, Any]] = {
    "MANUAL_LEADS": MANUAL,
    "EMAIL_LEADS": {"EMAIL_TO": "a@example.com,b@example.com"},
    "CALLBACK_LEADS": {
        "ACTION_TYPE": "AGENT",
        "RESERVATION_AGENT_ID": 1,
        "CALLBACK_DATE": "2026-12-01T09:00:00Z",
    },
    "MOVE_TO_CAMPAIGN": MOVE,
    "AGENT_RESERVATION": {"RESERVATION_AGENT_ID": "1"},
    "DIALER_REFRESH": {"force_dialer_cache_refresh": True},
}


def one_task_per_action(campaign, lead_ids, params):
    for action, ids in lead_ids.items():
        LeadActionOperator(
            task_id=action,
            lead_action=action,
            search_criteria={"campaignId": campaign, "leadIds": ids},
            action_params=params.get(action),
        )


@pytest.fixture
def campaign_id(ringcx_sandbox):
    return ringcx_sandbox.campaign("Spring Renewals")["campaignId"]


@pytest.fixture
def lead_ids(ringcx_sandbox):
    """Three ids of READY leads of "Spring Renewals" for each action."""
    ready = [
        lead["leadId"] for lead in ringcx_sandbox.leads("Spring Renewals") if lead["leadState"] == "READY"
    ]
    return {action: ready[3 * i : 3 * i + 3] for i, action in enumerate(ACTIONS)}


def test_each_action_has_its_documented_effect(ringcx_sandbox, campaign_id, lead_ids):
    from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook

    agent = next(EngageVoiceHook().get_conn().campaigns.agents())["agentId"]
    target = ringcx_sandbox.campaign("Summer Win-Back")["campaignId"]
    params = {
        **PARAMS,
        "CALLBACK_LEADS": {**PARAMS["CALLBACK_LEADS"], "RESERVATION_AGENT_ID": agent},
        "AGENT_RESERVATION": {"RESERVATION_AGENT_ID": str(agent)},
        "MOVE_TO_CAMPAIGN": {**MOVE, "CAMPAIGN_ID": str(target)},
    }
    before = {lead["leadId"]: lead for lead in ringcx_sandbox.leads()}

    run = run_tasks(one_task_per_action, campaign=campaign_id, lead_ids=lead_ids, params=params)

    assert run.states() == dict.fromkeys(ACTIONS, "success")
    after = {lead["leadId"]: lead for lead in ringcx_sandbox.leads()}

    def leads(action):
        return [after[i] for i in lead_ids[action] if i in after]

    def values(action, key):
        return {lead[key] for lead in leads(action)}

    assert values("RESET_LEADS", "leadPasses") == {0}
    assert values("CANCEL_LEADS", "leadState") == {"CANCELLED"}
    assert values("PAUSE_LEADS", "leadState") == {"PAUSED"}
    assert values("READY_LEADS", "leadState") == {"READY"}
    assert leads("DELETE_LEADS") == []
    assert run.xcom("DELETE_LEADS")["leads_deleted"] == 3
    assert values("SUPPRESS_LEADS", "suppressed") == {True}
    assert values("UNSUPPRESS_LEADS", "suppressed") == {False}
    assert values("MANUAL_LEADS", "agentDispostion") == {"Callback requested"}
    assert all(after[i]["leadPasses"] == before[i]["leadPasses"] + 1 for i in lead_ids["MANUAL_LEADS"])
    assert [(mail["to"], set(mail["lead_ids"])) for mail in ringcx_sandbox.outbox] == [
        (["a@example.com", "b@example.com"], set(lead_ids["EMAIL_LEADS"]))
    ]
    assert values("CALLBACK_LEADS", "leadState") == {"AGENT-CALLBACK"}
    assert values("CALLBACK_LEADS", "nextDialTime") == {"2026-12-01T09:00:00.000+0000"}
    assert values("MOVE_TO_CAMPAIGN", "campaignId") == {target}
    assert values("MOVE_TO_CAMPAIGN", "listDesc") == {"New Leads List"}
    assert None not in values("AGENT_RESERVATION", "pendingAgentName")
    assert run.xcom("DIALER_REFRESH")["dialer_refreshed"] is True
    selected = {i for ids in lead_ids.values() for i in ids}
    assert all(after[i] == before[i] for i in before.keys() - selected)


def make_operator(action, params):
    return LeadActionOperator(
        task_id="act", lead_action=action, search_criteria={"campaignIds": [1]}, action_params=params
    )


@pytest.mark.parametrize(
    ("action", "missing"),
    [
        (action.name, parameter.name)
        for action in ACTIONS.values()
        for parameter in action.parameters
        if parameter.required
    ],
)
def test_missing_parameter_fails_at_parse_time(action, missing):
    params = {name: value for name, value in PARAMS[action].items() if name != missing}
    with pytest.raises(InvalidParameter, match=rf"{action} needs {missing}"):
        make_operator(action, params)


@pytest.mark.parametrize(
    ("action", "parameter", "value"),
    [
        ("MANUAL_LEADS", "REQUEUE", "perhaps"),
        ("MANUAL_LEADS", "PASS_DELAY", -1),
        ("MANUAL_LEADS", "PASS_DELAY", 1.5),
        ("MANUAL_LEADS", "PASS_DISPOSITION", ["a"]),
        ("EMAIL_LEADS", "EMAIL_TO", "no address"),
        ("EMAIL_LEADS", "EMAIL_TO", "a@example.com;b@example.com"),
        ("CALLBACK_LEADS", "ACTION_TYPE", "DROP"),
        ("CALLBACK_LEADS", "CALLBACK_DATE", "tomorrow"),
        ("CALLBACK_LEADS", "RESERVATION_AGENT_ID", "Ann"),
        ("MOVE_TO_CAMPAIGN", "CAMPAIGN_ID", "Summer Win-Back"),
        ("MOVE_TO_CAMPAIGN", "CREATE_COPY_SETTING", "maybe"),
        ("MOVE_TO_CAMPAIGN", "DUPLICATE_ACTION_SETTING", "DROP"),
        ("AGENT_RESERVATION", "CALLBACK_DTS", 5),
        ("DIALER_REFRESH", "force_dialer_cache_refresh", "1"),
    ],
)
def test_invalid_parameter_fails_at_parse_time(action, parameter, value):
    with pytest.raises(InvalidParameter, match=parameter):
        make_operator(action, {**PARAMS[action], parameter: value})


def test_unknown_names_fail_at_parse_time_with_suggestion():
    with pytest.raises(InvalidParameter, match="did you mean CANCEL_LEADS"):
        make_operator("CANCEL_LEAD", None)
    with pytest.raises(InvalidParameter, match="did you mean EMAIL_TO"):
        make_operator("EMAIL_LEADS", {"EMAILTO": "a@example.com"})
    with pytest.raises(InvalidParameter, match="CANCEL_LEADS has no parameter 'REASON'"):
        make_operator("CANCEL_LEADS", {"REASON": "x"})


def test_move_into_new_list_without_name_fails_at_parse_time():
    with pytest.raises(InvalidParameter, match="LIST_NAME"):
        make_operator(
            "MOVE_TO_CAMPAIGN", {name: value for name, value in MOVE.items() if name != "LIST_NAME"}
        )


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("on_empty", "ignore"),
        ("max_leads", -1),
        ("max_leads", "100"),
        ("dry_run", "False"),
        ("account_wide", "False"),
        ("chunk_size", 0),
        ("max_in_flight", 0),
        ("max_in_flight", 17),
    ],
)
def test_invalid_setting_fails_at_parse_time(setting, value):
    with pytest.raises(InvalidParameter, match=setting):
        LeadActionOperator(
            task_id="act",
            lead_action="CANCEL_LEADS",
            search_criteria={"campaignIds": [1]},
            **{setting: value},
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"copy": "yes"}, "copy"),
        ({"copy": 1}, "copy"),
        ({"on_duplicate": "DROP"}, "on_duplicate"),
        ({"target_list": "a", "new_list_name": "b"}, "target_list or new_list_name"),
    ],
)
def test_invalid_setting_of_move_fails_at_parse_time(arguments, message):
    with pytest.raises(InvalidParameter, match=message):
        MoveLeadsOperator(
            task_id="move", search_criteria={"campaignIds": [1]}, target_campaign=2, **arguments
        )


def test_invalid_email_address_fails_at_parse_time():
    with pytest.raises(InvalidParameter, match="address 2 of 2"):
        EmailLeadsOperator(
            task_id="mail", search_criteria={"campaignIds": [1]}, email_to=["a@example.com", "b"]
        )


def actions_with_templated_parameters(campaign, lead_ids):
    @task(multiple_outputs=True)
    def upstream():
        return {"params": {"ACTION_TYPE": "AGENT"}}

    result = upstream()
    criteria = {"campaignIds": [campaign], "leadIds": lead_ids}
    for name, action, params in [
        ("missing_agent", "CALLBACK_LEADS", result["params"]),
        ("empty_agent", "AGENT_RESERVATION", {"RESERVATION_AGENT_ID": "{{ None }}"}),
        ("no_address", "EMAIL_LEADS", {"EMAIL_TO": "{{ '' }}"}),
        ("unknown_action", "{{ 'CANCEL' }}", None),
        ("valid", "{{ 'PAUSE_LEADS' }}", "{{ {} }}"),
    ]:
        operator = LeadActionOperator(
            task_id=name, lead_action=action, search_criteria=criteria, action_params=params, retries=3
        )
        result >> operator


@pytest.mark.parametrize("native", [False, True])
def test_invalid_rendered_parameters_fail_task_once(ringcx_sandbox, campaign_id, lead_ids, logged, native):
    run = run_tasks(
        actions_with_templated_parameters,
        campaign=campaign_id,
        lead_ids=lead_ids["PAUSE_LEADS"],
        native=native,
    )
    states = run.states()
    assert states.pop("valid") == "success"
    assert states.pop("upstream") == "success"
    assert set(states.values()) == {"failed"}
    assert {run.attempts(name) for name in states} == {1}
    text = logged()
    assert "CALLBACK_LEADS needs RESERVATION_AGENT_ID" in text
    assert "AGENT_RESERVATION needs RESERVATION_AGENT_ID" in text
    assert "EMAIL_LEADS needs EMAIL_TO" in text
    assert "RingCX has no lead action 'CANCEL'; did you mean CANCEL_LEADS?" in text
    assert ringcx_sandbox.outbox == []


def bounded_actions(campaign):
    criteria = {"campaignIds": [campaign], "leadStates": ["READY"]}
    common: dict[str, Any] = {"lead_action": "DELETE_LEADS", "search_criteria": criteria, "retries": 2}
    LeadActionOperator(task_id="too_many", max_leads=5, **common)
    LeadActionOperator(task_id="dry_run", dry_run=True, **common)
    LeadActionOperator(
        task_id="no_match",
        lead_action="DELETE_LEADS",
        search_criteria={"campaignIds": [campaign], "externIds": ["no such"]},
    )


def test_max_leads_and_dry_run_change_no_leads(ringcx_sandbox, campaign_id, logged):
    before = ringcx_sandbox.leads()
    run = run_tasks(bounded_actions, campaign=campaign_id)
    assert run.states() == {"too_many": "failed", "dry_run": "success", "no_match": "success"}
    assert run.attempts("too_many") == 1
    assert "more than max_leads=5; nothing was changed" in logged()
    assert run.xcom("dry_run")["leads_matched"] > 5
    assert run.xcom("dry_run")["leads_deleted"] == 0
    assert run.xcom("no_match")["requests"] == 0
    assert ringcx_sandbox.leads() == before


def test_callback_date_accepts_datetime():
    make_operator(
        "CALLBACK_LEADS",
        {**PARAMS["CALLBACK_LEADS"], "CALLBACK_DATE": datetime(2026, 12, 1, tzinfo=timezone.utc)},
    )
