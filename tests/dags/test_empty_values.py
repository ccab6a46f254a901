"""In real Airflow, however the criteria are fed: the leads that are meant change, and no other one.

Every task of a run has leads of its own, so that the leads that changed tell which task changed them.
"""

from __future__ import annotations

import json

import pytest

from airflow_provider_engagevoice.sandbox.http.endpoint import ApiRequest
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.support.dag_runs import run_tasks

# ruff: noqa: F821  (names in the functions that build DAGs come from the harness)


class World:
    """The leads before a run, and which of them have changed since."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.campaign = sandbox.campaign("Spring Renewals")["campaignId"]
        self.before = {lead["leadId"]: lead for lead in sandbox.leads()}
        ready = [lead for lead in sandbox.leads(self.campaign) if lead["leadState"] == "READY"]
        self._fresh = iter(ready)

    def take(self, number):
        """External ids of leads that no task has yet."""
        return [next(self._fresh)["externId"] for _ in range(number)]

    def changed(self):
        """External ids of the leads that changed."""
        now = {lead["leadId"]: lead for lead in self.sandbox.leads()}
        assert now.keys() == self.before.keys()
        return sorted(now[key]["externId"] for key in now if now[key] != self.before[key])


@pytest.fixture
def ringcx_settings():
    return Settings(size=1500)


@pytest.fixture
def world(airflow_db, ringcx_sandbox):
    return World(ringcx_sandbox)


both = pytest.mark.parametrize("native", [False, True], ids=["plain", "native"])


# Ways to feed criteria, all of which work

SINGLE_WAYS = (
    "by_hand", "template", "tojson", "item", "loop", "parameter", "xcom_arg", "whole_template", "whole_json",
    "whole_xcom_arg", "dataclass", "dataclass_template", "campaign_template", "mapped_upstream", "gaps",
)  # fmt: skip
MAPPED_WAYS = {
    "expand_literal": 3, "expand_xcom": 2, "kwargs_literal": 2, "kwargs_xcom": 2, "map": 2,
    "partial_template": 1, "partial_xcom_arg": 1, "partial_by_hand": 1,
}  # fmt: skip


def fed_in_every_way(campaign, leads):
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
        if not act.upstream_task_ids:  # where an output of the task is an argument Airflow adds this itself
            made >> act

    def of(key):
        return "ti.xcom_pull('data')['" + key + "']"

    cancel("by_hand", {**one, "externIds": leads["by_hand"]})
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
    for way, value in [
        ("partial_template", "{{ " + of("partial_template") + " }}"),
        ("partial_xcom_arg", made["partial_xcom_arg"]),
        ("partial_by_hand", leads["partial_by_hand"]),
    ]:
        act = mapped_over(way, search_criteria={**one, "externIds": value, "listIds": []})
        made >> act.expand(max_leads=[5])
    for way in ("expand_literal", "kwargs_literal"):
        made >> made.operator.dag.get_task(way)


@both
def test_exactly_the_leads_that_are_fed_change(world, native):
    leads = {way: world.take(2) for way in SINGLE_WAYS} | {
        way: world.take(number) for way, number in MAPPED_WAYS.items()
    }
    leads["item"] = leads["item"][:1]
    run = run_tasks(fed_in_every_way, campaign=world.campaign, leads=leads, native=native)
    assert {name: state for name, state in run.states().items() if state != "success"} == {}
    assert world.changed() == sorted(key for keys in leads.values() for key in keys)
    everything = [
        json.dumps([run.rendered_fields(name, index), run.xcom(name, index)])
        for name, index in [(way, -1) for way in SINGLE_WAYS]
        + [(way, index) for way, number in MAPPED_WAYS.items() for index in range(number)]
    ]
    # Neither the rendered fields nor the results that Airflow stores show whom it was about.
    assert [text for text in everything if any(key in text for keys in leads.values() for key in keys)] == []


# Whatever comes out empty selects nothing

BLANKS = {"none": None, "empty": [], "text": "", "gaps": [None, ""]}
READY_LEADS = {"leadStates": ["READY"]}


def of(key):
    return "{{ ti.xcom_pull('data')['" + key + "'] }}"


def emptied(campaign):
    """Criteria that would touch much more than meant if what is empty in them were left out."""
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
        "no_such_task": {**one, "externIds": "{{ ti.xcom_pull('nobody') }}"},
        "no_conf": {**one, "externIds": "{{ dag_run.conf.get('ids') }}"},
        "campaign_id": {**READY_LEADS, "campaignId": of("none"), "campaignIds": [campaign]},
        "list_of_campaign": {**READY_LEADS, "campaignId": campaign, "campaignIds": of("empty")},
    }


def tasks_with_emptied_criteria(campaign, cases, blanks):
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


@both
def test_what_came_out_empty_touches_nobody(world, native):
    run = run_tasks(
        tasks_with_emptied_criteria,
        campaign=world.campaign,
        cases=emptied(world.campaign),
        blanks=BLANKS,
        native=native,
    )
    states = run.states()
    assert [states.pop(name) for name in ("data", "stop", "no_items")] == ["success"] * 3
    assert {name: state for name, state in states.items() if state != "skipped"} == {}
    assert world.sandbox.requests == []
    assert world.changed() == []


def tasks_mapped_over_nothing(campaign, blanks):
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


@both
def test_mapped_tasks_that_came_out_empty_touch_nobody(world, native):
    blanks = [None, [], "", [None]]
    run = run_tasks(tasks_mapped_over_nothing, campaign=world.campaign, blanks=blanks, native=native)
    states = run.states()
    assert {states.pop(name) for name in ("entries", "kwargs_list", "none", "empty")} == {"success"}
    assert len(states) == 3 * 6 + 2 + 3 + 3 + 2
    assert {name: state for name, state in states.items() if state != "skipped"} == {}
    assert world.sandbox.requests == []
    assert world.changed() == []


def the_three_ways_to_end(campaign):
    for on_empty in ("skip", "fail", "succeed"):
        common = {
            "search_criteria": {"campaignIds": [campaign], "externIds": "{{ [] }}"},
            "on_empty": on_empty,
            "retries": 2,
        }
        LeadActionOperator(task_id=on_empty, lead_action="DELETE_LEADS", **common)
        MoveLeadsOperator(task_id=f"move_{on_empty}", target_campaign="Summer Win-Back", **common)
        EmailLeadsOperator(task_id=f"mail_{on_empty}", email_to="a@example.com", **common)


@both
def test_on_empty_decides_how_a_task_ends_that_has_nothing_to_do(world, native):
    run = run_tasks(the_three_ways_to_end, campaign=world.campaign, native=native)
    ends = {"skip": "skipped", "fail": "failed", "succeed": "success"}
    assert run.states() == {f"{kind}{end}": ends[end] for kind in ("", "move_", "mail_") for end in ends}
    assert {run.attempts(name) for name in run.states()} == {1}
    for name in ("succeed", "move_succeed", "mail_succeed"):
        result = run.xcom(name)
        assert result["account_id"] == "50810001"
        assert (result["leads_matched"], result["leads_updated"], result["requests"]) == (0, 0, 0)
    assert run.xcom("move_succeed")["list_id"] is None
    assert world.sandbox.requests == []


# What is wrong fails


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


@both
def test_what_came_out_wrong_fails_before_a_request_leaves(world, native):
    run = run_tasks(tasks_with_wrong_values, campaign=world.campaign, native=native)
    states = run.states()
    assert states.pop("data") == "success"
    assert {name: state for name, state in states.items() if state != "failed"} == {}
    assert world.sandbox.requests == []


def template_over_a_mapped_task(campaign, leads):
    @task
    def same(item):
        return item

    same.expand(item=leads) >> LeadActionOperator(
        task_id="act",
        lead_action="CANCEL_LEADS",
        search_criteria={"campaignIds": [campaign], "externIds": "{{ ti.xcom_pull('same') }}"},
    )


@both
def test_the_outputs_of_a_mapped_task_in_a_template_work_or_fail(world, native):
    # Airflow 2 prints them as "LazySelectSequence([2 items])" where it renders text.
    leads = world.take(2)
    run = run_tasks(template_over_a_mapped_task, campaign=world.campaign, leads=leads, native=native)
    if run.state("act") == "success":
        assert world.changed() == sorted(leads)
    else:
        assert run.state("act") == "failed"
        assert not native
        assert world.changed() == []


# What Airflow does between the writing and the run


def dependencies(campaign):
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


def test_a_task_waits_for_the_tasks_that_feed_its_criteria(airflow_db):
    run_tasks(dependencies, campaign=1)


def tasks_that_try_twice(campaign, leads):
    @task
    def data():
        return leads

    made = data()
    # The first try fails after rendering, for want of a connection.
    for name, criteria in {
        "by_hand": {"externIds": leads["by_hand"], "leadStates": []},
        "anew": {"externIds": ["{{ ti.xcom_pull('data')['anew'][ti.try_number - 1] }}"]},
        "emptied": {"leadStates": "{{ ['READY'] if ti.try_number == 1 else [] }}"},
    }.items():
        made >> LeadActionOperator(
            task_id=name,
            lead_action="CANCEL_LEADS",
            search_criteria={"campaignIds": [campaign], **criteria},
            engagevoice_conn_id="{{ 'nowhere' if ti.try_number == 1 else 'engagevoice_default' }}",
            retries=1,
            retry_delay=timedelta(0),
        )


@both
def test_a_second_try_renders_anew_and_still_knows_what_was_written_by_hand(world, native):
    leads = {"by_hand": world.take(1), "anew": world.take(2)}
    run = run_tasks(tasks_that_try_twice, campaign=world.campaign, leads=leads, native=native)
    states = run.states()
    assert states == {"data": "success", "by_hand": "success", "anew": "success", "emptied": "skipped"}
    assert {run.attempts(name) for name in ("by_hand", "anew", "emptied")} == {2}
    assert world.changed() == sorted([*leads["by_hand"], leads["anew"][1]])


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


@both
def test_literals_are_sent_as_they_are_spelt(airflow_db, ringcx_sandbox, monkeypatch, native):
    bodies = []
    read = ApiRequest.json

    def noted(call):
        if call.operation in ("lead_search", "lead_count"):
            bodies.append(json.loads(call.body))
        return read(call)

    monkeypatch.setattr(ApiRequest, "json", noted)
    campaign = ringcx_sandbox.campaign("Spring Renewals")["campaignId"]
    run_tasks(tasks_with_literals, campaign=campaign, texts=SPELLINGS, native=native)
    assert [body["externIds"] for body in bodies if "externIds" in body] == [SPELLINGS]
    assert sorted(body["auxData1"] for body in bodies if "auxData1" in body) == sorted(SPELLINGS)
    assert all((body["campaignId"], body["campaignIds"]) == (campaign, [campaign]) for body in bodies)


TEMPLATE_IN_DATA = "{{ ti.task_id }}"


def data_that_looks_like_a_template(campaign, text):
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


@both
def test_a_template_inside_data_is_never_run(world, native):
    # Whoever may name a lead in the CRM could otherwise read connections and variables.
    run = run_tasks(
        data_that_looks_like_a_template, campaign=world.campaign, text=TEMPLATE_IN_DATA, native=native
    )
    assert {name: state for name, state in run.states().items() if state == "failed"} == {
        "account[0]": "failed"
    }
    assert run.rendered_fields("account", 0)["account_id"] == TEMPLATE_IN_DATA
    for name in ("arg", "template", "expand[0]", "kwargs[0]"):
        task_id, _, index = name.partition("[")
        assert run.xcom(task_id, int(index.rstrip("]") or -1) if index else -1)["leads_matched"] == 0
    assert world.changed() == []


# The other arguments

BLANK_ARGUMENTS = {"none": None}


def tasks_with_emptied_arguments(lead_ids, campaign, blanks):
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
    mail = {"search_criteria": one}
    tasks("mail", EmailLeadsOperator, "email_to", mail)
    tasks("one_of_mails", EmailLeadsOperator, "email_to", mail, lambda value: ["a@example.com", value])
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


@both
def test_an_argument_that_came_out_empty_is_not_one_left_out(world, native):
    # A source that came out empty would move the leads of every campaign; a target list, make a new one.
    lead_ids = [lead["leadId"] for lead in world.sandbox.leads(world.campaign)][:3]
    run = run_tasks(
        tasks_with_emptied_arguments,
        lead_ids=lead_ids,
        campaign=world.campaign,
        blanks=BLANK_ARGUMENTS,
        native=native,
    )
    states = run.states()
    assert {states.pop(name) for name in ("data", "nothing")} == {"success"}
    sources = {name: state for name, state in states.items() if "source" in name}
    assert set(sources.values()) == {"skipped"}
    assert {name: state for name, state in states.items() if state != "failed"} == sources
    assert world.sandbox.requests == []
    assert world.sandbox.outbox == []
    assert world.changed() == []


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


def test_an_argument_that_mapping_leaves_out_is_left_out(world):
    leads = {"cancel": world.take(2), "move": world.take(1)}
    run = run_tasks(tasks_mapped_without_optional_arguments, campaign=world.campaign, leads=leads)
    assert set(run.states().values()) == {"success"}
    assert world.changed() == sorted(leads["cancel"] + leads["move"])


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


@both
def test_addresses_may_be_the_outputs_of_mapped_tasks(world, native):
    leads = world.take(2)
    run = run_tasks(tasks_with_addresses, campaign=world.campaign, leads=leads, native=native)
    assert set(run.states().values()) == {"success"}
    assert [mail["to"] for mail in world.sandbox.outbox] == [["a@example.com", "b@example.com"]] * 2
