"""Adjustable clock."""

from __future__ import annotations

import concurrent.futures
import time

import pytest

from airflow_provider_engagevoice.sandbox.state.clock import Clock


def test_clock_advanced_concurrently_counts_all_advances() -> None:
    clock = Clock()
    before = clock.now()

    def advance_often(_: int) -> None:
        for _ in range(2000):
            clock.advance(1)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(advance_often, range(8)))
    assert clock.now() - before == pytest.approx(16_000, abs=60)
    clock.reset()
    assert clock.now() - before == pytest.approx(0, abs=60)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -float("inf"), 10.0**12, -(10.0**12)])
def test_clock_outside_its_range_raises(seconds: float) -> None:
    clock = Clock()
    with pytest.raises(ValueError, match="must stay in the years 1971 to 9000"):
        clock.advance(seconds)
    assert clock.now() == pytest.approx(time.time(), abs=60)
