"""Parameters of lead actions: accepted values, errors, and empty values, which never become defaults."""

from __future__ import annotations

from collections import deque

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.leads.action_params import (
    email_addresses,
    read_params,
    validate_authored_params,
)
from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS
from tests.unit.ringcx.leads.cases import short_id

MANUAL = {
    "PASS_DISPOSITION": "Called",
    "REQUEUE": True,
    "DO_NOT_CALL": False,
    "PASS_DELAY": 5,
    "MERGE_ORIGINAL": True,
}
MOVE = {
    "CAMPAIGN_ID": 5,
    "LIST_ID": 6,
    "CREATE_COPY_SETTING": "false",
    "DUPLICATE_ACTION_SETTING": "MOVE",
}
COMPLETE = {
    "MANUAL_LEADS": MANUAL,
    "EMAIL_LEADS": {"EMAIL_TO": "a@example.com"},
    "CALLBACK_LEADS": {"ACTION_TYPE": "AGENT", "RESERVATION_AGENT_ID": 9},
    "MOVE_TO_CAMPAIGN": MOVE,
    "AGENT_RESERVATION": {"RESERVATION_AGENT_ID": 9, "CALLBACK_DTS": "2026-07-24T16:00:00.000+0000"},
}


def read(action, params):
    return read_params(ACTIONS[action], params)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("shape", [dict, str, lambda params: str(params) if params else None])
def test_read_params_complete_set_is_sent_as_written(action, shape):
    params = COMPLETE.get(action, {})
    assert read(action, shape(params)) == params


def test_read_params_accepts_value_types_of_both_guides():
    texts = {
        **MANUAL,
        "REQUEUE": "TRUE",
        "DO_NOT_CALL": "false",
        "PASS_DELAY": " 5 ",
        "MERGE_ORIGINAL": "true",
    }
    assert read("MANUAL_LEADS", texts) == MANUAL
    assert read("MOVE_TO_CAMPAIGN", {**MOVE, "CREATE_COPY_SETTING": False, "LIST_ID": "6"}) == MOVE


@pytest.mark.parametrize("blank", [None, "", "None", "[]", "null"])
@pytest.mark.parametrize(
    ("action", "name"),
    [
        (action, name)
        for action, params in COMPLETE.items()
        for name in [*params, *(["CALLBACK_DATE"] if action == "CALLBACK_LEADS" else [])]
    ],
)
def test_read_params_empty_parameter_is_rejected_by_name(action, name, blank):
    # Otherwise an optional date that rendered empty would become "now", and a person would be called.
    with pytest.raises(InvalidParameter, match=name):
        read(action, {**COMPLETE[action], name: blank})


@pytest.mark.parametrize("params", [{"RESERVATION_AGENT_ID": ""}, {"CALLBACK_DATE": None}])
def test_read_params_inapplicable_parameter_may_be_empty(params):
    assert read("CALLBACK_LEADS", {"ACTION_TYPE": "CANCEL", **params}) == {"ACTION_TYPE": "CANCEL"}


@pytest.mark.parametrize("name", [None, 1, 10**6000, ("a",), "REQUEU", "requeue"], ids=short_id)
def test_read_params_unknown_parameter_is_rejected(name):
    with pytest.raises(InvalidParameter, match="MANUAL_LEADS"):
        read("MANUAL_LEADS", {**MANUAL, name: True})


@pytest.mark.parametrize(
    ("action", "name", "value"),
    [
        ("MANUAL_LEADS", "REQUEUE", "yes"),
        ("MANUAL_LEADS", "REQUEUE", 1),
        ("MANUAL_LEADS", "PASS_DELAY", -1),
        ("MANUAL_LEADS", "PASS_DELAY", 1.5),
        ("MANUAL_LEADS", "PASS_DELAY", float("nan")),
        ("MANUAL_LEADS", "PASS_DELAY", 10**6000),
        ("MANUAL_LEADS", "PASS_DISPOSITION", ["Called"]),
        ("MANUAL_LEADS", "PASS_DISPOSITION", 10**6000),
        ("CALLBACK_LEADS", "ACTION_TYPE", ["AGENT"]),
        ("CALLBACK_LEADS", "ACTION_TYPE", 10**6000),
        ("CALLBACK_LEADS", "RESERVATION_AGENT_ID", True),
        ("CALLBACK_LEADS", "RESERVATION_AGENT_ID", "Ann"),
        ("CALLBACK_LEADS", "CALLBACK_DATE", "T"),
        ("AGENT_RESERVATION", "CALLBACK_DTS", 1753372800),
        ("MOVE_TO_CAMPAIGN", "CAMPAIGN_ID", "Summer Win-Back"),
        ("MOVE_TO_CAMPAIGN", "CREATE_COPY_SETTING", 1),
    ],
    ids=short_id,
)
def test_read_params_wrong_value_is_rejected_by_name(action, name, value):
    with pytest.raises(InvalidParameter, match=name):
        read(action, {**COMPLETE[action], name: value})


