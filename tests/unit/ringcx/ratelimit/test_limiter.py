"""Waiting for a slot: told, bounded, broken off when asked, and nobody's slot twice."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.exceptions import Cancelled, RateLimited, TransientError
from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.ratelimit.operations import RateLimit, rate_limit_for
from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import DIAL_GROUPS, Clock, client_of
from tests.support.raw_server import raw_server

SLOW = RateLimit("key", "lead_action", (RateWindow(1, 100.0),))


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was slept; nothing really sleeps."""
    slept: list[float] = []
    monkeypatch.setattr(
        "airflow_provider_engagevoice.ringcx.concurrency.wait_until",
        lambda seconds, over: slept.append(seconds),
    )
    return slept


def test_a_long_wait_is_told_after_ten_seconds_and_every_minute(
    naps: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    limiter = RateLimiter(pad=0.0)
    limiter.wait(SLOW)
    limiter.wait(SLOW)
    assert naps == pytest.approx([10.0, 60.0, 30.0], abs=0.1)
    assert [record.getMessage() for record in caplog.records] == [
        "Waiting for RingCX's limit of lead_action (1 requests in 100 s): 90 s more",
        "Waiting for RingCX's limit of lead_action (1 requests in 100 s): 30 s more",
    ]


def test_a_short_wait_is_not_told(naps: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    limiter = RateLimiter(pad=0.0)
    for _ in range(3):
        limiter.wait(RateLimit("key", "lead_action", (RateWindow(1, 4.0),)))
    assert naps == pytest.approx([4.0, 4.0], abs=4.1)
    assert caplog.records == []


def test_a_wait_longer_than_limit_timeout_is_an_error_that_says_how_long(naps: list[float]) -> None:
    limiter = RateLimiter(pad=0.0, timeout=30.0)
    limiter.wait(SLOW)
    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            limiter.wait(SLOW)
        assert isinstance(caught.value, TransientError)
        assert caught.value.status is None
        assert 99.0 < (caught.value.retry_after or 0) <= 100.0
        assert str(caught.value) == (
            "RingCX's limit for lead_action is taken by requests before this one for the next 100 s, more "
            "than limit_timeout=30"
        )
    assert naps == []


def stop_soon(stop: Callable[[], object], seconds: float = 0.2) -> None:
    threading.Timer(seconds, stop).start()


def stopped(work: Callable[[], object]) -> float:
    """Do work that is to be stopped; return the seconds it took."""
    begun = time.monotonic()
    with pytest.raises(Cancelled) as caught:
        work()
    assert isinstance(caught.value, TransientError)
    return time.monotonic() - begun


def test_a_wait_for_a_slot_is_broken_off_and_its_slot_stays_booked() -> None:
    store, stop = MemoryStore(), CancelToken()
    RateLimiter(store, pad=0.0).wait(SLOW)
    stop_soon(stop.set)
    assert stopped(lambda: RateLimiter(store, pad=0.0).wait(SLOW, stop)) < 1.0
    assert store.reserve_slot("key", SLOW.windows, 0.0, 300.0) > 195.0


def test_a_pause_before_a_repeat_is_broken_off(limited_ringcx: SandboxServer) -> None:
    client = client_of(limited_ringcx.url, "api_token")
    limited_ringcx.fault("rate_limited", retry_after=60, operation="dial_groups", chance=1)
    stop_soon(client.stop.set)
    assert stopped(lambda: client.request("GET", DIAL_GROUPS)) < 1.5
    assert len(limited_ringcx.requests) == 1


def test_a_wait_for_another_threads_sign_in_is_broken_off(limited_ringcx: SandboxServer) -> None:
    first, second = client_of(limited_ringcx.url), client_of(limited_ringcx.url)
    reached = threading.Event()
    limited_ringcx.fault("meanwhile", work=reached.set, operation="token_exchange", chance=1)
    limited_ringcx.fault("rate_limited", retry_after=60, operation="token_exchange", chance=1)
    signing_in = threading.Thread(target=lambda: stopped(lambda: first.request("GET", DIAL_GROUPS)))
    signing_in.start()
    assert reached.wait(10)
    stop_soon(second.stop.set)
    assert stopped(lambda: second.request("GET", DIAL_GROUPS)) < 1.5
    first.stop.set()
    signing_in.join(10)
    assert not signing_in.is_alive()


def test_nothing_is_sent_once_it_is_stopped(limited_ringcx: SandboxServer) -> None:
    client = client_of(limited_ringcx.url, "api_token")
    client.stop.set()
    stopped(lambda: client.request("GET", DIAL_GROUPS))
    assert limited_ringcx.requests == []


def test_a_request_under_way_is_answered_first(limited_ringcx: SandboxServer) -> None:
    client = client_of(limited_ringcx.url, "api_token")
    limited_ringcx.fault("meanwhile", work=client.stop.set, operation="dial_groups")
    assert client.request("GET", DIAL_GROUPS)
    stopped(lambda: client.request("GET", DIAL_GROUPS))


def test_a_signal_ends_a_wait_in_the_main_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler runs in the thread that waits; with an event it could wait for itself."""
    stop = CancelToken()
    limiter = RateLimiter(pad=0.0)
    limiter.wait(SLOW)
    before = signal.signal(signal.SIGUSR1, lambda number, frame: stop.set())
    try:
        stop_soon(lambda: os.kill(os.getpid(), signal.SIGUSR1))
        assert stopped(lambda: limiter.wait(SLOW, stop)) < 1.0
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("early", [True, False])
def test_the_hook_stops_its_client_even_before_there_is_one(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch, early: bool
) -> None:
    import json

    monkeypatch.setenv("AIRFLOW_CONN_ENGAGEVOICE_DEFAULT", json.dumps(limited_ringcx.connection))
    hook = EngageVoiceHook()
    if not early:
        hook.get_conn()
    hook.stop()
    stopped(lambda: hook.request("GET", DIAL_GROUPS))
    assert limited_ringcx.requests == []


@pytest.mark.parametrize(("seconds", "told"), [(9.0, 0), (12.0, 1), (80.0, 1), (200.0, 3)])
def test_a_long_wait_for_another_tasks_sign_in_is_told_once_for_each(
    limited_ringcx: SandboxServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    seconds: float,
    told: int,
) -> None:
    """The other one waits for its turn among the five sign-ins a minute, say, and only its log tells that."""
    caplog.set_level(logging.DEBUG)
    client, clock = client_of(limited_ringcx.url), Clock()
    client.authenticator.store = MemoryStore()
    vault = client.authenticator._vault(client.authenticator._slot())  # type: ignore[attr-defined]
    locks = [lock for turn in range(3) if (lock := vault.lock(turn)) is not None]

    def nap(slept: float, over: object) -> None:
        clock.sleep(slept)
        if clock.moved > seconds:
            for release in locks:
                release()
            locks.clear()

    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.concurrency.wait_until", nap)
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.auth.refresh.time", clock)
    client.request("GET", DIAL_GROUPS)
    lines = [line for line in caplog.messages if "another task to sign in" in line]
    assert lines == ["Waiting for another task to sign in: 80 s more at most"] * told
    assert "sandbox-" not in "".join(caplog.messages)


def test_each_repeat_has_a_slot_of_its_own(naps: list[float]) -> None:
    """Someone else uses the account, too: after a 429 the request waits, and its turn comes anew."""
    booked: list[str] = []

    class Noting(MemoryStore):
        def reserve_slot(self, key: str, *rest: object) -> float:  # type: ignore[override]
            booked.append(key.split()[2])
            return super().reserve_slot(key, *rest)  # type: ignore[arg-type]

    limited = b"HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n\r\n"
    good = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
    with raw_server(lambda number, request: limited if number < 4 else good) as server:
        client = client_of(server.url, "api_token")
        client.transport.limiter = RateLimiter(Noting())
        assert client.request("GET", DIAL_GROUPS) == []
    assert booked == ["other"] * 4
    # A quarter of the short window, then twice as long each time.
    for nap, middle in zip(naps, (2.5, 5.0, 10.0), strict=True):
        assert 0.75 * middle <= nap <= 1.25 * middle


def test_waiting_for_slots_is_no_failing(naps: list[float], limited_ringcx: SandboxServer) -> None:
    """A request may wait for its turn for longer than a failing one is tried again."""
    client: RingCXClient = client_of(limited_ringcx.url, "api_token", patience=0.0)
    client.transport.limiter = RateLimiter(MemoryStore(), pad=0.0)
    store = client.transport.limiter.store
    limit = rate_limit_for("GET", limited_ringcx.url + DIAL_GROUPS)
    assert limit is not None
    for _ in range(240):
        store.reserve_slot(limit.key, limit.windows, 0.0, 900.0)
    assert client.request("GET", DIAL_GROUPS)
    assert sum(naps) > 100.0


def test_logs_of_waiting_name_no_secret(naps: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    limit = rate_limit_for("POST", "https://a/api/auth/login/rc/accesstoken", rate_limit_scope="an-app")
    assert limit is not None
    limiter = RateLimiter(pad=0.0)
    for _ in range(6):
        limiter.wait(limit)
    assert "token_exchange (5 requests in 60 s): 50 s more" in caplog.text
    assert "an-app" not in caplog.text
