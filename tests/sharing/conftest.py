"""Stores to share in, and a RingCX that keeps its limits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_engagevoice.sandbox.server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sharing.processes import RedisServer, redis_server


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
def ringcx() -> Iterator[SandboxServer]:
    """A RingCX that keeps the documented limits."""
    with SandboxServer(Settings(size=100, limits="documented")) as server:
        yield server
