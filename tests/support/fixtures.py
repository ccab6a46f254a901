"""Fixtures shared by all test folders: sandboxes, stores, clocks and leads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.auth.base import Authenticator
from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.support.clients import DIAL_GROUPS, FakeClock, move_params, perform_action
from tests.support.object_storage import ObjectStorage, object_storage, s3_server
from tests.support.processes import RedisServer, redis_server


@pytest.fixture(scope="session")
def _redis_of_session() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def redis(_redis_of_session: RedisServer) -> RedisServer:
    """An empty Redis server for tests that do not stop it."""
    _redis_of_session.client().flushall()
    return _redis_of_session


@pytest.fixture(params=["host", "redis"])
def store(request: pytest.FixtureRequest) -> str:
    """URL of a store that processes share; runs the test once for each kind of store."""
    if request.param == "redis":
        return str(request.getfixturevalue("redis").url)
    return "host"


@pytest.fixture
def limited_ringcx() -> Iterator[SandboxServer]:
    """A sandbox with the documented rate limits."""
    with SandboxServer(Settings(size=100, limits="documented")) as server:
        yield server


@pytest.fixture(scope="session")
def bulk_server() -> Iterator[SandboxServer]:
    """A sandbox without rate limits that is shared by all tests; use ``ringcx``, which resets it."""
    with SandboxServer(Settings(size=1000, limits="off")) as server:
        yield server


@pytest.fixture
def ringcx(bulk_server: SandboxServer) -> SandboxServer:
    """A freshly reset sandbox without rate limits."""
    bulk_server.reset()
    return bulk_server


@pytest.fixture
def ready_leads(ringcx: SandboxServer) -> list[dict[str, Any]]:
    """The READY leads of "Spring Renewals"."""
    return [lead for lead in ringcx.leads("Spring Renewals") if lead["leadState"] == "READY"]


@pytest.fixture
def six_ids(ready_leads: list[dict[str, Any]]) -> list[int]:
    """Ids of six READY leads: three chunks of two."""
    return [lead["leadId"] for lead in ready_leads[:6]]


def replace_clocks(monkeypatch: pytest.MonkeyPatch, modules: Iterable[str]) -> FakeClock:
    """Make waits of the client take no time.

    :param monkeypatch: undoes it.
    :param modules: modules of ``ringcx`` whose clock is replaced.
    :return: the clock, which advances by the waits.
    """
    clock = FakeClock()
    for module in modules:
        monkeypatch.setattr(f"airflow_provider_engagevoice.ringcx.{module}.clock", clock)
    monkeypatch.setattr(
        "airflow_provider_engagevoice.ringcx.concurrency.wait_until",
        lambda seconds, over: clock.sleep(seconds),
    )
    return clock


PACED_MODULES = ("bulk.pipeline", "loading.load_reconciler", "loading.loader")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The clock of the client's waits, which take no time."""
    # Not the transport's clock: the time in which requests may be retried does not pass.
    return replace_clocks(monkeypatch, PACED_MODULES)


@pytest.fixture
def pauses(waits: FakeClock) -> list[float]:
    """Durations of the client's waits in seconds; the client does not actually wait."""
    return waits.pauses


_TIMED_MODULES = (
    *PACED_MODULES,
    "transport.http",
    "auth.refresh",
    "auth.schemes",
    "auth.token_cache",
    "storage.memory",
    "storage.fallback",
    "storage.file",
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The clock of the client, which advances without waiting."""
    return replace_clocks(monkeypatch, _TIMED_MODULES)


@pytest.fixture
def isolated_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the store of the authenticators by an empty one, so that no test uses the tokens of another."""
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
    """Ids of READY leads of "Spring Renewals": no agent is connected to them, so every action applies."""
    return [
        lead["leadId"] for lead in ringcx_sandbox.leads("Spring Renewals") if lead["leadState"] == "READY"
    ]


@pytest.fixture
def perform(
    ringcx_sandbox: SandboxServer, ids: list[int], summer: dict[str, Any]
) -> Callable[[str, RingCXClient], Any]:
    """Return a function that sends a request of the retry tests by its name.

    ``read`` lists the dial groups. Any other name performs a lead action on three leads, selected by id only.
    """

    def send(name: str, client: RingCXClient) -> Any:
        if name == "read":
            return client.request("GET", DIAL_GROUPS)
        params = move_params(summer) if name == "MOVE" else None
        return perform_action(client, "MOVE_TO_CAMPAIGN" if params else name, {"leadIds": ids[:3]}, params)

    return send


@pytest.fixture(scope="session")
def _s3_of_session() -> Iterator[tuple[str, int]]:
    with s3_server() as address:
        yield address


@pytest.fixture
def s3(_s3_of_session: tuple[str, int]) -> Iterator[ObjectStorage]:
    """An empty bucket in object storage, which Airflow knows."""
    with object_storage(_s3_of_session) as storage:
        yield storage
