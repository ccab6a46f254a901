"""Criteria from every input that Airflow offers, in real DAG runs: exactly the intended leads change."""

from __future__ import annotations

import json

import pytest

from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.dags.lead_tracker import LeadTracker, both_modes
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


# Valid criteria

INPUTS = (
    "literal", "template", "tojson", "item", "loop", "parameter", "xcom_arg", "whole_template", "whole_json",
    "whole_xcom_arg", "dataclass", "dataclass_template", "campaign_template", "mapped_upstream", "gaps",
)  # fmt: skip
MAPPED_INPUTS = {
    "expand_literal": 3, "expand_xcom": 2, "kwargs_literal": 2, "kwargs_xcom": 2, "map": 2,
    "partial_template": 1, "partial_xcom_arg": 1, "partial_literal": 1,
}  # fmt: skip


def tasks_with_every_input(campaign, leads):
    one = {"campaignIds": [campaign]}
    wholes = {
        key: {**one, "externIds": leads[key]} for key in ("whole_template", "whole_json", "whole_xcom_arg")
    }
    mapped = {
        "expand_xcom": [{**one, "externIds": [key]} for key in leads["expand_xcom"]],
        "kwargs_xcom": [{"search_criteria": {**one, "externIds": [key]}} for key in leads["kwargs_xcom"]],
    }

    @task(multiple_outputs=True)
    def data():
        return {**leads, **wholes, "gaps": [None, *leads["gaps"], ""], "campaign": campaign}

    @task
    def same(item):
        return item

    made = data()

    def listed(name, value):
        return same.override(task_id=f"{name}_list")(value)

    def cancel(task_id, criteria, **arguments):
        act = LeadActionOperator(
            task_id=task_id, lead_action="CANCEL_LEADS", search_criteria=criteria, **arguments
        )
        if not act.upstream_task_ids:  # Airflow sets it if an argument is an output of the task
            made >> act

    def of(key):
        return "ti.xcom_pull('data')['" + key + "']"

    cancel("literal", {**one, "externIds": leads["literal"]})
    cancel("template", {**one, "externIds": "{{ " + of("template") + " }}"})
    cancel("tojson", {**one, "externIds": "{{ " + of("tojson") + " | tojson }}"})
    cancel("item", {**one, "externIds": ["{{ " + of("item") + "[0] }}"]})
    cancel("loop", {**one, "externIds": "[{% for id in " + of("loop") + " %}'{{ id }}', {% endfor %}]"})
    cancel("parameter", {**one, "externIds": "{{ params.ids }}"}, params={"ids": leads["parameter"]})
    cancel("xcom_arg", {**one, "externIds": made["xcom_arg"]})
    cancel("whole_template", "{{ " + of("whole_template") + " }}")
    cancel("whole_json", "{{ " + of("whole_json") + " | tojson }}")
    cancel("whole_xcom_arg", made["whole_xcom_arg"])
    cancel("dataclass", LeadSearchCriteria(campaign_ids=[campaign], extern_ids=made["dataclass"]))
    cancel(
        "dataclass_template",
        LeadSearchCriteria(
            campaign_id="{{ " + of("campaign") + " }}", extern_ids="{{ " + of("dataclass_template") + " }}"
        ),
    )
    cancel(
        "campaign_template",
        {"campaignIds": ["{{ " + of("campaign") + " }}"], "externIds": leads["campaign_template"]},
    )
    cancel("mapped_upstream", {**one, "externIds": same.expand(item=leads["mapped_upstream"])})
    cancel("gaps", {**one, "externIds": made["gaps"]})

    def mapped_over(task_id, **partial):
        return LeadActionOperator.partial(task_id=task_id, lead_action="CANCEL_LEADS", **partial)

    mapped_over("expand_literal").expand(
        search_criteria=[
            {**one, "externIds": leads["expand_literal"][:1]},
            {**one, "externIds": ["{{ " + of("expand_literal") + "[1] }}"], "leadStates": []},
            {**one, "externIds": "{{ " + of("expand_literal") + "[2:] }}"},
        ]
    )
    mapped_over("expand_xcom").expand(search_criteria=listed("expand_xcom", mapped["expand_xcom"]))
    mapped_over("kwargs_literal").expand_kwargs(
        [
            {"search_criteria": {**one, "externIds": leads["kwargs_literal"][:1], "leadStates": []}},
            {"search_criteria": {**one, "externIds": "{{ " + of("kwargs_literal") + "[1:] }}"}},
        ]
    )
    mapped_over("kwargs_xcom").expand_kwargs(listed("kwargs_xcom", mapped["kwargs_xcom"]))
    mapped_over("map").expand(
        search_criteria=listed("map", leads["map"]).map(
            lambda key: {"campaignIds": [campaign], "externIds": [key]}
        )
    )
    for task_id, value in [
        ("partial_template", "{{ " + of("partial_template") + " }}"),
        ("partial_xcom_arg", made["partial_xcom_arg"]),
        ("partial_literal", leads["partial_literal"]),
    ]:
        act = mapped_over(task_id, search_criteria={**one, "externIds": value, "listIds": []})
        made >> act.expand(max_leads=[5])
    for task_id in ("expand_literal", "kwargs_literal"):
        made >> made.operator.dag.get_task(task_id)


