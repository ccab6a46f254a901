"""Somebody else uses the account: RingCX refuses what kept its limit, which is told, and not too often."""

from __future__ import annotations

import pytest

from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.storage.registry import open_store
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import DIAL_GROUPS, FakeClock, make_client


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Waiting takes no time."""
    clock = FakeClock()
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.ratelimit.limiter.time", clock)
    monkeypatch.setattr(
        "airflow_provider_engagevoice.ringcx.concurrency.wait_until",
        lambda seconds, over: clock.sleep(seconds),
    )
    return clock


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def told(refused: int) -> str:
    return (
        f"RingCX refused other (429, {refused} so far) although its limit is kept here (120 requests in 60 "
        "s): another program uses it, too, or tasks that do not share files of this host. What is refused is "
        "tried again"
    )


def test_refusals_are_told_once_a_minute_with_their_number_so_far(
    limited_ringcx: SandboxServer, caplog: pytest.LogCaptureFixture, clock: FakeClock
) -> None:
    caplog.set_level("INFO")
    client = make_client(limited_ringcx.url, "api_token")
    limiter = client.transport.limiter = RateLimiter(open_store("host"))
    limited_ringcx.fault("rate_limited", operation="dial_groups", times=3, retry_after=7)
    assert client.request("GET", DIAL_GROUPS)
    assert warnings(caplog) == [told(1)]
    # Each try can be followed all the same.
    assert sum("trying again in" in message for message in caplog.messages) == 3
    clock.sleep(60.0)
    limited_ringcx.fault("rate_limited", operation="dial_groups", times=2, retry_after=7)
    assert client.request("GET", DIAL_GROUPS)
    assert warnings(caplog) == [told(1), told(4)]
    assert limiter.refusals == {"other": 5}


def test_without_a_limiter_each_refusal_is_a_warning(
    limited_ringcx: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(limited_ringcx.url, "api_token")
    limited_ringcx.fault("rate_limited", operation="dial_groups", times=3, retry_after=7)
    assert client.request("GET", DIAL_GROUPS)
    assert ["trying again in" in message for message in warnings(caplog)] == [True] * 3
