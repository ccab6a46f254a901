"""Values that came out empty never widen a selection, whichever way they reach an operator."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Callable
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2.nativetypes import NativeEnvironment

from airflow_provider_engagevoice.operators.leads import (
    EmailLeadsOperator,
    LeadActionOperator,
    MoveLeadsOperator,
)
from airflow_provider_engagevoice.ringcx.criteria import KINDS, Role, keys_with
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria, InvalidParameter
from airflow_provider_engagevoice.ringcx.leads.coercion import is_list
from airflow_provider_engagevoice.sensors.campaigns import CampaignLookupSensor
from airflow_provider_engagevoice.sensors.leads import LeadCountSensor
from airflow_provider_engagevoice.templating import require_rendered

try:
    from airflow.sdk import DAG
    from airflow.sdk.execution_time.context import set_current_context
except ImportError:
    from airflow.models.dag import DAG
    from airflow.models.taskinstance import set_current_context

ENVIRONMENTS = {False: jinja2.Environment(), True: NativeEnvironment()}
OPERATORS: dict[type, dict[str, Any]] = {
    LeadActionOperator: {"lead_action": "CANCEL_LEADS"},
    EmailLeadsOperator: {"email_to": "team@example.com"},
    MoveLeadsOperator: {"target_campaign": "Summer Win-Back"},
    LeadCountSensor: {"at_least": 1},
}
CAMPAIGN = {"campaignIds": [101]}
KEYS = sorted(KINDS)
LIST_FILTERS = sorted(key for key in keys_with([Role.FILTER, Role.LIST]) if is_list(key))
#: Functions, since an iterator can be read only once.
BLANKS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "list": list,
    "tuple": tuple,
    "set": set,
    "dict": dict,
    "text": str,
    "blank text": lambda: "  ",
    "text of None": lambda: "None",
    "text of a list": lambda: "[]",
    "gaps": lambda: [None, ""],
    "iterator": lambda: iter([]),
    "generator": lambda: (value for value in [None] if value),
    "view": lambda: {}.keys(),
}


class ByValue(LeadActionOperator):
    def __init__(self, *, key, value, **kwargs):
        super().__init__(search_criteria={**CAMPAIGN, key: value}, account_wide=True, **kwargs)


class ByItem(LeadActionOperator):
    def __init__(self, *, key, value, search_criteria, **kwargs):
        search_criteria[key] = value
        super().__init__(search_criteria=search_criteria, account_wide=True, **kwargs)


class SetLater(LeadActionOperator):
    def __init__(self, *, key, value, **kwargs):
        super().__init__(search_criteria=CAMPAIGN, account_wide=True, **kwargs)
        self.search_criteria = {**CAMPAIGN, key: value}


# Ways on which a value reaches an operator. Each returns the rendered operator.


def by_template(cls, key, value, render):
    return render(create(cls, {**CAMPAIGN, key: "{{ value }}"}), value)


def by_template_of_all(cls, key, value, render):
    return render(create(cls, "{{ {'campaignIds': [101], key: value} }}"), value, key=key)


def by_template_in_partial(cls, key, value, render):
    with dag() as upstream:
        mapped = cls.partial(
            task_id="act",
            account_wide=True,
            search_criteria={**CAMPAIGN, key: "{{ value }}"},
            **OPERATORS[cls],
        ).expand(account_id=upstream.output)
    return render(mapped.unmap({"account_id": "1"}), value)


def by_expand(cls, key, value, render):
    with dag() as upstream:
        mapped = partial(cls).expand(search_criteria=upstream.output)
    return render(mapped.unmap({"search_criteria": {**CAMPAIGN, key: value}}))


def by_expand_kwargs(cls, key, value, render):
    with dag() as upstream:
        mapped = partial(cls).expand_kwargs(upstream.output)
    return render(mapped.unmap({"search_criteria": {**CAMPAIGN, key: value}}))


def by_mapped_subclass(cls, key, value, render):
    with dag() as upstream:
        mapped = ByValue.partial(task_id="act", key=key, lead_action="CANCEL_LEADS").expand(
            value=upstream.output
        )
    return render(mapped.unmap({"value": value}))


def by_mapped_subclass_with_kwargs(cls, key, value, render):
    with dag() as upstream:
        mapped = ByItem.partial(task_id="act", lead_action="CANCEL_LEADS").expand_kwargs(upstream.output)
    return render(mapped.unmap({"key": key, "value": value, "search_criteria": {**CAMPAIGN, key: []}}))


def by_assignment_in_init(cls, key, value, render):
    return render(SetLater(task_id="act", key=key, value=value, lead_action="CANCEL_LEADS"))


def in_running_task(cls, key, value, render):
    with set_current_context({"task": None}):
        return render(create(cls, {**CAMPAIGN, key: value}))


def literal_of(key):
    return {**CAMPAIGN, key: [] if key in LIST_FILTERS else "{{ 1 }}"}


def by_assignment(cls, key, value, render):
    operator = render(create(cls, literal_of(key)))
    operator.search_criteria = {**operator.search_criteria, key: value}
    return operator


def by_union(cls, key, value, render):
    operator = render(create(cls, literal_of(key)))
    operator.search_criteria |= {key: value}
    return operator


def by_union_into_a_copy(cls, key, value, render):
    operator = render(create(cls, literal_of(key)))
    operator.search_criteria = operator.search_criteria | {key: value}
    return operator


def by_item(cls, key, value, render):
    operator = render(create(cls, literal_of(key)))
    operator.search_criteria[key] = value
    return operator


def by_update(cls, key, value, render):
    operator = render(create(cls, literal_of(key)))
    operator.search_criteria.update({key: value})
    return operator


def by_item_before_rendering(cls, key, value, render):
    operator = create(cls, literal_of(key))
    operator.search_criteria[key] = value
    return render(operator)


WAYS = [
    by_template, by_template_of_all, by_template_in_partial, by_expand, by_expand_kwargs, by_mapped_subclass,
    by_mapped_subclass_with_kwargs, by_assignment_in_init, in_running_task, by_assignment, by_union,
    by_union_into_a_copy, by_item, by_update, by_item_before_rendering,
]  # fmt: skip


@contextmanager
def dag():
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)):
        yield LeadActionOperator(task_id="data", lead_action="CANCEL_LEADS", search_criteria=CAMPAIGN)


def create(cls, criteria, **arguments):
    return cls(task_id="act", search_criteria=criteria, account_wide=True, **OPERATORS[cls], **arguments)


def partial(cls):
    return cls.partial(task_id="act", account_wide=True, **OPERATORS[cls])


def renderer(native):
    def render(operator, value=None, **names):
        environment, context = ENVIRONMENTS[native], {"value": value, **names}
        operator._do_render_template_fields(operator, operator.template_fields, context, environment, set())
        return operator

    return render


@settings(max_examples=500)
@given(
    st.sampled_from(WAYS),
    st.sampled_from(list(OPERATORS)),
    st.sampled_from(KEYS),
    st.sampled_from(list(BLANKS)),
    st.booleans(),
)
def test_empty_value_never_widens_a_selection(way, cls, key, blank, native):
    try:
        value = BLANKS[blank]()
        operator = way(cls, key, value, renderer(native))
        str(operator.search_criteria)  # as Airflow, which stores it
        selection = operator._selection()
    except (InvalidCriteria, InvalidParameter):
        return
    # In plain rendering an iterator becomes a text such as <generator object at 0x7f>, which matches no lead.
    assert selection.empty_reason is not None or selection.body[key] == str(value)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("native", [False, True], ids=["plain", "native"])
def test_empty_list_from_data_selects_nothing(way, native):
    operator = way(LeadActionOperator, "leadStates", [], renderer(native))
    assert operator._selection().empty_reason is not None


@pytest.mark.parametrize("way", WAYS)
def test_value_from_data_is_selected(way):
    operator = way(LeadActionOperator, "leadStates", ["READY"], renderer(True))
    assert operator._selection().body == {"campaignId": 101, "campaignIds": [101], "leadStates": ["READY"]}


# An empty list that the author wrote


@given(st.sampled_from(list(OPERATORS)), st.sets(st.sampled_from(LIST_FILTERS)), st.booleans())
def test_empty_literals_mean_any(cls, keys, native):
    criteria = {**CAMPAIGN, **{key: [] for key in keys}, "firstName": "{{ value }}"}
    operator = renderer(native)(create(cls, criteria), "Ada")
    assert operator._selection().body == {"campaignId": 101, "campaignIds": [101], "firstName": "Ada"}


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]
)
def test_empty_literals_of_a_copied_operator_mean_any(duplicate):
    # As Airflow copies an operator for a run, or for a part of a DAG.
    operator = duplicate(create(LeadActionOperator, {**CAMPAIGN, "leadStates": []}))
    assert renderer(False)(operator)._selection().body == {"campaignId": 101, "campaignIds": [101]}
    assert [require_rendered(operator, name) for name in ("source", "account_id")] == [None, None]


@pytest.mark.parametrize(
    "fill",
    [
        lambda states: states.extend(()),
        lambda states: states.__iadd__([]),
        lambda states: states.__setitem__(slice(None), []),
    ],
    ids=["extend", "add", "slice"],
)
def test_empty_literal_filled_with_nothing_is_data(fill):
    operator = renderer(False)(create(LeadActionOperator, {**CAMPAIGN, "leadStates": []}))
    fill(operator.search_criteria["leadStates"])
    assert operator._selection().empty_reason == "leadStates is empty"


def test_literal_emptied_later_is_data():
    operator = renderer(False)(create(LeadActionOperator, {**CAMPAIGN, "leadStates": ["READY"]}))
    operator.search_criteria["leadStates"].clear()
    assert operator._selection().empty_reason == "leadStates is empty"


@pytest.mark.parametrize("change", [dict.update, dict.__ior__])
def test_empty_criteria_updated_with_nothing_are_data(change):
    operator = renderer(False)(create(LeadActionOperator, {}))
    assert operator._selection().empty_reason is None
    getattr(operator.search_criteria, change.__name__)({})
    assert operator._selection().empty_reason == "the search criteria are empty"


def test_mapped_literals_of_a_subclass_without_init_mean_any():
    class Sub(LeadActionOperator):
        pass

    with dag() as upstream:
        mapped = Sub.partial(
            task_id="act", lead_action="CANCEL_LEADS", search_criteria={**CAMPAIGN, "leadStates": []}
        ).expand(max_leads=upstream.output)
    operator = renderer(False)(mapped.unmap({"max_leads": 5}))
    assert operator._selection().body == {"campaignId": 101, "campaignIds": [101]}


# Iterators and sets that the author wrote


def test_sets_and_iterators_become_lists_in_a_stable_order():
    criteria = {
        "externIds": {"C", "B", "{{ x }}", "A"},
        "leadIds": (number for number in (2, 1)),
        "leadStates": {"READY": 1}.keys(),
        "leadPassesCriteria": {"operator": "EQUALS", "value": 1},
    }
    expected = {
        **criteria,
        "externIds": ["A", "B", "C", "{{ x }}"],
        "leadIds": [2, 1],
        "leadStates": ["READY"],
    }
    assert create(LeadActionOperator, criteria).search_criteria == expected
    mail = EmailLeadsOperator(
        task_id="act", search_criteria=CAMPAIGN, email_to={"b@example.com", "a@example.com"}
    )
    assert mail.email_to == ["a@example.com", "b@example.com"]


def test_partial_sets_and_iterators_become_lists():
    criteria = {"externIds": {"B", "A"}, "leadIds": iter([1])}
    with dag() as upstream:
        mapped = LeadActionOperator.partial(
            task_id="act", lead_action="CANCEL_LEADS", search_criteria=criteria
        ).expand(account_id=upstream.output)
    assert mapped.partial_kwargs["search_criteria"] == {"externIds": ["A", "B"], "leadIds": [1]}


# Other arguments: None from data is not "left out"


class Passing(MoveLeadsOperator):
    def __init__(self, *, name, value, **kwargs):
        super().__init__(search_criteria=CAMPAIGN, target_campaign="x", **{name: value}, **kwargs)


class PassingToSensor(CampaignLookupSensor):
    def __init__(self, *, name, value, **kwargs):
        super().__init__(campaign_name="x", **{name: value}, **kwargs)


def none_by_mapped_subclass(name):
    with dag() as upstream:
        mapped = Passing.partial(task_id="act", name=name).expand(value=upstream.output)
    return mapped.unmap({"value": None})


def none_by_expand(name):
    with dag() as upstream:
        mapped = MoveLeadsOperator.partial(
            task_id="act", search_criteria=CAMPAIGN, target_campaign="x"
        ).expand(**{name: upstream.output})
    return mapped.unmap({name: None})


def none_by_expand_kwargs(name):
    with dag() as upstream:
        mapped = MoveLeadsOperator.partial(
            task_id="act", search_criteria=CAMPAIGN, target_campaign="x"
        ).expand_kwargs(upstream.output)
    return mapped.unmap({name: None})


def none_by_assignment(name):
    operator = MoveLeadsOperator(task_id="act", search_criteria=CAMPAIGN, target_campaign="x")
    setattr(operator, name, None)
    return operator


def none_in_running_task(name):
    with set_current_context({"task": None}):
        return Passing(task_id="act", name=name, value=None)


NONE_WAYS = [
    none_by_mapped_subclass, none_by_expand, none_by_expand_kwargs, none_by_assignment, none_in_running_task,
]  # fmt: skip
OPTIONAL = ["account_id", "target_list", "new_list_name", "source_column", "report"]


@pytest.mark.parametrize(("way", "name"), itertools.product(NONE_WAYS, OPTIONAL))
def test_none_from_data_is_not_treated_as_left_out(way, name):
    operator = renderer(False)(way(name))
    with pytest.raises(InvalidParameter, match=f"^{name} rendered empty"):
        require_rendered(operator, name)
    for other in {*OPTIONAL} - {name}:
        assert require_rendered(operator, other) is None


@pytest.mark.parametrize(("way", "name"), itertools.product(NONE_WAYS, ["source", "source_campaign"]))
def test_source_that_is_none_selects_nothing(way, name):
    assert renderer(False)(way(name))._selection().empty_reason == f"{name} is empty"


@pytest.mark.parametrize("way", NONE_WAYS)
def test_max_leads_that_is_none_is_not_no_limit(way):
    with pytest.raises(InvalidParameter, match=r"^max_leads is None"):
        way("max_leads")._validate_assigned()


@pytest.mark.parametrize("name", ["dry_run", "account_wide", "verify"])
def test_option_set_to_none_later_is_rejected(name):
    with pytest.raises(InvalidParameter, match=f"^{name} must be True or False"):
        none_by_assignment(name)._validate_assigned()


@pytest.mark.parametrize("name", ["account_id", "dial_group_name"])
def test_sensor_none_from_data_is_not_treated_as_left_out(name):
    with dag() as upstream:
        mapped = PassingToSensor.partial(task_id="wait", name=name).expand(value=upstream.output)
    operator = renderer(False)(mapped.unmap({"value": None}))
    with pytest.raises(InvalidParameter, match=f"^{name} rendered empty"):
        operator._query()


def test_sensor_active_only_that_is_none_is_rejected():
    with pytest.raises(InvalidParameter, match="active_only must be True or False"):
        CampaignLookupSensor(task_id="wait", campaign_name="x", active_only=None)  # type: ignore[arg-type]


def test_none_assigned_in_init_of_a_subclass_is_left_out():
    class Assigning(MoveLeadsOperator):
        def __init__(self, *, source=None, account_id=None, **kwargs):
            super().__init__(source=source, account_id=account_id, **kwargs)
            self.source, self.account_id = source, account_id

    operator = Assigning(task_id="act", search_criteria=CAMPAIGN, target_campaign="x")
    operator = renderer(False)(operator)
    assert operator._selection().body == {"campaignId": 101, "campaignIds": [101]}
    assert require_rendered(operator, "account_id") is None


class AssigningLater(MoveLeadsOperator):
    def __init__(self, *, path, **kwargs):
        super().__init__(search_criteria=CAMPAIGN, target_campaign="x", **kwargs)
        self.source = path


def test_none_assigned_in_init_of_a_mapped_subclass_is_data():
    with dag() as upstream:
        mapped = AssigningLater.partial(task_id="act").expand(path=upstream.output)
    assert renderer(False)(mapped.unmap({"path": None}))._selection().empty_reason == "source is empty"


def test_arguments_left_out_keep_their_defaults():
    with dag() as upstream:
        mapped = Passing.partial(task_id="act", name="account_id").expand(value=upstream.output)
    operator = renderer(False)(mapped.unmap({"value": "50810001"}))
    operator._validate_assigned()
    assert operator._selection().body == {"campaignId": 101, "campaignIds": [101]}
    assert require_rendered(operator, "account_id") == "50810001"
    assert [require_rendered(operator, name) for name in ("source", "report", "target_list")] == [None] * 3
