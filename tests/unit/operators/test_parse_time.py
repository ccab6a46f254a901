"""What is known to be wrong fails when the DAG is parsed; what only data can tell is not judged there."""

from __future__ import annotations

from datetime import datetime

import pytest

from airflow_provider_engagevoice.operators.leads import (
    EmailLeadsOperator,
    LeadActionOperator,
    MoveLeadsOperator,
)
from airflow_provider_engagevoice.ringcx.criteria import LeadSearchCriteria, runtime_keys
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria
from airflow_provider_engagevoice.ringcx.leads.selection import validate_authored
from tests.support.dag_runs import run_tasks
from tests.unit.ringcx.leads.test_selection import WRONG, shown

CALL = {"campaignIds": [1]}


def cancel(criteria, **arguments):
    return LeadActionOperator(
        task_id="act", lead_action="CANCEL_LEADS", search_criteria=criteria, **arguments
    )


# Objects that no author writes by hand count as data, and are judged when the task runs.
WRONG_LITERALS = [(key, value) for key, value in WRONG if not runtime_keys({key: value})]


@pytest.mark.parametrize(("key", "value"), WRONG_LITERALS, ids=shown)
def test_a_wrong_literal_is_refused(key, value):
    with pytest.raises(InvalidCriteria, match=f"^{key}"):
        cancel({**CALL, key: value})


@pytest.mark.parametrize(
    "criteria",
    [
        {"campaignId": 5, "leadState": ["READY"]},
        {"campaignId": "{{ x }}", "leadState": "{{ x }}"},
        {"campaignId": "{{ x }}", "leadStates": ["REDAY"]},
        {"leadStates": ["READY"]},
        {"leadStates": "{{ x }}"},
        {"campaignIds": []},
        {"leadStates": None, **CALL},
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
def test_criteria_known_to_be_wrong_are_refused(criteria):
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
def test_nothing_that_a_template_or_a_task_fills_is_judged(criteria):
    cancel(criteria)


def test_a_template_that_narrows_only_if_it_is_filled_is_left_to_the_run():
    validate_authored({"campaignIds": "{{ x }}", "leadStates": ["READY"]})


def test_a_source_campaign_narrows_a_move():
    for source in (5, "Spring Renewals", "{{ x }}"):
        MoveLeadsOperator(
            task_id="move", search_criteria={"leadStates": []}, target_campaign=6, source_campaign=source
        )
    with pytest.raises(InvalidCriteria, match="account_wide"):
        MoveLeadsOperator(task_id="move", search_criteria={"leadStates": []}, target_campaign=6)


def test_the_mail_is_judged_like_the_others():
    with pytest.raises(InvalidCriteria, match="leadStates"):
        EmailLeadsOperator(
            task_id="mail", search_criteria={**CALL, "leadStates": ["REDAY"]}, email_to="a@example.com"
        )
    EmailLeadsOperator(task_id="mail", search_criteria=CALL, email_to="{{ x }}")
    EmailLeadsOperator(task_id="mail", search_criteria=CALL, email_to=["{{ x }}", "nobody"])


@pytest.mark.parametrize(
    ("value", "keys"),
    [
        ({"externIds": ["A"], "campaignId": 5, "firstName": "Ada"}, set()),
        ({"externIds": ["A", "{{ x }}"], "campaignId": 5}, {"externIds"}),
        ({"leadPassesCriteria": {"operator": "EQUALS", "value": "{{ x }}"}}, {"leadPassesCriteria"}),
        ({"loadedDtsStart": datetime(2026, 1, 1), "leadIds": (1, {2})}, set()),
        ({"leadIds": iter([1]), "externIds": {}.keys()}, {"leadIds", "externIds"}),
    ],
)
def test_which_criteria_are_data(value, keys):
    assert runtime_keys(value) == keys


def mapped_wrongly(campaign):
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


def test_mapped_copies_are_judged_when_they_run_and_then_nothing_leaves(airflow_db, ringcx_sandbox):
    # That the DAG ran at all shows that they were not judged before.
    run = run_tasks(mapped_wrongly, campaign=ringcx_sandbox.campaign("Spring Renewals")["campaignId"])
    assert run.states() == dict.fromkeys(["state[0]", "key[0]", "wide[0]", "action[0]"], "failed")
    assert ringcx_sandbox.requests == []
