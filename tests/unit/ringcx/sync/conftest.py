"""Fixtures for tests of syncs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.support.clients import FakeClock
from tests.support.syncing import CrmSync

MakeSync = Callable[..., CrmSync]


@pytest.fixture
def sync(ringcx: SandboxServer, waits: FakeClock, tmp_path: Path) -> CrmSync:
    """Keeps "Spring Renewals" in step; surplus leads are suppressed."""
    return CrmSync(ringcx, waits, tmp_path, {"on_surplus": "suppress"})


@pytest.fixture
def make_sync(waits: FakeClock, tmp_path: Path) -> Iterator[MakeSync]:
    """Return a function that starts a sandbox with other settings."""
    with ExitStack() as stack:

        def make(**settings: Any) -> CrmSync:
            server = SandboxServer(Settings(**{"size": 100, "limits": "off", **settings}))
            return CrmSync(stack.enter_context(server), waits, tmp_path, {"on_surplus": "suppress"})

        yield make
