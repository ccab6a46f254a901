"""Values that came out empty in mapped subclasses, overridden methods and callables select no lead."""

from __future__ import annotations

import pytest

from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.dags.lead_tracker import LeadTracker, both_modes
from tests.support.dag_runs import run_tasks

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined, has-type"


@pytest.fixture
def ringcx_settings():
    return Settings(size=1500)


@pytest.fixture
def tracker(airflow_db, ringcx_sandbox):
    return LeadTracker(ringcx_sandbox)


def tasks_with_computed_arguments(campaign):  # noqa: C901  its classes are copied with it
    one = {"campaignIds": [campaign]}
    any_state = {**one, "leadStates": []}
    act = {"lead_action": "CANCEL_LEADS"}

    @task
    def give(value):
        return value

    class ByState(LeadActionOperator):
        def __init__(self, *, states, **kwargs):
            super().__init__(search_criteria={**one, "leadStates": states}, **kwargs)

    class ByStateInPlace(LeadActionOperator):
        def __init__(self, *, states, search_criteria, **kwargs):
            search_criteria["leadStates"] = states
            super().__init__(search_criteria=search_criteria, **kwargs)

    class FromFile(LeadActionOperator):
        def __init__(self, *, path, **kwargs):
            super().__init__(search_criteria=one, source=path, **kwargs)

    class FromCampaign(MoveLeadsOperator):
        def __init__(self, *, name, **kwargs):
            criteria = {"leadStates": ["READY"]}
            super().__init__(search_criteria=criteria, source_campaign=name, account_wide=True, **kwargs)

    class Replacing(LeadActionOperator):
        def execute(self, context):
            self.search_criteria = {**self.search_criteria, "leadStates": []}
            return super().execute(context)

    class Changing(LeadActionOperator):
        def execute(self, context):
            self.search_criteria["leadStates"] = []
            return super().execute(context)

    class Emptying(LeadActionOperator):
        def execute(self, context):
            self.search_criteria["leadStates"].clear()
            return super().execute(context)

    class Filling(LeadActionOperator):
        def execute(self, context):
            self.search_criteria["leadStates"] += []
            return super().execute(context)

    class LosingSource(MoveLeadsOperator):
        def execute(self, context):
            self.source_campaign = None
            return super().execute(context)

    def change(context):
        context["task"].search_criteria["leadStates"] = []

    def replace(context):
        context["task"].search_criteria = {}

    empties = give.override(task_id="empties")([[]])
    nones = give.override(task_id="nones")([None])
    ByState.partial(task_id="mapped", **act).expand(states=empties)
    ByState.partial(task_id="mapped_kwargs", **act).expand_kwargs(
        give.override(task_id="kwargs_list")([{"states": []}])
    )
    ByStateInPlace.partial(task_id="mapped_in_place", search_criteria=dict(one), **act).expand(states=empties)
    FromFile.partial(task_id="mapped_source", **act).expand(path=nones)
    FromCampaign.partial(task_id="mapped_campaign", target_campaign="Summer Win-Back").expand(name=nones)
    Replacing(task_id="replacing", search_criteria=any_state, **act)
    Changing(task_id="changing", search_criteria=any_state, **act)
    Emptying(task_id="emptying", search_criteria={**one, "leadStates": ["READY"]}, **act)
    Filling(task_id="filling", search_criteria=any_state, **act)
    LosingSource(
        task_id="losing_source",
        search_criteria={"leadStates": ["READY"]},
        account_wide=True,
        target_campaign="Summer Win-Back",
    )
    LeadActionOperator(task_id="pre_change", search_criteria=any_state, pre_execute=change, **act)
    LeadActionOperator(
        task_id="pre_replace", search_criteria={}, account_wide=True, pre_execute=replace, **act
    )
    assigned = LeadActionOperator(task_id="assigned", search_criteria=any_state, **act)
    assigned.search_criteria = any_state
    LeadActionOperator(task_id="iterator", search_criteria={**one, "leadStates": iter([])}, **act)

    @task
    def nested():
        try:
            from airflow.sdk import get_current_context
        except ImportError:
            from airflow.operators.python import get_current_context

        criteria = {**one, "leadStates": []}
        operator = LeadActionOperator(task_id="inner", search_criteria=criteria, on_empty="succeed", **act)
        assert operator.execute(get_current_context())["leads_matched"] == 0

    nested()


