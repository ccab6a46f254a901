"""Fixtures for tests of loads and updates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.support.clients import FakeClock
from tests.support.loading import Crm

MakeCrm = Callable[..., Crm]
Refuse = Callable[..., str]


@pytest.fixture
def crm(ringcx: SandboxServer, waits: FakeClock) -> Crm:
    """Loads into "Spring Renewals" of a sandbox with its default settings."""
    return Crm(ringcx, waits)


@pytest.fixture
def make_crm(waits: FakeClock) -> Iterator[MakeCrm]:
    """Return a function that starts a sandbox with other settings."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Crm:
            server = SandboxServer(Settings(**{"size": 100, "limits": "off", **settings}))
            return Crm(stack.enter_context(server), waits)

        yield make


@pytest.fixture
def refuse(crm: Crm) -> Iterator[Refuse]:
    """Return a function that checks that a load is refused with an error and sends nothing."""

    def check(error: type[Exception], message: str, leads: Any = None, **options: Any) -> str:
        with pytest.raises(error, match=message) as caught:
            crm.load(leads, **options)
        assert not crm.loads
        return str(caught.value)

    yield check
    assert not crm.loads
