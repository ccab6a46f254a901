"""Validation of operator arguments at parse time: literals are checked, runtime values are not."""

from __future__ import annotations

import pytest

from airflow_provider_engagevoice.operators.leads import (
    EmailLeadsOperator,
    LeadActionOperator,
    MoveLeadsOperator,
)
from airflow_provider_engagevoice.ringcx.criteria import LeadSearchCriteria, runtime_keys
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria, InvalidParameter
from airflow_provider_engagevoice.ringcx.leads.selection import validate_authored
from airflow_provider_engagevoice.sensors.campaigns import CampaignLookupSensor
from tests.support.dag_runs import run_tasks
from tests.unit.ringcx.leads.cases import WRONG, short_id

CAMPAIGN = {"campaignIds": [1]}


def cancel(criteria, **arguments):
    return LeadActionOperator(
        task_id="act", lead_action="CANCEL_LEADS", search_criteria=criteria, **arguments
    )


# Objects that are not literals are treated as runtime values, and are validated when the task runs.
WRONG_LITERALS = [(key, value) for key, value in WRONG if not runtime_keys({key: value})]


@pytest.mark.parametrize(("key", "value"), WRONG_LITERALS, ids=short_id)
def test_operator_wrong_literal_is_rejected(key, value):
    with pytest.raises(
        InvalidCriteria, match=rf"^LeadActionOperator\(task_id='act'\)\.search_criteria: {key}"
    ):
        cancel({**CAMPAIGN, key: value})


@pytest.mark.parametrize(
    "criteria",
    [
        {"campaignId": 5, "leadState": ["READY"]},
        {"campaignId": "{{ x }}", "leadState": "{{ x }}"},
        {"campaignId": "{{ x }}", "leadStates": ["REDAY"]},
        {"leadStates": ["READY"]},
        {"leadStates": "{{ x }}"},
        {"campaignIds": []},
        {"leadStates": None, **CAMPAIGN},
        {"externIds": ["A", ""]},
        {},
        None,
        "campaignIds",
        "",
        [],
        5,
        LeadSearchCriteria(),
        LeadSearchCriteria(lead_states=["READY"]),
        LeadSearchCriteria(campaign_ids=[1], lead_states=["REDAY"]),
    ],
)
def test_operator_wrong_criteria_are_rejected(criteria):
    with pytest.raises(InvalidCriteria):
        cancel(criteria)


@pytest.mark.parametrize(
    "criteria",
    [
        "{{ x }}",
        "{% if x %}{{ x }}{% endif %}",
        "{# all #}",
        {"externIds": "{{ x }}"},
        {"externIds": ["{{ x }}"]},
        {"externIds": "{% for x in y %}{{ x }}{% endfor %}"},
        {"campaignId": "{{ x }}", "campaignIds": []},
        {"campaignIds": ["{{ x }}", 5], "leadStates": ["{{ x }}", "REDAY"]},
        {"leadIds": [1], "leadPassesCriteria": {"operator": "{{ x }}", "value": "many"}},
        {"leadIds": [1], "leadTimezones": [{"name": "{{ x }}"}]},
        LeadSearchCriteria(extern_ids="{{ x }}", first_name="{{ x }}"),
        {"leadIds": []},
        {"leadIds": [], "leadStates": []},
        object(),
        {"externIds": object()},
    ],
)
def test_operator_runtime_values_are_not_validated(criteria):
    cancel(criteria)


def test_validate_authored_accepts_template_that_may_narrow():
    validate_authored({"campaignIds": "{{ x }}", "leadStates": ["READY"]})


def test_move_source_campaign_narrows_the_criteria():
    for source in (5, "Spring Renewals", "{{ x }}"):
        MoveLeadsOperator(
            task_id="move", search_criteria={"leadStates": []}, target_campaign=6, source_campaign=source
        )
    with pytest.raises(InvalidCriteria, match="account_wide"):
        MoveLeadsOperator(task_id="move", search_criteria={"leadStates": []}, target_campaign=6)


def test_email_operator_validates_criteria():
    with pytest.raises(InvalidCriteria, match="leadStates"):
        EmailLeadsOperator(
            task_id="email", search_criteria={**CAMPAIGN, "leadStates": ["REDAY"]}, email_to="a@example.com"
        )
    EmailLeadsOperator(task_id="email", search_criteria=CAMPAIGN, email_to="{{ x }}")
    EmailLeadsOperator(task_id="email", search_criteria=CAMPAIGN, email_to=["{{ x }}", "invalid"])


def mapped_tasks_with_wrong_criteria(campaign):
    common = {"lead_action": "CANCEL_LEADS"}
    LeadActionOperator.partial(task_id="state", **common).expand(
        search_criteria=[{"campaignIds": [campaign], "leadStates": ["REDAY"]}]
    )
    LeadActionOperator.partial(task_id="key", **common).expand_kwargs(
        [{"search_criteria": {"campaignIds": [campaign], "leadstate": ["READY"]}}]
    )
    LeadActionOperator.partial(task_id="wide", **common).expand(search_criteria=[{"leadStates": []}])
    LeadActionOperator.partial(task_id="action", search_criteria={"campaignIds": [campaign]}).expand(
        lead_action=["CANCEL"]
    )


def test_mapped_tasks_with_wrong_criteria_fail_at_run_time(airflow_db, ringcx_sandbox):
    # The DAG could be parsed, so the criteria were not validated before the run.
    campaign = ringcx_sandbox.campaign("Spring Renewals")["campaignId"]
    run = run_tasks(mapped_tasks_with_wrong_criteria, campaign=campaign)
    assert run.states() == dict.fromkeys(["state[0]", "key[0]", "wide[0]", "action[0]"], "failed")
    assert ringcx_sandbox.requests == []


def test_import_error_names_task_and_argument():
    cases = {
        "LeadActionOperator(task_id='act').search_criteria: unknown key 'campaginIds'; did you mean": (
            lambda: cancel({"campaginIds": [1]})
        ),
        "LeadActionOperator(task_id='act'): max_leads must be": lambda: cancel(CAMPAIGN, max_leads="5"),
        "LeadActionOperator(task_id='act'): verify must be": lambda: cancel(CAMPAIGN, verify="no"),
        "LeadActionOperator(task_id='act').action_params: MANUAL_LEADS needs PASS_DISPOSITION, REQUEUE,": (
            lambda: LeadActionOperator(
                task_id="act", lead_action="MANUAL_LEADS", search_criteria=CAMPAIGN, action_params={}
            )
        ),
        "EmailLeadsOperator(task_id='email').email_to: EMAIL_TO: address 1 of 1 is not": (
            lambda: EmailLeadsOperator(task_id="email", search_criteria=CAMPAIGN, email_to="nobody")
        ),
        "MoveLeadsOperator(task_id='move'): copy must be": (
            lambda: MoveLeadsOperator(task_id="move", search_criteria=CAMPAIGN, target_campaign=6, copy="yes")
        ),
        "CampaignLookupSensor(task_id='wait'): active_only must be": (
            lambda: CampaignLookupSensor(
                task_id="wait",
                campaign_name="Spring",
                active_only="yes",  # type: ignore[arg-type]
            )
        ),
        "CampaignLookupSensor(task_id='wait'): campaign_name must be": (
            lambda: CampaignLookupSensor(task_id="wait", campaign_name=" ")
        ),
    }
    for message, build in cases.items():
        with pytest.raises((InvalidCriteria, InvalidParameter)) as caught:
            build()
        assert str(caught.value).startswith(message)
