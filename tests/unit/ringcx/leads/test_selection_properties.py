"""Whatever an author writes and data delivers, nothing is selected that the author did not mean.

Each criterion is drawn together with its meaning: the values that were meant, any value, or no lead at
all. What RingCX selects by the body that would be sent is worked out here, over a small world of leads,
by rules of this file alone.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import jinja2.nativetypes
import jinja2.sandbox
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_engagevoice.operators.leads import LeadActionOperator
from airflow_provider_engagevoice.ringcx.criteria import ALL_KEYS, runtime_keys
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria, InvalidParameter
from airflow_provider_engagevoice.ringcx.leads.action_params import (
    email_addresses,
    read_params,
    validate_authored_params,
)
from airflow_provider_engagevoice.ringcx.leads.selection import build_selection, validate_authored
from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS
from airflow_provider_engagevoice.templating import RedactedCriteria

# A small world. Every lead differs from the next in one thing or another.

CAMPAIGNS, STATES, ZONES, NAMES = (
    (101, 102, 103),
    ("READY", "PAUSED", "DO-NOT-CALL"),
    ("CST", "EST"),
    ("Ada", "Bo"),
)
LEADS = [
    {
        "id": number + 1,
        "extern": ["A-1", "0012", "1e5", "B-2"][number % 4],
        "phones": {f"555000{number % 7:04d}", f"555100{number % 5:04d}"},
        "campaign": campaign,
        "list": campaign * 10 + number % 2,
        "state": state,
        "zone": zone,
        "name": name,
        "passes": number % 3,
    }
    for number, (campaign, state, zone, name) in enumerate(itertools.product(CAMPAIGNS, STATES, ZONES, NAMES))
]
EVERY_LEAD = frozenset(lead["id"] for lead in LEADS)


def leads_that_ringcx_selects(body: dict[str, Any]) -> frozenset[int]:
    """Filters combine with AND, values of a list with OR. What is missing, null or empty is no filter,
    and so is campaignId, which RingCX does not know."""
    tests = {
        "campaignIds": lambda lead, values: lead["campaign"] in values,
        "listIds": lambda lead, values: lead["list"] in values,
        "leadIds": lambda lead, values: lead["id"] in values,
        "externIds": lambda lead, values: lead["extern"] in values,
        "leadPhoneNumbers": lambda lead, values: lead["phones"] & set(values),
        "leadStates": lambda lead, values: lead["state"] in values,
        "leadTimezones": lambda lead, values: lead["zone"] in [value["name"] for value in values],
        "firstName": lambda lead, value: lead["name"] == value,
        "leadPassesCriteria": lambda lead, value: {
            "EQUALS": lead["passes"] == value["value"],
            "LESS_THAN": lead["passes"] < value["value"],
            "GREATER_THAN": lead["passes"] > value["value"],
        }[value["operator"]],
    }
    return frozenset(
        lead["id"]
        for lead in LEADS
        if all(test(lead, body[key]) for key, test in tests.items() if body.get(key) not in (None, [], ""))
    )


# Criteria as authors write them and data delivers them

ANY, NO_LEAD = "any value", "no lead"
NARROWING = {"campaignId", "campaignIds", "listIds", "leadIds", "externIds", "leadPhoneNumbers"}
PURE_FILTERS = {"listIds", "leadStates", "leadTimezones"}
VALUES = {
    "campaignId": st.sampled_from([*CAMPAIGNS, 999]),
    "campaignIds": st.sampled_from([*CAMPAIGNS, 999]),
    "listIds": st.sampled_from([1010, 1011, 1020, 9]),
    "leadIds": st.integers(1, len(LEADS) + 3),
    "externIds": st.sampled_from(["A-1", "0012", "1e5", "B-2", "None such"]),
    "leadPhoneNumbers": st.sampled_from(["5550000001", "5551000002", "5550000006", "5559999999"]),
    "leadStates": st.sampled_from([*STATES, "COMPLETE"]),
    "leadTimezones": st.sampled_from([*ZONES, "PST"]),
    "firstName": st.sampled_from([*NAMES, "Cy"]),
    "leadPassesCriteria": st.builds(
        lambda operator, value: {"operator": operator, "value": value},
        st.sampled_from(["EQUALS", "LESS_THAN", "GREATER_THAN"]),
        st.integers(0, 3),
    ),
}
SINGLES = {"campaignId", "firstName", "leadPassesCriteria"}


class Lazy(Sequence):
    """As Airflow hands over the outputs of a mapped task: neither a list nor empty by its truth."""

    def __init__(self, values):
        self._values = values

    def __getitem__(self, index):
        return self._values[index]

    def __len__(self):
        return len(self._values)

    def __bool__(self):
        return True

    def __repr__(self):
        return f"LazySelectSequence([{len(self)} items])"


BLANKS = [None, "", " ", "None", "null", "[]", "()", "{}", "set()"]
BLANK_LISTS = [[], (), set(), [None], [""], ["None", None], Lazy([]), "[None]", "['']", '[""]', '["", null]']
JUNK = [
    object(), b"1", 1.5, float("nan"), True, {"1": 1}, [[1]], [{}, {"a": 1}], [True], [1.5], "A-1,B-2",
    "[A-1]", "LazySelectSequence([2 items])", "*", "%", "[", "\x00", "\ud800", ["*"], [b"1"], [0], [-1],
    [2**80], [float("inf")], "[1_0]", "['A-1' 'B-2']",
]  # fmt: skip
#: Junk that is text, or a number that reads as text, is a value of a criterion that takes any text.
TEXTS = {"A-1,B-2", "[A-1]", "LazySelectSequence([2 items])", "[1_0]", "['A-1' 'B-2']"}
TAKEN = {"externIds": ["[0]", "[-1]"], "firstName": [repr(text) for text in TEXTS]}
HUGE = st.builds(pow, st.just(10), st.just(5000))  # Python refuses to write such a number as text


def junk(key):
    kinds = [value for value in JUNK if repr(value) not in TAKEN.get(key, [])]
    undefined = st.builds(jinja2.StrictUndefined, name=st.just("x"))
    return st.sampled_from(kinds) | HUGE | st.lists(HUGE | undefined, min_size=1, max_size=1)


@dataclass
class Written:
    value: Any
    data: bool
    meaning: Any
    valid: bool


@st.composite
def written(draw, key):
    data = draw(st.booleans())
    quality = draw(st.sampled_from(["good", "good", "good", "blank", "junk"]))
    if quality == "junk":
        return Written(draw(junk(key)), data, NO_LEAD, False)
    if quality == "blank":
        blanks = BLANKS if key in SINGLES else [*BLANKS, *BLANK_LISTS]
        value = draw(st.sampled_from(blanks))
        by_hand = not data and key in PURE_FILTERS and isinstance(value, (list, tuple, set)) and not value
        return Written(value, data, ANY if by_hand else NO_LEAD, False)
    if key in SINGLES:
        value = draw(VALUES[key])
        shapes = [value] if key == "firstName" else [value, str(value), json.dumps(value)]
        return Written(draw(st.sampled_from(shapes)), data, [value], True)
    values = draw(st.lists(VALUES[key], min_size=1, max_size=6))
    gaps = [None, "", "None", []] if data else []
    spoilt = (
        draw(st.permutations(values + draw(st.lists(st.sampled_from(gaps), max_size=2)))) if gaps else values
    )
    shape = draw(
        st.sampled_from([list, tuple, Lazy, lambda v: dict.fromkeys(map(str, v)).keys(), str, json.dumps])
    )
    if [] in spoilt and shape not in (list, tuple, Lazy, str, json.dumps):
        shape = list
    if data and shape not in (list, tuple, Lazy, str, json.dumps):
        spoilt = values
    return Written(shape(spoilt), data, values, True)


@st.composite
def criteria(draw):
    keys = draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True, max_size=5))
    return {key: draw(written(key)) for key in keys}


def leads_that_are_meant(wanted: dict[str, Written]) -> frozenset[int]:
    meanings = {key: entry.meaning for key, entry in wanted.items()}
    if NO_LEAD in [meaning for meaning in meanings.values() if isinstance(meaning, str)]:
        return frozenset()
    meant = {key: meaning for key, meaning in meanings.items() if meaning is not ANY}
    campaigns = [*meant.pop("campaignId", []), *meant.pop("campaignIds", [])]
    body = {key: values[0] if key in SINGLES else values for key, values in meant.items()}
    if "leadTimezones" in body:
        body["leadTimezones"] = [{"name": name} for name in body["leadTimezones"]]
    return leads_that_ringcx_selects({**body, "campaignIds": campaigns})


@settings(max_examples=300)
@given(criteria(), st.booleans())
def test_what_is_sent_selects_no_lead_that_was_not_meant(wanted, account_wide):
    data = {key for key, entry in wanted.items() if entry.data}
    narrow = account_wide or any(k in NARROWING and e.meaning is not ANY for k, e in wanted.items())
    fully_valid = all(entry.valid for entry in wanted.values()) and narrow
    try:
        selection = build_selection({k: e.value for k, e in wanted.items()}, runtime_keys=data, account_wide=account_wide)
    except InvalidCriteria:
        assert not fully_valid
        return
    if selection.empty_reason:
        assert not fully_valid
        assert selection.body == {}
        return
    selected = leads_that_ringcx_selects(selection.body)
    assert narrow
    assert selected <= leads_that_are_meant(wanted)
    if fully_valid:
        assert selected == leads_that_are_meant(wanted)
    json.dumps(selection.body, allow_nan=False)
    # What was selected once is the same selection when it is read again.
    assert build_selection(selection.body, runtime_keys=(), account_wide=account_wide).body == selection.body


@given(criteria(), st.sampled_from(CAMPAIGNS))
def test_narrowing_never_adds_a_lead(wanted, campaign):
    with contextlib.suppress(InvalidCriteria):
        selection = build_selection({key: entry.value for key, entry in wanted.items()}, account_wide=True)
        narrowed = selection.narrow_to_campaign(campaign)
        if not selection.empty_reason:
            inside = {lead["id"] for lead in LEADS if lead["campaign"] == campaign}
            assert leads_that_ringcx_selects(narrowed.body) == inside & leads_that_ringcx_selects(
                selection.body
            )


@given(
    st.fixed_dictionaries(
        {},
        optional={
            key: st.lists(VALUES[key], min_size=1, max_size=12)
            for key in ("leadIds", "externIds", "campaignIds", "leadStates")
        },
    ).filter(lambda lists: lists.keys() - {"leadStates"}),
    st.integers(1, 5),
)
def test_parts_select_together_what_the_whole_does_and_no_lead_twice(lists, size):
    selection = build_selection(lists)
    parts = [leads_that_ringcx_selects(part.body) for part in selection.chunks(size)]
    assert sorted(lead for part in parts for lead in part) == sorted(
        leads_that_ringcx_selects(selection.body)
    )


@given(st.lists(VALUES["leadPhoneNumbers"], min_size=1, max_size=8), st.integers(1, 3))
def test_parts_of_phone_numbers_select_together_what_the_whole_does(phones, size):
    selection = build_selection({"leadPhoneNumbers": phones})
    parts = [leads_that_ringcx_selects(part.body) for part in selection.chunks(size)]
    assert frozenset().union(*parts) == leads_that_ringcx_selects(selection.body)


# Through Jinja, as an operator renders it

ENVIRONMENTS = {
    False: jinja2.sandbox.SandboxedEnvironment(undefined=jinja2.StrictUndefined),
    True: jinja2.nativetypes.NativeEnvironment(undefined=jinja2.StrictUndefined),
}
TEMPLATES = ["{{ %s }}", "{{ %s | tojson }}", " {{ %s }}\n", "{%% if true %%}{{ %s }}{%% endif %%}"]


@st.composite
def templated(draw):
    """Criteria as written in a DAG, the variables of their templates, and their meaning."""
    keys = draw(
        st.lists(st.sampled_from(sorted(VALUES.keys() - {"firstName"})), unique=True, min_size=1, max_size=4)
    )
    text, variables, meant = {}, {}, {}
    for key in keys:
        values = draw(st.lists(VALUES[key], min_size=1, max_size=3))
        meant[key] = Written(None, True, values[:1] if key in SINGLES else values, True)
        way = draw(st.sampled_from(["by hand", "template", "items", "blank"]))
        if way == "by hand":
            text[key] = values[0] if key in SINGLES else values
        elif way == "items" and key not in SINGLES:
            names = [f"{key}{index}" for index in range(len(values))]
            variables.update(zip(names, values, strict=True))
            text[key] = [f"{{{{ {name} }}}}" for name in names]
        else:
            blank = draw(st.sampled_from([None, [], "", {}, ()])) if way == "blank" else None
            variables[key] = blank if way == "blank" else values[0] if key in SINGLES else values
            text[key] = draw(st.sampled_from(TEMPLATES)) % key
            if way == "blank":
                meant[key] = Written(None, True, NO_LEAD, False)
    return text, variables, meant


@pytest.mark.parametrize("native", [False, True], ids=["plain", "native"])
@given(templated())
def test_what_templates_deliver_selects_exactly_what_was_meant(native, drawn):
    text, variables, meant = drawn
    operator = LeadActionOperator(
        task_id="act", lead_action="CANCEL_LEADS", search_criteria=text, account_wide=True
    )
    operator.render_template_fields(variables, ENVIRONMENTS[native])
    selection = build_selection(operator.search_criteria.value, runtime_keys=runtime_keys(text), account_wide=True)
    if any(entry.meaning is NO_LEAD for entry in meant.values()):
        assert selection.empty_reason
    else:
        assert leads_that_ringcx_selects(selection.body) == leads_that_are_meant(meant)


@given(st.text(max_size=30).filter(lambda text: not any(mark in text for mark in ("{", "\r", "\n"))))
def test_text_without_a_template_stays_as_written_in_both_ways_of_rendering(text):
    for environment in ENVIRONMENTS.values():
        operator = LeadActionOperator(
            task_id="act", lead_action="CANCEL_LEADS", search_criteria={"leadIds": ["{{ 1 }}"]}
        )
        operator.search_criteria = {"externIds": [text]}
        operator.render_template_fields({}, environment)
        assert operator.search_criteria.value == {"externIds": [text]}


# Anything at all

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | HUGE
    | st.sampled_from([2**63, 2**63 - 1])
    | st.floats()
    | st.text(st.characters(), max_size=12)
    | st.text(st.characters(categories=("Cs", "Cc", "Nd", "Zs")), max_size=4)
    | st.binary(max_size=4)
    | st.sampled_from(
        ["T", "[", "{", "['", "0x1F", "1" * 5000, "[" * 3000, "(" * 300, "-", "+0000", "2026-07-24T", "٣"]
    )
    | st.datetimes()
    | st.dates()
    | st.complex_numbers()
    | st.fractions()
    | st.builds(object)
)
KEYS = (
    st.sampled_from(sorted(ALL_KEYS))
    | st.text(max_size=5)
    | st.sampled_from([None, 0, b"leadIds", ("leadIds",), 1.5])
    | HUGE
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(
            KEYS | st.sampled_from(["operator", "value", "name", "description"]), inner, max_size=4
        )
        | st.lists(inner, max_size=3).map(Lazy)
    ),
    max_leaves=12,
)


def as_text(value):
    """The value as a template would print it, where it can."""
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        return str(value)
    return value


@settings(max_examples=300)
@given(
    st.dictionaries(KEYS, ANYTHING | ANYTHING.map(as_text), max_size=4) | ANYTHING | ANYTHING.map(as_text),
    st.data(),
)
def test_nothing_but_its_own_errors_comes_out_of_reading_criteria(whole, data):
    keys = data.draw(st.sampled_from([frozenset(), ALL_KEYS, frozenset(["leadIds", "firstName"])]))
    try:
        selection = build_selection(whole, data=keys, account_wide=data.draw(st.booleans()))
    except InvalidCriteria as error:
        str(error).encode("utf-8", "surrogatepass")
    else:
        json.dumps(selection.body, allow_nan=False)
    with contextlib.suppress(InvalidCriteria):
        validate_authored(whole)


@given(st.dictionaries(KEYS, ANYTHING, max_size=4) | ANYTHING)
def test_criteria_can_be_shown_whatever_they_are(whole):
    shown = RedactedCriteria(whole)
    json.dumps(shown.serialize())
    assert str(shown) == repr(shown)


@given(
    st.sampled_from(sorted(ACTIONS)).flatmap(
        lambda name: st.tuples(
            st.just(ACTIONS[name]),
            st.dictionaries(
                st.sampled_from([parameter.name for parameter in ACTIONS[name].parameters] or ["NONE"])
                | KEYS,
                ANYTHING | ANYTHING.map(as_text),
                max_size=6,
            )
            | ANYTHING,
        )
    )
)
def test_nothing_but_its_own_errors_comes_out_of_reading_parameters(drawn):
    action, params = drawn
    with contextlib.suppress(InvalidParameter):
        json.dumps(read_params(action, params), allow_nan=False)
    with contextlib.suppress(InvalidParameter):
        validate_authored_params(action.name, params)
    with contextlib.suppress(InvalidParameter):
        assert "@" in email_addresses(params)


def deep(levels, wrap):
    value = 1
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"name": v}], ids=["lists", "dicts"])
def test_values_nested_without_end_are_refused(wrap):
    value = deep(100_000, wrap)
    for key in ALL_KEYS:
        with pytest.raises(InvalidCriteria, match=f"^{key}"):
            build_selection({key: value}, account_wide=True)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * 50_000 + "]" * 50_000, '{"a":' * 50_000, "-" * 100_000 + "1"]
)
def test_text_nested_without_end_is_refused(text):
    for criteria_ in (text, {"leadIds": text}, {"leadPassesCriteria": text}):
        with pytest.raises(InvalidCriteria):
            build_selection(criteria_)
    with pytest.raises(InvalidParameter):
        read_params(ACTIONS["MANUAL_LEADS"], text)
    with pytest.raises(InvalidParameter):
        email_addresses(text)
