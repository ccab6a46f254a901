"""Values of criteria: accepted types and shapes, and errors."""

from __future__ import annotations

import ast
import tracemalloc
from collections import deque
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_engagevoice.ringcx.criteria import ALL_KEYS
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria
from airflow_provider_engagevoice.ringcx.leads.coercion import to_datetime
from airflow_provider_engagevoice.ringcx.leads.literals import parse_text
from airflow_provider_engagevoice.ringcx.leads.selection import build_selection
from tests.unit.ringcx.leads.cases import LISTS, SINGLES, WRONG, body_of, short_id


@pytest.mark.parametrize("key", sorted(LISTS.keys() - {"campaignIds"}))
def test_coerce_list_is_sent_as_written(key):
    assert body_of({key: LISTS[key]}, account_wide=True) == {key: LISTS[key]}


@pytest.mark.parametrize("key", sorted(SINGLES.keys() - {"campaignId"}))
def test_coerce_single_value_is_sent_as_written(key):
    assert body_of({key: SINGLES[key]}, account_wide=True) == {key: SINGLES[key]}


@pytest.mark.parametrize(
    "value",
    [
        ["A-1", "B-2"],
        ("A-1", "B-2"),
        deque(["A-1", "B-2"]),
        {"A-1": 1, "B-2": 2}.keys(),
        {1: "A-1", 2: "B-2"}.values(),
        (text for text in ("A-1", "B-2")),
        map(str, ("A-1", "B-2")),
        "['A-1', 'B-2']",
        "('A-1', 'B-2')",
        '["A-1", "B-2"]',
        '\n ["A-1",\t"B-2"] ',
        ["A-1", None, "", "B-2", "A-1", [], "None"],
    ],
)
def test_coerce_list_accepts_any_iterable_and_text(value):
    assert body_of({"externIds": value}) == {"externIds": ["A-1", "B-2"]}


@pytest.mark.parametrize("value", [{"A-1", "B-2"}, frozenset(("A-1", "B-2")), "{'A-1', 'B-2'}"])
def test_coerce_set_becomes_sorted_list(value):
    assert body_of({"externIds": value})["externIds"] == ["A-1", "B-2"]


@pytest.mark.parametrize("value", [[7, 8], ["7", "8"], "[7, 8]", "['7', '8']", [7, "007", " 8 "]])
def test_coerce_ids_become_distinct_ints(value):
    assert body_of({"leadIds": value}) == {"leadIds": [7, 8]}


@pytest.mark.parametrize("text", ["0012345", "+15551234567", "1e5", "0x1F", "True", "1_000", "-5"])
def test_coerce_external_id_keeps_its_spelling(text):
    for value in ([text], str([text]), f'["{text}"]'):
        assert body_of({"externIds": value}) == {"externIds": [text]}


def test_coerce_external_id_accepts_ints():
    assert body_of({"externIds": [12345, -1]}) == {"externIds": ["12345", "-1"]}


@pytest.mark.parametrize(
    "text",
    ["[1_000]", "[0x1F]", "[0o17]", "[0B11]", "[+5]", "['A' 'B']", "['1'\n '2']", "['A' u'B']", "['A''B']"],
)
def test_coerce_rejects_literals_that_python_alters(text):
    # [1_000] would select lead 1000; an array printed without commas, ['1' '2'], lead 12.
    with pytest.raises(InvalidCriteria, match="neither JSON nor a Python literal"):
        build_selection({"externIds": text})


@pytest.mark.parametrize(
    ("state", "sent"),
    [("ready", "READY"), ("DO_NOT_CALL", "DO-NOT-CALL"), ("Max-Dial_Limit", "MAX-DIAL-LIMIT")],
)
def test_coerce_state_accepts_spellings_of_the_guides(state, sent):
    assert body_of({"campaignIds": [1], "leadStates": [state]})["leadStates"] == [sent]


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 7, 24, 16, tzinfo=timezone.utc),
        datetime(2026, 7, 24, 16),
        datetime(2026, 7, 24, 18, tzinfo=timezone(timedelta(hours=2))),
        "2026-07-24T16:00:00Z",
        "2026-07-24T16:00:00.000+0000",
        "2026-07-24 16:00",
        " 2026-07-24T18:00:00.000+0200 ",
    ],
)
def test_coerce_datetime_is_sent_in_ringcx_format(value):
    assert (
        body_of({"leadIds": [1], "loadedDtsStart": value})["loadedDtsStart"] == "2026-07-24T16:00:00.000+0000"
    )


def test_coerce_date_becomes_midnight():
    assert body_of({"leadIds": [1], "loadedDtsEnd": date(2026, 7, 24)})["loadedDtsEnd"].startswith(
        "2026-07-24T00:00"
    )


def test_coerce_comparison_accepts_text():
    written = {"leadIds": [1], "leadPassesCriteria": "{'operator': 'equals', 'value': '3'}"}
    assert body_of(written)["leadPassesCriteria"] == {"operator": "EQUALS", "value": 3}


@pytest.mark.parametrize(("key", "value"), WRONG, ids=short_id)
@pytest.mark.parametrize("data", [(), ALL_KEYS], ids=["by hand", "data"])
def test_coerce_wrong_value_is_rejected_by_key(key, value, data):
    with pytest.raises(InvalidCriteria, match=f"^{key}"):
        build_selection({"externIds": ["A-1"], key: value}, runtime_keys=data)


def test_to_datetime_rejects_zone_without_time() -> None:
    with pytest.raises(ValueError, match="time zone without a time"):
        to_datetime("2026-07-24+05:00")


@given(
    st.lists(st.text(), min_size=1).map(str)
    | st.lists(st.sampled_from(["'", "', '", "['", "']", "a", " ", ",", "#", "\\", '"', "b'", "\n"])).map(
        "".join
    )
)
def test_parse_text_equals_python(text):
    try:
        value = parse_text(text, "externIds")
    except InvalidCriteria:
        return
    assert value is None or value == ast.literal_eval(text.strip())


def test_parse_text_of_many_ids_needs_little_memory():
    text = str([f"CRM-{number:09d}" for number in range(20_000)])
    tracemalloc.start()
    try:
        assert len(parse_text(text, "externIds")) == 20_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000
