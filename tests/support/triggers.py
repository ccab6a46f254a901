"""Lead triggers in an event loop, and a clock for them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.triggers import leads as trigger_module
from airflow_provider_engagevoice.triggers import shared_counts
from airflow_provider_engagevoice.triggers.leads import LeadCountTrigger
from tests.support.clients import ACCOUNT

COUNT = "lead_count"
READY = {"campaignId": 1, "campaignIds": [1], "leadStates": ["READY"]}


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
