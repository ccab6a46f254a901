"""A small sandbox for each test of the client, and a client's time that does not pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx import auth, files, http, shares, stopping, tokens, vault
from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.sandbox.server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.ringcx.clients import DIAL_GROUPS, Clock, act, move_to


@pytest.fixture
def ringcx_settings() -> Settings:
    return Settings(size=1000)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The client's time. Nothing in it really sleeps."""
    clock = Clock()
    for module in (http, tokens, auth, shares, vault, files):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(stopping, "pause", lambda seconds, over: clock.sleep(seconds))
    return clock


@pytest.fixture(autouse=True)
def _new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds the tokens of another."""
    monkeypatch.setattr(tokens.SignIn, "share", shares.MemoryShare())


@pytest.fixture
def spring(ringcx_sandbox: SandboxServer) -> dict[str, Any]:
    """The campaign "Spring Renewals"."""
    return ringcx_sandbox.campaign("Spring Renewals")


@pytest.fixture
def summer(ringcx_sandbox: SandboxServer) -> dict[str, Any]:
    """The campaign "Summer Win-Back"."""
    return ringcx_sandbox.campaign("Summer Win-Back")


@pytest.fixture
def ids(ringcx_sandbox: SandboxServer) -> list[int]:
    """Leads of "Spring Renewals" that no agent is talking to, so that every action applies to them."""
    return [
        lead["leadId"] for lead in ringcx_sandbox.leads("Spring Renewals") if lead["leadState"] == "READY"
    ]


@pytest.fixture
def do(
    ringcx_sandbox: SandboxServer, ids: list[int], summer: dict[str, Any]
) -> Callable[[str, RingCXClient], Any]:
    """Do something by name: read, or act on three leads, which a move selects by id alone."""

    def run(name: str, client: RingCXClient) -> Any:
        if name == "read":
            return client.request("GET", DIAL_GROUPS)
        params = move_to(summer) if name == "MOVE" else None
        return act(client, "MOVE_TO_CAMPAIGN" if params else name, {"leadIds": ids[:3]}, params)

    return run
