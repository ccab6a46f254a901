"""Tests that freeze or move the time, as freezegun does: nothing waits forever, faults are met."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer

_FROZEN_AT = 1_600_000_000.0
_FROZEN = ("monotonic", "perf_counter", "time")


@contextmanager
def frozen_time() -> Iterator[None]:
    """Freeze the time for modules and their attributes, as freezegun does.

    freezegun itself is no test requirement; like this function it replaces the functions of ``time`` and all
    references to them in loaded modules, except in the modules that it ignores, such as ``threading``.
    """
    real = {name: getattr(time, name) for name in _FROZEN}

    def frozen() -> float:
        return _FROZEN_AT

    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if module is None or name.startswith(("threading", "queue", "_pytest", "pytest_timeout")):
                continue
            for attribute, value in list(vars(module).items()):
                if any(value is function for function in real.values()):
                    patch.setattr(module, attribute, frozen)
        yield


@pytest.fixture
def find(ringcx_sandbox: SandboxServer) -> Callable[[], Any]:
    """Return a function that looks a campaign up."""
    return lambda: EngageVoiceHook().find_campaign("Spring Renewals")


def met(sandbox: SandboxServer) -> bool:
    return 503 in [request.status for request in sandbox.requests]


def test_frozen_time_retry_after_fault_succeeds(ringcx_sandbox: SandboxServer, find: Any) -> None:
    with frozen_time():
        ringcx_sandbox.fault("status", status=503, operation="dial_groups_with_children")
        assert find()["is_active"]
    assert met(ringcx_sandbox)


def test_frozen_before_start_fault_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    with frozen_time(), SandboxServer() as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_ENGAGEVOICE_DEFAULT", json.dumps(sandbox.connection))
        sandbox.fault("status", status=503, operation="dial_groups_with_children")
        assert EngageVoiceHook().find_campaign("Spring Renewals")["is_active"]
    assert met(sandbox)


def test_fault_set_while_frozen_is_met_afterwards(ringcx_sandbox: SandboxServer, find: Any) -> None:
    with frozen_time():
        ringcx_sandbox.fault("status", status=503, operation="dial_groups_with_children")
    assert find()["is_active"]
    assert met(ringcx_sandbox)


def test_frozen_time_lapse_of_a_fault_passes(ringcx_sandbox: SandboxServer, find: Any) -> None:
    with frozen_time():
        ringcx_sandbox.fault("status", status=503, operation="dial_groups_with_children", seconds=0.5)
        assert find()["is_active"]
    assert met(ringcx_sandbox)
