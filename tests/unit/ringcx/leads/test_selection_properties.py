"""Property tests: for any authored criteria and runtime values, no unintended lead is selected.

Each criterion is generated together with its meaning: the intended values, any value, or no lead. A model of
RingCX in this file, independent of the package, computes over a small dataset which leads the request body
selects.
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

# A small dataset. Each lead differs from the next one in at least one attribute.

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


def select_in_model(body: dict[str, Any]) -> frozenset[int]:
    """Return the ids of the leads that RingCX selects.

    Filters combine with AND, values of a list with OR. A missing, null or empty criterion does not filter,
    and neither does campaignId, which RingCX ignores.
    """
    filters = {
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
        if all(
            matches(lead, body[key])
            for key, matches in filters.items()
            if body.get(key) not in (None, [], "")
        )
    )


# Criteria as authors write them, and as runtime data fills them

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
    """Outputs of a mapped task as Airflow passes them: not a list, and true even if empty."""

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
#: Junk that is text, or a number accepted as text, is valid for a criterion that accepts any text.
TEXTS = {"A-1,B-2", "[A-1]", "LazySelectSequence([2 items])", "[1_0]", "['A-1' 'B-2']"}
ACCEPTED_JUNK = {"externIds": ["[0]", "[-1]"], "firstName": [repr(text) for text in TEXTS]}
HUGE = st.builds(pow, st.just(10), st.just(5000))  # too large for Python to convert to text


def junk(key):
    """Return a strategy of values that are invalid for a criterion."""
    values = [value for value in JUNK if repr(value) not in ACCEPTED_JUNK.get(key, [])]
    undefined = st.builds(jinja2.StrictUndefined, name=st.just("x"))
    return st.sampled_from(values) | HUGE | st.lists(HUGE | undefined, min_size=1, max_size=1)


@dataclass
class Criterion:
    """A generated criterion.

    :param value: the value as written or rendered.
    :param runtime: whether the value is known only at run time.
    :param meaning: the intended values, ``ANY`` or ``NO_LEAD``.
    :param valid: whether the value must be accepted.
    """

    value: Any
    runtime: bool
    meaning: Any
    valid: bool


@st.composite
def criterion(draw, key):
    """Generate a criterion: valid, blank or junk."""
    runtime = draw(st.booleans())
    quality = draw(st.sampled_from(["valid", "valid", "valid", "blank", "junk"]))
    if quality == "junk":
        return Criterion(draw(junk(key)), runtime, NO_LEAD, False)
    if quality == "blank":
        blanks = BLANKS if key in SINGLES else [*BLANKS, *BLANK_LISTS]
        value = draw(st.sampled_from(blanks))
        means_any = (
            not runtime and key in PURE_FILTERS and isinstance(value, (list, tuple, set)) and not value
        )
        return Criterion(value, runtime, ANY if means_any else NO_LEAD, False)
    if key in SINGLES:
        value = draw(VALUES[key])
        shapes = [value] if key == "firstName" else [value, str(value), json.dumps(value)]
        return Criterion(draw(st.sampled_from(shapes)), runtime, [value], True)
    values = draw(st.lists(VALUES[key], min_size=1, max_size=6))
    gaps = [None, "", "None", []] if runtime else []
    entries = (
        draw(st.permutations(values + draw(st.lists(st.sampled_from(gaps), max_size=2)))) if gaps else values
    )
    shape = draw(
        st.sampled_from([list, tuple, Lazy, lambda v: dict.fromkeys(map(str, v)).keys(), str, json.dumps])
    )
    if [] in entries and shape not in (list, tuple, Lazy, str, json.dumps):
        shape = list
    if runtime and shape not in (list, tuple, Lazy, str, json.dumps):
        entries = values
    return Criterion(shape(entries), runtime, values, True)


@st.composite
def criteria(draw):
    """Generate up to five criteria."""
    keys = draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True, max_size=5))
    return {key: draw(criterion(key)) for key in keys}


def intended_leads(drawn: dict[str, Criterion]) -> frozenset[int]:
    """Return the ids of the leads that the author intended."""
    meanings = {key: entry.meaning for key, entry in drawn.items()}
    if NO_LEAD in [meaning for meaning in meanings.values() if isinstance(meaning, str)]:
        return frozenset()
    intended = {key: meaning for key, meaning in meanings.items() if meaning is not ANY}
    campaigns = [*intended.pop("campaignId", []), *intended.pop("campaignIds", [])]
    body = {key: values[0] if key in SINGLES else values for key, values in intended.items()}
    if "leadTimezones" in body:
        body["leadTimezones"] = [{"name": name} for name in body["leadTimezones"]]
    return select_in_model({**body, "campaignIds": campaigns})


@settings(max_examples=300)
@given(criteria(), st.booleans())
def test_selection_contains_no_unintended_lead(drawn, account_wide):
    data = {key for key, entry in drawn.items() if entry.runtime}
    narrow = account_wide or any(k in NARROWING and e.meaning is not ANY for k, e in drawn.items())
    fully_valid = all(entry.valid for entry in drawn.values()) and narrow
    try:
        selection = build_selection(
            {k: e.value for k, e in drawn.items()}, runtime_keys=data, account_wide=account_wide
        )
    except InvalidCriteria:
        assert not fully_valid
        return
    if selection.empty_reason:
        assert not fully_valid
        assert selection.body == {}
        return
    selected = select_in_model(selection.body)
    assert narrow
    assert selected <= intended_leads(drawn)
    if fully_valid:
        assert selected == intended_leads(drawn)
    json.dumps(selection.body, allow_nan=False)
    # A body that is passed as criteria selects the same leads.
    assert build_selection(selection.body, runtime_keys=(), account_wide=account_wide).body == selection.body


@given(criteria(), st.sampled_from(CAMPAIGNS))
def test_narrow_to_campaign_adds_no_lead(drawn, campaign):
    with contextlib.suppress(InvalidCriteria):
        selection = build_selection({key: entry.value for key, entry in drawn.items()}, account_wide=True)
        narrowed = selection.narrow_to_campaign(campaign)
        if not selection.empty_reason:
            inside = {lead["id"] for lead in LEADS if lead["campaign"] == campaign}
            assert select_in_model(narrowed.body) == inside & select_in_model(selection.body)


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
def test_chunks_are_disjoint_and_select_the_same_leads(lists, size):
    selection = build_selection(lists)
    chunks = [select_in_model(chunk.body) for chunk in selection.chunks(size)]
    assert sorted(lead for chunk in chunks for lead in chunk) == sorted(select_in_model(selection.body))


@given(st.lists(VALUES["leadPhoneNumbers"], min_size=1, max_size=8), st.integers(1, 3))
def test_chunks_of_phone_numbers_select_the_same_leads(phones, size):
    selection = build_selection({"leadPhoneNumbers": phones})
    chunks = [select_in_model(chunk.body) for chunk in selection.chunks(size)]
    assert frozenset().union(*chunks) == select_in_model(selection.body)


# Rendered by Jinja, as in an operator

ENVIRONMENTS = {
    False: jinja2.sandbox.SandboxedEnvironment(undefined=jinja2.StrictUndefined),
    True: jinja2.nativetypes.NativeEnvironment(undefined=jinja2.StrictUndefined),
}
TEMPLATES = ["{{ %s }}", "{{ %s | tojson }}", " {{ %s }}\n", "{%% if true %%}{{ %s }}{%% endif %%}"]


@st.composite
def templated(draw):
    """Generate criteria as written in a DAG, the variables of their templates, and their meaning."""
    keys = draw(
        st.lists(st.sampled_from(sorted(VALUES.keys() - {"firstName"})), unique=True, min_size=1, max_size=4)
    )
    authored, variables, intended = {}, {}, {}
    for key in keys:
        values = draw(st.lists(VALUES[key], min_size=1, max_size=3))
        intended[key] = Criterion(None, True, values[:1] if key in SINGLES else values, True)
        form = draw(st.sampled_from(["literal", "template", "items", "blank"]))
        if form == "literal":
            authored[key] = values[0] if key in SINGLES else values
        elif form == "items" and key not in SINGLES:
            names = [f"{key}{index}" for index in range(len(values))]
            variables.update(zip(names, values, strict=True))
            authored[key] = [f"{{{{ {name} }}}}" for name in names]
        else:
            blank = draw(st.sampled_from([None, [], "", {}, ()])) if form == "blank" else None
            variables[key] = blank if form == "blank" else values[0] if key in SINGLES else values
            authored[key] = draw(st.sampled_from(TEMPLATES)) % key
            if form == "blank":
                intended[key] = Criterion(None, True, NO_LEAD, False)
    return authored, variables, intended


@pytest.mark.parametrize("native", [False, True], ids=["plain", "native"])
@given(templated())
def test_rendered_templates_select_exactly_the_intended_leads(native, drawn):
    authored, variables, intended = drawn
    operator = LeadActionOperator(
        task_id="act", lead_action="CANCEL_LEADS", search_criteria=authored, account_wide=True
    )
    operator.render_template_fields(variables, ENVIRONMENTS[native])
    selection = build_selection(
        operator.search_criteria.value, runtime_keys=runtime_keys(authored), account_wide=True
    )
    if any(entry.meaning is NO_LEAD for entry in intended.values()):
        assert selection.empty_reason
    else:
        assert select_in_model(selection.body) == intended_leads(intended)


@given(st.text(max_size=30).filter(lambda text: not any(mark in text for mark in ("{", "\r", "\n"))))
def test_text_without_template_is_rendered_unchanged(text):
    for environment in ENVIRONMENTS.values():
        operator = LeadActionOperator(
            task_id="act", lead_action="CANCEL_LEADS", search_criteria={"leadIds": ["{{ 1 }}"]}
        )
        operator.search_criteria = {"externIds": [text]}
        operator.render_template_fields({}, environment)
        assert operator.search_criteria.value == {"externIds": [text]}


# Arbitrary values

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
    """Return the value as text, as a template would render it, if that is possible."""
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        return str(value)
    return value


@settings(max_examples=300)
@given(
    st.dictionaries(KEYS, ANYTHING | ANYTHING.map(as_text), max_size=4) | ANYTHING | ANYTHING.map(as_text),
    st.data(),
)
def test_build_selection_raises_only_invalid_criteria(whole, data):
    keys = data.draw(st.sampled_from([frozenset(), ALL_KEYS, frozenset(["leadIds", "firstName"])]))
    try:
        selection = build_selection(whole, runtime_keys=keys, account_wide=data.draw(st.booleans()))
    except InvalidCriteria as error:
        str(error).encode("utf-8", "surrogatepass")
    else:
        json.dumps(selection.body, allow_nan=False)
    with contextlib.suppress(InvalidCriteria):
        validate_authored(whole)


@given(st.dictionaries(KEYS, ANYTHING, max_size=4) | ANYTHING)
def test_redacted_criteria_accept_any_value(whole):
    redacted = RedactedCriteria(whole)
    json.dumps(redacted.serialize())
    assert str(redacted) == repr(redacted)


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
def test_read_params_raises_only_invalid_parameter(drawn):
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
def test_deeply_nested_values_are_rejected(wrap):
    value = deep(100_000, wrap)
    for key in ALL_KEYS:
        with pytest.raises(InvalidCriteria, match=f"^{key}"):
            build_selection({key: value}, account_wide=True)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * 50_000 + "]" * 50_000, '{"a":' * 50_000, "-" * 100_000 + "1"]
)
def test_deeply_nested_text_is_rejected(text):
    for criteria_ in (text, {"leadIds": text}, {"leadPassesCriteria": text}):
        with pytest.raises(InvalidCriteria):
            build_selection(criteria_)
    with pytest.raises(InvalidParameter):
        read_params(ACTIONS["MANUAL_LEADS"], text)
    with pytest.raises(InvalidParameter):
        email_addresses(text)
