"""At full rate, by several processes: no request is refused, no process starves, the limit is used up."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS, RateWindow
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.state import rate_limiter as kept
from tests.support.clients import make_client
from tests.support.processes import run
from tests.support.workers import COUNT

#: The limit of actions in a tenth of its time, with a fifth of its requests, that a busy machine keeps up.
SMALL = {"lead_count": [(6, 1.0), (24, 6.0)]}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """RingCX's windows, made small, at both ends."""
    made = {name: tuple(RateWindow(*window) for window in windows) for name, windows in SMALL.items()}
    monkeypatch.setattr(kept, "LIMITS", {**LIMITS, **made})
    return {"limits": SMALL, "limiter": {"pad": 0.3}}


def statuses(server: SandboxServer) -> list[int]:
    return [request.status for request in server.requests if request.path == COUNT]


def test_the_documented_limit_is_used_up_and_never_exceeded(limited_ringcx: SandboxServer) -> None:
    answered = run("go_on", 4, url=limited_ringcx.url, seconds=12.0, limiter={"timeout": 12})
    seen = statuses(limited_ringcx)
    assert set(seen) == {200}
    # 90 in the first ten seconds and a half, and then as many again as 180 in 30 seconds allow.
    assert len(seen) >= 0.95 * 180
    assert min(map(len, answered)) > 0.5 * len(seen) / 4
    assert sum(request.path.endswith("accesstoken") for request in limited_ringcx.requests) == 1


@pytest.mark.timeout(60)
def test_both_windows_are_used_up_and_never_exceeded(
    limited_ringcx: SandboxServer, store: str, small: dict[str, Any]
) -> None:
    answered = run("go_on", 3, url=limited_ringcx.url, store=store, seconds=7.5, **small)
    seen = statuses(limited_ringcx)
    assert set(seen) == {200}
    assert len(seen) >= 24 + 6
    assert min(map(len, answered)) >= len(seen) // 5


def test_processes_that_come_and_go_keep_them(
    limited_ringcx: SandboxServer, store: str, small: dict[str, Any]
) -> None:
    answered = run("go_on", 9, url=limited_ringcx.url, store=store, most=2, **small)
    assert [len(one) for one in answered] == [2] * 9
    assert set(statuses(limited_ringcx)) == {200}


def test_someone_elses_requests_are_given_way_to(
    limited_ringcx: SandboxServer, small: dict[str, Any]
) -> None:
    """Another program uses the account: some requests of ours are refused, wait, and are done."""
    over = threading.Event()

    def foreign() -> None:
        client = make_client(limited_ringcx.url, "api_token")
        while not over.wait(0.25):
            client.request("POST", COUNT, {"count": "true"}, {"campaignIds": [1]}, retry_safe=True)

    other = threading.Thread(target=foreign)
    other.start()
    try:
        answered = run("go_on", 3, url=limited_ringcx.url, most=4, **small)
    finally:
        over.set()
        other.join()
    assert [len(one) for one in answered] == [4, 4, 4]
    # Those of ours that are refused are few: each waits before it comes again.
    ours = [request.status for request in limited_ringcx.requests if request.user_agent == "workers/1.0"]
    assert ours.count(200) >= 12
    assert ours.count(429) <= 2 * 12
    assert list(itertools.chain(*answered))
