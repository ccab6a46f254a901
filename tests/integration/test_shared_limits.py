"""Tests of slots reserved by many processes and hosts: together they keep to the documented windows."""

from __future__ import annotations

import itertools

import pytest

from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from tests.support.processes import RedisServer, fits_windows, run_workers
from tests.unit.ringcx.storage.test_base import earliest_slots

PAIR = [(30, 10.0), (120, 60.0)]
WINDOWS = tuple(RateWindow(*window) for window in PAIR)


def test_slots_of_processes_fit_both_windows(store: str) -> None:
    reserved = run_workers("reserve_slots", 8, store=store, windows=PAIR, count=50)
    slots = sorted(itertools.chain(*reserved))
    assert fits_windows(slots, WINDOWS)
    # No slot is wasted: the last one is the same as if a single process had reserved all.
    assert slots[-1] - slots[0] == pytest.approx(earliest_slots(WINDOWS, 0.5, 400)[-1], abs=2.0)


def test_slots_are_reserved_in_order_of_requests(store: str) -> None:
    for slots in run_workers("reserve_slots", 4, store=store, windows=[(5, 1.0)], count=40):
        assert all(later > earlier - 0.1 for earlier, later in itertools.pairwise(slots))


def test_slots_of_short_lived_processes_fit_both_windows(store: str) -> None:
    reserved = run_workers("reserve_slots", 60, store=store, windows=PAIR, count=3)
    assert fits_windows(list(itertools.chain(*reserved)), WINDOWS)


def test_slots_of_hosts_with_different_clocks_fit_windows(redis: RedisServer) -> None:
    # Only forward shifts: a monotonic clock is never negative.
    shifts = [0.0, 3600.0, 7200.0]
    reserved = run_workers("reserve_slots", 6, store=redis.url, windows=PAIR, count=40, clock_shifts=shifts)
    slots = list(itertools.chain(*reserved))
    assert fits_windows(slots, WINDOWS)
    assert max(slots) - min(slots) == pytest.approx(earliest_slots(WINDOWS, 0.5, 240)[-1], abs=2.0)