@both_modes
def test_every_input_changes_exactly_its_leads(tracker, native):
    leads = {name: tracker.take(2) for name in INPUTS} | {
        name: tracker.take(number) for name, number in MAPPED_INPUTS.items()
    }
    leads["item"] = leads["item"][:1]
    run = run_tasks(tasks_with_every_input, campaign=tracker.campaign, leads=leads, native=native)
    assert {name: state for name, state in run.states().items() if state != "success"} == {}
    assert tracker.changed() == sorted(key for keys in leads.values() for key in keys)
    everything = [
        json.dumps([run.rendered_fields(name, index), run.xcom(name, index)])
        for name, index in [(name, -1) for name in INPUTS]
        + [(name, index) for name, number in MAPPED_INPUTS.items() for index in range(number)]
    ]
    # Neither the rendered fields nor the results that Airflow stores contain an external id.
    assert [text for text in everything if any(key in text for keys in leads.values() for key in keys)] == []


def tasks_mapped_without_optional_arguments(campaign, leads):
    @task
    def kwargs_list():
        one = {"campaignIds": [campaign]}
        return [{"search_criteria": {**one, "externIds": [key]}} for key in leads["cancel"]]

    @task
    def moves_list():
        one = {"campaignIds": [campaign]}
        return [{"search_criteria": {**one, "externIds": [key]}} for key in leads["move"]]

    LeadActionOperator.partial(task_id="cancel", lead_action="CANCEL_LEADS").expand_kwargs(kwargs_list())
    MoveLeadsOperator.partial(task_id="move", target_campaign="Summer Win-Back").expand_kwargs(moves_list())


def test_argument_left_out_by_mapping_is_left_out(tracker):
    leads = {"cancel": tracker.take(2), "move": tracker.take(1)}
    run = run_tasks(tasks_mapped_without_optional_arguments, campaign=tracker.campaign, leads=leads)
    assert set(run.states().values()) == {"success"}
    assert tracker.changed() == sorted(leads["cancel"] + leads["move"])


def tasks_with_addresses(campaign, leads):
    @task
    def same(item):
        return item

    one = {"campaignIds": [campaign], "externIds": leads}
    addresses = ["a@example.com", "b@example.com"]
    EmailLeadsOperator(task_id="mapped", search_criteria=one, email_to=same.expand(item=addresses))
    EmailLeadsOperator(
        task_id="template", search_criteria=one, email_to="{{ params.to }}", params={"to": addresses}
    )


@both_modes
def test_email_to_accepts_outputs_of_mapped_tasks(tracker, native):
    leads = tracker.take(2)
    run = run_tasks(tasks_with_addresses, campaign=tracker.campaign, leads=leads, native=native)
    assert set(run.states().values()) == {"success"}
    assert [email["to"] for email in tracker.sandbox.outbox] == [["a@example.com", "b@example.com"]] * 2


# Wrong criteria


