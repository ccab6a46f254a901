"""The 13 lead actions in DAG runs, and what a wrong or missing parameter does."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from airflow_provider_engagevoice.operators.leads import (
    EmailLeadsOperator,
    LeadActionOperator,
    MoveLeadsOperator,
)
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS
from tests.support.dag_runs import run_tasks

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
PARAMS: dict[str, dict] = {
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


def one_task_per_action(campaign, chosen, params):
    for action, lead_ids in chosen.items():
        LeadActionOperator(
            task_id=action,
            lead_action=action,
            search_criteria={"campaignId": campaign, "leadIds": lead_ids},
            action_params=params.get(action),
        )


@pytest.fixture
def world(ringcx_sandbox):
    """The campaign that is acted on, three leads of it for each action, and an agent's id."""
    from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook

    ready = [lead for lead in ringcx_sandbox.leads("Spring Renewals") if lead["leadState"] == "READY"]
    chosen = {name: [lead["leadId"] for lead in ready[3 * i : 3 * i + 3]] for i, name in enumerate(ACTIONS)}
    agent = next(EngageVoiceHook().get_conn().campaigns.agents())["agentId"]
    return ringcx_sandbox.campaign("Spring Renewals")["campaignId"], chosen, agent


def test_every_action_does_what_it_is_for(ringcx_sandbox, world):
    campaign, chosen, agent = world
    target = ringcx_sandbox.campaign("Summer Win-Back")["campaignId"]
    params = {
        **PARAMS,
        "CALLBACK_LEADS": {**PARAMS["CALLBACK_LEADS"], "RESERVATION_AGENT_ID": agent},
        "AGENT_RESERVATION": {"RESERVATION_AGENT_ID": str(agent)},
        "MOVE_TO_CAMPAIGN": {**MOVE, "CAMPAIGN_ID": str(target)},
    }
    before = {lead["leadId"]: lead for lead in ringcx_sandbox.leads()}

    run = run_tasks(one_task_per_action, campaign=campaign, chosen=chosen, params=params)

    assert run.states() == dict.fromkeys(ACTIONS, "success")
    after = {lead["leadId"]: lead for lead in ringcx_sandbox.leads()}

    def leads(action):
        return [after[i] for i in chosen[action] if i in after]

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
    assert all(after[i]["leadPasses"] == before[i]["leadPasses"] + 1 for i in chosen["MANUAL_LEADS"])
    assert [(mail["to"], set(mail["lead_ids"])) for mail in ringcx_sandbox.outbox] == [
        (["a@example.com", "b@example.com"], set(chosen["EMAIL_LEADS"]))
    ]
    assert values("CALLBACK_LEADS", "leadState") == {"AGENT-CALLBACK"}
    assert values("CALLBACK_LEADS", "nextDialTime") == {"2026-12-01T09:00:00.000+0000"}
    assert values("MOVE_TO_CAMPAIGN", "campaignId") == {target}
    assert values("MOVE_TO_CAMPAIGN", "listDesc") == {"New Leads List"}
    assert None not in values("AGENT_RESERVATION", "pendingAgentName")
    assert run.xcom("DIALER_REFRESH")["dialer_refreshed"] is True
    touched = {i for lead_ids in chosen.values() for i in lead_ids}
    assert all(after[i] == before[i] for i in before.keys() - touched)


def build(action, params):
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
def test_a_missing_parameter_fails_when_the_dag_is_parsed(action, missing):
    params = {name: value for name, value in PARAMS[action].items() if name != missing}
    with pytest.raises(InvalidParameter, match=rf"{action} needs {missing}"):
        build(action, params)


@pytest.mark.parametrize(
    ("action", "wrong", "value"),
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
def test_a_wrong_parameter_fails_when_the_dag_is_parsed(action, wrong, value):
    with pytest.raises(InvalidParameter, match=wrong):
        build(action, {**PARAMS[action], wrong: value})


def test_unknown_actions_and_parameters_fail_with_the_nearest_name():
    with pytest.raises(InvalidParameter, match="did you mean CANCEL_LEADS"):
        build("CANCEL_LEAD", None)
    with pytest.raises(InvalidParameter, match="did you mean EMAIL_TO"):
        build("EMAIL_LEADS", {"EMAILTO": "a@example.com"})
    with pytest.raises(InvalidParameter, match="CANCEL_LEADS has no parameter 'REASON'"):
        build("CANCEL_LEADS", {"REASON": "x"})


def test_a_list_made_without_a_name_is_refused():
    with pytest.raises(InvalidParameter, match="LIST_NAME"):
        build("MOVE_TO_CAMPAIGN", {name: value for name, value in MOVE.items() if name != "LIST_NAME"})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("on_empty", "ignore"),
        ("max_leads", -1),
        ("max_leads", "100"),
        ("dry_run", "False"),
        ("account_wide", "False"),
        ("chunk_size", 0),
    ],
)
def test_wrong_settings_fail_when_the_dag_is_parsed(setting, value):
    with pytest.raises(InvalidParameter, match=setting):
        LeadActionOperator(
            task_id="act",
            lead_action="CANCEL_LEADS",
            search_criteria={"campaignIds": [1]},
            **{setting: value},
        )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"copy": "yes"}, "copy"),
        ({"copy": 1}, "copy"),
        ({"on_duplicate": "DROP"}, "on_duplicate"),
        ({"target_list": "a", "new_list_name": "b"}, "target_list or new_list_name"),
    ],
)
def test_wrong_settings_of_a_move_fail_when_the_dag_is_parsed(arguments, named):
    with pytest.raises(InvalidParameter, match=named):
        MoveLeadsOperator(
            task_id="move", search_criteria={"campaignIds": [1]}, target_campaign=2, **arguments
        )


