"""Tests of the fallback chain: a store that fails is replaced by the next one, with one log line."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_provider_engagevoice.ringcx.storage import registry
from airflow_provider_engagevoice.ringcx.storage.fallback import FallbackStore
from airflow_provider_engagevoice.ringcx.storage.file import FileStore
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.ringcx.storage.redis import RedisStore
from tests.support.processes import RedisServer, redis_server, wait_for
from tests.support.stores import ONE_IN_TEN_SECONDS, check_store


def _owned_by_another_user(folder: Path) -> None:
    folder.mkdir(0o700)
    os.chown(folder, 65534, 65534)


def _with_mode(folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)


def _link(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir(0o700)
    folder.symlink_to(folder.parent / "elsewhere")


FOLDERS: dict[str, Callable[[Path], object]] = {
    "file": lambda folder: folder.touch(0o600),
    "group-readable": lambda folder: _with_mode(folder, 0o750),
    "link": _link,
    "missing-parent": lambda folder: folder.parent.rmdir(),
    "owned-by-another-user": _owned_by_another_user,
    "world-readable": lambda folder: _with_mode(folder, 0o705),
}


@pytest.mark.parametrize("case", sorted(FOLDERS))
def test_untrusted_folder_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture, case: str) -> None:
    if case == "owned-by-another-user" and os.geteuid() != 0:
        pytest.skip("only root can create a folder of another user")
    folder = tmp_path / "in" / "ours"
    folder.parent.mkdir()
    FOLDERS[case](folder)
    store = registry.open_store(f"file:{folder}")
    for _ in range(3):
        store.get("key")
        store.set("key", b"value", 1.0)
    check_store(store)
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    message = warnings[0].getMessage()
    assert message.startswith(f"Cannot use files in {folder} for rate limits and tokens (")
    assert "falling back to the memory of this process" in message
    assert not folder.is_dir() or not list(folder.iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk that can be filled, and made read-only."""
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


def test_full_disk_falls_back(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = registry.open_store(f"file:{small_disk}/ours")
    store.reserve_slot("reserved before", ONE_IN_TEN_SECONDS, 0.0, 0.0)
    with pytest.raises(OSError, match="No space"):
        (small_disk / "filler").write_bytes(bytes(1 << 20))
    store.set("key", b"value", 30.0)
    assert store.get("key")
    # Operations that need no more space still use the disk.
    assert store.reserve_slot("reserved before", ONE_IN_TEN_SECONDS, 0.0, 60.0) > 9.0
    check_store(store)
    assert len(caplog.records) == 1


def test_read_only_disk_falls_back(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    check_store(registry.open_store(f"file:{small_disk}/ours"))
    assert [record.getMessage().count("Read-only file system") for record in caplog.records] == [1]


def test_disk_without_locks_falls_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    check_store(registry.open_store("host"))
    assert [record.getMessage().count("No locks available") for record in caplog.records] == [1]


def redis_chain(url: str, cooldown: float) -> FallbackStore:
    return FallbackStore([RedisStore(url), FileStore(), MemoryStore()], cooldown)


def test_redis_unavailable_at_start_falls_back(caplog: pytest.LogCaptureFixture) -> None:
    server = RedisServer("geheim-word")
    check_store(registry.open_store(server.url))
    assert [record.getMessage() for record in caplog.records] == [
        "Cannot use Redis for rate limits and tokens (ConnectionError); falling back to files on this host. "
        "Requests rejected with 429 will be retried"
    ]


def test_redis_that_stops_and_restarts_is_used_again(caplog: pytest.LogCaptureFixture) -> None:
    with redis_server() as server:
        store = redis_chain(server.url, 0.2)
        check_store(store)
        assert server.client().keys("*slots*")
        server.stop()
        check_store(store)
        server.start()
        assert server.client().keys() == []

        def is_used() -> bool:
            store.set("restarted", b"value", 30.0)
            return bool(server.client().keys("*restarted*"))

        wait_for(is_used)
        check_store(store)
    assert len(caplog.records) == 1


def test_redis_is_not_contacted_during_cooldown() -> None:
    server = RedisServer()
    store = redis_chain(server.url, 30.0)
    check_store(store)
    server.start()
    try:
        store.set("key", b"value", 30.0)
        assert server.client().keys() == []
    finally:
        server.stop()


def test_unresponsive_redis_delays_one_request_only(redis: RedisServer) -> None:
    store = redis_chain(f"{redis.url}?socket_timeout=0.2", 30.0)
    check_store(store)
    redis.send(signal.SIGSTOP)
    try:
        done = threading.Event()

        def read() -> None:
            for _ in range(100):
                store.get("key")
            done.set()

        threading.Thread(target=read, daemon=True).start()
        # Far less than 100 timeouts of 0.2 s.
        assert done.wait(8.0)
    finally:
        redis.send(signal.SIGCONT)


def test_redis_with_wrong_password_falls_back(caplog: pytest.LogCaptureFixture) -> None:
    with redis_server("geheim-word") as server:
        check_store(registry.open_store(server.url.replace("geheim-word", "other-word")))
        check_store(registry.open_store(server.url))
        assert server.client().ping()
    assert len(caplog.records) == 1
    assert "word" not in caplog.text