@pytest.mark.parametrize("params", [[], ["REQUEUE"], "[1]", "REQUEUE", 5, b"{}", object()])
def test_read_params_that_are_not_a_dict_are_rejected(params):
    with pytest.raises(InvalidParameter, match="action_params"):
        read("CANCEL_LEADS", params)


# Email addresses


@pytest.mark.parametrize(
    "value",
    [
        "a@example.com,b@example.com",
        " a@example.com , b@example.com ",
        ["a@example.com", "b@example.com", "a@example.com"],
        ("a@example.com", "b@example.com"),
        deque(["a@example.com", "b@example.com"]),
        (address for address in ("a@example.com", "b@example.com")),
        "['a@example.com', 'b@example.com']",
        '["a@example.com", "b@example.com"]',
        "('a@example.com', 'b@example.com')",
    ],
)
def test_email_addresses_accepts_any_iterable_and_text(value):
    assert email_addresses(value) == "a@example.com,b@example.com"


@pytest.mark.parametrize("value", [{"a@example.com"}, "{'a@example.com'}"])
def test_email_addresses_accepts_a_set(value):
    assert email_addresses(value) == "a@example.com"


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        [],
        "[]",
        "None",
        "invalid",
        "a@example.com,",
        "a@example.com;b@example.com",
        "a@example.com b@example.com",
        "a@example.com\nBcc: b@example.com",
        ["a@example.com", ""],
        ["a@example.com", None],
        ["a@example.com,b@example.com"],
        [["a@example.com"]],
        {"a@example.com": "b@example.com"},
        "{'a@example.com': 1}",
        "[a@example.com]",
        "LazySelectSequence([2 items])",
        b"a@example.com",
        5,
        True,
    ],
)
def test_email_addresses_rejects_and_hides_invalid_value(value):
    with pytest.raises(InvalidParameter, match="EMAIL_TO") as caught:
        email_addresses(value)
    assert "example.com" not in str(caught.value)


# Validation at parse time


@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("CANCEL", None),
        ("cancel_leads", None),
        (None, None),
        ("CANCEL_LEADS", {"REQUEUE": True}),
        ("MANUAL_LEADS", None),
        ("MANUAL_LEADS", {**MANUAL, "REQUEUE": None}),
        ("MANUAL_LEADS", {**MANUAL, "REQEUE": "{{ x }}"}),
        ("MANUAL_LEADS", {**MANUAL, "REQUEUE": "{{ x }}", "PASS_DELAY": "soon"}),
        ("EMAIL_LEADS", {"EMAIL_TO": "invalid"}),
        ("AGENT_RESERVATION", {"RESERVATION_AGENT_ID": 9, "CALLBACK_DTS": ""}),
        ("MANUAL_LEADS", {"PASS_DELAY": "{{ x }}"}),
        ("CALLBACK_LEADS", {"ACTION_TYPE": "CANCEL", "RESERVATION_AGENT_ID": 7}),
    ],
)
def test_validate_authored_params_rejects_wrong_literals(action, params):
    with pytest.raises(InvalidParameter):
        validate_authored_params(action, params)


@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("{{ action }}", {"NONSENSE": 1}),
        ("MANUAL_LEADS", "{{ params }}"),
        ("MANUAL_LEADS", {**MANUAL, "REQUEUE": "{{ x }}"}),
        ("MANUAL_LEADS", object()),
        ("EMAIL_LEADS", {"EMAIL_TO": ["{{ x }}", "a@example.com"]}),
        ("EMAIL_LEADS", {"EMAIL_TO": object()}),
    ],
)
def test_validate_authored_params_ignores_runtime_values(action, params):
    validate_authored_params(action, params)
