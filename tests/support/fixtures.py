"""Fixtures shared by all test folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.auth.base import Authenticator
from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.support.clients import DIAL_GROUPS, Clock, act, move_to
from tests.support.processes import RedisServer, redis_server


@pytest.fixture(scope="session")
def _one_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def redis(_one_redis: RedisServer) -> RedisServer:
    """A Redis server with nothing in it, for tests that leave it running."""
    _one_redis.client().flushall()
    return _one_redis


@pytest.fixture(params=["host", "redis"])
def store(request: pytest.FixtureRequest) -> str:
    """Each store that several processes share."""
    if request.param == "redis":
        return str(request.getfixturevalue("redis").url)
    return "host"


@pytest.fixture
def limited_ringcx() -> Iterator[SandboxServer]:
    """A RingCX that keeps the documented limits."""
    with SandboxServer(Settings(size=100, limits="documented")) as server:
        yield server


@pytest.fixture(scope="session")
def bulk_server() -> Iterator[SandboxServer]:
    with SandboxServer(Settings(size=1000, limits="off")) as server:
        yield server


@pytest.fixture
def ringcx(bulk_server: SandboxServer) -> SandboxServer:
    """A sandbox as new, without limits, so that no test waits for them."""
    bulk_server.reset()
    return bulk_server


@pytest.fixture
def ready(ringcx: SandboxServer) -> list[dict[str, Any]]:
    """Leads of "Spring Renewals" that are READY."""
    return [lead for lead in ringcx.leads("Spring Renewals") if lead["leadState"] == "READY"]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between rounds, none of which is waited for."""
    seen: list[float] = []
    monkeypatch.setattr(
        "airflow_provider_engagevoice.ringcx.concurrency.wait_until",
        lambda seconds, over: seen.append(seconds),
    )
    return seen


_TIMED_MODULES = (
    "transport.http",
    "auth.refresh",
    "auth.schemes",
    "auth.token_cache",
    "storage.memory",
    "storage.fallback",
    "storage.file",
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The client's time. Nothing in it really sleeps."""
    clock = Clock()
    for module in _TIMED_MODULES:
        monkeypatch.setattr(f"airflow_provider_engagevoice.ringcx.{module}.time", clock)
    monkeypatch.setattr(
        "airflow_provider_engagevoice.ringcx.concurrency.wait_until",
        lambda seconds, over: clock.sleep(seconds),
    )
    return clock


@pytest.fixture
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds the tokens of another."""
    monkeypatch.setattr(Authenticator, "store", MemoryStore())


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
