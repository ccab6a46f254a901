"""A shared sign-in survives what happens to processes, disks and servers."""

from __future__ import annotations

import errno
import fcntl
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.auth import refresh
from airflow_provider_engagevoice.ringcx.storage.registry import open_store
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.integration.test_shared_token import asked, read, task_of
from tests.support.clients import DIAL_GROUPS, EXCHANGE, REFRESH
from tests.support.processes import Processes, run, until


@pytest.mark.parametrize("which", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_task_that_ends_in_the_exchange_is_replaced(
    limited_ringcx: SandboxServer, store: str, which: signal.Signals
) -> None:
    patch = {"auth.token_cache._LOCK_LIFE": 1.0, "auth.refresh._STUCK_AFTER": 2.0}
    exchanging = threading.Event()
    limited_ringcx.fault("meanwhile", work=exchanging.set, operation="token_exchange")
    limited_ringcx.fault("hang", operation="token_exchange")
    spec = {"url": limited_ringcx.url, "store": store, "patch": patch}
    with Processes("read", 1, spec) as first:
        assert exchanging.wait(20)
        _others_take_over(first, spec, which)
    assert asked(limited_ringcx)[DIAL_GROUPS] == 6
    assert 1 <= asked(limited_ringcx)[EXCHANGE] <= 2


def _others_take_over(first: Processes, spec: dict[str, Any], which: signal.Signals) -> None:
    with Processes("read", 6, spec) as others:
        others.heard("begun")
        first.send(which)
        begun = time.monotonic()
        assert others.results() == [""] * 6
        # Far less than the 20 seconds after which the first would have given up by itself.
        assert time.monotonic() - begun < 15.0


def test_a_task_killed_before_it_could_save_its_token_costs_one_more(
    limited_ringcx: SandboxServer, store: str
) -> None:
    with Processes("save_and_die", 1, {"url": limited_ringcx.url, "store": store}) as first:
        first.wait()
    patch = {"auth.token_cache._LOCK_LIFE": 1.0}
    if store != "host":
        # Nobody notices a death there; the lock ends by itself.
        open_store(store)._stores[0]._redis.flushall()  # type: ignore[attr-defined]
    assert run("read", 6, url=limited_ringcx.url, store=store, patch=patch) == [""] * 6
    assert asked(limited_ringcx)[EXCHANGE] == 2


def test_a_task_killed_while_it_renews_does_not_spend_twice(limited_ringcx: SandboxServer) -> None:
    read(task_of(limited_ringcx))
    limited_ringcx.expire_tokens()
    renewing = threading.Event()
    limited_ringcx.fault("meanwhile", work=renewing.set, operation="token_refresh")
    limited_ringcx.fault("hang", operation="token_refresh")
    with Processes("read", 1, {"url": limited_ringcx.url}) as first:
        assert renewing.wait(20)
        first.send(signal.SIGKILL)
        first.wait()
    assert run("read", 4, url=limited_ringcx.url) == [""] * 4
    until(lambda: asked(limited_ringcx)[REFRESH] == 1)
    assert asked(limited_ringcx)[EXCHANGE] == 2


def value_file(folder: Path) -> Path:
    (path,) = folder.glob("value-*")
    return path


@pytest.mark.parametrize("keep", [0, 3, 8, 20, 100])
def test_a_torn_file_costs_one_more(limited_ringcx: SandboxServer, shared_folder: Path, keep: int) -> None:
    read(task_of(limited_ringcx))
    path = value_file(shared_folder)
    path.write_bytes(path.read_bytes()[:keep])
    for _ in range(2):
        read(task_of(limited_ringcx))
    assert asked(limited_ringcx)[EXCHANGE] == 2


def test_a_file_with_a_flipped_bit_is_never_believed(
    limited_ringcx: SandboxServer, shared_folder: Path
) -> None:
    read(task_of(limited_ringcx))
    client = task_of(limited_ringcx)
    path = value_file(shared_folder)
    good = path.read_bytes()
    slot = client.authenticator._slot()  # type: ignore[attr-defined]
    before = client.authenticator._vault(slot).load()  # type: ignore[attr-defined]
    for position in range(len(good)):
        flipped = bytearray(good)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(bytes(flipped))
        loaded = client.authenticator._vault(slot).load()  # type: ignore[attr-defined]
        # The time of its end is not sealed; yet no token is believed to live longer than when it was new.
        assert loaded is None or (loaded.access == before.access and loaded.left <= before.left + 1.0)
        assert position < 8 or loaded is None


@pytest.mark.parametrize("content", [b"[]", b"{}", b"null", b'{"access": 1}', b'{"after": "x", "life": 1}'])
def test_what_another_version_wrote_is_no_token(limited_ringcx: SandboxServer, content: bytes) -> None:
    client = task_of(limited_ringcx)
    slot = client.authenticator._slot()  # type: ignore[attr-defined]
    vault = client.authenticator._vault(slot)  # type: ignore[attr-defined]
    vault.store.set(vault.key, slot.seal.close(content), 1000.0)
    read(client)
    assert asked(limited_ringcx)[EXCHANGE] == 1


def test_a_disk_without_locks_costs_a_sign_in_for_each_process(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    client = task_of(limited_ringcx)
    for _ in range(3):
        read(client)
    assert asked(limited_ringcx)[EXCHANGE] == 1
    assert caplog.text.count("No locks available") == 1


def test_a_redis_that_goes_away_costs_one_more_for_each_host(limited_ringcx: SandboxServer) -> None:
    from tests.support.processes import redis_server

    with redis_server() as server:
        assert run("read", 4, url=limited_ringcx.url, store=server.url) == [""] * 4
        with Processes(
            "read", 4, {"url": limited_ringcx.url, "store": server.url, "times": 20, "pause": 0.05}
        ) as many:
            until(lambda: asked(limited_ringcx)[DIAL_GROUPS] > 20)
            server.stop()
            assert many.results() == [""] * 4
            # Each of them says it once.
            assert [log.count("cannot be shared through Redis") for log in many.logs()] == [1] * 4
        assert run("read", 4, url=limited_ringcx.url, store=server.url) == [""] * 4
        server.start()
    assert asked(limited_ringcx)[EXCHANGE] == 2


def test_processes_that_cannot_share_still_work(limited_ringcx: SandboxServer, shared_folder: Path) -> None:
    shared_folder.mkdir(0o755)
    assert run("read", 3, url=limited_ringcx.url) == [""] * 3
    assert asked(limited_ringcx)[EXCHANGE] == 3


def test_a_forked_process_has_the_token_and_renews_it_itself(limited_ringcx: SandboxServer) -> None:
    import os

    client = task_of(limited_ringcx)
    read(client)
    client.close()
    with client.authenticator._slot().lock.held():  # type: ignore[attr-defined]
        child = os.fork()
        if not child:
            ended = 1
            try:
                client.authenticator.headers(client.transport)
                ended = 0
            finally:
                os._exit(ended)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert refresh._TOKEN_SLOTS


def test_masking_hides_tokens_that_another_task_has_got(limited_ringcx: SandboxServer) -> None:
    read(task_of(limited_ringcx))
    masked: list[str] = []
    client = task_of(limited_ringcx)
    client.authenticator.mask = masked.append
    sent: dict[str, Any] = dict(client.authenticator.headers(client.transport))
    assert sent["Authorization"].removeprefix("Bearer ") in masked
    assert len(masked) == 2
