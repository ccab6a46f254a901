"""Tests of shared tokens while processes are killed, files are damaged and servers stop."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.auth import refresh
from airflow_provider_engagevoice.ringcx.storage.registry import open_store
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.integration.test_shared_token import make_task_client, read, request_counts
from tests.support.clients import DIAL_GROUPS, EXCHANGE, REFRESH
from tests.support.processes import WorkerProcesses, redis_server, run_workers, wait_for


@pytest.mark.parametrize("which", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_task_that_dies_during_exchange_is_replaced(
    limited_ringcx: SandboxServer, store: str, which: signal.Signals
) -> None:
    patch = {"auth.token_cache._LOCK_LIFETIME": 1.0, "auth.refresh._STUCK_AFTER": 2.0}
    exchanging = threading.Event()
    limited_ringcx.fault("meanwhile", work=exchanging.set, operation="token_exchange")
    limited_ringcx.fault("hang", operation="token_exchange")
    spec = {"url": limited_ringcx.url, "store": store, "patch": patch}
    with WorkerProcesses("read", 1, spec) as first:
        assert exchanging.wait(20)
        _others_take_over(first, spec, which)
    assert request_counts(limited_ringcx)[DIAL_GROUPS] == 6
    assert 1 <= request_counts(limited_ringcx)[EXCHANGE] <= 2


def _others_take_over(first: WorkerProcesses, spec: dict[str, Any], which: signal.Signals) -> None:
    with WorkerProcesses("read", 6, spec) as others:
        others.wait_for_line("started")
        first.send(which)
        started_at = time.monotonic()
        assert others.results() == [""] * 6
        # Less than the timeout of 20 seconds after which the first task would have stopped waiting.
        assert time.monotonic() - started_at < 15.0


def test_task_killed_before_caching_costs_one_sign_in(limited_ringcx: SandboxServer, store: str) -> None:
    with WorkerProcesses("die_before_caching", 1, {"url": limited_ringcx.url, "store": store}) as first:
        first.wait()
    patch = {"auth.token_cache._LOCK_LIFETIME": 1.0}
    if store != "host":
        # Redis does not detect that a holder died; delete its lock, which would expire later.
        open_store(store)._stores[0]._redis.flushall()  # type: ignore[attr-defined]
    assert run_workers("read", 6, url=limited_ringcx.url, store=store, patch=patch) == [""] * 6
    assert request_counts(limited_ringcx)[EXCHANGE] == 2


def test_task_killed_during_refresh_costs_one_sign_in(limited_ringcx: SandboxServer) -> None:
    read(make_task_client(limited_ringcx))
    limited_ringcx.expire_tokens()
    refreshing = threading.Event()
    limited_ringcx.fault("meanwhile", work=refreshing.set, operation="token_refresh")
    limited_ringcx.fault("hang", operation="token_refresh")
    with WorkerProcesses("read", 1, {"url": limited_ringcx.url}) as first:
        assert refreshing.wait(20)
        first.send(signal.SIGKILL)
        first.wait()
    assert run_workers("read", 4, url=limited_ringcx.url) == [""] * 4
    wait_for(lambda: request_counts(limited_ringcx)[REFRESH] == 1)
    assert request_counts(limited_ringcx)[EXCHANGE] == 2


def value_file(folder: Path) -> Path:
    (path,) = folder.glob("value-*")
    return path


@pytest.mark.parametrize("size", [0, 3, 8, 20, 100])
def test_truncated_file_costs_one_sign_in(
    limited_ringcx: SandboxServer, shared_folder: Path, size: int
) -> None:
    read(make_task_client(limited_ringcx))
    path = value_file(shared_folder)
    path.write_bytes(path.read_bytes()[:size])
    for _ in range(2):
        read(make_task_client(limited_ringcx))
    assert request_counts(limited_ringcx)[EXCHANGE] == 2


def test_disk_without_locks_costs_a_sign_in_per_process(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    client = make_task_client(limited_ringcx)
    for _ in range(3):
        read(client)
    assert request_counts(limited_ringcx)[EXCHANGE] == 1
    assert caplog.text.count("No locks available") == 1


def test_redis_that_stops_costs_one_sign_in_per_host(limited_ringcx: SandboxServer) -> None:
    with redis_server() as server:
        assert run_workers("read", 4, url=limited_ringcx.url, store=server.url) == [""] * 4
        with WorkerProcesses(
            "read", 4, {"url": limited_ringcx.url, "store": server.url, "times": 20, "pause": 0.05}
        ) as many:
            wait_for(lambda: request_counts(limited_ringcx)[DIAL_GROUPS] > 20)
            server.stop()
            assert many.results() == [""] * 4
            # Each process logs it once.
            assert [log.count("Cannot use Redis for rate limits and tokens") for log in many.logs()] == [
                1
            ] * 4
        assert run_workers("read", 4, url=limited_ringcx.url, store=server.url) == [""] * 4
        server.start()
    assert request_counts(limited_ringcx)[EXCHANGE] == 2


def test_processes_without_shared_store_sign_in_separately(
    limited_ringcx: SandboxServer, shared_folder: Path
) -> None:
    shared_folder.mkdir(0o755)
    assert run_workers("read", 3, url=limited_ringcx.url) == [""] * 3
    assert request_counts(limited_ringcx)[EXCHANGE] == 3


def test_forked_process_has_the_token(limited_ringcx: SandboxServer) -> None:
    client = make_task_client(limited_ringcx)
    read(client)
    client.close()
    with client.authenticator._token_slot().lock.held():  # type: ignore[attr-defined]
        child = os.fork()
        if not child:
            status = 1
            try:
                client.authenticator.headers(client.transport)
                status = 0
            finally:
                os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert refresh._TOKEN_SLOTS


def test_tokens_of_other_tasks_are_masked(limited_ringcx: SandboxServer) -> None:
    read(make_task_client(limited_ringcx))
    masked: list[str] = []
    client = make_task_client(limited_ringcx)
    client.authenticator.mask = masked.append
    sent: dict[str, Any] = dict(client.authenticator.headers(client.transport))
    assert sent["Authorization"].removeprefix("Bearer ") in masked
    assert len(masked) == 2
