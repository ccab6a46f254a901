"""What the tests of long lists of ids share: a sandbox, clients as the tests of the client have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx import stopping
from airflow_provider_engagevoice.sandbox.server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sharing.conftest import _one_redis as _one_redis
from tests.sharing.conftest import redis as redis
from tests.sharing.conftest import store as store


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
    monkeypatch.setattr(stopping, "pause", lambda seconds, over: seen.append(seconds))
    return seen
