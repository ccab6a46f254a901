"""Tests of the reservation of slots."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS, RateWindow
from airflow_provider_engagevoice.ringcx.storage.base import LimitExceeded, next_slot
from airflow_provider_engagevoice.ringcx.storage.registry import open_store
from tests.support.processes import fits_windows
from tests.support.stores import ONE_IN_TEN_SECONDS


def earliest_slots(windows: Sequence[RateWindow], margin: float, count: int) -> list[float]:
    """Return the slots that an idle store reserves for requests at time 0."""
    slots: list[float] = []
    for _ in range(count):
        slots.append(next_slot(slots, windows, margin, 0.0))
    return slots


@pytest.mark.parametrize("operation", sorted(LIMITS))
def test_next_slot_fits_and_uses_up_all_windows(operation: str) -> None:
    windows = LIMITS[operation]
    slots = earliest_slots(windows, 0.0, 400)
    assert fits_windows(slots, windows)
    for window in windows:
        # Each window is full at some time, unless another window always leaves capacity in it.
        fullest = max(sum(start <= slot < start + window.period for slot in slots) for start in slots)
        assert fullest <= window.max_requests
    assert slots[min(window.max_requests for window in windows) - 1] == 0.0


def test_next_slot_short_window_limits_searches() -> None:
    assert earliest_slots(LIMITS["lead_search"], 0.0, 91)[-1] == pytest.approx(60.0)


def test_next_slot_margin_extends_each_window() -> None:
    slots = earliest_slots([RateWindow(30, 10.0), RateWindow(120, 60.0)], 0.5, 121)
    assert (slots[30], slots[120]) == (10.5, 60.5)


def test_reserve_slot_too_far_away_reserves_nothing(store: str) -> None:
    opened = open_store(store)
    assert opened.reserve_slot("key", ONE_IN_TEN_SECONDS, 0.0, 0.0) == 0.0
    for _ in range(3):
        with pytest.raises(LimitExceeded) as caught:
            opened.reserve_slot("key", ONE_IN_TEN_SECONDS, 0.0, 5.0)
        assert 9.0 < caught.value.wait <= 10.0
    assert 9.0 < opened.reserve_slot("key", ONE_IN_TEN_SECONDS, 0.0, 15.0) <= 10.0


def test_compare_and_set_from_many_threads_loses_no_update(store: str) -> None:
    opened = open_store(store)
    opened.set("key", b"0", 60.0)

    def add_one(_: int) -> None:
        while True:
            found = opened.get("key")
            assert found is not None
            if opened.compare_and_set("key", found[0], str(int(found[0]) + 1).encode(), 60.0):
                return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_one, range(40)))
    found = opened.get("key")
    assert found is not None
    assert found[0] == b"40"
