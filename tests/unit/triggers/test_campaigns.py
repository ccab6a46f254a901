"""The sensor's trigger keeps the same limits, and its event loop never waits for them."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.ratelimit.operations import rate_limit_for
from airflow_provider_engagevoice.ringcx.storage.registry import open_store
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.triggers.campaigns import CampaignLookupTrigger
from tests.support.clients import DIAL_GROUPS


@pytest.fixture
def busy(limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> SandboxServer:
    """A RingCX whose limit for look-ups other tasks of this host have used up for the next seconds."""
    connection = limited_ringcx.connection_for("api_token")
    connection["extra"]["limit_pad"] = 0
    monkeypatch.setenv("AIRFLOW_CONN_ENGAGEVOICE_DEFAULT", json.dumps(connection))
    limit = rate_limit_for("GET", limited_ringcx.url + DIAL_GROUPS)
    assert limit is not None
    store = open_store("host")
    for _ in range(limit.windows[0].max_requests):
        store.reserve_slot(limit.key, limit.windows, 0.0, 0.0)
    return limited_ringcx


async def _ticks(seconds: float) -> list[float]:
    """Let the loop run, and note how late it was each time."""
    late = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        begun = time.monotonic()
        await asyncio.sleep(0.01)
        late.append(time.monotonic() - begun - 0.01)
    return late


def threads() -> int:
    """How many threads wait for a slot just now."""
    return sum(
        any(frame.f_code is RateLimiter.wait.__code__ for frame, _ in traceback.walk_stack(top))
        for top in sys._current_frames().values()
    )


async def _run(trigger: CampaignLookupTrigger) -> Any:
    async for event in trigger.run():
        return event.payload
    return None


def test_a_trigger_that_waits_for_its_slot_leaves_the_loop_free(busy: SandboxServer) -> None:
    async def work() -> None:
        triggers = [
            CampaignLookupTrigger("Spring Renewals", account_id="50810001", poke_interval=0.01)
            for _ in range(4)
        ]
        tasks = [asyncio.create_task(_run(trigger)) for trigger in triggers]
        late = await _ticks(1.5)
        # It gets its turns all along; a slot is half a minute away and more.
        assert len(late) > 50
        assert max(late) < 0.5
        assert threads() == 4
        assert busy.requests == []
        assert not any(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(work())
    # A trigger that has ended leaves no thread behind that waits for its slot.
    deadline = time.monotonic() + 5
    while threads() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threads() == 0


def test_a_trigger_finds_its_campaign_within_the_limits(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ENGAGEVOICE_DEFAULT", json.dumps(limited_ringcx.connection))
    trigger = CampaignLookupTrigger("Spring Renewals", account_id="50810001", poke_interval=0.01)
    found = asyncio.run(_run(trigger))
    assert found["status"] == "found"
    limit = rate_limit_for("GET", limited_ringcx.url + DIAL_GROUPS)
    assert limit is not None
    # Its request was booked where all tasks book.
    store = open_store("host")
    with pytest.raises(Exception, match="free moment"):
        for _ in range(limit.windows[0].max_requests):
            store.reserve_slot(limit.key, limit.windows, 0.0, 0.0)
