"""Fixtures for tests of the hook: connections to a sandbox, and Airflow's secrets masker."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.unit.ringcx.conftest import ringcx_settings as ringcx_settings

Connect = Callable[..., EngageVoiceHook]


@pytest.fixture
def connect(ringcx_sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Return a function that makes a hook with a connection to the sandbox.

    Its arguments are the authentication method, and extras and fields that replace those of the sandbox's
    connection.
    """

    def make(method: str = "ringcentral", extra: dict[str, Any] | None = None, **fields: Any) -> Any:
        connection = {**ringcx_sandbox.connection_for(method), **fields}
        connection["extra"] = {**connection["extra"], **(extra or {})}
        monkeypatch.setenv("AIRFLOW_CONN_RINGCX_TEST", json.dumps(connection))
        return EngageVoiceHook("ringcx_test")

    return make


@pytest.fixture(autouse=True)
def masker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Airflow's secrets masker, without the secrets of other tests."""
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
