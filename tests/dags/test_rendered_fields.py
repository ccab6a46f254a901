"""What Airflow stores and shows of rendered criteria says how many leads and which filters, never who."""

from __future__ import annotations

import json

import pytest

from airflow_provider_engagevoice.ringcx.criteria import ALL_KEYS
from airflow_provider_engagevoice.templating import RedactedCriteria
from tests.support.dag_runs import run_tasks

# ruff: noqa: F821  (names in the functions that build DAGs come from the harness)

PEOPLE = ["Grünwald-Quast", "+15550042424", "CRM-4711-X"]


@pytest.mark.parametrize(
    ("criteria", "shown"),
    [
        ({"campaignIds": [5], "leadStates": ["READY"]}, {"campaignIds": [5], "leadStates": ["READY"]}),
        ({"externIds": ["CRM-1", "CRM-2"]}, {"externIds": "*** (2 values)"}),
        ({"leadIds": {1, 2, 3}}, {"leadIds": "*** (3 values)"}),
        ({"leadPhoneNumbers": "['+15550042424']"}, {"leadPhoneNumbers": "***"}),
        ({"firstName": "Ada", "leadPhoneNum": "555"}, {"firstName": "***", "leadPhoneNum": "***"}),
        ({"leadStates": [], "listIds": None}, {"leadStates": [], "listIds": None}),
        ({"leadStates": "['READY']"}, {"leadStates": "['READY']"}),
        ({"leadStates": ["Ada"], "listIds": "Ada"}, {"leadStates": "*** (1 values)", "listIds": "***"}),
        ({"+15550042424": "Ada"}, {"***": "***"}),
        ("{'externIds': ['CRM-1']}", "<str>"),
        (None, "<NoneType>"),
        (["CRM-1"], "<list>"),
    ],
)  # fmt: skip
def test_counts_and_filters_are_shown(criteria, shown):
    assert RedactedCriteria(criteria).serialize() == shown
    assert str(RedactedCriteria(criteria)) == repr(RedactedCriteria(criteria)) == str(shown)


@pytest.mark.parametrize("person", [*PEOPLE, PEOPLE, {"name": PEOPLE[0]}, tuple(PEOPLE), str(PEOPLE)])
def test_a_persons_data_is_shown_under_no_key(person):
    # Three filters take any text; they are shown, since what they hold describes many leads.
    for key in ALL_KEYS - {"agentDispositions", "physicalStates", "leadTimezones"}:
        stored = json.dumps(RedactedCriteria({key: person}).serialize(), ensure_ascii=False)
        assert [secret for secret in PEOPLE if secret in stored] == [], key


def tasks_about_people(people):
    @task(multiple_outputs=True, show_return_value_in_logs=False)
    def data():
        return {
            "people": people,
            "whole": {"campaignIds": [1], "externIds": people},
            "keys": dict.fromkeys(people, 1),
        }

    made = data()
    pulled = "{{ ti.xcom_pull('data')['people'] }}"
    for task_id, criteria in {
        "template": {"externIds": pulled},
        "arg": {"externIds": made["people"]},
        "item": {"externIds": ["{{ ti.xcom_pull('data')['people'][0] }}", "x"]},
        "name": {"campaignIds": [1], "lastName": "{{ ti.xcom_pull('data')['people'][0] }}"},
        "phones": {"leadPhoneNumbers": pulled},
        "whole": "{{ ti.xcom_pull('data')['whole'] }}",
        "whole_arg": made["whole"],
        "wrong_field": {"campaignIds": [1], "leadStates": pulled},
        "wrong_ids": {"campaignIds": made["people"]},
        "wrong_whole": pulled,
        "wrong_whole_arg": made["people"],
        "wrong_keys": made["keys"],
    }.items():
        made >> LeadActionOperator(task_id=task_id, lead_action="CANCEL_LEADS", search_criteria=criteria)


@pytest.mark.parametrize("native", [False, True], ids=["plain", "native"])
def test_airflow_stores_and_logs_nobodys_data(airflow_db, ringcx_sandbox, logged, native):
    run = run_tasks(tasks_about_people, people=PEOPLE, native=native)
    states = run.states()
    assert states.pop("data") == "success"
    failed = {name for name, state in states.items() if state == "failed"}
    assert failed == {name for name in states if name.startswith("wrong")} | {"phones"}
    stored = {name: json.dumps([run.rendered_fields(name), run.xcom(name)], ensure_ascii=False) for name in states}
    assert {name: text for name, text in stored.items() if any(secret in text for secret in PEOPLE)} == {}
    assert [line for line in logged().splitlines() if any(secret in line for secret in PEOPLE)] == []
