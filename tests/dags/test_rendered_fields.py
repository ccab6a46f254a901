"""Rendered fields, XComs and logs of real Airflow runs contain no personal data."""

from __future__ import annotations

import json

import pytest

from tests.support.dag_runs import run_tasks

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

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


def tasks_with_ids_in_place_of_a_path(ids, folder):
    common = {"lead_action": "CANCEL_LEADS", "account_wide": True}
    one = {"externIds": ["A-1"]}
    for name, values in {"few": ids, "many": ids * 100, "one": ids[:1]}.items():
        params = {"ids": values}
        joined = "{{ params.ids | join(',') }}"
        LeadActionOperator(task_id=f"source_{name}", source=joined, params=params, **common)
        if name == "one":
            continue  # the report would be written, as the file that the task above reads
        LeadActionOperator(
            task_id=f"report_{name}", search_criteria=one, report="{{ params.ids | join('/') }}",
            params=params, **common,
        )  # fmt: skip
    path = folder + "/{{ 'ids' }}.csv"
    LeadActionOperator(task_id="path", source=path, report=folder + "/{{ 'report' }}", **common)


@pytest.mark.parametrize("native", [False, True], ids=["plain", "native"])
def test_ids_in_place_of_a_path_are_not_shown(
    airflow_db, ringcx_sandbox, logged, tmp_path, monkeypatch, native
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ids.csv").write_text("id\nA-1\n")
    run = run_tasks(tasks_with_ids_in_place_of_a_path, ids=PERSONAL_DATA, folder=str(tmp_path), native=native)
    states = run.states()
    failed = ("source_few", "source_many", "source_one", "report_many")
    assert {name: states[name] for name in (*failed, "path")} == {
        **dict.fromkeys(failed, "failed"),
        "path": "success",
    }
    fields = {name: run.rendered_fields(name) for name in states}
    assert fields["path"]["source"] == str(tmp_path / "ids.csv")
    assert fields["path"]["report"] == str(tmp_path / "report")
    shown = json.dumps(fields, ensure_ascii=False) + logged()
    assert [secret for secret in PERSONAL_DATA if secret in shown] == []
    assert "OSError" not in shown
