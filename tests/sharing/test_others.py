"""Somebody else uses the account: RingCX refuses what kept its limit, and all who share a store send less."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import pytest

from airflow_provider_engagevoice.ringcx import pacing, shares, stopping
from airflow_provider_engagevoice.ringcx.limits import Window
from airflow_provider_engagevoice.ringcx.pacing import Limit, Limiter, limit_of
from airflow_provider_engagevoice.ringcx.shares import MemoryShare
from airflow_provider_engagevoice.ringcx.stores import open_share
from airflow_provider_engagevoice.sandbox.limits import RateLimits
from airflow_provider_engagevoice.sandbox.server import SandboxServer
from tests.ringcx.clients import DIAL_GROUPS, client_of
from tests.sharing.processes import keep

LIMIT = Limit("key", "lead_action", (Window(30, 10.0), Window(120, 60.0)))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that only sleeping moves."""
    clock = SimpleNamespace(at=0.0)

    def sleep(seconds: float, over: object = None) -> None:
        clock.at += seconds

    clock.monotonic = clock.now = lambda: clock.at
    clock.sleep = sleep
    monkeypatch.setattr(pacing, "time", clock)
    monkeypatch.setattr(shares, "time", clock)
    monkeypatch.setattr(stopping, "pause", sleep)
    return clock


@pytest.fixture
def awake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing really sleeps."""
    monkeypatch.setattr(stopping, "pause", lambda seconds, over: None)


def at_once(limiter: Limiter, limit: Limit = LIMIT) -> int:
    """Tell how many requests may go at once, before the first that has to wait for its moment."""
    waits = (limiter.wait(limit) for _ in range(limit.windows[0].calls))
    return sum(1 for _ in itertools.takewhile(lambda seconds: seconds < 3.0, waits))


def work(clock: SimpleNamespace, adapts: bool) -> tuple[int, int, int]:
    """Send requests for ten minutes beside somebody who sends one each second.

    :param adapts: tell the limiter of refusals.
    :return: how many were done, how many refused, and how many of the other's were done.
    """
    clock.at = done = refused = foreign = others = 0
    account, limiter = RateLimits(clock), Limiter()
    while clock.at < 600:
        limiter.wait(LIMIT)
        # The other's requests came while this one waited.
        now, clock.at = clock.at, foreign
        while clock.at <= now:
            others += not account.take("1", "lead_action")[1]
            clock.at = foreign = foreign + 1
        clock.at = now
        _, wait = account.take("1", "lead_action")
        done += not wait
        if wait:
            refused += 1
            if adapts:
                limiter.refused(LIMIT)
        clock.at += math.ceil(wait) or 0.05
    return done, refused, others


def test_beside_somebody_else_few_requests_are_refused_and_no_time_is_lost(clock: SimpleNamespace) -> None:
    done, refused, others = work(clock, adapts=True)
    alone = work(clock, adapts=False)
    assert 0 < refused <= alone[1] / 2
    assert done + others >= 0.97 * (alone[0] + alone[2])


@pytest.mark.usefixtures("awake")
def test_all_who_share_a_store_send_less_once_one_of_them_was_refused(store: str) -> None:
    first, second = (Limiter(open_share(store)) for _ in range(2))
    first.refused(LIMIT)
    assert at_once(second) == 28
    # Other operations, and other sub-accounts, have limits of their own.
    assert at_once(second, Limit("other", "lead_action", LIMIT.windows)) == 30


def test_refusals_of_one_burst_count_once_and_others_are_left_half_of_it_at_most(
    clock: SimpleNamespace,
) -> None:
    limiter = Limiter()
    for _ in range(20):
        limiter.refused(LIMIT)
    assert at_once(limiter) == 28
    assert limiter.refusals == {"lead_action": 20}
    for _ in range(20):
        clock.sleep(4.0)
        limiter.refused(LIMIT)
    # Once what was sent is out of both windows.
    clock.sleep(60.0)
    for _ in range(20):
        clock.sleep(4.0)
        limiter.refused(LIMIT)
    assert at_once(limiter) == 15


def test_somebody_else_who_has_gone_is_forgotten(clock: SimpleNamespace) -> None:
    limiter = Limiter()
    for _ in range(20):
        clock.sleep(4.0)
        limiter.refused(LIMIT)
    clock.sleep(60.0)
    halfway = at_once(limiter)
    clock.sleep(61.0)
    assert 15 < halfway < 30
    assert at_once(limiter) == 30


def test_the_whole_windows_are_kept_whatever_is_refused(clock: SimpleNamespace) -> None:
    limiter, moments = Limiter(pad=0.0), []
    for number in range(600):
        limiter.wait(LIMIT)
        moments.append(clock.at)
        # Now and then there is somebody else, for a while.
        if number % 150 > 120:
            limiter.refused(LIMIT)
            clock.sleep(1.0)
    assert keep(moments, LIMIT.windows, slack=1e-6)


@pytest.mark.parametrize("value", [b"", b"-5", b"999", b"nan", b"\xff"])
def test_what_is_no_note_of_others_does_no_harm(clock: SimpleNamespace, value: bytes) -> None:
    share = MemoryShare()
    share.save(f"{LIMIT.key} others", value, 1e6)
    assert at_once(Limiter(share)) in (15, 30)


@pytest.mark.usefixtures("awake")
def test_a_refused_request_is_told_once_a_minute_and_makes_all_of_its_kind_fewer(
    ringcx: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    client = client_of(ringcx.url, "api_token")
    limiter = client.transport.limiter = Limiter(open_share("host"))
    ringcx.fault("rate_limited", operation="dial_groups", times=3, retry_after=7)
    assert client.request("GET", DIAL_GROUPS)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [
        "RingCX refused other (429, 1 so far) although its limit is kept here (120 requests in 60 s): "
        "another program uses it, too, or tasks that do not share files of this host. Others are left 7 % "
        "of it for now"
    ]
    assert sum("trying again in" in message for message in caplog.messages) == 3
    assert limiter.refusals == {"other": 3}
    limit = limit_of("GET", ringcx.url + DIAL_GROUPS)
    assert limit is not None
    assert at_once(Limiter(open_share("host")), limit) < 120 - 4
