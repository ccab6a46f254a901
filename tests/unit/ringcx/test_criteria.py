"""Search criteria: the dataclass, and detection of runtime values."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from datetime import datetime

import pytest

from airflow_provider_engagevoice.ringcx.criteria import LeadSearchCriteria, runtime_keys
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria
from tests.unit.ringcx.leads.cases import body_of, empty_reason_of


def test_criteria_equal_their_dict():
    criteria = LeadSearchCriteria(campaign_ids=[5], extern_ids=["A"], lead_timezones=["CST"])
    assert criteria == {"campaignIds": [5], "externIds": ["A"], "leadTimezones": ["CST"]}
    assert body_of(criteria, runtime_keys=())["leadTimezones"] == [{"name": "CST"}]


def test_criteria_field_set_to_none_selects_nothing():
    criteria = LeadSearchCriteria(campaign_ids=[5])
    criteria.extern_ids = None  # type: ignore[assignment]
    assert empty_reason_of(criteria, runtime_keys=()) == "externIds is empty"


def test_criteria_reject_unknown_fields():
    with pytest.raises(TypeError):
        LeadSearchCriteria(externIds=["A"])  # type: ignore[call-arg]


def test_criteria_replace_keeps_keys_set_as_items():
    criteria = LeadSearchCriteria(campaign_ids=[5])
    criteria["leadStates"] = ["READY"]
    criteria.update(externIds=["A"])
    criteria |= {"listIds": [7]}
    del criteria["externIds"]
    replaced = dataclasses.replace(criteria, agent_id=1)
    assert replaced == {"campaignIds": [5], "leadStates": ["READY"], "listIds": [7], "agentId": 1}
    assert criteria.lead_states == ["READY"]
    assert copy.deepcopy(criteria) == pickle.loads(pickle.dumps(criteria)) == criteria


def test_criteria_list_of_campaigns_as_one_names_the_field():
    message = r"^campaignId must be an id, not a list; did you mean campaignIds \(campaign_ids\)\?$"
    with pytest.raises(InvalidCriteria, match=message):
        body_of({"campaignId": [5]}, runtime_keys=())


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
def test_runtime_keys_are_those_of_templates_and_objects(value, keys):
    assert runtime_keys(value) == keys
