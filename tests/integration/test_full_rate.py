"""Tests at full rate with several processes: no rejections, no starvation, and the limit is used up."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS, RateWindow
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.state import rate_limiter
from tests.support.clients import make_client
from tests.support.processes import run_workers
from tests.support.workers import COUNT_PATH

#: The limit of actions with a tenth of its period and a fifth of its requests: busy machines reach it, too.
SMALL_LIMITS = {"lead_count": [(6, 1.0), (24, 6.0)]}


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace the windows of the sandbox by small ones; return the arguments that do so in workers."""
    small = {name: tuple(RateWindow(*window) for window in windows) for name, windows in SMALL_LIMITS.items()}
    monkeypatch.setattr(rate_limiter, "LIMITS", {**LIMITS, **small})
    return {"limits": SMALL_LIMITS, "limiter": {"margin": 0.3}}


def statuses(server: SandboxServer) -> list[int | None]:
    return [request.status for request in server.requests if request.path == COUNT_PATH]


def test_documented_limit_is_used_up_and_not_exceeded(limited_ringcx: SandboxServer) -> None:
    timestamps = run_workers(
        "send_requests",
        4,
        url=limited_ringcx.url,
        seconds=12.0,
        limiter={"timeout": 12},
        start_together=True,
    )
    responses = statuses(limited_ringcx)
    assert set(responses) == {200}
    # 90 in the first ten seconds and a half, and then as many again as 180 in 30 seconds allow.
    assert len(responses) >= 0.95 * 180
    assert min(map(len, timestamps)) > 0.5 * len(responses) / 4
    assert sum(request.path.endswith("accesstoken") for request in limited_ringcx.requests) == 1


@pytest.mark.timeout(60)
def test_both_windows_are_used_up_and_not_exceeded(
    limited_ringcx: SandboxServer, store: str, small_limits: dict[str, Any]
) -> None:
    timestamps = run_workers(
        "send_requests", 3, url=limited_ringcx.url, store=store, seconds=7.5, **small_limits
    )
    responses = statuses(limited_ringcx)
    assert set(responses) == {200}
    assert len(responses) >= 24 + 6
    assert min(map(len, timestamps)) >= len(responses) // 5


def test_short_lived_processes_do_not_exceed_windows(
    limited_ringcx: SandboxServer, store: str, small_limits: dict[str, Any]
) -> None:
    # Nine processes that start at once are delayed by more than the usual margin on a busy machine.
    small_limits["limiter"] = {"margin": 1.5}
    timestamps = run_workers(
        "send_requests", 9, url=limited_ringcx.url, store=store, max_requests=2, **small_limits
    )
    assert [len(one) for one in timestamps] == [2] * 9
    assert set(statuses(limited_ringcx)) == {200}


def test_requests_of_another_client_cause_few_rejections(
    limited_ringcx: SandboxServer, small_limits: dict[str, Any]
) -> None:
    """Another client uses the sub-account: some requests are rejected, delayed, and retried."""
    finished = threading.Event()

    def send_from_other_client() -> None:
        client = make_client(limited_ringcx.url, "api_token")
        while not finished.wait(0.25):
            client.request("POST", COUNT_PATH, {"count": "true"}, {"campaignIds": [1]}, retry_safe=True)

    other = threading.Thread(target=send_from_other_client)
    other.start()
    try:
        timestamps = run_workers("send_requests", 3, url=limited_ringcx.url, max_requests=4, **small_limits)
    finally:
        finished.set()
        other.join()
    assert [len(one) for one in timestamps] == [4, 4, 4]
    # Few requests are rejected, since each waits before it is retried.
    worker_statuses = [
        request.status for request in limited_ringcx.requests if request.user_agent == "workers/1.0"
    ]
    assert worker_statuses.count(200) >= 12
    assert worker_statuses.count(429) <= 2 * 12
    assert list(itertools.chain(*timestamps))