@both_modes
def test_empty_computed_values_change_no_lead(tracker, native):
    run = run_tasks(tasks_with_computed_arguments, campaign=tracker.campaign, native=native)
    states = run.states()
    made = ("empties", "nones", "kwargs_list", "nested")
    assert {name: states.pop(name) for name in made} == dict.fromkeys(made, "success")
    assert {name: state for name, state in states.items() if state != "skipped"} == {}
    assert len(states) == 14
    assert tracker.sandbox.requests == []
    assert tracker.changed() == []


def tasks_that_read_their_criteria(campaign):
    def check(context):
        criteria = context["task"].search_criteria
        assert criteria["campaignIds"] == [campaign]
        assert {**criteria}["leadStates"] == []
        assert "READY" not in str(criteria)

    class ByState(LeadActionOperator):
        def __init__(self, *, state, **kwargs):
            criteria = {"campaignIds": [campaign], "leadStates": [state]}
            super().__init__(search_criteria=criteria, **kwargs)

    common = {"lead_action": "CANCEL_LEADS", "dry_run": True}
    criteria = {"campaignIds": [campaign], "leadStates": []}
    LeadActionOperator(task_id="literal", search_criteria=criteria, pre_execute=check, **common)
    ByState.partial(task_id="mapped", **common).expand(state=["READY"])
    LeadActionOperator(
        task_id="unique",
        search_criteria={"campaignIds": [campaign], "leadStates": "{{ ['READY', 'READY'] | unique }}"},
        **common,
    )


def test_literals_still_mean_any_and_filters_are_read(tracker):
    run = run_tasks(tasks_that_read_their_criteria, campaign=tracker.campaign, native=True)
    assert run.states() == dict.fromkeys(["literal", "mapped[0]", "unique"], "success")
    all_leads, ready = run.xcom("literal")["leads_matched"], run.xcom("unique")["leads_matched"]
    assert all_leads > ready > 0
    assert run.xcom("mapped", 0)["leads_matched"] == ready
    # Airflow 2.11 stores the text of the criteria.
    assert "'leadStates': ['READY']" in str(run.rendered_fields("unique")["search_criteria"])


def tasks_with_none_from_data(campaign):
    class InAccount(LeadActionOperator):
        def __init__(self, *, account, **kwargs):
            super().__init__(account_id=account, **kwargs)

    @task
    def nones():
        return [None]

    common = {"lead_action": "CANCEL_LEADS", "search_criteria": {"campaignIds": [campaign]}}
    InAccount.partial(task_id="account", **common).expand(account=nones())
    LeadActionOperator.partial(task_id="limit", **common).expand(max_leads=nones.override(task_id="limits")())


def test_none_from_data_is_not_treated_as_left_out(tracker):
    run = run_tasks(tasks_with_none_from_data, campaign=tracker.campaign)
    ends = {"nones": "success", "limits": "success", "account[0]": "failed", "limit[0]": "failed"}
    assert run.states() == ends
    assert tracker.sandbox.requests == []
    assert tracker.changed() == []


# Iterators and sets


def tasks_with_iterators(campaign, ids):
    one = {"campaignIds": [campaign]}
    act = {"lead_action": "CANCEL_LEADS"}

    @task
    def states():
        return ["READY", "READY"]

    made = states()
    unique = "{{ ti.xcom_pull('states') | unique }}"
    made >> LeadActionOperator(
        task_id="filter", search_criteria={**one, "leadStates": unique}, dry_run=True, **act
    )
    wrong = "{{ (ti.xcom_pull('states') + ['REDAY']) | unique }}"
    made >> LeadActionOperator(task_id="wrong", search_criteria={**one, "leadStates": wrong}, **act)

    class Failing(LeadActionOperator):
        def execute(self, context):
            result = super().execute(context)
            if context["ti"].try_number == 1:
                raise RuntimeError("first attempt")
            return result

    Failing(
        task_id="retried", search_criteria={**one, "externIds": iter(ids)}, retries=1, dry_run=True, **act
    )
    EmailLeadsOperator(
        task_id="mail", search_criteria=one, dry_run=True, email_to=iter(["a@example.com", "b@example.com"])
    )


def test_iterators_are_read_once_and_stay(tracker):
    ids = tracker.take(3)
    run = run_tasks(tasks_with_iterators, campaign=tracker.campaign, ids=ids, native=True)
    states = run.states()
    assert states.pop("wrong") == "failed"
    assert set(states.values()) == {"success"}
    assert run.xcom("filter")["leads_matched"] > 0
    assert "'leadStates': ['READY']" in str(run.rendered_fields("filter")["search_criteria"])
    assert run.attempts("retried") == 2
    assert run.xcom("retried")["leads_matched"] == 3
    assert run.rendered_fields("mail")["email_to"] == ["a@example.com", "b@example.com"]
