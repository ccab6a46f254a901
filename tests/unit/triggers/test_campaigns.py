"""Tests of the campaign trigger."""

from __future__ import annotations

import asyncio
import json
import time
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.transport import http
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.triggers import campaigns as trigger_module
from airflow_provider_engagevoice.triggers.campaigns import CampaignLookupTrigger

pytestmark = pytest.mark.usefixtures("airflow_db")

LOOKUP = "dial_groups_with_children"


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry requests of the client almost at once."""
    monkeypatch.setattr(http, "_INITIAL_BACKOFF", 0.001)


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
    ringcx_sandbox.fault("slow", delay=0.5, operation=LOOKUP)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async def run_both() -> dict[str, Any]:
        ticking = asyncio.create_task(tick())
        event = await wait_for_event(make_trigger())
        ticking.cancel()
        return event

    assert asyncio.run(run_both())["status"] == "found"
    assert ticks > 15


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
    assert run_trigger(make_trigger(end_time=time.time() - 10)) == {"status": "timeout"}


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
