"""Where a store does not work, the next narrower one serves: said once, and no task fails for it."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis as redis_client

from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage import file, registry
from airflow_provider_engagevoice.ringcx.storage.base import StateStore, StoreUnavailable
from airflow_provider_engagevoice.ringcx.storage.fallback import FallbackStore
from airflow_provider_engagevoice.ringcx.storage.file import FileStore
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.ringcx.storage.redis import RedisStore
from tests.support.processes import Processes, RedisServer, redis_server, until

ONE = [RateWindow(1, 10.0)]


def works(store: StateStore) -> None:
    """Check that a share does all that it is for."""
    store.reserve_slot("works", ONE, 0.0, 0.0)
    assert 9.0 < store.reserve_slot("works", ONE, 0.0, 60.0) <= 10.0
    store.set("works", b"value", 30.0)
    found = store.get("works")
    assert found is not None and found[0] == b"value" and 29.0 < found[1] <= 30.0
    release = store.acquire_lock("works", 30.0)
    assert release is not None and store.acquire_lock("works", 30.0) is None
    release()
    again = store.acquire_lock("works", 30.0)
    assert again is not None
    again()
    store.delete("works")
    assert store.get("works") is None


@pytest.mark.parametrize("kind", ["file", "host", "process", "redis"])
def test_every_store_does_all_that_it_is_for(kind: str, tmp_path: Path, request: Any) -> None:
    name = {"file": f"file:{tmp_path}/ours", "redis": ""}.get(kind, kind)
    works(registry.open_store(name or request.getfixturevalue("redis").url))


@pytest.mark.parametrize("written", ["file:{}/ours", "file://{}/ours", "file:{}//ours"])
def test_a_folder_may_be_written_in_each_usual_way(tmp_path: Path, written: str) -> None:
    works(registry.open_store(written.format(tmp_path)))
    assert (tmp_path / "ours").is_dir()


def _somebody_elses(folder: Path) -> None:
    folder.mkdir(0o700)
    os.chown(folder, 65534, 65534)


def _link(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir(0o700)
    folder.symlink_to(folder.parent / "elsewhere")


FOLDERS: dict[str, Callable[[Path], object]] = {
    "a-file": lambda folder: folder.touch(0o600),
    "a-link": _link,
    "missing-parent": lambda folder: folder.parent.rmdir(),
    "readable-by-its-group": lambda folder: folder.mkdir() or folder.chmod(0o750),
    "readable-by-others": lambda folder: folder.mkdir() or folder.chmod(0o705),
    "somebody-elses": _somebody_elses,
}


@pytest.mark.parametrize("case", sorted(FOLDERS))
def test_a_folder_that_cannot_be_trusted_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    if case == "somebody-elses" and os.geteuid() != 0:
        pytest.skip("only root can make a folder of somebody else")
    folder = tmp_path / "in" / "ours"
    folder.parent.mkdir()
    FOLDERS[case](folder)
    store = registry.open_store(f"file:{folder}")
    for _ in range(3):
        store.get("key")
        store.set("key", b"value", 1.0)
    works(store)
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 1
    assert f"cannot be shared through files in {folder}" in said[0].getMessage()
    assert not folder.is_dir() or not list(folder.iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk that can be filled, and made read-only."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True
        ).returncode
    ):
        pytest.skip("disks cannot be mounted here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_is_no_failure(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = registry.open_store(f"file:{small_disk}/ours")
    store.reserve_slot("booked before", ONE, 0.0, 0.0)
    with pytest.raises(OSError, match="No space"):
        (small_disk / "filler").write_bytes(bytes(1 << 20))
    store.set("key", b"value", 30.0)
    assert store.get("key")
    # What needs no more space goes on where it was.
    assert store.reserve_slot("booked before", ONE, 0.0, 60.0) > 9.0
    works(store)
    assert len(caplog.records) == 1


def test_a_read_only_disk_is_no_failure(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    works(registry.open_store(f"file:{small_disk}/ours"))
    assert [record.getMessage().count("Read-only file system") for record in caplog.records] == [1]


def test_a_disk_without_locks_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    works(registry.open_store("host"))
    assert [record.getMessage().count("No locks available") for record in caplog.records] == [1]


def test_without_memory_for_files_the_temporary_folder_serves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    original = os.access
    monkeypatch.delenv(file.FOLDER_VARIABLE)
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != "/dev/shm" and original(path, mode))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    works(FileStore())
    (folder,) = tmp_path.iterdir()
    assert folder.name == f"airflow-engagevoice-{os.geteuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_two_users_of_a_host_keep_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(file.FOLDER_VARIABLE)
    folders = set()
    for user in (50000, 50001):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        folders.add(file._default_folder())
    assert len(folders) == 2


def test_what_is_written_is_for_its_owner_only(shared_folder: Path) -> None:
    before = os.umask(0)
    try:
        works(FileStore())
        FileStore().set("key", b"value", 30.0)
    finally:
        os.umask(before)
    assert shared_folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in shared_folder.iterdir()} == {0o600}


BROKEN = {
    "empty": b"",
    "torn": b"\x00" * 13,
    "garbage": os.urandom(24),
    "zeros": b"\x00" * 24,
    "not-numbers": b"\xff" * 24,
    "far-ahead": b"\x00\x00\x00\x00\x00\x00\xf0\x7f" * 3,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_slot_file_is_mended(shared_folder: Path, content: bytes) -> None:
    store = FileStore()
    store.reserve_slot("key", ONE, 0.0, 0.0)
    (path,) = shared_folder.iterdir()
    path.write_bytes(content)
    assert store.reserve_slot("key", ONE, 0.0, 60.0) <= 10.0
    assert 0.0 < store.reserve_slot("key", ONE, 0.0, 60.0) <= 20.0


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_value_is_none(shared_folder: Path, content: bytes) -> None:
    store = FileStore()
    store.set("key", b"value", 30.0)
    (path,) = shared_folder.iterdir()
    path.write_bytes(content)
    assert store.get("key") is None
    store.set("key", b"value", 30.0)
    assert store.get("key")


def test_values_of_weeks_are_kept_and_old_ones_cleared_away(
    shared_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FileStore().set("a task's progress", b"value", 7 * 86_400.0)
    FileStore().set("a token", b"value", 1.0)
    (shared_folder / "unfinished-by-a-killed-process").touch()
    os.utime(shared_folder / "unfinished-by-a-killed-process", (0, 0))
    assert len(list(shared_folder.iterdir())) == 3

    class Later:
        monotonic = staticmethod(lambda: time.monotonic() + 2 * 86_400.0)
        time = staticmethod(time.time)

    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.storage.file.time", Later)
    FileStore().set("another", b"value", 1.0)
    assert len(list(shared_folder.iterdir())) == 2
    assert FileStore().get("a task's progress")


def test_a_stopped_process_that_holds_the_lock_holds_up_nobody_for_long(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.storage.file._LOCK_WAIT", 0.3)
    store = registry.open_store("host")
    with Processes("hold", 1, {}) as holder:
        holder.heard("held")
        holder.send(signal.SIGSTOP)
        for _ in range(3):
            store.reserve_slot("key", ONE, 0.0, 60.0)
        assert [record.getMessage().count("its lock was held for 0.3 s") for record in caplog.records] == [1]
    # Killed: the kernel frees the lock.
    assert FileStore().reserve_slot("key", ONE, 0.0, 0.0) == 0.0


def test_a_killed_waiter_wastes_its_own_slot_only(store: str) -> None:
    with Processes("wait", 1, {"store": store, "seconds": 5.0}) as waiter:
        waiter.heard("waiting")
        until(lambda: _booked_ahead(store))
        waiter.send(signal.SIGKILL)
        waiter.wait()
    assert 5.0 < registry.open_store(store).reserve_slot("key", [RateWindow(1, 5.0)], 0.0, 60.0) <= 10.0


def _booked_ahead(store: str) -> bool:
    """Tell whether a moment is booked that is still to come."""
    if store == "host":
        (path,) = Path(os.environ[file.FOLDER_VARIABLE]).iterdir()
        (moment,) = file._MOMENT.unpack(path.read_bytes()[-8:] or bytes(8))
        return bool(moment > time.monotonic() + 0.5)
    client = redis_client.from_url(store)
    seconds, _ = client.time()
    (key,) = client.keys("*slots*")
    return float(client.lindex(key, -1)) / 1e6 > seconds + 1.5


def ladder(url: str, cooldown: float) -> FallbackStore:
    return FallbackStore([RedisStore(url), FileStore(), MemoryStore()], cooldown)


def test_a_redis_that_is_away_at_the_start_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    server = RedisServer("geheim-word")
    works(registry.open_store(server.url))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1 and "through Redis (ConnectionError)" in said[0]
    assert "shared within files of this host" in said[0] and "geheim" not in said[0]


def test_a_redis_that_goes_away_and_comes_back_is_used_again(caplog: pytest.LogCaptureFixture) -> None:
    with redis_server() as server:
        store = ladder(server.url, 0.2)
        works(store)
        assert server.client().keys("*slots*")
        server.stop()
        works(store)
        server.start()
        assert server.client().keys() == []

        def back() -> bool:
            store.set("here", b"again", 30.0)
            return bool(server.client().keys("*here*"))

        until(back)
        works(store)
    assert len(caplog.records) == 1


def test_a_redis_that_rests_is_not_asked_at_all() -> None:
    server = RedisServer()
    store = ladder(server.url, 30.0)
    works(store)
    server.start()
    try:
        store.set("key", b"value", 30.0)
        assert server.client().keys() == []
    finally:
        server.stop()


def test_a_redis_that_hangs_holds_up_one_request_only(redis: RedisServer) -> None:
    store = ladder(f"{redis.url}?socket_timeout=0.2", 30.0)
    works(store)
    redis.send(signal.SIGSTOP)
    try:
        done = threading.Event()

        def work() -> None:
            for _ in range(100):
                store.get("key")
            done.set()

        threading.Thread(target=work, daemon=True).start()
        assert done.wait(8.0)
    finally:
        redis.send(signal.SIGCONT)


def test_a_redis_without_rights_or_of_a_wrong_password_is_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with redis_server("geheim-word") as server:
        works(registry.open_store(server.url.replace("geheim-word", "other-word")))
        works(registry.open_store(server.url))
        assert server.client().ping()
    assert len(caplog.records) == 1
    assert "word" not in caplog.text


def test_a_redis_clock_that_was_set_back_holds_up_nobody(redis: RedisServer) -> None:
    store = RedisStore(redis.url)
    store.reserve_slot("key", ONE, 0.0, 0.0)
    client = redis.client()
    (slots,), (seen,) = client.keys("*slots*"), client.keys("*seen*")
    ahead = int(client.get(seen)) + 3600 * 1_000_000
    client.set(seen, ahead)
    client.lset(slots, -1, ahead)
    assert store.reserve_slot("key", ONE, 0.0, 0.0) == 0.0
    assert store.reserve_slot("key", ONE, 0.0, 60.0) > 9.0


def test_nothing_stays_in_redis_for_longer_than_it_is_of_use(redis: RedisServer) -> None:
    store = RedisStore(redis.url)
    store.reserve_slot("key", ONE, 0.5, 0.0)
    store.set("key", b"value", 30.0)
    assert store.acquire_lock("key", 15.0) is not None
    client = redis.client()
    assert len(client.keys()) == 4
    assert all(0 < client.ttl(key) <= 30 for key in client.scan_iter())


def test_a_lock_in_redis_lives_as_long_as_its_holder(redis: RedisServer) -> None:
    release = RedisStore(redis.url).acquire_lock("key", 0.3)
    assert release is not None
    with pytest.raises(AssertionError):
        until(lambda: RedisStore(redis.url).acquire_lock("key", 0.3), 1.0)
    release()
    assert RedisStore(redis.url).acquire_lock("key", 0.3) is not None


def test_a_share_that_failed_says_what_it_could_not_do(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "ours")
    store.set("key", b"value", 30.0)
    shutil.rmtree(tmp_path / "ours")
    store.set("key", b"value", 30.0)
    (tmp_path / "ours").chmod(0o755)
    for use in (
        lambda: store.get("key"),
        lambda: store.set("key", b"value", 1.0),
        lambda: store.delete("key"),
        lambda: store.acquire_lock("key", 1.0),
        lambda: store.reserve_slot("key", ONE, 0.0, 0.0),
    ):
        with pytest.raises(StoreUnavailable, match="is not a folder of this user alone"):
            use()
