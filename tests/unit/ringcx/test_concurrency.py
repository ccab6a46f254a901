"""Tests of the cancellation token and the fork-safe lock."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from airflow_provider_engagevoice.ringcx import concurrency
from airflow_provider_engagevoice.ringcx.concurrency import POLL_INTERVAL, CancelToken, ForkSafeLock
from airflow_provider_engagevoice.ringcx.exceptions import Cancelled
from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.ringcx.storage.registry import open_store
from tests.support.clients import FakeClock

WAIT = 60.0


def in_forked_child(work: Callable[[], object]) -> bool:
    """Run work in a forked child; return whether it succeeded within 20 seconds."""
    child = os.fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    deadline = time.monotonic() + 20.0
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def test_sleep_ends_at_first_poll_after_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    token, clock = CancelToken(), FakeClock()
    monkeypatch.setattr(concurrency, "time", clock)
    monkeypatch.setattr(concurrency, "clock", clock)

    def cancel_at_third_poll() -> None:
        if len(clock.pauses) == 3:
            token.cancel()

    clock.on_pause = cancel_at_third_poll
    with pytest.raises(Cancelled, match="Cancelled before the next request was sent"):
        token.sleep(WAIT)
    assert clock.pauses == [POLL_INTERVAL] * 3


def test_sleep_not_cancelled_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    token, clock = CancelToken(), FakeClock()
    monkeypatch.setattr(concurrency, "time", clock)
    monkeypatch.setattr(concurrency, "clock", clock)
    token.sleep(1.1)
    assert sum(clock.pauses) == pytest.approx(1.1, abs=0.2)
    assert max(clock.pauses) <= POLL_INTERVAL


def test_sleep_already_cancelled_raises_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    token, clock = CancelToken(), FakeClock()
    monkeypatch.setattr(concurrency, "time", clock)
    monkeypatch.setattr(concurrency, "clock", clock)
    token.cancel()
    assert token.is_cancelled()
    for seconds in (0.0, WAIT):
        with pytest.raises(Cancelled):
            token.sleep(seconds)
    assert clock.pauses == []


def test_held_calls_check_while_another_thread_holds_the_lock() -> None:
    lock, token = ForkSafeLock(), CancelToken()
    checks = 0

    def check() -> None:
        nonlocal checks
        checks += 1
        if checks == 2:
            token.cancel()
        token.raise_if_cancelled()

    with lock.held(), pytest.raises(Cancelled), lock.held(check):
        pytest.fail("the lock was acquired twice")
    assert checks == 2
    with lock.held():
        pass


def test_lock_held_by_another_thread_is_free_after_fork() -> None:
    lock, is_held, release = ForkSafeLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock.held():
            is_held.set()
            release.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert is_held.wait(20)

        def acquire() -> None:
            with lock.held():
                pass

        assert in_forked_child(acquire)
        # In the parent it is still held.
        with pytest.raises(Cancelled), lock.held(_cancel):
            pytest.fail("the lock was acquired twice")
    finally:
        release.set()
        holder.join()
    with lock.held():
        pass


def _cancel() -> None:
    raise Cancelled("the lock is held")


def test_lock_held_by_forking_thread_is_free_after_fork() -> None:
    lock = ForkSafeLock()

    def acquire() -> None:
        with lock.held():
            pass

    with lock.held():
        assert in_forked_child(acquire)


def test_lock_that_is_unused_is_garbage_collected() -> None:
    reference = weakref.ref(ForkSafeLock())
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("kind", ["host", "process"])
def test_store_in_use_is_free_after_fork(kind: str) -> None:
    store = open_store(kind)
    windows = [RateWindow(30, 10.0), RateWindow(120, 60.0)]
    store.reserve_slot("key", windows, 0.0, 0.0)
    release = store.acquire_lock("sign-in", 30.0)
    assert release is not None
    memory = store if isinstance(store, MemoryStore) else MemoryStore()
    with memory._lock.held():
        child = os.fork()
        if not child:
            memory.reserve_slot("key", windows, 0.0, 0.0)
            store.reserve_slot("key", windows, 0.0, 0.0)
            os.kill(os.getpid(), signal.SIGSTOP)
            os._exit(0)
    _, status = os.waitpid(child, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    release()
    try:
        # The child has the file of the lock open, too; the lock is released nevertheless.
        assert store.acquire_lock("sign-in", 30.0) is not None
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_memory_lock_held_by_the_parent_is_free_in_a_forked_child() -> None:
    """The thread that would release it does not exist in the child."""
    store = MemoryStore()
    release = store.acquire_lock("sign-in", WAIT)
    assert release is not None

    def acquire() -> None:
        assert store.acquire_lock("sign-in", WAIT)
        assert store.acquire_lock("sign-in", WAIT) is None

    assert in_forked_child(acquire)
    assert store.acquire_lock("sign-in", WAIT) is None
    release()
    assert store.acquire_lock("sign-in", WAIT)
