"""Tests of the condition on a count, and of the leads that it counts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.leads.lead_count import (
    DIALABLE_KEYS,
    CountCondition,
    CountHistory,
    CountQuery,
    dialable_criteria,
    parse_stable_for,
)
from airflow_provider_engagevoice.ringcx.leads.selection import build_selection


@pytest.mark.parametrize(
    ("limits", "holding"),
    [
        ((5, None), {5, 6, 7, 8, 9}),
        ((None, 5), {0, 1, 2, 3, 4, 5}),
        ((5, 5), {5}),
        (("3", "4"), {3, 4}),
        ((0, 0), {0}),
    ],
)
def test_condition_holds_within_the_limits(limits: tuple[Any, Any], holding: set[int]) -> None:
    condition = CountCondition.parse(*limits)
    assert {count for count in range(10) if condition.holds(count)} == holding


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, None), "Pass at_least, at_most or both"),
        ((-1, None), "at_least must be a whole number, 0 or more"),
        ((None, 1.5), "at_most must be a whole number, 0 or more, not a float"),
        ((True, None), "at_least must be a whole number"),
        (("few", None), "at_least must be a whole number, 0 or more, not text"),
        ((6, 5), r"at_least \(6\) must not be greater than at_most \(5\)"),
        ((6, None, 0), "stable_for must be"),
    ],
)
def test_condition_that_cannot_be_meant_raises(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        CountCondition.parse(*arguments)


@pytest.mark.parametrize("value", [0, -1, True, "60", float("inf"), float("nan"), timedelta(0)])
def test_stable_for_that_is_no_positive_duration_raises(value: Any) -> None:
    with pytest.raises(InvalidParameter, match="stable_for must be a timedelta or a number of seconds"):
        parse_stable_for(value)


def test_stable_for_timedelta_and_seconds_are_the_same() -> None:
    assert parse_stable_for(timedelta(minutes=2)) == parse_stable_for(120) == 120.0
    assert parse_stable_for(None) == 0.0


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # The count stays the same.
        ([(0, 7), (60, 7), (120, 7)], [False, False, True]),
        # It changes within the limits: the time begins again.
        ([(0, 7), (60, 8), (120, 8), (180, 8)], [False, False, False, True]),
        # The condition did not hold in between.
        ([(0, 7), (60, 4), (110, 7), (120, 7), (230, 7)], [False, False, False, False, True]),
        # It never holds.
        ([(0, 4), (120, 4), (240, 4)], [False, False, False]),
        # The clock was set back.
        ([(500, 7), (0, 7), (119, 7), (120, 7)], [False, False, False, True]),
    ],
)
def test_history_is_stable_after_the_time_without_a_change(
    counts: list[tuple[float, int]], expected: list[bool]
) -> None:
    history = CountHistory(CountCondition(5, 10, 120.0))
    assert [history.add(count, now) for now, count in counts] == expected


def test_history_without_stable_for_succeeds_at_once() -> None:
    assert CountHistory(CountCondition(5, None)).add(5, 0.0)


def test_history_describes_the_latest_count() -> None:
    history = CountHistory(CountCondition(None, 5, 120.0))
    history.add(1038, 0.0)
    assert history.describe() == "1,038 leads match; waiting for at most 5, unchanged for 120 s"
    history.add(1, 60.0)
    history.add(1, 90.0)
    assert history.describe() == (
        "1 lead matches, unchanged for 30 s; waiting for at most 5, unchanged for 120 s"
    )


class FakeLeads:
    """Records the bodies that are counted."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    def count(self, selection: Any) -> int:
        self.bodies.append(selection.body)
        return 10


def test_query_counts_long_lists_of_ids_in_chunks() -> None:
    leads = FakeLeads()
    selection = build_selection({"leadIds": range(1, 1202)})
    assert CountQuery("1", selection).count(leads) == 30  # type: ignore[arg-type]
    assert [len(body["leadIds"]) for body in leads.bodies] == [500, 500, 201]


def test_query_of_dialable_leads_keeps_the_other_criteria() -> None:
    leads = FakeLeads()
    selection = build_selection({"campaignIds": [7], "listIds": [3]})
    CountQuery("1", selection, max_passes=8).count(leads)  # type: ignore[arg-type]
    (body,) = leads.bodies
    assert (body["campaignIds"], body["campaignId"], body["listIds"]) == ([7], 7, [3])
    assert body.keys() >= DIALABLE_KEYS
    assert DIALABLE_KEYS.isdisjoint(selection.body)


def test_dialable_criteria_include_leads_that_are_due_now() -> None:
    criteria = dialable_criteria(8, datetime(2026, 7, 24, 16, 0, 0, 999_000, tzinfo=timezone.utc))
    assert criteria == {
        "leadStates": ["READY"],
        "suppressed": "ONLY_UNSUPPRESSED",
        "leadPassesCriteria": {"operator": "LESS_THAN", "value": 8},
        "nextDialTimeCriteria": {"operator": "LESS_THAN", "value": "2026-07-24T16:00:01.000+0000"},
    }
    # Accepted as a selection.
    assert dict(build_selection({"campaignId": 7, **criteria}).body).items() >= criteria.items()