def tasks_with_wrong_values(campaign):
    one = {"campaignIds": [campaign]}

    @task(multiple_outputs=True)
    def data():
        return {
            "text": "A-1",
            "dict": {"externIds": ["A-1"]},
            "state": ["REDAY"],
            "key": {**one, "leadstate": ["READY"]},
            "envelope": {"campaignLeadSearchCriteria": one},
            "list": [campaign],
            "wide": {"leadStates": ["READY"]},
            "float": [1.5],
        }

    made = data()
    pulled = "{{ ti.xcom_pull('data')['%s'] }}"
    cases = {
        "undefined": {**one, "externIds": "{{ nosuch }}"},
        "undefined_part": {**one, "externIds": "{{ none.foo }}"},
        "undefined_conf": {**one, "externIds": "{{ dag_run.conf['ids'] }}"},
        "undefined_item": {**one, "externIds": ["A-1", "{{ nosuch }}"]},
        "undefined_state": {**one, "leadStates": "{{ nosuch }}"},
        "undefined_name": {**one, "firstName": "{{ nosuch }}"},
        "undefined_inside": {**one, "externIds": "{{ [nosuch] }}"},
        "undefined_whole": "{{ nosuch }}",
    }
    for name in ("text", "dict", "float"):
        cases[f"ids_{name}"] = {**one, "externIds": pulled % name}
        cases[f"ids_arg_{name}"] = {**one, "externIds": made[name]}
    cases["state"] = {**one, "leadStates": made["state"]}
    cases["state_template"] = {**one, "leadStates": pulled % "state"}
    cases["template_in_a_list"] = {**one, "leadStates": [pulled % "state"]}
    for name in ("text", "key", "envelope", "list", "wide"):
        cases[f"whole_{name}"] = pulled % name
    cases["whole_arg"] = made["key"]
    for name, criteria in cases.items():
        made >> LeadActionOperator(task_id=name, lead_action="CANCEL_LEADS", search_criteria=criteria)


@both_modes
def test_wrong_criteria_fail_before_any_request(tracker, native):
    run = run_tasks(tasks_with_wrong_values, campaign=tracker.campaign, native=native)
    states = run.states()
    assert states.pop("data") == "success"
    assert {name: state for name, state in states.items() if state != "failed"} == {}
    assert tracker.sandbox.requests == []


def template_over_a_mapped_task(campaign, leads):
    @task
    def same(item):
        return item

    same.expand(item=leads) >> LeadActionOperator(
        task_id="act",
        lead_action="CANCEL_LEADS",
        search_criteria={"campaignIds": [campaign], "externIds": "{{ ti.xcom_pull('same') }}"},
    )


@both_modes
def test_mapped_output_in_template_works_or_fails(tracker, native):
    # Airflow 2 renders the outputs as "LazySelectSequence([2 items])" in text mode.
    leads = tracker.take(2)
    run = run_tasks(template_over_a_mapped_task, campaign=tracker.campaign, leads=leads, native=native)
    if run.state("act") == "success":
        assert tracker.changed() == sorted(leads)
    else:
        assert run.state("act") == "failed"
        assert not native
        assert tracker.changed() == []


# Dependencies, retries, literals, and templates inside data


def tasks_with_upstream_criteria(campaign):
    @task
    def ids():
        return ["A-1"]

    def made(name):
        return ids.override(task_id=name)()

    comparison = {"operator": "EQUALS", "value": made("c")}
    for name, criteria in {
        "field": LeadSearchCriteria(extern_ids=made("a")),
        "item": {"externIds": [made("b")]},
        "comparison": {"leadIds": [1], "leadPassesCriteria": comparison},
        "whole": made("d"),
    }.items():
        act = LeadActionOperator(task_id=name, lead_action="CANCEL_LEADS", search_criteria=criteria)
        assert len(act.upstream_task_ids) == 1, name


def test_criteria_set_upstream_tasks(airflow_db):
    run_tasks(tasks_with_upstream_criteria, campaign=1)


def tasks_that_are_retried(campaign, leads):
    @task
    def data():
        return leads

    made = data()

    def fail_first_attempt(context):
        if context["ti"].try_number == 1:
            raise RuntimeError("first attempt, after rendering")

    for name, criteria in {
        "literal": {"externIds": leads["literal"], "leadStates": []},
        "changing": {"externIds": ["{{ ti.xcom_pull('data')['changing'][ti.try_number - 1] }}"]},
        "emptied": {"leadStates": "{{ ['READY'] if ti.try_number == 1 else [] }}"},
    }.items():
        made >> LeadActionOperator(
            task_id=name,
            lead_action="CANCEL_LEADS",
            search_criteria={"campaignIds": [campaign], **criteria},
            pre_execute=fail_first_attempt,
            retries=1,
            retry_delay=timedelta(0),
        )


