"""Rendered fields, XComs and logs of real Airflow runs contain no personal data."""

from __future__ import annotations

import json

import pytest

from tests.support.dag_runs import run_tasks

# ruff: noqa: F821  (run_tasks defines the names used in functions that build DAGs)

PERSONAL_DATA = ["Grünwald-Quast", "+15550042424", "CRM-4711-X"]


def tasks_with_personal_data(personal_data):
    @task(multiple_outputs=True, show_return_value_in_logs=False)
    def data():
        return {
            "values": personal_data,
            "whole": {"campaignIds": [1], "externIds": personal_data},
            "keys": dict.fromkeys(personal_data, 1),
        }

    made = data()
    pulled = "{{ ti.xcom_pull('data')['values'] }}"
    for task_id, criteria in {
        "template": {"externIds": pulled},
        "arg": {"externIds": made["values"]},
        "item": {"externIds": ["{{ ti.xcom_pull('data')['values'][0] }}", "x"]},
        "name": {"campaignIds": [1], "lastName": "{{ ti.xcom_pull('data')['values'][0] }}"},
        "phones": {"leadPhoneNumbers": pulled},
        "whole": "{{ ti.xcom_pull('data')['whole'] }}",
        "whole_arg": made["whole"],
        "wrong_field": {"campaignIds": [1], "leadStates": pulled},
        "wrong_ids": {"campaignIds": made["values"]},
        "wrong_whole": pulled,
        "wrong_whole_arg": made["values"],
        "wrong_keys": made["keys"],
    }.items():
        made >> LeadActionOperator(task_id=task_id, lead_action="CANCEL_LEADS", search_criteria=criteria)


@pytest.mark.parametrize("native", [False, True], ids=["plain", "native"])
def test_airflow_stores_and_logs_no_personal_data(airflow_db, ringcx_sandbox, logged, native):
    run = run_tasks(tasks_with_personal_data, personal_data=PERSONAL_DATA, native=native)
    states = run.states()
    assert states.pop("data") == "success"
    failed = {name for name, state in states.items() if state == "failed"}
    assert failed == {name for name in states if name.startswith("wrong")} | {"phones"}
    stored = {
        name: json.dumps([run.rendered_fields(name), run.xcom(name)], ensure_ascii=False) for name in states
    }
    assert {
        name: text for name, text in stored.items() if any(secret in text for secret in PERSONAL_DATA)
    } == {}
    assert [line for line in logged().splitlines() if any(secret in line for secret in PERSONAL_DATA)] == []
