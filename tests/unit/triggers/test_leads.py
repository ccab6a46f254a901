"""Tests of the lead trigger: its event, failures, shared counts and the event loop."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.leads.lead_count import CountQuery
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.ratelimit.operations import rate_limit_for
from airflow_provider_engagevoice.ringcx.storage.registry import open_store
from airflow_provider_engagevoice.ringcx.transport import http
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.triggers import leads as trigger_module
from airflow_provider_engagevoice.triggers import shared_counts
from airflow_provider_engagevoice.triggers.leads import LeadCountTrigger
from tests.support.clients import ACCOUNT, ROOT
from tests.support.processes import count_waiting_threads, wait_for

pytestmark = pytest.mark.usefixtures("airflow_db")

COUNT = "lead_count"
READY = {"campaignId": 1, "campaignIds": [1], "leadStates": ["READY"]}


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry requests of the client almost at once."""
    monkeypatch.setattr(http, "_INITIAL_BACKOFF", 0.001)


@pytest.fixture
def criteria(spring: dict[str, Any]) -> dict[str, Any]:
    """Criteria of the READY leads of the campaign."""
    return {**READY, "campaignId": spring["campaignId"], "campaignIds": [spring["campaignId"]]}


def make_trigger(criteria: dict[str, Any], **arguments: Any) -> LeadCountTrigger:
    return LeadCountTrigger(criteria, ACCOUNT, **{"poke_interval": 0.01, **arguments})


async def wait_for_event(trigger: LeadCountTrigger) -> dict[str, Any]:
    """Return the payload of the trigger's first event."""
    async for event in trigger.run():
        payload: dict[str, Any] = event.payload
        return payload
    raise AssertionError("the trigger ended without an event")


def run_trigger(trigger: LeadCountTrigger) -> dict[str, Any]:
    return asyncio.run(asyncio.wait_for(wait_for_event(trigger), 30))


def counts(sandbox: SandboxServer) -> int:
    return sum(request.operation == COUNT for request in sandbox.requests)


def answer(sandbox: SandboxServer, *numbers: int) -> None:
    for number in numbers:
        sandbox.fault("answer", body=number, operation=COUNT)


def test_trigger_returns_the_number_and_the_facts(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any]
) -> None:
    answer(ringcx_sandbox, 3, 4, 5)
    event = run_trigger(make_trigger(criteria, at_least=5, facts={"campaign_id": 7}))
    assert event == {
        "status": "reached",
        "result": {"count": 5, "account_id": ACCOUNT, "campaign_id": 7},
    }
    assert counts(ringcx_sandbox) == 3


def test_trigger_permanent_error_ends_the_wait(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any]
) -> None:
    ringcx_sandbox.fault("status", status=403, operation=COUNT, chance=1)
    event = run_trigger(make_trigger(criteria, at_least=0))
    assert event["status"] == "permanent_error"
    assert event["message"].startswith("AccessDenied: ")


