"""Tests of the counts that lead triggers share: requests, cancellation and the event loop."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.leads.lead_count import CountQuery
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.ratelimit.operations import rate_limit_for
from airflow_provider_engagevoice.ringcx.storage.registry import open_store
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.triggers import shared_counts
from airflow_provider_engagevoice.triggers.leads import LeadCountTrigger
from tests.support.clients import ACCOUNT, ROOT
from tests.support.processes import count_waiting_threads, wait_for
from tests.support.triggers import (
    COUNT,
    READY,
    FakeTime,
    answer,
    counts,
    make_trigger,
    wait_for_event,
)

pytestmark = pytest.mark.usefixtures("airflow_db")


def test_triggers_of_the_same_leads_share_each_count(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any]
) -> None:
    answer(ringcx_sandbox, 0, 1, 2)

    async def run_all() -> list[dict[str, Any]]:
        triggers = [make_trigger(criteria, at_least=limit, poke_interval=0.2) for limit in (1, 2, 2, 3)]
        return await asyncio.gather(*(wait_for_event(trigger) for trigger in triggers))

    events = asyncio.run(run_all())
    found = events[-1]["result"]["count"]
    assert [event["result"]["count"] for event in events] == [1, 2, 2, found]
    assert found > 3
    assert counts(ringcx_sandbox) == 4
    # Nothing is kept for triggers that have ended.
    assert not any(shared_counts._shared.values())


def test_shared_count_is_reused_while_it_is_recent(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any], fake_time: FakeTime
) -> None:
    """Sensors with different intervals share counts, too."""

    async def check() -> list[Any]:
        query = CountQuery(ACCOUNT, Selection(criteria))
        with shared_counts.shared_count("engagevoice_default", query) as shared:
            outcomes = [await shared.check(30), await shared.check(30)]
            fake_time.now += 29
            outcomes.append(await shared.check(30))
            fake_time.now += 2
            return [*outcomes, await shared.check(30)]

    first, second, third, fourth = asyncio.run(check())
    assert first is second is third is not fourth
    assert counts(ringcx_sandbox) == 2


def test_triggers_share_a_failed_count(ringcx_sandbox: SandboxServer, criteria: dict[str, Any]) -> None:
    ringcx_sandbox.fault("status", status=503, operation=COUNT, chance=1)

    async def run_all() -> list[dict[str, Any]]:
        triggers = [
            make_trigger(criteria, at_least=1, poke_interval=0.05, tolerated_failures=2) for _ in range(20)
        ]
        return await asyncio.gather(*(wait_for_event(trigger) for trigger in triggers))

    assert {event["status"] for event in asyncio.run(run_all())} == {"failed"}
    # Three checks, each of which sends five requests.
    assert counts(ringcx_sandbox) == 15


def test_triggers_of_other_leads_are_counted_for_themselves(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any]
) -> None:
    async def run_all() -> list[dict[str, Any]]:
        triggers = [
            make_trigger(criteria, at_least=0),
            make_trigger(criteria, at_least=0, max_passes=8),
            make_trigger({**criteria, "leadStates": ["PAUSED"]}, at_least=0),
            LeadCountTrigger(criteria, "50810002", at_least=0, poke_interval=0.01),
        ]
        return await asyncio.gather(*(wait_for_event(trigger) for trigger in triggers))

    events = asyncio.run(run_all())
    assert len({event["result"]["count"] for event in events}) > 2
    assert counts(ringcx_sandbox) == 4


def test_cancelled_trigger_does_not_end_the_count_of_the_others(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any]
) -> None:
    received, respond = threading.Event(), threading.Event()

    def hold_response() -> None:
        received.set()
        respond.wait(20)

    ringcx_sandbox.fault("meanwhile", work=hold_response, operation=COUNT)

    async def cancel_first() -> dict[str, Any]:
        first, second = (
            asyncio.create_task(wait_for_event(make_trigger(criteria, at_least=1))) for _ in range(2)
        )
        # The event loop runs while the request is in flight.
        while not received.is_set():
            await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        respond.set()
        return await second

    assert asyncio.run(cancel_first())["status"] == "reached"
    assert counts(ringcx_sandbox) == 1


def test_count_of_ended_triggers_does_not_wait_for_a_slot(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = limited_ringcx.connection_for("api_token")
    monkeypatch.setenv("AIRFLOW_CONN_ENGAGEVOICE_DEFAULT", json.dumps(connection))
    limit = rate_limit_for("POST", f"{limited_ringcx.url}{ROOT}/campaignLeads/leadSearch", {"count": "true"})
    assert limit is not None
    store = open_store("host")
    for _ in range(180):
        store.reserve_slot(limit.key, limit.windows, 0.0, 60.0)

    async def cancel_all() -> None:
        tasks = [asyncio.create_task(wait_for_event(make_trigger(READY, at_least=0))) for _ in range(4)]
        while count_waiting_threads() < 1:
            await asyncio.sleep(0.01)
        assert count_waiting_threads() == 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(cancel_all())
    wait_for(lambda: count_waiting_threads() == 0)
    assert limited_ringcx.requests == []


#: Longest delay of the event loop that is accepted, in seconds.
MAX_LAG = 0.05


def test_requests_of_200_triggers_do_not_grow_with_their_number(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any], record_property: Any
) -> None:
    interval, seconds, triggers = 0.5, 4.0, 200

    async def measure_lag(lags: list[float]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.005)
            lags.append(loop.time() - before - 0.005)

    async def run_all() -> list[float]:
        waiting = []
        for _ in range(triggers):
            trigger = make_trigger(criteria, at_least=1_000_000, poke_interval=interval)
            waiting.append(asyncio.create_task(wait_for_event(trigger)))
            # They start at different times, within one interval.
            await asyncio.sleep(interval / triggers)
        # Airflow imports its modules at the first check.
        await asyncio.sleep(2 * interval)
        before = counts(ringcx_sandbox)
        lags: list[float] = []
        probe = asyncio.create_task(measure_lag(lags))
        await asyncio.sleep(seconds)
        sent = counts(ringcx_sandbox) - before
        for task in [probe, *waiting]:
            task.cancel()
        await asyncio.gather(probe, *waiting, return_exceptions=True)
        assert sent <= seconds / interval + 1
        assert sent >= seconds / interval / 2
        return sorted(lags)

    lags = asyncio.run(run_all())
    record_property("lag_99", lags[len(lags) * 99 // 100])
    print(f"event loop lag: median {lags[len(lags) // 2] * 1e3:.2f} ms, max {lags[-1] * 1e3:.2f} ms")
    # Not the longest delay, which other processes of a busy machine cause.
    assert lags[len(lags) * 99 // 100] < MAX_LAG
