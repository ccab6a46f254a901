"""Tests of the file store."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage import file, registry
from airflow_provider_engagevoice.ringcx.storage.base import StoreUnavailable
from airflow_provider_engagevoice.ringcx.storage.file import FileStore
from tests.support.processes import WorkerProcesses, wait_for
from tests.support.stores import ONE_IN_TEN_SECONDS, check_store


def test_default_folder_without_dev_shm_is_temporary_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    original = os.access
    monkeypatch.delenv(file.FOLDER_VARIABLE)
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != "/dev/shm" and original(path, mode))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    check_store(FileStore())
    (folder,) = tmp_path.iterdir()
    assert folder.name == f"airflow-engagevoice-{os.geteuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_default_folder_differs_by_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(file.FOLDER_VARIABLE)
    folders = set()
    for user in (50000, 50001):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        folders.add(file._default_folder())
    assert len(folders) == 2


def test_files_are_accessible_by_owner_only(shared_folder: Path) -> None:
    before = os.umask(0)
    try:
        check_store(FileStore())
        FileStore().set("key", b"value", 30.0)
    finally:
        os.umask(before)
    assert shared_folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in shared_folder.iterdir()} == {0o600}


CORRUPT = {
    "empty": b"",
    "truncated": b"\x00" * 13,
    "garbage": bytes(range(200, 224)),
    "zeros": b"\x00" * 24,
    "not-numbers": b"\xff" * 24,
    "far-ahead": b"\x00\x00\x00\x00\x00\x00\xf0\x7f" * 3,
}


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_reserve_slot_overwrites_corrupt_file(shared_folder: Path, content: bytes) -> None:
    store = FileStore()
    store.reserve_slot("key", ONE_IN_TEN_SECONDS, 0.0, 0.0)
    (path,) = shared_folder.iterdir()
    path.write_bytes(content)
    assert store.reserve_slot("key", ONE_IN_TEN_SECONDS, 0.0, 60.0) <= 10.0
    assert 0.0 < store.reserve_slot("key", ONE_IN_TEN_SECONDS, 0.0, 60.0) <= 20.0


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_get_corrupt_file_returns_none(shared_folder: Path, content: bytes) -> None:
    store = FileStore()
    store.set("key", b"value", 30.0)
    (path,) = shared_folder.iterdir()
    path.write_bytes(content)
    assert store.get("key") is None
    store.set("key", b"value", 30.0)
    assert store.get("key")


def test_set_removes_expired_values_and_unfinished_files(shared_folder: Path) -> None:
    store = FileStore()
    store.set("a task's checkpoint", b"value", 7 * 86_400.0)
    store.set("a token", b"value", 1.0)
    (shared_folder / "unfinished-by-a-killed-process").touch()
    for path in shared_folder.iterdir():
        # As if two days had passed.
        modified = path.stat().st_mtime - 2 * 86_400.0
        os.utime(path, (modified, modified))
    assert len(list(shared_folder.iterdir())) == 3
    FileStore().set("another", b"value", 1.0)
    assert len(list(shared_folder.iterdir())) == 2
    assert FileStore().get("a task's checkpoint")


def test_set_keeps_values_of_hosts_with_another_uptime(
    shared_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several hosts can share a folder; their monotonic clocks are unrelated."""
    FileStore().set("a task's checkpoint", b"value", 7 * 86_400.0)

    class LongUptime:
        monotonic = staticmethod(lambda: time.monotonic() + 365 * 86_400.0)

    with monkeypatch.context() as other_host:
        other_host.setattr("airflow_provider_engagevoice.ringcx.storage.file.clock", LongUptime)
        FileStore().set("another", b"value", 1.0)
    assert FileStore().get("a task's checkpoint")


def test_reserve_slot_lock_of_stopped_process_times_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.storage.file._LOCK_TIMEOUT", 0.3)
    store = registry.open_store("host")
    with WorkerProcesses("hold_slot_file", 1, {}) as holder:
        holder.wait_for_line("locked")
        holder.send(signal.SIGSTOP)
        for _ in range(3):
            store.reserve_slot("key", ONE_IN_TEN_SECONDS, 0.0, 60.0)
        lines = [record.getMessage() for record in caplog.records]
        assert [line.count("file lock not acquired within 0.3 s") for line in lines] == [1]
    # The process was killed: the kernel has released its lock.
    assert FileStore().reserve_slot("key", ONE_IN_TEN_SECONDS, 0.0, 0.0) == 0.0


def test_reserve_slot_killed_waiter_wastes_only_its_own_slot(store: str) -> None:
    with WorkerProcesses("wait_for_slot", 1, {"store": store, "seconds": 5.0}) as waiter:
        waiter.wait_for_line("waiting")
        wait_for(lambda: _is_future_slot_reserved(store))
        waiter.send(signal.SIGKILL)
        waiter.wait()
    wait = registry.open_store(store).reserve_slot("key", [RateWindow(1, 5.0)], 0.0, 60.0)
    assert 5.0 < wait <= 10.0


def _is_future_slot_reserved(store: str) -> bool:
    if store == "host":
        (path,) = Path(os.environ[file.FOLDER_VARIABLE]).iterdir()
        (slot,) = file._TIMESTAMP.unpack(path.read_bytes()[-8:] or bytes(8))
        return bool(slot > time.monotonic() + 0.5)
    client: Any = Redis.from_url(store)
    seconds, _ = client.time()
    (key,) = client.keys("*slots*")
    return float(client.lindex(key, -1)) / 1e6 > seconds + 1.5


def test_folder_that_becomes_public_fails_every_operation(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "ours")
    store.set("key", b"value", 30.0)
    shutil.rmtree(tmp_path / "ours")
    store.set("key", b"value", 30.0)
    (tmp_path / "ours").chmod(0o755)
    for operation in (
        lambda: store.get("key"),
        lambda: store.set("key", b"value", 1.0),
        lambda: store.delete("key"),
        lambda: store.acquire_lock("key", 1.0),
        lambda: store.reserve_slot("key", ONE_IN_TEN_SECONDS, 0.0, 0.0),
    ):
        with pytest.raises(
            StoreUnavailable, match="must be a folder that only this user owns and can access"
        ):
            operation()


def test_invalid_folder_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match="null byte"):
        FileStore(Path("/tmp/null\0byte")).get("key")


def test_partial_write_of_slots_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", lambda descriptor, content, offset: len(content) - 1)
    with pytest.raises(StoreUnavailable, match="No space left on device"):
        FileStore().reserve_slot("key", ONE_IN_TEN_SECONDS, 0.0, 0.0)


def test_folder_that_is_deleted_meanwhile_is_created_again(
    shared_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Some systems empty /dev/shm when the user logs out."""
    store = FileStore()
    store.set("key", b"value", 60.0)
    shutil.rmtree(shared_folder)
    for _ in range(2):
        store.set("key", b"value", 60.0)
    assert store.get("key")
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "Set ENGAGEVOICE_FOLDER to a folder that is kept"
    ]
