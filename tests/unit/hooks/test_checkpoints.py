"""Tests of the records of tasks' checkpoints, and of which attempt is running."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_engagevoice.hooks.checkpoints import SharedRecord, TaskStateRecord, checkpoints_of
from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.bulk.attempts import Attempt, AttemptCheckpoints
from airflow_provider_engagevoice.ringcx.bulk.checkpoint import CheckpointStore
from airflow_provider_engagevoice.ringcx.exceptions import (
    Cancelled,
    EngageVoiceError,
    OutcomeUnknown,
    RateLimited,
    ServiceUnavailable,
)
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.ratelimit.operations import RateLimit
from airflow_provider_engagevoice.ringcx.storage.base import StoreUnavailable
from airflow_provider_engagevoice.ringcx.storage.fallback import FallbackStore
from airflow_provider_engagevoice.ringcx.storage.file import FileStore
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import FakeTaskStateStore, LeadRows, added_passes, execute_in_chunks
from tests.support.clients import PARAMS, make_client

TASK = "dag task run"
ACTION = BulkAction.create("MANUAL_LEADS", Selection({"leadIds": [1]}), PARAMS["MANUAL_LEADS"])


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

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes, lifetime: float) -> bool:
        self._check()
        return super().compare_and_set(key, expected, value, lifetime)

    def _check(self) -> None:
        if not self.is_available:
            raise StoreUnavailable("Connection refused")


def start_attempt(*backends: FileStore, number: int = 1) -> AttemptCheckpoints:
    """Start an attempt of a task that no person clears, and return its checkpoints."""
    record = SharedRecord(FallbackStore([*backends, MemoryStore()]), TASK)
    return AttemptCheckpoints(record, Attempt(number, series=2, is_retry=number > 1))


def start_on_host(folder: Path, *, is_retry: bool) -> CheckpointStore:
    """Start the first attempt, or the second one, on the host that has this folder."""
    return start_attempt(FileStore(folder), number=1 + is_retry).next_action()


def clear_on_host(folder: Path) -> CheckpointStore:
    """Start the third attempt, after a person cleared the task, on the host that has this folder."""
    record = SharedRecord(FallbackStore([FileStore(folder), MemoryStore()]), TASK)
    return AttemptCheckpoints(record, Attempt(3, series=4)).next_action()


def save(checkpoints: AttemptCheckpoints, **checkpoint: Any) -> None:
    """Save a checkpoint of the first action."""
    action = checkpoints.next_action()
    action.load(ACTION, "fingerprint")
    action.save({"fingerprint": "fingerprint", **checkpoint})


def load(checkpoints: AttemptCheckpoints) -> Any:
    """Return the number of chunks that the first action has completed; None if it has no checkpoint."""
    saved = checkpoints.next_action().load(ACTION, "fingerprint")
    return saved and saved["next"]


def test_shared_record_retry_on_another_host_is_refused(
    ringcx: SandboxServer, ready_leads: LeadRows, six_ids: list[int], tmp_path: Path
) -> None:
    """A person who clears the task is not refused."""
    ringcx.fault("rate_limited", operation="lead_action", at=[2], retry_after=60.0)
    with pytest.raises(RateLimited):
        execute_in_chunks(ringcx, six_ids, start_on_host(tmp_path / "one", is_retry=False))
    with pytest.raises(OutcomeUnknown, match="may have completed some of the 3 chunks of MANUAL_LEADS"):
        execute_in_chunks(ringcx, six_ids, start_on_host(tmp_path / "two", is_retry=True))
    assert added_passes(ringcx, ready_leads, six_ids) == [1, 1, 0, 0, 0, 0]
    execute_in_chunks(ringcx, six_ids, clear_on_host(tmp_path / "two"))
    assert added_passes(ringcx, ready_leads, six_ids) == [2, 2, 1, 1, 1, 1]


def test_shared_record_retry_safe_action_runs_on_another_host(
    ringcx: SandboxServer, six_ids: list[int], tmp_path: Path
) -> None:
    checkpoints = start_on_host(tmp_path / "two", is_retry=True)
    assert execute_in_chunks(ringcx, six_ids, checkpoints, "CANCEL_LEADS")["leads_updated"] == 6


def test_shared_record_retry_after_failed_sign_in_runs(
    ringcx: SandboxServer, ready_leads: LeadRows, six_ids: list[int], tmp_path: Path
) -> None:
    ringcx.revoke_tokens()
    ringcx.fault("status", status=503, seconds=3600.0)
    with pytest.raises(EngageVoiceError):
        execute_in_chunks(ringcx, six_ids, start_on_host(tmp_path / "one", is_retry=False))
    ringcx.clear_faults()
    execute_in_chunks(ringcx, six_ids, start_on_host(tmp_path / "one", is_retry=True))
    assert added_passes(ringcx, ready_leads, six_ids) == [1] * 6


def test_shared_record_failed_save_stops_before_next_request(
    ringcx: SandboxServer, ready_leads: LeadRows, six_ids: list[int], tmp_path: Path
) -> None:
    """Otherwise the next attempt would repeat chunks that the last saved checkpoint does not contain."""
    folder = tmp_path / "one"
    # The start of the attempt, chunk 1 in flight, chunk 1 complete.
    checkpoints = start_attempt(UnreliableStore(folder, max_writes=3)).next_action()
    expected = r"Cannot save the checkpoint in files in .* \(No space left on device\)"
    with pytest.raises(ServiceUnavailable, match=expected):
        execute_in_chunks(ringcx, six_ids, checkpoints)
    assert added_passes(ringcx, ready_leads, six_ids) == [1, 1, 0, 0, 0, 0]
    execute_in_chunks(ringcx, six_ids, start_on_host(folder, is_retry=True))
    assert added_passes(ringcx, ready_leads, six_ids) == [1] * 6


def test_shared_record_without_backends_makes_unsafe_action_fail(
    ringcx: SandboxServer,
    ready_leads: LeadRows,
    six_ids: list[int],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without a checkpoint a retry would repeat the complete chunks, so the error is permanent."""
    checkpoints = start_attempt(UnreliableStore(tmp_path, max_writes=0)).next_action()
    assert caplog.messages == ["No writable checkpoint store; a retry of this task cannot resume"]
    assert not checkpoints.is_durable
    ringcx.fault("rate_limited", operation="lead_action", at=[2], retry_after=60.0)
    with pytest.raises(OutcomeUnknown, match="1 of 3 chunks is complete, and MANUAL_LEADS is not safe to"):
        execute_in_chunks(ringcx, six_ids, checkpoints)
    assert added_passes(ringcx, ready_leads, six_ids) == [1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("unavailable", [0, 1], ids=["first", "second"])
def test_shared_record_load_returns_newest_of_all_backends(tmp_path: Path, unavailable: int) -> None:
    """One backend was not available while the second attempt saved its checkpoints."""
    backends = UnreliableStore(tmp_path / "redis"), UnreliableStore(tmp_path / "files")
    save(start_attempt(*backends), next=1)
    backends[unavailable].is_available = False
    save(start_attempt(*backends, number=2), next=2)
    backends[unavailable].is_available = True
    assert load(start_attempt(*backends, number=3)) == 2


def test_shared_record_load_ignores_unreadable_content(tmp_path: Path) -> None:
    redis, files = FileStore(tmp_path / "redis"), FileStore(tmp_path / "files")
    checkpoints = start_attempt(redis, files)
    save(checkpoints, next=1)
    redis.set(checkpoints._record._key, b"not JSON", 60.0)  # type: ignore[attr-defined]
    assert load(start_attempt(redis, files, number=2)) == 1


def test_shared_record_does_not_use_backend_that_failed_to_load(tmp_path: Path) -> None:
    """One that does not respond would delay every checkpoint."""
    redis, files = UnreliableStore(tmp_path / "redis"), UnreliableStore(tmp_path / "files")
    redis.is_available = False
    checkpoints = start_attempt(redis, files)
    redis.is_available = True
    save(checkpoints, next=1)
    assert redis.get(checkpoints._record._key) is None  # type: ignore[attr-defined]
    assert load(start_attempt(redis, files, number=2)) == 1


def test_shared_record_failed_save_of_stale_backend_raises(tmp_path: Path) -> None:
    """The other backend has the new checkpoint, but the next attempt may find only the stale one."""
    redis, files = UnreliableStore(tmp_path / "redis"), UnreliableStore(tmp_path / "files")
    checkpoints = start_attempt(redis, files)
    redis.is_available = False
    with pytest.raises(ServiceUnavailable, match=r"redis \(Connection refused\)"):
        save(checkpoints, next=1)
    redis.is_available = True
    assert load(start_attempt(redis, files, number=2)) == 1


def test_shared_record_attempt_without_request_keeps_checkpoint(tmp_path: Path) -> None:
    """The second attempt fails at sign-in; the third one still resumes from the first one's checkpoint."""
    backend = FileStore(tmp_path)
    save(start_attempt(backend), next=1)
    start_attempt(backend, number=2)
    assert load(start_attempt(backend, number=3)) == 1


def test_shared_record_refuses_older_attempt_once_a_newer_one_started(tmp_path: Path) -> None:
    """A worker without connection to Airflow continues, although Airflow has started the task again."""
    backend = FileStore(tmp_path)
    older = start_attempt(backend)
    save(older, next=1)
    newer = start_attempt(backend, number=2)
    assert load(newer) == 1
    with pytest.raises(Cancelled, match="a newer attempt of this task has started"):
        save(older, next=2)
    assert load(start_attempt(backend, number=3)) == 1


def test_older_attempt_stops_before_its_next_request(
    ringcx: SandboxServer, ready_leads: LeadRows, six_ids: list[int], tmp_path: Path
) -> None:
    """The next attempt runs while the second request of the older one waits for its slot."""

    class SlowLimiter(RateLimiter):
        def __init__(self) -> None:
            super().__init__()
            self._waits = 0

        def _reserve(self, limit: RateLimit) -> float:
            self._waits += limit.operation == "lead_action"
            if self._waits == 2:
                execute_in_chunks(ringcx, six_ids, start_on_host(tmp_path, is_retry=True))
                self._waits += 1
            return 0.0

    client = make_client(ringcx.url)
    client.transport.limiter = SlowLimiter()
    with pytest.raises(Cancelled, match="Stopped before the next request: a newer attempt of this task has"):
        execute_in_chunks(ringcx, six_ids, start_on_host(tmp_path, is_retry=False), client=client)
    assert added_passes(ringcx, ready_leads, six_ids) == [1] * 6


def test_shared_record_is_saved_again_if_the_backend_lost_it(tmp_path: Path) -> None:
    backend = FileStore(tmp_path)
    checkpoints = start_attempt(backend)
    backend.delete(checkpoints._record._key)  # type: ignore[attr-defined]
    save(checkpoints, next=1)
    assert load(start_attempt(backend, number=2)) == 1


def test_task_state_record_round_trip() -> None:
    store = FakeTaskStateStore()
    checkpoints = AttemptCheckpoints(TaskStateRecord(store), Attempt(1, series=2))
    assert load(checkpoints) is None
    save(checkpoints, next=1)
    assert load(AttemptCheckpoints(TaskStateRecord(store), Attempt(2, series=2, is_retry=True))) == 1
    assert checkpoints.is_durable


def test_task_state_record_failed_save_raises() -> None:
    class BrokenStore(FakeTaskStateStore):
        def set(self, key: str, value: str) -> None:
            raise ConnectionError("API server is down")

    expected = r"Cannot save the checkpoint in Airflow's task state store \(ConnectionError\)"
    with pytest.raises(ServiceUnavailable, match=expected):
        AttemptCheckpoints(TaskStateRecord(BrokenStore()), Attempt(1))


def make_context(*, task_state_store: Any = None, **task_instance: Any) -> Any:
    """Return the parts of a task's context that choose its checkpoint store."""
    ti = {"dag_id": "dag", "task_id": "task", "run_id": "run", "map_index": -1, "try_number": 1}
    task = SimpleNamespace(retries=task_instance.pop("retries", 2))
    context: dict[str, Any] = {"ti": SimpleNamespace(**{**ti, **task_instance}), "task": task}
    if task_state_store is not None:
        context["task_state_store"] = task_state_store
    return context


def test_checkpoints_of_prefers_task_state_store(tmp_path: Path) -> None:
    store, shared = FakeTaskStateStore(), FileStore(tmp_path)
    checkpoints_of(make_context(task_state_store=store), shared)
    assert store
    assert list(tmp_path.iterdir()) == []
    checkpoints_of(make_context(), shared)
    assert list(tmp_path.iterdir()) != []


def test_checkpoints_of_one_context_are_the_same(tmp_path: Path) -> None:
    """Two hooks of a task share them."""
    context, backend = make_context(), FileStore(tmp_path)
    assert checkpoints_of(context, backend) is checkpoints_of(context, backend)


@pytest.mark.parametrize(
    "other",
    [{"dag_id": "x"}, {"task_id": "x"}, {"run_id": "x"}, {"map_index": 1}],
    ids=["dag", "task", "run", "map-index"],
)
def test_checkpoints_of_separates_task_instances(tmp_path: Path, other: dict[str, Any]) -> None:
    backend = FileStore(tmp_path)
    save(checkpoints_of(make_context(), backend), next=1)
    assert load(checkpoints_of(make_context(try_number=2, **other), backend)) is None
    assert load(checkpoints_of(make_context(try_number=2), backend)) == 1


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
def test_checkpoints_of_recognizes_retries(
    tmp_path: Path, task_instance: dict[str, Any], is_retry: bool
) -> None:
    checkpoints = checkpoints_of(make_context(**task_instance), FileStore(tmp_path))
    assert checkpoints.is_retry is is_retry


def test_checkpoints_of_recognizes_retry_after_retries_were_edited(tmp_path: Path) -> None:
    """The second of four attempts looks like the first one after a clear, if only one retry is left."""
    backend = FileStore(tmp_path)
    checkpoints_of(make_context(try_number=1, max_tries=3, retries=3), backend)
    assert checkpoints_of(make_context(try_number=2, max_tries=3, retries=1), backend).is_retry
