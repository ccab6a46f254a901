"""Hypothesis strategies for search criteria, and a model of RingCX's lead search.

The model is independent of the package: it computes over a small dataset which leads a request body selects.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
from hypothesis import strategies as st

# A small dataset. Each lead differs from the next one in at least one attribute.

CAMPAIGNS, STATES, ZONES, NAMES = (
    (101, 102, 103),
    ("READY", "PAUSED", "DO-NOT-CALL"),
    ("CST", "EST"),
    ("Ada", "Bo"),
)
LEADS: list[dict[str, Any]] = [
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


def select_in_model(body: Mapping[str, Any]) -> frozenset[int]:
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


class Lazy(Sequence[Any]):
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
    gaps: list[Any] = [None, "", "None", []] if runtime else []
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
