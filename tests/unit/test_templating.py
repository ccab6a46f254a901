"""Redaction of rendered search criteria: counts and filters are shown, lead data is not."""

from __future__ import annotations

import json

import pytest

from airflow_provider_engagevoice.ringcx.criteria import ALL_KEYS
from airflow_provider_engagevoice.templating import RedactedCriteria

PERSONAL_DATA = ["Grünwald-Quast", "+15550042424", "CRM-4711-X"]


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"campaignIds": [5], "leadStates": ["READY"]}, {"campaignIds": [5], "leadStates": ["READY"]}),
        ({"externIds": ["CRM-1", "CRM-2"]}, {"externIds": "*** (2 values)"}),
        ({"leadIds": {1, 2, 3}}, {"leadIds": "*** (3 values)"}),
        ({"leadPhoneNumbers": "['+15550042424']"}, {"leadPhoneNumbers": "*** (1 value)"}),
        ({"externIds": "CRM-1, CRM-2"}, {"externIds": "***"}),
        ({"firstName": "Ada", "leadPhoneNum": "555"}, {"firstName": "***", "leadPhoneNum": "***"}),
        ({"leadStates": [], "listIds": None}, {"leadStates": [], "listIds": None}),
        ({"leadStates": "['READY']"}, {"leadStates": "['READY']"}),
        ({"leadStates": ["Ada"], "listIds": "Ada"}, {"leadStates": "*** (1 value)", "listIds": "***"}),
        ({"+15550042424": "Ada"}, {"***": "***"}),
        ("{'externIds': ['CRM-1']}", {"externIds": "*** (1 value)"}),
        ("CRM-1", "<str>"),
        (None, "<NoneType>"),
        (["CRM-1"], "<list>"),
    ],
)  # fmt: skip
def test_redacted_criteria_show_counts_and_filters(criteria, expected):
    assert RedactedCriteria(criteria).serialize() == expected
    assert str(RedactedCriteria(criteria)) == repr(RedactedCriteria(criteria)) == str(expected)


@pytest.mark.parametrize(
    "value",
    [*PERSONAL_DATA, PERSONAL_DATA, {"name": PERSONAL_DATA[0]}, tuple(PERSONAL_DATA), str(PERSONAL_DATA)],
)
def test_redacted_criteria_hide_personal_data_in_any_key(value):
    # Three filters accept any text. They are shown, since their values apply to many leads.
    for key in ALL_KEYS - {"agentDispositions", "physicalStates", "leadTimezones"}:
        stored = json.dumps(RedactedCriteria({key: value}).serialize(), ensure_ascii=False)
        assert [secret for secret in PERSONAL_DATA if secret in stored] == [], key
