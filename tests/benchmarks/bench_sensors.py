"""Benchmark of deferred sensors that wait for the same leads: requests and the event loop's lag."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import threading
from collections.abc import Callable
from typing import Any

from tests.benchmarks.harness import print_row, run_sandbox

INTERVAL = 1.0
INTERVALS = 10
TRIGGERS = 200


def configure_airflow(port: int) -> None:
    """Set the connection to a sandbox, before Airflow is imported."""
    os.environ["AIRFLOW_HOME"] = os.environ["ENGAGEVOICE_FOLDER"] = tempfile.mkdtemp(prefix="bench-sensors-")
    os.environ["AIRFLOW_CONN_ENGAGEVOICE_DEFAULT"] = json.dumps(
        {
            "conn_type": "engagevoice",
            "host": f"http://127.0.0.1:{port}",
            "password": "sandbox-token",
            "extra": {"auth_method": "api_token"},
        }
    )


def count_requests() -> Callable[[], int]:
    """Return a function that returns how often leads were counted.

    Each count differs from the one before, so that every trigger logs it.
    """
    from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch

    sent, lock, original = [0], threading.Lock(), LeadSearch.count

    def count(*args: Any) -> int:
        with lock:
            sent[0] += 1
        return original(*args) + sent[0]

    LeadSearch.count = count  # type: ignore[method-assign,assignment]
    return lambda: sent[0]


async def measure_lag() -> list[float]:
    """Return the delays of the event loop, ascending."""
    loop, lags = asyncio.get_running_loop(), []
    end = loop.time() + INTERVAL * INTERVALS
    while (start := loop.time()) < end:
        await asyncio.sleep(0.005)
        lags.append(loop.time() - start - 0.005)
    return sorted(lags)


async def measure(triggers: int, requests: Callable[[], int]) -> tuple[float, list[float]]:
    """Let triggers wait; return the requests per interval, and the delays of the event loop."""
    from airflow_provider_engagevoice.triggers.leads import LeadCountTrigger

    async def wait() -> None:
        trigger = LeadCountTrigger(
            {"campaignIds": [1], "campaignId": 1}, "50810001", at_least=1_000_000, poke_interval=INTERVAL
        )
        async for _ in trigger.run():
            raise AssertionError("the wait must not end")

    waiting = []
    for _ in range(triggers):
        waiting.append(asyncio.create_task(wait()))
        await asyncio.sleep(INTERVAL / triggers)
    # Airflow imports modules at the first check.
    await asyncio.sleep(2 * INTERVAL)
    before = requests()
    lags = await measure_lag()
    sent = requests() - before
    for task in waiting:
        assert not task.done()
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return sent / INTERVALS, lags


def main() -> None:
    """Print the table."""
    with run_sandbox("--size", "1000") as client:
        configure_airflow(client.port)
        requests = count_requests()
        print_lags("No trigger", asyncio.run(measure_lag()))
        for triggers in (1, TRIGGERS):
            rate, lags = asyncio.run(measure(triggers, requests))
            print_lags(f"Triggers: {triggers}; requests per interval of {INTERVAL:g} s: {rate:.1f}", lags)


def print_lags(title: str, lags: list[float]) -> None:
    """Print the delays of the event loop."""
    print(title)
    for name, index in (("median", len(lags) // 2), ("99 %", len(lags) * 99 // 100), ("longest", -1)):
        print_row(f"event loop delay, {name}", lags[index], "goal 50 ms")


if __name__ == "__main__":
    main()
