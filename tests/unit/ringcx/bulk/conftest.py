"""Fixtures for tests of bulk actions that are interrupted and resumed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_engagevoice.hooks.checkpoints import SharedRecord, TaskStateRecord
from airflow_provider_engagevoice.ringcx.bulk.attempts import Attempt, AttemptCheckpoints, TaskRecord
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
    attempts, series = itertools.count(1), itertools.count(1)
    current = [0]

    def start(is_retry: bool) -> CheckpointStore:
        record: TaskRecord = (
            TaskStateRecord(task_state_store)
            if request.param == "task-state"
            else SharedRecord(shared_store, "dag task run")
        )
        if not is_retry:
            current[0] = next(series)
        return AttemptCheckpoints(record, Attempt(next(attempts), current[0], is_retry)).next_action()

    return start
