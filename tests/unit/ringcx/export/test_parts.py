"""Division of a selection into parts that together have all of its leads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.export.parts import Part, Partitioner
from airflow_provider_engagevoice.ringcx.leads.coercion import to_datetime
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.steps import Steps, run

NOW = datetime(2026, 11, 27, tzinfo=timezone.utc)


class Leads:
    """Counts leads by the time of their load, with both bounds included.

    :param times: the time of each lead; None if it has none.
    """

    def __init__(self, times: Sequence[datetime | None]) -> None:
        self.times = list(times)
        self.counted: list[dict[str, Any]] = []
        #: Whether a lead is deleted after the first count.
        self.deletes_one = False

    def count_steps(self, selection: Selection) -> Steps[int]:
        self.counted.append(dict(selection.body))
        if self.deletes_one and len(self.counted) == 1:
            self.times.pop()
        bounds = [selection.body.get(name) for name in ("loadedDtsStart", "loadedDtsEnd")]
        if bounds == [None, None]:
            return len(self.times)
        first, last = (to_datetime(bound) if bound else None for bound in bounds)
        return sum(
            time is not None and (first is None or time >= first) and (last is None or time <= last)
            for time in self.times
        )
        yield


def halve(leads: Leads, body: dict[str, Any] | None = None) -> list[Part]:
    part = Part(body or {"leadPhoneNum": "303"}, len(leads.times))
    return run(Partitioner(leads, NOW).halve(part), lambda seconds: None)  # type: ignore[arg-type]


def cut_of(leads: Leads) -> datetime:
    left, right = halve(leads)
    assert left.body["loadedDtsEnd"] == right.body["loadedDtsStart"]
    return to_datetime(left.body["loadedDtsEnd"])


def test_both_halves_have_bounds_and_keep_the_other_criteria() -> None:
    left, right = halve(Leads([NOW] * 5))
    assert {"leadPhoneNum", "loadedDtsStart", "loadedDtsEnd"} == left.body.keys() == right.body.keys()
    assert (left.count, right.count) == (0, 5)


def test_leads_of_the_time_of_the_cut_do_not_hide_leads_without_a_time() -> None:
    cut = cut_of(Leads([NOW]))
    assert halve(Leads([cut] * 5)) != []
    assert halve(Leads([cut] * 5 + [None] * 5)) == []


def test_lead_that_is_deleted_meanwhile_does_not_prevent_the_division() -> None:
    leads = Leads([NOW - timedelta(days=n) for n in range(10)])
    leads.deletes_one = True
    assert [part.count for part in halve(leads)] == [0, 9]


@pytest.mark.parametrize("seconds", [0, 1])
def test_second_of_a_load_is_not_divided(seconds: int) -> None:
    end = NOW + timedelta(seconds=seconds)
    body = {"loadedDtsStart": NOW.isoformat(), "loadedDtsEnd": end.isoformat()}
    assert halve(Leads([NOW] * 5), body) == []
