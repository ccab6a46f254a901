"""Fixtures for tests of bulk actions that are interrupted and resumed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_engagevoice.operators.checkpoints import SharedCheckpointStore, TaskStateCheckpointStore
from airflow_provider_engagevoice.ringcx.bulk.checkpoint import CheckpointStore
from airflow_provider_engagevoice.ringcx.storage.fallback import FallbackStore
from airflow_provider_engagevoice.ringcx.storage.file import FileStore
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from tests.support.bulk import FakeTaskStateStore

NextAttempt = Callable[..., CheckpointStore]


@pytest.fixture(params=["shared-files", "task-state"])
def next_attempt(request: pytest.FixtureRequest, tmp_path: Path) -> NextAttempt:
    """Return a function that starts the next attempt of one task and returns its checkpoint store.

    Its argument ``is_retry`` is False for the first attempt and for the first one after a person cleared the
    task. The test runs once for each kind of store.
    """
    task_state_store = FakeTaskStateStore()
    shared_store = FallbackStore([FileStore(tmp_path / "shared"), MemoryStore()])
    attempts = itertools.count(1)

    def start(is_retry: bool) -> CheckpointStore:
        checkpoints: CheckpointStore = (
            TaskStateCheckpointStore(task_state_store, is_retry)
            if request.param == "task-state"
            else SharedCheckpointStore(shared_store, "dag task run", next(attempts), is_retry)
        )
        checkpoints.mark_started()
        return checkpoints

    return start
