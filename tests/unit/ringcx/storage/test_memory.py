"""Tests of the in-memory store."""

from __future__ import annotations

import threading
import time

from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from tests.support.processes import fits_windows


def test_reserve_slot_from_many_threads_fits_windows() -> None:
    store, windows = MemoryStore(), [RateWindow(30, 10.0), RateWindow(120, 60.0)]
    slots: list[float] = []

    def reserve() -> None:
        for _ in range(50):
            wait = store.reserve_slot("key", windows, 0.5, 1e5)
            slots.append(time.monotonic() + wait)

    threads = [threading.Thread(target=reserve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(slots) == 400
    assert fits_windows(slots, windows)
