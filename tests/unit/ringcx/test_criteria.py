"""Search criteria: the dataclass, and detection of runtime values."""

from __future__ import annotations

from datetime import datetime

import pytest

from airflow_provider_engagevoice.ringcx.criteria import LeadSearchCriteria, runtime_keys
from tests.unit.ringcx.leads.cases import body_of, empty_reason_of


def test_criteria_equal_their_dict():
    criteria = LeadSearchCriteria(campaign_ids=[5], extern_ids=["A"], lead_timezones=["CST"])
    assert criteria == {"campaignIds": [5], "externIds": ["A"], "leadTimezones": ["CST"]}
    assert body_of(criteria, runtime_keys=())["leadTimezones"] == [{"name": "CST"}]


def test_criteria_field_set_to_none_selects_nothing():
    criteria = LeadSearchCriteria(campaign_ids=[5])
    criteria.extern_ids = None
    assert empty_reason_of(criteria, runtime_keys=()) == "externIds is empty"


def test_criteria_reject_unknown_fields():
    with pytest.raises(TypeError):
        LeadSearchCriteria(externIds=["A"])


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
