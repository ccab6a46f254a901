"""Tests of the rate limiter: waits, their limits and cancellation, and logs of waits and rejections."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.exceptions import RateLimited, TransientError
from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.ratelimit.operations import RateLimit, rate_limit_for
from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.ringcx.storage.registry import open_store
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.cancellation import cancel_soon, run_cancelled
from tests.support.clients import DIAL_GROUPS, make_client
from tests.support.raw_server import raw_server

SLOW = RateLimit("key", "lead_action", (RateWindow(1, 100.0),))


@dataclass
class FrozenClock:
    """Replacement for the module ``time`` that only ``sleep`` advances.

    :param pauses: the durations passed to ``sleep``, in seconds.
    """

    pauses: list[float] = field(default_factory=list)
    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def frozen_clock(monkeypatch: pytest.MonkeyPatch) -> FrozenClock:
    """Replace the clock of the limiter and of the memory store; waits take no time."""
    clock = FrozenClock()
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.ratelimit.limiter.clock", clock)
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.storage.memory.clock", clock)
    monkeypatch.setattr(
        "airflow_provider_engagevoice.ringcx.concurrency.wait_until",
        lambda timeout, condition: clock.sleep(timeout),
    )
    return clock


def test_acquire_long_wait_is_logged_periodically(
    frozen_clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    limiter = RateLimiter(margin=0.0)
    limiter.acquire(SLOW)
    limiter.acquire(SLOW)
    assert frozen_clock.pauses == [10.0, 60.0, 30.0]
    assert [record.getMessage() for record in caplog.records] == [
        "Waiting for the rate limit of lead_action (1 request in 100 s): 90 s left",
        "Waiting for the rate limit of lead_action (1 request in 100 s): 30 s left",
    ]


def test_acquire_short_wait_is_not_logged(
    frozen_clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    limiter = RateLimiter(margin=0.0)
    for _ in range(3):
        limiter.acquire(RateLimit("key", "lead_action", (RateWindow(1, 4.0),)))
    assert frozen_clock.pauses == [4.0, 4.0]
    assert caplog.records == []


def test_acquire_slot_after_limit_timeout_raises(frozen_clock: FrozenClock) -> None:
    limiter = RateLimiter(margin=0.0, timeout=30.0)
    limiter.acquire(SLOW)
    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            limiter.acquire(SLOW)
        assert isinstance(caught.value, TransientError)
        assert caught.value.status is None
        assert caught.value.retry_after == 100.0
        assert str(caught.value) == (
            "Rate limit for lead_action: the next free slot is in 100 s, later than limit_timeout=30 s allows"
        )
    assert frozen_clock.pauses == []


def test_acquire_cancelled_keeps_slot_reserved() -> None:
    store, cancel_token = MemoryStore(), CancelToken()
    RateLimiter(store, margin=0.0).acquire(SLOW)
    cancel_soon(cancel_token.cancel)
    # Far less than the 100 s until the slot.
    assert run_cancelled(lambda: RateLimiter(store, margin=0.0).acquire(SLOW, cancel_token)) < 10.0
    assert store.reserve_slot("key", SLOW.windows, 0.0, 300.0) > 150.0


def test_acquire_in_main_thread_is_cancelled_by_signal_handler() -> None:
    """The handler runs in the waiting thread, which would deadlock with a :class:`threading.Event`."""
    cancel_token = CancelToken()
    limiter = RateLimiter(margin=0.0)
    limiter.acquire(SLOW)
    before = signal.signal(signal.SIGUSR1, lambda number, frame: cancel_token.cancel())
    try:
        cancel_soon(lambda: os.kill(os.getpid(), signal.SIGUSR1))
        assert run_cancelled(lambda: limiter.acquire(SLOW, cancel_token)) < 10.0
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_acquire_is_repeated_for_each_retry(frozen_clock: FrozenClock) -> None:
    """If another client uses the sub-account, too, each retry after a 429 has its own slot."""
    reserved: list[str] = []

    class RecordingStore(MemoryStore):
        def reserve_slot(self, key: str, *rest: object) -> float:  # type: ignore[override]
            reserved.append(key.split()[2])
            return super().reserve_slot(key, *rest)  # type: ignore[arg-type]

    limited = b"HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n\r\n"
    ok = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
    with raw_server(lambda number, request: limited if number < 4 else ok) as server:
        client = make_client(server.url, "api_token")
        client.transport.limiter = RateLimiter(RecordingStore())
        assert client.request("GET", DIAL_GROUPS) == []
    assert reserved == ["other"] * 4
    # A quarter of the short window, then twice as long each time.
    for pause, mean in zip(frozen_clock.pauses, (2.5, 5.0, 10.0), strict=True):
        assert 0.75 * mean <= pause <= 1.25 * mean


def test_acquire_does_not_count_towards_retry_timeout(
    frozen_clock: FrozenClock, limited_ringcx: SandboxServer
) -> None:
    client = make_client(limited_ringcx.url, "api_token", retry_timeout=0.0)
    client.transport.limiter = RateLimiter(MemoryStore(), margin=0.0)
    store = client.transport.limiter.store
    limit = rate_limit_for("GET", limited_ringcx.url + DIAL_GROUPS)
    assert limit is not None
    for _ in range(240):
        store.reserve_slot(limit.key, limit.windows, 0.0, 900.0)
    assert client.request("GET", DIAL_GROUPS)
    assert sum(frozen_clock.pauses) > 100.0


def test_acquire_logs_no_credential(frozen_clock: FrozenClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    limit = rate_limit_for("POST", "https://a/api/auth/login/rc/accesstoken", rate_limit_scope="an-app")
    assert limit is not None
    limiter = RateLimiter(margin=0.0)
    for _ in range(6):
        limiter.acquire(limit)
    assert "token_exchange (5 requests in 60 s): 50 s left" in caplog.text
    assert "an-app" not in caplog.text


@dataclass
class RecordingObserver:
    """Records the calls of an attempt's observer, of which ``on_attempt`` takes time.

    :param clock: the clock.
    :param durations: the duration of each ``on_attempt``, in seconds.
    :param calls: the calls so far.
    """

    clock: FrozenClock
    durations: Iterator[float]
    calls: list[str] = field(default_factory=list)

    def on_attempt(self) -> None:
        self.calls.append("on_attempt")
        self.clock.sleep(next(self.durations))

    def on_not_applied(self) -> None:
        self.calls.append("on_not_applied")


@pytest.mark.parametrize("duration", [0.0, 0.5], ids=["at-once", "within-half-the-margin"])
def test_acquire_observer_within_tolerance_keeps_slot(frozen_clock: FrozenClock, duration: float) -> None:
    observer = RecordingObserver(frozen_clock, iter([duration]))
    limit = RateLimit("key", "lead_action", (RateWindow(1, 5.0),))
    assert RateLimiter(margin=2.0).acquire(limit, observer=observer) == 0.0
    assert frozen_clock.pauses == [duration]
    assert observer.calls == ["on_attempt"]


def test_acquire_slow_observer_misses_slot_and_gets_another(frozen_clock: FrozenClock) -> None:
    """Later reservations rely on each request being sent at most half a margin after its slot.

    A request that waits for seconds is not in flight. Before the second slot the observer is notified
    earlier, by as much as the first call took.
    """
    observer = RecordingObserver(frozen_clock, iter([1.1, 1.1]))
    limit = RateLimit("key", "lead_action", (RateWindow(1, 5.0),))
    assert RateLimiter(margin=2.0).acquire(limit, observer=observer) == pytest.approx(5.9)
    assert frozen_clock.pauses == pytest.approx([1.1, 4.8, 1.1])
    assert observer.calls == ["on_attempt", "on_not_applied", "on_attempt"]


def test_acquire_notifies_observer_shortly_before_slot(frozen_clock: FrozenClock) -> None:
    limiter, limit = RateLimiter(margin=0.0), RateLimit("key", "lead_action", (RateWindow(1, 10.0),))
    limiter.acquire(limit)
    limiter.acquire(limit, observer=RecordingObserver(frozen_clock, iter([0.0])))
    assert frozen_clock.pauses == [9.75, 0.0, 0.25]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def rejection_warning(rejections: int) -> str:
    return (
        f"429 for other ({rejections} so far) although this client is within the limit (120 requests in "
        "60 s): another client uses the sub-account, or some tasks do not share files on this host. Retrying"
    )


def test_record_rejection_warns_once_a_minute_with_count(
    limited_ringcx: SandboxServer, caplog: pytest.LogCaptureFixture, frozen_clock: FrozenClock
) -> None:
    caplog.set_level("INFO")
    client = make_client(limited_ringcx.url, "api_token")
    limiter = client.transport.limiter = RateLimiter(open_store("host"))
    limited_ringcx.fault("rate_limited", operation="dial_groups", times=3, retry_after=7)
    assert client.request("GET", DIAL_GROUPS)
    assert warnings(caplog) == [rejection_warning(1)]
    # Each retry is logged, too, at a lower level.
    assert sum("retrying in" in message for message in caplog.messages) == 3
    frozen_clock.sleep(60.0)
    limited_ringcx.fault("rate_limited", operation="dial_groups", times=2, retry_after=7)
    assert client.request("GET", DIAL_GROUPS)
    assert warnings(caplog) == [rejection_warning(1), rejection_warning(4)]
    assert limiter.rejections == {"other": 5}


def test_rejection_without_limiter_is_always_a_warning(
    limited_ringcx: SandboxServer, caplog: pytest.LogCaptureFixture, frozen_clock: FrozenClock
) -> None:
    client = make_client(limited_ringcx.url, "api_token")
    limited_ringcx.fault("rate_limited", operation="dial_groups", times=3, retry_after=7)
    assert client.request("GET", DIAL_GROUPS)
    assert ["retrying in" in message for message in warnings(caplog)] == [True] * 3
