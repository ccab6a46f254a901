"""Parameters of actions: what is read, what is refused, and that what came out empty is no default."""

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
from tests.unit.ringcx.leads.test_selection import shown

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
def test_a_complete_set_is_sent_as_written(action, shape):
    params = COMPLETE.get(action, {})
    assert read(action, shape(params)) == params


def test_both_spellings_of_the_guides_are_the_same():
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
def test_a_parameter_that_came_out_empty_is_named(action, name, blank):
    # An optional date that a template emptied would otherwise become "now", and a person be called.
    with pytest.raises(InvalidParameter, match=name):
        read(action, {**COMPLETE[action], name: blank})


@pytest.mark.parametrize("written", [{"RESERVATION_AGENT_ID": ""}, {"CALLBACK_DATE": None}])
def test_a_parameter_that_does_not_count_may_be_empty(written):
    assert read("CALLBACK_LEADS", {"ACTION_TYPE": "CANCEL", **written}) == {"ACTION_TYPE": "CANCEL"}


@pytest.mark.parametrize("name", [None, 1, 10**6000, ("a",), "REQUEU", "requeue"], ids=shown)
def test_an_unknown_parameter_is_refused(name):
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
    ids=shown,
)
def test_a_wrong_value_is_refused_by_name(action, name, value):
    with pytest.raises(InvalidParameter, match=name):
        read(action, {**COMPLETE[action], name: value})


@pytest.mark.parametrize("params", [[], ["REQUEUE"], "[1]", "REQUEUE", 5, b"{}", object()])
def test_parameters_that_are_no_dict_are_refused(params):
    with pytest.raises(InvalidParameter, match="action_params"):
        read("CANCEL_LEADS", params)


# Mail addresses


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
def test_addresses_are_read_in_whatever_shape_they_come(value):
    assert email_addresses(value) == "a@example.com,b@example.com"


@pytest.mark.parametrize("value", [{"a@example.com"}, "{'a@example.com'}"])
def test_a_set_of_addresses_is_a_list(value):
    assert email_addresses(value) == "a@example.com"


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        [],
        "[]",
        "None",
        "nobody",
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
def test_what_is_no_address_is_refused_and_not_repeated(value):
    with pytest.raises(InvalidParameter, match="EMAIL_TO") as caught:
        email_addresses(value)
    assert "example.com" not in str(caught.value)


# What is judged when the DAG is parsed


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
        ("EMAIL_LEADS", {"EMAIL_TO": "nobody"}),
        ("AGENT_RESERVATION", {"RESERVATION_AGENT_ID": 9, "CALLBACK_DTS": ""}),
        ("MANUAL_LEADS", {"PASS_DELAY": "{{ x }}"}),
        ("CALLBACK_LEADS", {"ACTION_TYPE": "CANCEL", "RESERVATION_AGENT_ID": 7}),
    ],
)
def test_what_is_known_to_be_wrong_is_refused_early(action, params):
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
def test_nothing_that_a_template_fills_is_judged_early(action, params):
    validate_authored_params(action, params)
