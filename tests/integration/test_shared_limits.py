"""The documented windows are kept by all threads, processes and hosts together."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Sequence

import pytest

from airflow_provider_engagevoice.ringcx.ratelimit.operations import rate_limit_for
from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS, OTHER, RateWindow
from airflow_provider_engagevoice.ringcx.storage.base import LimitExceeded, next_slot
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.ringcx.storage.registry import open_store
from tests.support.processes import keep, run

ACCOUNT = "https://ringcx.ringcentral.com/voice/api/v1/admin/accounts/1"
PAIR = [(30, 10.0), (120, 60.0)]
WINDOWS = tuple(RateWindow(*window) for window in PAIR)


def optimum(windows: Sequence[RateWindow], pad: float, count: int) -> list[float]:
    """The earliest moments at which so many requests can be sent."""
    booked: list[float] = []
    for _ in range(count):
        booked.append(next_slot(booked, windows, pad, 0.0))
    return booked


@pytest.mark.parametrize("operation", sorted(LIMITS))
def test_both_windows_of_each_pair_are_kept_and_used_up(operation: str) -> None:
    windows = LIMITS[operation]
    moments = optimum(windows, 0.0, 400)
    assert keep(moments, windows)
    for window in windows:
        # Of each window there is one that is full, unless another one always leaves it room.
        fullest = max(sum(start <= m < start + window.period for m in moments) for start in moments)
        assert fullest <= window.max_requests
    assert moments[min(window.max_requests for window in windows) - 1] == 0.0


def test_searches_are_as_fast_as_their_short_window_allows() -> None:
    assert optimum(LIMITS["lead_search"], 0.0, 91)[-1] == pytest.approx(60.0)


def test_the_pad_makes_each_window_longer() -> None:
    moments = optimum(WINDOWS, 0.5, 121)
    assert (moments[30], moments[120]) == (10.5, 60.5)


@pytest.mark.parametrize(
    ("method", "path", "params", "operation"),
    [
        ("POST", "/campaignLeads/leadSearch", {}, "lead_search"),
        ("POST", "/campaignLeads/leadSearch", {"count": "true"}, "lead_count"),
        ("POST", "/campaignLeads/leadSearch", {"count": "false"}, "lead_search"),
        ("POST", "/campaignLeads/leadSearchByPhoneList", {}, "phone_list_search"),
        ("PUT", "/campaignLeads/actions", {}, "lead_action"),
        ("PUT", "/campaignLeads/4711", {}, "lead_update"),
        ("PATCH", "/campaignLeads/4711", {}, "lead_update"),
        ("POST", "/campaigns/7/leadLoader/direct", {}, "direct_load"),
        ("POST", "/campaigns/7/leadLoader/preview", {}, "preview_load"),
        ("POST", "/campaigns/7/leadLoader/process", {}, "process_load"),
        ("GET", "/dialGroups", {}, "other"),
        ("GET", "/campaignLeads/actions", {}, "other"),
    ],
)
def test_each_request_counts_towards_its_operation(
    method: str, path: str, params: dict[str, str], operation: str
) -> None:
    limit = rate_limit_for(method, ACCOUNT + path, params)
    assert limit is not None
    assert (limit.operation, limit.windows) == (operation, LIMITS.get(operation, OTHER))


def test_sub_accounts_operations_and_services_have_limits_of_their_own() -> None:
    urls = [f"https://{host}/api/v1/admin/accounts/{account}" for host in "ab" for account in (1, 2)]
    limits = [rate_limit_for("GET", f"{url}/dialGroups") for url in urls]
    limits += [rate_limit_for("PUT", f"{url}/campaignLeads/actions") for url in urls]
    assert len({limit.key for limit in limits if limit}) == 8
    assert rate_limit_for("GET", urls[0] + "/campaigns") == rate_limit_for("GET", urls[0] + "/dialGroups/3")


def test_sign_ins_of_one_app_are_five_a_minute_and_renewals_unlimited() -> None:
    exchange = "https://a/api/auth/login/rc/accesstoken"
    mine, other = (rate_limit_for("POST", exchange, whose=app) for app in ("mine", "other"))
    assert mine and other and mine.windows == (RateWindow(5, 60),) and mine.key != other.key
    assert rate_limit_for("POST", "https://a/api/auth/token/refresh") is None
    assert rate_limit_for("POST", "https://platform.ringcentral.com/restapi/oauth/token") is None


def test_processes_book_moments_that_keep_both_windows(store: str) -> None:
    booked = run("book", 8, store=store, windows=PAIR, count=50)
    moments = sorted(itertools.chain(*booked))
    assert keep(moments, WINDOWS)
    # And none is wasted: the last is where it would be if one process had booked them all.
    assert moments[-1] - moments[0] == pytest.approx(optimum(WINDOWS, 0.5, 400)[-1], abs=2.0)


def test_moments_are_given_out_first_come_first_served(store: str) -> None:
    for booked in run("book", 4, store=store, windows=[(5, 1.0)], count=40):
        assert all(later > earlier - 0.1 for earlier, later in itertools.pairwise(booked))


def test_many_short_lived_processes_keep_them_too(store: str) -> None:
    booked = run("book", 60, store=store, windows=PAIR, count=3)
    assert keep(list(itertools.chain(*booked)), WINDOWS)


def test_hosts_whose_clocks_differ_keep_them_together(redis: object, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("redis").url
    booked = run("book", 6, store=url, windows=PAIR, count=40, clocks=[0.0, 3600.0, -3600.0])
    moments = list(itertools.chain(*booked))
    assert keep(moments, WINDOWS)
    assert max(moments) - min(moments) == pytest.approx(optimum(WINDOWS, 0.5, 240)[-1], abs=2.0)


def test_threads_keep_them_too() -> None:
    store = MemoryStore()
    moments: list[float] = []

    def work() -> None:
        import time

        for _ in range(50):
            wait = store.reserve_slot("key", WINDOWS, 0.5, 1e5)
            moments.append(time.monotonic() + wait)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(moments) == 400
    assert keep(moments, WINDOWS)


def test_what_is_too_far_away_is_not_booked(store: str) -> None:
    store = open_store(store)
    one = [RateWindow(1, 10.0)]
    assert store.reserve_slot("key", one, 0.0, 0.0) == 0.0
    for _ in range(3):
        with pytest.raises(LimitExceeded) as caught:
            store.reserve_slot("key", one, 0.0, 5.0)
        assert 9.0 < caught.value.wait <= 10.0
    assert 9.0 < store.reserve_slot("key", one, 0.0, 15.0) <= 10.0


@pytest.mark.parametrize("kind", ["host", "process"])
def test_a_forked_process_is_not_held_up_by_a_lock_of_its_parent(kind: str) -> None:
    store = open_store(kind)
    store.reserve_slot("key", WINDOWS, 0.0, 0.0)
    lock = store.acquire_lock("sign-in", 30.0)
    assert lock is not None
    memory = store if isinstance(store, MemoryStore) else MemoryStore()
    with memory._lock.held():
        child = os.fork()
        if not child:
            memory.reserve_slot("key", WINDOWS, 0.0, 0.0)
            store.reserve_slot("key", WINDOWS, 0.0, 0.0)
            os.kill(os.getpid(), 19)
            os._exit(0)
    _, status = os.waitpid(child, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    lock()
    try:
        # The child has the lock's file open, too; released is released all the same.
        assert store.acquire_lock("sign-in", 30.0) is not None
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