def test_a_mail_address_that_is_none_fails_when_the_dag_is_parsed():
    with pytest.raises(InvalidParameter, match="address 2 of 2"):
        EmailLeadsOperator(
            task_id="mail", search_criteria={"campaignIds": [1]}, email_to=["a@example.com", "b"]
        )


def parameters_that_templates_fill(campaign, lead_ids):
    @task(multiple_outputs=True)  # noqa: F821
    def chosen():
        return {"params": {"ACTION_TYPE": "AGENT"}}

    made = chosen()
    criteria = {"campaignIds": [campaign], "leadIds": lead_ids}
    for name, action, params in [
        ("missing_agent", "CALLBACK_LEADS", made["params"]),
        ("empty_agent", "AGENT_RESERVATION", {"RESERVATION_AGENT_ID": "{{ None }}"}),
        ("no_address", "EMAIL_LEADS", {"EMAIL_TO": "{{ '' }}"}),
        ("unknown_action", "{{ 'CANCEL' }}", None),
        ("fine", "{{ 'PAUSE_LEADS' }}", "{{ {} }}"),
    ]:
        act = LeadActionOperator(
            task_id=name, lead_action=action, search_criteria=criteria, action_params=params, retries=3
        )
        made >> act


@pytest.mark.parametrize("native", [False, True])
def test_what_templates_leave_wrong_fails_the_task_once_and_changes_nothing(
    ringcx_sandbox, world, logged, native
):
    campaign, chosen, _ = world
    run = run_tasks(
        parameters_that_templates_fill, campaign=campaign, lead_ids=chosen["PAUSE_LEADS"], native=native
    )
    states = run.states()
    assert states.pop("fine") == "success"
    assert states.pop("chosen") == "success"
    assert set(states.values()) == {"failed"}
    assert {run.attempts(name) for name in states} == {1}
    text = logged()
    assert "CALLBACK_LEADS needs RESERVATION_AGENT_ID" in text
    assert "AGENT_RESERVATION needs RESERVATION_AGENT_ID" in text
    assert "EMAIL_LEADS needs EMAIL_TO" in text
    assert "RingCX has no lead action 'CANCEL'; did you mean CANCEL_LEADS?" in text
    assert ringcx_sandbox.outbox == []


def bounded(campaign):
    criteria = {"campaignIds": [campaign], "leadStates": ["READY"]}
    common = {"lead_action": "DELETE_LEADS", "search_criteria": criteria, "retries": 2}
    LeadActionOperator(task_id="too_many", max_leads=5, **common)
    LeadActionOperator(task_id="dry", dry_run=True, **common)
    LeadActionOperator(
        task_id="none_match",
        lead_action="DELETE_LEADS",
        search_criteria={"campaignIds": [campaign], "externIds": ["no such"]},
    )


def test_bounds_keep_leads_alive(ringcx_sandbox, logged):
    before = ringcx_sandbox.leads()
    run = run_tasks(bounded, campaign=ringcx_sandbox.campaign("Spring Renewals")["campaignId"])
    assert run.states() == {"too_many": "failed", "dry": "success", "none_match": "success"}
    assert run.attempts("too_many") == 1
    assert "more than max_leads=5; nothing was changed" in logged()
    assert run.xcom("dry")["leads_matched"] > 5
    assert run.xcom("dry")["leads_deleted"] == 0
    assert run.xcom("none_match")["requests"] == 0
    assert ringcx_sandbox.leads() == before


def test_a_moment_may_be_a_datetime():
    build(
        "CALLBACK_LEADS",
        {**PARAMS["CALLBACK_LEADS"], "CALLBACK_DATE": datetime(2026, 12, 1, tzinfo=timezone.utc)},
    )
