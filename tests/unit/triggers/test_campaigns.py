"""Tests of the campaign trigger."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.ratelimit.operations import rate_limit_for
from airflow_provider_engagevoice.ringcx.steps import Steps
from airflow_provider_engagevoice.ringcx.storage.base import LimitExceeded
from airflow_provider_engagevoice.ringcx.storage.registry import open_store
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.triggers import campaigns as trigger_module
from airflow_provider_engagevoice.triggers.campaigns import CampaignLookupTrigger
from tests.support.clients import DIAL_GROUPS
from tests.support.processes import count_waiting_threads, wait_for

pytestmark = pytest.mark.usefixtures("airflow_db")

LOOKUP = "dial_groups_with_children"
ACQUIRE_STEPS = RateLimiter.acquire_steps


def make_trigger(**arguments: Any) -> CampaignLookupTrigger:
    return CampaignLookupTrigger(campaign_name="Spring Renewals", poke_interval=0.01, **arguments)


async def wait_for_event(trigger: CampaignLookupTrigger) -> dict[str, Any]:
    """Return the payload of the trigger's first event."""
    async for event in trigger.run():
        payload: dict[str, Any] = event.payload
        return payload
    raise AssertionError("the trigger ended without an event")


def run_trigger(trigger: CampaignLookupTrigger) -> dict[str, Any]:
    return asyncio.run(wait_for_event(trigger))


def test_trigger_slow_response_does_not_block_the_event_loop(ringcx_sandbox: SandboxServer) -> None:
    received, respond = threading.Event(), threading.Event()
    released: list[bool] = []

    def hold_response() -> None:
        received.set()
        released.append(respond.wait(20))

    ringcx_sandbox.fault("meanwhile", work=hold_response, operation=LOOKUP)

    async def release_response() -> dict[str, Any]:
        event = asyncio.create_task(wait_for_event(make_trigger()))
        while not received.is_set():
            await asyncio.sleep(0.01)
        respond.set()
        return await event

    assert asyncio.run(release_response())["status"] == "found"
    # By the event loop, which a trigger that blocks it would stop.
    assert released == [True]


def test_trigger_pauses_grow_after_each_failure(
    ringcx_sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def record_pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(trigger_module, "asyncio", SimpleNamespace(sleep=record_pause))
    ringcx_sandbox.fault("status", status=503, details="Maintenance", operation=LOOKUP, chance=1)
    event = run_trigger(make_trigger(tolerated_failures=4))
    assert event["status"] == "failed"
    assert "503" in event["message"]
    assert len(pauses) == 5
    assert all(later > 1.2 * earlier for earlier, later in pairwise(pauses[1:]))


def test_trigger_permanent_error_ends_the_wait(ringcx_sandbox: SandboxServer) -> None:
    ringcx_sandbox.fault("status", status=403, operation=LOOKUP, chance=1)
    event = run_trigger(make_trigger())
    assert event["status"] == "permanent_error"
    assert event["message"].startswith("AccessDenied: ")


def test_trigger_after_end_time_checks_once_more(ringcx_sandbox: SandboxServer) -> None:
    """The campaign may have appeared during the last interval."""
    assert run_trigger(make_trigger(end_time=time.time() - 10))["status"] == "found"


def test_trigger_after_end_time_without_campaign_times_out(ringcx_sandbox: SandboxServer) -> None:
    ringcx_sandbox.fault("answer", body=[], operation=LOOKUP, chance=1)
    assert run_trigger(make_trigger(end_time=time.time() - 10)) == {
        "status": "timeout",
        "reason": "Campaign 'Spring Renewals' not found (0 checked). Campaigns: none",
    }


def test_trigger_serialization_round_trip() -> None:
    path, arguments = make_trigger(account_id="50810001", end_time=5.0).serialize()
    assert path == f"{CampaignLookupTrigger.__module__}.{CampaignLookupTrigger.__qualname__}"
    restored = CampaignLookupTrigger(**json.loads(json.dumps(arguments)))
    assert restored.serialize() == (path, arguments)


def test_trigger_with_arguments_of_an_older_version_runs(ringcx_sandbox: SandboxServer) -> None:
    assert run_trigger(CampaignLookupTrigger("Spring Renewals", poke_interval=0))["campaign"]


def test_trigger_sends_only_get_requests_after_sign_in(ringcx_sandbox: SandboxServer) -> None:
    run_trigger(make_trigger())
    sign_in = {"/restapi/oauth/token", "/api/auth/login/rc/accesstoken"}
    assert {request.method for request in ringcx_sandbox.requests if request.path not in sign_in} == {"GET"}


@pytest.fixture
def busy_ringcx(limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> SandboxServer:
    """Return a sandbox whose limit for lookups is used up by other tasks of this host for about a minute."""
    connection = limited_ringcx.connection_for("api_token")
    connection["extra"]["limit_pad"] = 0
    monkeypatch.setenv("AIRFLOW_CONN_ENGAGEVOICE_DEFAULT", json.dumps(connection))
    limit = rate_limit_for("GET", limited_ringcx.url + DIAL_GROUPS)
    assert limit is not None
    store = open_store("host")
    for _ in range(limit.windows[0].max_requests):
        store.reserve_slot(limit.key, limit.windows, 0.0, 0.0)
    return limited_ringcx


@pytest.fixture
def acquiring_threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the ids of the threads that call :meth:`RateLimiter.acquire_steps`."""
    threads: list[int] = []

    def acquire_steps(*args: Any) -> Steps[float]:
        threads.append(threading.get_ident())
        return ACQUIRE_STEPS(*args)

    monkeypatch.setattr(RateLimiter, "acquire_steps", acquire_steps)
    return threads


async def _until_four_threads_wait() -> None:
    while count_waiting_threads() < 4:
        await asyncio.sleep(0.01)


def test_trigger_waits_for_slot_outside_the_event_loop(
    busy_ringcx: SandboxServer, acquiring_threads: list[int]
) -> None:
    async def run_triggers() -> None:
        triggers = [make_trigger(account_id="50810001") for _ in range(4)]
        tasks = [asyncio.create_task(wait_for_event(trigger)) for trigger in triggers]
        await asyncio.wait_for(_until_four_threads_wait(), 20)
        # The event loop keeps running while all triggers wait.
        for _ in range(50):
            await asyncio.sleep(0.01)
        assert count_waiting_threads() == len(acquiring_threads) == 4
        assert threading.get_ident() not in acquiring_threads
        assert busy_ringcx.requests == []
        assert not any(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run_triggers())
    # No thread of a trigger that has ended keeps waiting for a slot.
    wait_for(lambda: count_waiting_threads() == 0)


def test_trigger_finds_campaign_within_shared_limits(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ENGAGEVOICE_DEFAULT", json.dumps(limited_ringcx.connection))
    assert run_trigger(make_trigger(account_id="50810001"))["status"] == "found"
    limit = rate_limit_for("GET", limited_ringcx.url + DIAL_GROUPS)
    assert limit is not None
    # The slot of its request was reserved in the store that all tasks share.
    store = open_store("host")

    def use_up_limit() -> None:
        for _ in range(limit.windows[0].max_requests):
            store.reserve_slot(limit.key, limit.windows, 0.0, 0.0)

    with pytest.raises(LimitExceeded, match="the next free slot"):
        use_up_limit()


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
    trigger = CampaignLookupTrigger(campaign_name="Spring", poke_interval=10, **options)
    _, stored = trigger.serialize()
    restored = CampaignLookupTrigger(**stored)
    assert [restored._pause(0, checks) for checks in range(3)] == expected