def test_trigger_rejected_credentials_end_the_wait(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {**ringcx_sandbox.connection, "password": "wrong-secret/77+"}
    monkeypatch.setenv("AIRFLOW_CONN_ENGAGEVOICE_DEFAULT", json.dumps(connection))
    event = run_trigger(make_trigger(criteria, at_least=0))
    assert event["status"] == "permanent_error"
    assert event["message"].startswith("AuthenticationError: ")
    assert "wrong-secret" not in event["message"]


class FakeTime:
    """Clocks of the trigger and of its counts; each pause of the trigger advances them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.time()
        self.pauses: list[float] = []
        for module in (shared_counts, trigger_module):
            monkeypatch.setattr(module, "time", self)
        monkeypatch.setattr(shared_counts, "clock", self)
        monkeypatch.setattr(trigger_module, "asyncio", self)

    def time(self) -> float:
        return self.now

    monotonic = time

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def fake_time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    return FakeTime(monkeypatch)


def test_trigger_pauses_grow_after_each_failure(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any], fake_time: FakeTime, logged: Any
) -> None:
    ringcx_sandbox.fault("status", status=503, operation=COUNT, chance=1)
    event = run_trigger(make_trigger(criteria, at_least=0, poke_interval=60, tolerated_failures=4))
    assert event["status"] == "failed"
    assert "503" in event["message"]
    assert fake_time.pauses == pytest.approx([60, 120, 240, 480, 600])
    assert logged().count("Check failed (") == 4


def test_trigger_failures_are_counted_in_a_row(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any], fake_time: FakeTime
) -> None:
    for _ in range(4):
        ringcx_sandbox.fault("status", status=503, operation=COUNT, times=5)
        answer(ringcx_sandbox, 0)
    event = run_trigger(make_trigger(criteria, at_least=1, poke_interval=60, tolerated_failures=1))
    assert event["status"] == "reached"
    assert fake_time.pauses == pytest.approx([60, 120] * 4 + [60])


def test_trigger_waits_until_the_number_stays_the_same(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any], fake_time: FakeTime
) -> None:
    answer(ringcx_sandbox, 5, 6, 4, 6, 6, 6, 6)
    event = run_trigger(make_trigger(criteria, at_least=5, stable_for=120, poke_interval=60))
    assert event["result"]["count"] == 6
    # The last 6 but two is the first one after the 4.
    assert counts(ringcx_sandbox) == 6


@pytest.mark.parametrize(("elapsed", "expected"), [(30, 2), (90, 3)])
def test_trigger_uses_the_count_of_the_worker_unless_it_was_restarted(
    ringcx_sandbox: SandboxServer,
    criteria: dict[str, Any],
    fake_time: FakeTime,
    elapsed: float,
    expected: int,
) -> None:
    """After a restart, it is not known whether the number has changed in between."""
    answer(ringcx_sandbox, *[6] * 9)
    trigger = make_trigger(
        criteria,
        at_least=5,
        stable_for=120,
        poke_interval=60,
        first_count=6,
        first_counted_at=fake_time.now - elapsed,
    )
    assert run_trigger(trigger)["result"]["count"] == 6
    assert counts(ringcx_sandbox) == expected


def test_trigger_after_end_time_checks_once_more(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any]
) -> None:
    trigger = make_trigger(criteria, at_least=1, poke_interval=60, end_time=time.time() - 10)
    assert run_trigger(trigger)["status"] == "reached"


def test_trigger_after_end_time_says_how_many_leads_match(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any]
) -> None:
    answer(ringcx_sandbox, 7)
    trigger = make_trigger(criteria, at_most=5, poke_interval=60, end_time=time.time() - 10)
    assert run_trigger(trigger) == {
        "status": "timeout",
        "reason": "7 leads match; waiting for at most 5",
    }


def test_trigger_serialization_round_trip() -> None:
    path, arguments = make_trigger(
        READY, at_least=1, at_most=5, max_passes=8, stable_for=3.0, facts={"campaign_id": 1}, max_wait=9.0
    ).serialize()
    assert path == f"{LeadCountTrigger.__module__}.{LeadCountTrigger.__qualname__}"
    restored = LeadCountTrigger(**json.loads(json.dumps(arguments)))
    assert restored.serialize() == (path, arguments)


def test_trigger_survives_a_restart_of_the_triggerer(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any]
) -> None:
    """Airflow recreates it from its database, which has no credentials."""
    from airflow.models.trigger import Trigger

    path, arguments = make_trigger(
        criteria, at_least=1, facts={"campaign_name": "Spring Renewals"}
    ).serialize()
    row = Trigger(path, arguments)
    assert ringcx_sandbox.connection["password"] not in json.dumps(row.kwargs)
    event = run_trigger(LeadCountTrigger(**row.kwargs))
    assert event["result"]["campaign_name"] == "Spring Renewals"


def test_trigger_sends_only_searches_after_sign_in(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any]
) -> None:
    run_trigger(make_trigger(criteria, at_least=1))
    sign_in = {"platform_token", "token_exchange"}
    assert {request.operation for request in ringcx_sandbox.requests} - sign_in == {COUNT}


def test_trigger_logs_a_number_only_if_it_has_changed(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any], logged: Any
) -> None:
    answer(ringcx_sandbox, 2, 2, 2, 3, 3, 5)
    run_trigger(make_trigger(criteria, at_least=5))
    assert logged().count("leads match; waiting for at least 5") == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [10, 10, 10]),
        ({"exponential_backoff": True}, [10, 20, 40]),
        ({"exponential_backoff": True, "max_wait": 25.0}, [10, 20, 25]),
    ],
)
def test_trigger_exponential_backoff_doubles_the_pause(
    options: dict[str, Any], expected: list[float]
) -> None:
    trigger = LeadCountTrigger(READY, ACCOUNT, poke_interval=10, **options)
    assert [trigger._pause(0, checks) for checks in range(3)] == expected


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
