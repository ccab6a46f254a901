"""One sandbox for all tests of the client, as new for each of them, with a layer of faults around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx import auth, http, tokens
from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.sandbox.server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.faults import Faults
from tests.ringcx.clients import DIAL_GROUPS, Clock, act, move_to


@pytest.fixture(scope="session")
def faulty_server() -> Iterator[tuple[SandboxServer, Faults]]:
    faults = Faults()
    with SandboxServer(Settings(size=1000), wrap=faults.around) as server:
        yield server, faults


@pytest.fixture
def sandbox(faulty_server: tuple[SandboxServer, Faults], monkeypatch: pytest.MonkeyPatch) -> SandboxServer:
    server, faults = faulty_server
    faults.rules.clear()
    server.reset()
    monkeypatch.setenv("AIRFLOW_CONN_ENGAGEVOICE_DEFAULT", json.dumps(server.connection))
    return server


@pytest.fixture
def faults(sandbox: SandboxServer, faulty_server: tuple[SandboxServer, Faults]) -> Faults:
    return faulty_server[1]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The client's time. Nothing in it really sleeps."""
    clock = Clock()
    for module in (http, tokens, auth):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def _new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds the tokens of another."""
    monkeypatch.setattr(tokens, "_SLOTS", {})


@pytest.fixture
def spring(sandbox: SandboxServer) -> dict[str, Any]:
    """The campaign "Spring Renewals"."""
    return sandbox.campaign("Spring Renewals")


@pytest.fixture
def summer(sandbox: SandboxServer) -> dict[str, Any]:
    """The campaign "Summer Win-Back"."""
    return sandbox.campaign("Summer Win-Back")


@pytest.fixture
def ids(sandbox: SandboxServer) -> list[int]:
    """Leads of "Spring Renewals" that no agent is talking to, so that every action applies to them."""
    return [lead["leadId"] for lead in sandbox.leads("Spring Renewals") if lead["leadState"] == "READY"]


@pytest.fixture
def do(sandbox: SandboxServer, ids: list[int], summer: dict[str, Any]) -> Callable[[str, RingCXClient], Any]:
    """Do something by name: read, or act on three leads, which a move selects by id alone."""
    existing = sandbox.leads("Summer Win-Back")[0]["listId"]
    moves = {"MOVE": move_to(summer), "COPY": move_to(summer, existing, copy="true")}

    def run(name: str, client: RingCXClient) -> Any:
        if name == "read":
            return client.request("GET", DIAL_GROUPS)
        params = moves.get(name)
        return act(client, "MOVE_TO_CAMPAIGN" if params else name, {"leadIds": ids[:3]}, params)

    return run