@both_modes
def test_retry_renders_again_and_keeps_authored_values(tracker, native):
    leads = {"literal": tracker.take(1), "changing": tracker.take(2)}
    run = run_tasks(tasks_that_are_retried, campaign=tracker.campaign, leads=leads, native=native)
    states = run.states()
    assert states == {"data": "success", "literal": "success", "changing": "success", "emptied": "skipped"}
    assert {run.attempts(name) for name in ("literal", "changing", "emptied")} == {2}
    assert tracker.changed() == sorted([*leads["literal"], leads["changing"][1]])


SPELLINGS = ["0012345", "+15551234567", "1e5", "0x1F", "True", "1_000", "-0", "'quoted'", "[x]", " 7 "]


def tasks_with_literals(campaign, texts):
    LeadActionOperator(
        task_id="list",
        lead_action="CANCEL_LEADS",
        search_criteria={"campaignIds": [campaign], "externIds": texts},
    )
    for number, text in enumerate(texts):
        LeadActionOperator(
            task_id=f"text{number}",
            lead_action="CANCEL_LEADS",
            search_criteria={"campaignIds": [campaign], "auxData1": text},
        )


@both_modes
def test_literals_are_sent_unchanged(airflow_db, ringcx_sandbox, monkeypatch, native):
    bodies = []
    read = ApiRequest.json

    def record(call):
        if call.operation in ("lead_search", "lead_count"):
            bodies.append(json.loads(call.body))
        return read(call)

    monkeypatch.setattr(ApiRequest, "json", record)
    campaign = ringcx_sandbox.campaign("Spring Renewals")["campaignId"]
    run_tasks(tasks_with_literals, campaign=campaign, texts=SPELLINGS, native=native)
    # The others are the look-ups of ids that match no lead.
    bodies = [body for body in bodies if "campaignIds" in body]
    sent = sorted(text.strip() for text in SPELLINGS)
    assert [sorted(body["externIds"]) for body in bodies if "externIds" in body] == [sent]
    assert sorted(body["auxData1"] for body in bodies if "auxData1" in body) == sorted(SPELLINGS)
    assert all((body["campaignId"], body["campaignIds"]) == (campaign, [campaign]) for body in bodies)


TEMPLATE_IN_DATA = "{{ ti.task_id }}"


def tasks_with_template_in_data(campaign, text):
    one = {"campaignIds": [campaign]}

    @task
    def ids():
        return [text]

    @task
    def criteria():
        return [{**one, "externIds": [text]}]

    @task
    def kwargs_list():
        return [{"search_criteria": {**one, "externIds": [text]}}]

    ids, criteria, kwargs = ids(), criteria(), kwargs_list()
    common = {"lead_action": "CANCEL_LEADS"}
    LeadActionOperator(task_id="arg", search_criteria={**one, "externIds": ids}, **common)
    ids >> LeadActionOperator(
        task_id="template", search_criteria={**one, "externIds": "{{ ti.xcom_pull('ids') }}"}, **common
    )
    LeadActionOperator.partial(task_id="expand", **common).expand(search_criteria=criteria)
    LeadActionOperator.partial(task_id="kwargs", **common).expand_kwargs(kwargs)
    LeadActionOperator.partial(task_id="account", search_criteria={**one, "leadIds": [1]}, **common).expand(
        account_id=ids
    )


@both_modes
def test_template_inside_data_is_not_rendered(tracker, native):
    # Otherwise anyone who can name a lead in the CRM could read connections and variables.
    run = run_tasks(
        tasks_with_template_in_data, campaign=tracker.campaign, text=TEMPLATE_IN_DATA, native=native
    )
    assert {name: state for name, state in run.states().items() if state == "failed"} == {
        "account[0]": "failed"
    }
    assert run.rendered_fields("account", 0)["account_id"] == TEMPLATE_IN_DATA
    for name in ("arg", "template", "expand[0]", "kwargs[0]"):
        task_id, _, index = name.partition("[")
        assert run.xcom(task_id, int(index.rstrip("]") or -1) if index else -1)["leads_matched"] == 0
    assert tracker.changed() == []
