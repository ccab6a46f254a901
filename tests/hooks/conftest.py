"""Hooks on a sandbox that all tests of this folder share, as new for each of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.ringcx import auth, http, tokens
from airflow_provider_engagevoice.sandbox.server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.faults import Faults
from tests.ringcx.clients import Clock

Connect = Callable[..., EngageVoiceHook]


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
    """The client's time. Nothing in it really sleeps; no test finds the tokens of another."""
    clock = Clock()
    for module in (http, tokens, auth):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(tokens, "_SLOTS", {})
    return clock


@pytest.fixture
def connect(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Make a hook on a connection to the sandbox that differs in some fields and extras."""

    def make(method: str = "ringcentral", extra: dict[str, Any] | None = None, **fields: Any) -> Any:
        connection = {**sandbox.connection_for(method), **fields}
        connection["extra"] = {**connection["extra"], **(extra or {})}
        monkeypatch.setenv("AIRFLOW_CONN_RINGCX_TEST", json.dumps(connection))
        return EngageVoiceHook("ringcx_test")

    return make


@pytest.fixture(autouse=True)
def masker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Airflow's masking, with nothing in it that another test has had masked."""
    try:
        from airflow.sdk._shared.secrets_masker import _secrets_masker
    except ImportError:
        try:
            from airflow.sdk.execution_time.secrets_masker import _secrets_masker
        except ImportError:  # Airflow 2.11
            from airflow.utils.log.secrets_masker import _secrets_masker
    masker = _secrets_masker()
    monkeypatch.setattr(masker, "patterns", set())
    monkeypatch.setattr(masker, "replacer", None)
    return masker
