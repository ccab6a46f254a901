"""Tests of the checkpoint stores of Airflow tasks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_engagevoice.operators.checkpoints import (
    SharedCheckpointStore,
    TaskStateCheckpointStore,
    checkpoint_store_for,
)
from airflow_provider_engagevoice.ringcx.exceptions import (
    EngageVoiceError,
    OutcomeUnknown,
    RateLimited,
    ServiceUnavailable,
)
from airflow_provider_engagevoice.ringcx.storage.base import StoreUnavailable
from airflow_provider_engagevoice.ringcx.storage.fallback import FallbackStore
from airflow_provider_engagevoice.ringcx.storage.file import FileStore
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import FakeTaskStateStore, LeadRows, added_passes, execute_in_chunks

TASK = "dag task run"


class UnreliableStore(FileStore):
    """File store that fails while ``is_available`` is False, and after a number of writes.

    :param folder: its folder.
    :param max_writes: number of writes that succeed; None for all.
    """

    def __init__(self, folder: Path, max_writes: int | None = None) -> None:
        super().__init__(folder)
        self.is_available = True
        self._writes_left = max_writes

    def get(self, key: str) -> tuple[bytes, float] | None:
        self._check()
        return super().get(key)

    def set(self, key: str, value: bytes, lifetime: float) -> None:
        self._check()
        if self._writes_left is not None:
            self._writes_left -= 1
            if self._writes_left < 0:
                raise StoreUnavailable("No space left on device")
        super().set(key, value, lifetime)

    def _check(self) -> None:
        if not self.is_available:
            raise StoreUnavailable("Connection refused")


def start_attempt(*backends: FileStore, number: int, is_retry: bool) -> SharedCheckpointStore:
    """Return the checkpoint store of an attempt that has just started."""
    store = FallbackStore([*backends, MemoryStore()])
    checkpoints = SharedCheckpointStore(store, TASK, number, is_retry)
    checkpoints.mark_started()
    return checkpoints


def start_on_host(folder: Path, *, is_retry: bool) -> SharedCheckpointStore:
    """Start the first attempt, or the second one, on the host that has this folder."""
    return start_attempt(FileStore(folder), number=1 + is_retry, is_retry=is_retry)


def test_shared_store_retry_on_another_host_is_refused(
    ringcx: SandboxServer, ready_leads: LeadRows, six_ids: list[int], tmp_path: Path
) -> None:
    """A person who clears the task is not refused."""
    ringcx.fault("rate_limited", operation="lead_action", at=[2], retry_after=60.0)
    with pytest.raises(RateLimited):
        execute_in_chunks(ringcx, six_ids, start_on_host(tmp_path / "one", is_retry=False))
    with pytest.raises(OutcomeUnknown, match="may have completed some of the 3 chunks of MANUAL_LEADS"):
        execute_in_chunks(ringcx, six_ids, start_on_host(tmp_path / "two", is_retry=True))
    assert added_passes(ringcx, ready_leads, six_ids) == [1, 1, 0, 0, 0, 0]
    execute_in_chunks(ringcx, six_ids, start_on_host(tmp_path / "two", is_retry=False))
    assert added_passes(ringcx, ready_leads, six_ids) == [2, 2, 1, 1, 1, 1]


def test_shared_store_retry_safe_action_runs_on_another_host(
    ringcx: SandboxServer, six_ids: list[int], tmp_path: Path
) -> None:
    checkpoints = start_on_host(tmp_path / "two", is_retry=True)
    assert execute_in_chunks(ringcx, six_ids, checkpoints, "CANCEL_LEADS")["leads_updated"] == 6


def test_shared_store_retry_after_failed_sign_in_runs(
    ringcx: SandboxServer, ready_leads: LeadRows, six_ids: list[int], tmp_path: Path
) -> None:
    ringcx.revoke_tokens()
    ringcx.fault("status", status=503, seconds=3600.0)
    with pytest.raises(EngageVoiceError):
        execute_in_chunks(ringcx, six_ids, start_on_host(tmp_path / "one", is_retry=False))
    ringcx.clear_faults()
    execute_in_chunks(ringcx, six_ids, start_on_host(tmp_path / "one", is_retry=True))
    assert added_passes(ringcx, ready_leads, six_ids) == [1] * 6


def test_shared_store_failed_save_stops_before_next_request(
    ringcx: SandboxServer, ready_leads: LeadRows, six_ids: list[int], tmp_path: Path
) -> None:
    """Otherwise the next attempt would repeat chunks that the last saved checkpoint does not contain."""
    folder = tmp_path / "one"
    # The start of the attempt, chunk 1 in flight, chunk 1 complete.
    checkpoints = start_attempt(UnreliableStore(folder, max_writes=3), number=1, is_retry=False)
    expected = r"Cannot save the checkpoint in files in .* \(No space left on device\)"
    with pytest.raises(ServiceUnavailable, match=expected):
        execute_in_chunks(ringcx, six_ids, checkpoints)
    assert added_passes(ringcx, ready_leads, six_ids) == [1, 1, 0, 0, 0, 0]
    execute_in_chunks(ringcx, six_ids, start_on_host(folder, is_retry=True))
    assert added_passes(ringcx, ready_leads, six_ids) == [1] * 6


def test_shared_store_without_backends_makes_unsafe_action_fail(
    ringcx: SandboxServer,
    ready_leads: LeadRows,
    six_ids: list[int],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without a checkpoint a retry would repeat the complete chunks, so the error is permanent."""
    checkpoints = start_attempt(UnreliableStore(tmp_path, max_writes=0), number=1, is_retry=False)
    assert caplog.messages == ["No writable checkpoint store; a retry of this task cannot resume"]
    assert not checkpoints.is_durable
    ringcx.fault("rate_limited", operation="lead_action", at=[2], retry_after=60.0)
    with pytest.raises(OutcomeUnknown, match="1 of 3 chunks are complete, and MANUAL_LEADS is not safe to"):
        execute_in_chunks(ringcx, six_ids, checkpoints)
    assert added_passes(ringcx, ready_leads, six_ids) == [1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("unavailable", [0, 1], ids=["first", "second"])
def test_shared_store_load_returns_newest_of_all_backends(tmp_path: Path, unavailable: int) -> None:
    """One backend was not available while the second attempt saved its checkpoints."""
    backends = UnreliableStore(tmp_path / "redis"), UnreliableStore(tmp_path / "files")
    start_attempt(*backends, number=1, is_retry=False).save({"next": 1})
    backends[unavailable].is_available = False
    start_attempt(*backends, number=2, is_retry=True).save({"next": 2})
    backends[unavailable].is_available = True
    assert SharedCheckpointStore(FallbackStore(backends), TASK, 3, True).load() == {"next": 2}


def test_shared_store_load_ignores_unreadable_checkpoint(tmp_path: Path) -> None:
    redis, files = FileStore(tmp_path / "redis"), FileStore(tmp_path / "files")
    checkpoints = start_attempt(redis, files, number=1, is_retry=False)
    checkpoints.save({"next": 1})
    redis.set(checkpoints._key, b"not JSON", 60.0)
    assert start_attempt(redis, files, number=2, is_retry=True).load() == {"next": 1}


def test_shared_store_does_not_use_backend_that_failed_to_load(tmp_path: Path) -> None:
    """One that does not respond would delay every checkpoint."""
    redis, files = UnreliableStore(tmp_path / "redis"), UnreliableStore(tmp_path / "files")
    redis.is_available = False
    checkpoints = start_attempt(redis, files, number=1, is_retry=False)
    redis.is_available = True
    checkpoints.save({"next": 1})
    assert redis.get(checkpoints._key) is None
    assert checkpoints.load() == {"next": 1}


def test_shared_store_failed_save_of_stale_backend_raises(tmp_path: Path) -> None:
    """The other backend has the new checkpoint, but the next attempt may find only the stale one."""
    redis, files = UnreliableStore(tmp_path / "redis"), UnreliableStore(tmp_path / "files")
    checkpoints = start_attempt(redis, files, number=1, is_retry=False)
    redis.is_available = False
    with pytest.raises(ServiceUnavailable, match=r"redis \(Connection refused\)"):
        checkpoints.save({"next": 1})
    redis.is_available = True
    assert start_attempt(redis, files, number=2, is_retry=True).load() == {"next": 1}


def test_shared_store_attempt_without_request_keeps_checkpoint(tmp_path: Path) -> None:
    """The second attempt fails at sign-in; the third one still resumes from the first one's checkpoint."""
    backend = FileStore(tmp_path)
    start_attempt(backend, number=1, is_retry=False).save({"next": 1})
    start_attempt(backend, number=2, is_retry=True)
    assert start_attempt(backend, number=3, is_retry=True).load() == {"next": 1}


def test_shared_store_retry_ignores_checkpoint_older_than_last(tmp_path: Path) -> None:
    """The second attempt ran elsewhere, and may have sent requests that this checkpoint does not contain."""
    backend = FileStore(tmp_path)
    start_attempt(backend, number=1, is_retry=False).save({"next": 1})
    assert start_attempt(backend, number=3, is_retry=True).load() is None
    assert start_attempt(backend, number=3, is_retry=False).load() == {"next": 1}


def test_shared_store_cleared_finished_task_forgets_checkpoint(tmp_path: Path) -> None:
    backend = FileStore(tmp_path)
    finished = {"next": 3, "finished": True}
    start_attempt(backend, number=1, is_retry=False).save(finished)
    assert start_attempt(backend, number=2, is_retry=True).load() == finished
    assert start_attempt(backend, number=3, is_retry=False).load() == {}


def test_task_state_store_round_trip() -> None:
    store = FakeTaskStateStore()
    checkpoints = TaskStateCheckpointStore(store)
    checkpoints.mark_started()
    assert checkpoints.load() is None
    checkpoints.save({"next": 1})
    assert TaskStateCheckpointStore(store, is_retry=True).load() == {"next": 1}
    assert checkpoints.is_durable
    assert checkpoints.absence_means_not_started


def test_task_state_store_failed_save_raises() -> None:
    class BrokenStore(FakeTaskStateStore):
        def set(self, key: str, value: str) -> None:
            raise ConnectionError("API server is down")

    expected = r"Cannot save the checkpoint in Airflow's task state store \(ConnectionError\)"
    with pytest.raises(ServiceUnavailable, match=expected):
        TaskStateCheckpointStore(BrokenStore()).save({"next": 1})


def make_context(*, task_state_store: Any = None, **task_instance: Any) -> Any:
    """Return the parts of a task's context that choose its checkpoint store."""
    ti = {"dag_id": "dag", "task_id": "task", "run_id": "run", "map_index": -1, "try_number": 1}
    task = SimpleNamespace(retries=task_instance.pop("retries", 2))
    context: dict[str, Any] = {"ti": SimpleNamespace(**{**ti, **task_instance}), "task": task}
    if task_state_store is not None:
        context["task_state_store"] = task_state_store
    return context


def test_checkpoint_store_for_prefers_task_state_store(tmp_path: Path) -> None:
    store, shared = FakeTaskStateStore(), FileStore(tmp_path)
    assert isinstance(
        checkpoint_store_for(make_context(task_state_store=store), shared), TaskStateCheckpointStore
    )
    assert isinstance(checkpoint_store_for(make_context(), shared), SharedCheckpointStore)


@pytest.mark.parametrize(
    "other",
    [{"dag_id": "x"}, {"task_id": "x"}, {"run_id": "x"}, {"map_index": 1}],
    ids=["dag", "task", "run", "map-index"],
)
def test_checkpoint_store_for_separates_task_instances(tmp_path: Path, other: dict[str, Any]) -> None:
    backend = FileStore(tmp_path)
    checkpoint_store_for(make_context(), backend).save({"next": 1})
    assert checkpoint_store_for(make_context(), backend).load() == {"next": 1}
    assert checkpoint_store_for(make_context(**other), backend).load() is None


@pytest.mark.parametrize(
    ("task_instance", "is_retry"),
    [
        ({"try_number": 1, "max_tries": 2}, False),
        ({"try_number": 2, "max_tries": 2}, True),
        ({"try_number": 3, "max_tries": 2}, True),
        # Clearing the task after its third attempt allows two more retries.
        ({"try_number": 4, "max_tries": 5}, False),
        ({"try_number": 5, "max_tries": 5}, True),
        ({"try_number": 1}, False),
        ({"try_number": 2, "max_tries": -1}, True),
        ({"try_number": 1, "max_tries": 0, "retries": None}, False),
    ],
)
def test_checkpoint_store_for_recognizes_retries(
    tmp_path: Path, task_instance: dict[str, Any], is_retry: bool
) -> None:
    checkpoints = checkpoint_store_for(make_context(**task_instance), FileStore(tmp_path))
    assert checkpoints.is_retry is is_retry
