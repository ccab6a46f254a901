"""The documented limits of requests: sliding windows per sub-account and operation."""

from __future__ import annotations

import concurrent.futures
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS
from airflow_provider_engagevoice.sandbox.api.routes import names, operations
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state import clock as clock_module
from airflow_provider_engagevoice.sandbox.state.clock import Clock
from airflow_provider_engagevoice.sandbox.state.rate_limiter import RateLimiter
from tests.sandbox.support.faults import in_threads

Windows = list[tuple[int, int]]

LEADS = "/voice/api/v1/admin/accounts/50810001/campaignLeads"
LOADER = "/voice/api/v1/admin/accounts/50810001/campaigns/1/leadLoader"
GROUPS = "/voice/api/v1/admin/accounts/50810001/dialGroups"

#: Written off the documents by hand: how each operation is asked for, and its windows (requests, seconds).
#: An empty request will do, since what is refused for its body counts as well.
DOCUMENTED: dict[str, tuple[str, str, Windows]] = {
    "direct_load": ("POST", f"{LOADER}/direct", [(30, 10), (120, 60)]),
    "lead_action": ("PUT", f"{LEADS}/actions", [(30, 10), (120, 60)]),
    "lead_count": ("POST", f"{LEADS}/leadSearch?count=true", [(90, 10), (180, 30)]),
    "lead_search": ("POST", f"{LEADS}/leadSearch", [(15, 10), (60, 30)]),
    "lead_update": ("PATCH", f"{LEADS}/1", [(12, 3), (150, 60)]),
    "phone_list_search": ("POST", f"{LEADS}/leadSearchByPhoneList", [(30, 10), (120, 60)]),
    "preview_load": ("POST", f"{LOADER}/preview", [(12, 30), (18, 60)]),
    "process_load": ("POST", f"{LOADER}/process", [(9, 3), (30, 30)]),
    "token_exchange": ("POST", "/api/auth/login/rc/accesstoken", [(5, 60)]),
}
UNSTATED: tuple[str, str, Windows] = ("GET", GROUPS, [(120, 60)])


class Model:
    """What the documents say, in the plainest words: no window ever holds more than it may."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows
        self.moments: list[float] = []

    def lets_in(self, now: float) -> bool:
        # What is far back is in no window, and would only cost time.
        del self.moments[:-400]
        full = any(
            sum(now - seconds < moment for moment in self.moments) >= most for most, seconds in self.windows
        )
        if not full:
            self.moments.append(now)
        return not full


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sandbox's time stand still, but for what a test advances it by."""
    moment = float(int(time.monotonic()))
    still = SimpleNamespace(monotonic=lambda: moment, time=lambda: 1.8e9)
    monkeypatch.setattr(clock_module, "time", still)


@pytest.fixture
def start(api_of: Any, frozen: None) -> Iterator[Callable[..., tuple[SandboxServer, Any]]]:
    """Start a small sandbox whose time stands still."""
    running: list[Any] = []

    def begin(**settings: Any) -> tuple[SandboxServer, Any]:
        server = SandboxServer(Settings(size=20, **settings))
        running.append(server)
        server.__enter__()
        return server, api_of(server)

    yield begin
    for server in running:
        server.__exit__(None, None, None)


@contextmanager
def signed_in_as(api: Any, **headers: str) -> Iterator[None]:
    before = dict(api.session.headers)
    del api.session.headers["X-Auth-Token"]
    api.session.headers.update(headers)
    yield
    api.session.headers.clear()
    api.session.headers.update(before)


def ask(api: Any, operation: tuple[str, str, Windows] | str) -> requests.Response:
    method, path, _ = DOCUMENTED[operation] if isinstance(operation, str) else operation
    response: requests.Response = api.session.request(method, api.url + path, timeout=20)
    return response


def let_in(api: Any, operation: Any) -> int:
    """Ask until the limit is met; return how many requests were let in."""
    for number in range(1000):
        if ask(api, operation).status_code == 429:
            return number
    raise AssertionError("there is no limit")


def asked_within(windows: Windows, moments: list[float], now: float) -> list[str]:
    return [
        f"{sum(now - seconds < moment for moment in moments)} of {most} in {seconds} s"
        for most, seconds in windows
    ]


@pytest.mark.choice(46, 47)
@pytest.mark.parametrize("name", [*sorted(DOCUMENTED), "unstated"])
def test_both_documented_windows_slide(start: Any, name: str) -> None:
    operation = UNSTATED if name == "unstated" else DOCUMENTED[name]
    windows = operation[2]
    server, api = start()
    model, now = Model(windows), 0.0
    # Until the longest window has passed once, whoever hammers gets all that the documents grant, no more.
    while now <= windows[-1][1]:
        response = ask(api, operation)
        expected = model.lets_in(now)
        assert (response.status_code != 429) == expected
        assert server.requests[-1].limit in asked_within(windows, model.moments, now)
        if not expected:
            wait = int(response.headers["Retry-After"])
            assert "expired" not in response.text.lower()
            assert response.headers["content-type"].startswith("text/plain")
            # One second less is too early.
            server.advance(wait - 1)
            assert ask(api, operation).status_code == 429
            server.advance(1)
            now += wait
    assert len(model.moments) >= max(most for most, _ in windows)


@pytest.mark.choice(47)
@pytest.mark.parametrize("name", sorted(DOCUMENTED))
@pytest.mark.parametrize("pace", ["bursts", "steady"])
def test_any_window_of_time_holds_what_is_documented(frozen: None, name: str, pace: str) -> None:
    windows = DOCUMENTED[name][2]
    clock, chance = Clock(), random.Random(7)
    limits, model, now = RateLimiter(clock), Model(windows), 0.0
    for _ in range(1000):
        # Halves of seconds, so that requests often come exactly when a window ends.
        step = chance.choice((0, 0, 0, 0.5, 1, 6)) if pace == "bursts" else chance.choice((0, 0, 0.5))
        clock.advance(step)
        now += step
        _, wait = limits.take("50810001", name)
        assert (wait == 0) == model.lets_in(now)


def test_the_limits_are_those_of_the_documents() -> None:
    assert {name: [(each.calls, each.seconds) for each in windows] for name, windows in LIMITS.items()} == {
        name: windows for name, (_, _, windows) in DOCUMENTED.items()
    }


def test_no_name_of_a_limit_is_misspelt() -> None:
    assert set(LIMITS) <= names()
    # These parts of the API have documented limits; whatever is served there must not fall to the others.
    for operation in operations():
        place = operation.path.partition("{account}/")[2]
        if place.startswith("campaignLeads/") and operation.method != "GET":
            assert operation.name in LIMITS
        if "/leadLoader/" in place:
            assert operation.name in LIMITS


@pytest.mark.choice(47)
def test_exactly_at_the_end_of_a_window_there_is_room(start: Any) -> None:
    server, api = start()
    assert let_in(api, "lead_search") == 15
    server.advance(9.75)
    response = ask(api, "lead_search")
    assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
    server.advance(0.25)
    assert ask(api, "lead_search").status_code == 400


@pytest.mark.choice(47)
def test_a_window_slides_and_does_not_begin_anew(start: Any) -> None:
    server, api = start()
    for _ in range(10):
        ask(api, "lead_search")
    server.advance(6)
    assert let_in(api, "lead_search") == 5
    # The first ten leave after ten seconds, the other five only six seconds later.
    server.advance(4)
    assert let_in(api, "lead_search") == 10
    server.advance(6)
    assert let_in(api, "lead_search") == 5


@pytest.mark.choice(47)
def test_counting_has_an_allowance_of_its_own(start: Any) -> None:
    _, api = start()
    assert let_in(api, "lead_search") == 15
    assert let_in(api, "lead_count") == 90
    for text in ("TRUE", "true "):
        assert api.post_search({}, count=text).status_code == 429
    for query in ({"count": "false"}, {"count": ""}, {}):
        assert api.post_search({}, **query).status_code == 429


@pytest.mark.choice(47)
def test_operations_do_not_share_a_limit(start: Any) -> None:
    _, api = start()
    assert let_in(api, UNSTATED) == 120
    assert api.get("agentGroups").status_code == 200
    assert let_in(api, "lead_action") == 30


@pytest.mark.choice(47)
def test_another_sub_account_has_limits_of_its_own(start: Any) -> None:
    _, api = start()
    assert let_in(api, "lead_search") == 15
    api.account = "50810002"
    assert [api.post_search({}).status_code for _ in range(16)] == [200] * 15 + [429]


@pytest.mark.choice(47)
def test_all_tokens_and_both_roots_of_an_account_share_the_limits(start: Any) -> None:
    server, api = start()
    user = {"username": "sandbox-user", "password": "sandbox-password"}
    modern = api.session.post(
        f"{server.url}/api/auth/login/admin", data={**user, "platformId": "sandbox-platform"}, timeout=20
    )
    legacy = api.session.post(f"{server.url}/api/v1/auth/login", data=user, timeout=20)
    assert [api.post_search({}).status_code for _ in range(5)] == [200] * 5
    with signed_in_as(api, Authorization=f"Bearer {modern.json()['accessToken']}"):
        assert [api.post_search({}).status_code for _ in range(5)] == [200] * 5
    path = f"{server.url}/api/v1/admin/accounts/50810001/campaignLeads/leadSearch"
    with signed_in_as(api, **{"X-Auth-Token": legacy.json()["authToken"]}):
        statuses = [api.session.post(path, json={}, timeout=20).status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    assert api.post_search({}).status_code == 429


@pytest.mark.choice(45)
def test_five_exchanges_a_minute(start: Any) -> None:
    server, _ = start()
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "sandbox-jwt"}

    def exchange() -> requests.Response:
        signed = requests.post(
            f"{server.url}/restapi/oauth/token",
            data=grant,
            auth=("sandbox-client", "sandbox-secret"),
            timeout=20,
        ).json()
        form = {"rcAccessToken": signed["access_token"], "rcTokenType": "Bearer"}
        return requests.post(f"{server.url}/api/auth/login/rc/accesstoken", data=form, timeout=20)

    answers = [exchange() for _ in range(6)]
    assert [each.status_code for each in answers] == [200] * 5 + [429]
    assert answers[-1].headers["Retry-After"] == "60"
    server.advance(60)
    assert exchange().status_code == 200


def test_requests_without_a_right_use_up_nothing(start: Any) -> None:
    _, api = start()
    with signed_in_as(api, **{"X-Auth-Token": "wrong"}):
        assert {api.post_search({}).status_code for _ in range(20)} == {401}
    api.account = "50810009"
    assert {api.post_search({}).status_code for _ in range(20)} == {403}
    api.account = "50810001"
    assert let_in(api, "lead_search") == 15


def test_reset_and_advance_give_all_of_the_limit_back(start: Any) -> None:
    server, api = start()
    assert let_in(api, "lead_search") == 15
    server.advance(30)
    assert let_in(api, "lead_search") == 15
    server.reset()
    assert let_in(api, "lead_search") == 15


def test_limits_can_be_switched_off(start: Any) -> None:
    server, api = start(limits="off")
    assert {ask(api, "lead_search").status_code for _ in range(70)} == {400}
    assert {request.limit for request in server.requests} == {""}


@pytest.mark.choice(46)
def test_429_without_retry_after(start: Any) -> None:
    _, api = start(retry_after=False)
    assert let_in(api, "lead_search") == 15
    response = ask(api, "lead_search")
    assert (response.status_code, "Retry-After" in response.headers) == (429, False)


@pytest.mark.choice(46)
def test_headers_tell_the_limit_where_they_are_wanted(start: Any) -> None:
    _, plain = start()
    assert not [name for name in plain.post_search({}).headers if name.lower().startswith("x-rate")]
    server, api = start(rate_headers=True)

    def told(response: requests.Response) -> list[str]:
        headers = response.headers
        return [headers[f"X-Rate-Limit-{name}"] for name in ("Group", "Limit", "Remaining", "Window")]

    assert told(api.post_search({})) == ["lead_search", "15", "14", "10"]
    # An answer that refuses has them as well.
    assert told(api.post_search({"leadIds": 1})) == ["lead_search", "15", "13", "10"]
    assert let_in(api, "lead_search") == 13
    assert told(ask(api, "lead_search")) == ["lead_search", "15", "0", "10"]
    # The window nearest to its end is the one told of.
    assert let_in(api, "lead_count") == 90
    server.advance(10)
    assert told(api.post_search({}, count="true")) == ["lead_count", "180", "89", "30"]


@pytest.mark.choice(46)
@pytest.mark.parametrize("penalty", [False, True])
def test_refused_requests_count_where_they_are_to(start: Any, penalty: bool) -> None:
    server, api = start(rate_penalty=penalty)
    assert let_in(api, "lead_search") == 15
    server.advance(5)
    for _ in range(15):
        wait = int(ask(api, "lead_search").headers["Retry-After"])
    # What was refused just now leaves the window five seconds after what was let in.
    assert wait == (10 if penalty else 5)
    server.advance(wait)
    assert ask(api, "lead_search").status_code == 400


@pytest.mark.choice(46)
def test_waiting_as_told_helps_with_penalties_too(start: Any) -> None:
    server, api = start(rate_penalty=True)
    for refused in (1, 20, 70):
        let_in(api, "lead_search")
        answers = [ask(api, "lead_search") for _ in range(refused)]
        server.advance(int(answers[-1].headers["Retry-After"]))
        assert ask(api, "lead_search").status_code == 400


def test_threads_together_never_get_more(start: Any, api_of: Any) -> None:
    server, _ = start()
    callers = [api_of(server) for _ in range(12)]

    def hammer(api: Any) -> list[int]:
        return [ask(api, "lead_action").status_code for _ in range(8)]

    for _ in range(4):
        with concurrent.futures.ThreadPoolExecutor(len(callers)) as pool:
            statuses = [status for found in pool.map(hammer, callers) for status in found]
        assert sorted(statuses) == [400] * 30 + [429] * 66
        server.advance(10)
    # Both windows count: 120 have been let in within the minute.
    assert ask(callers[0], "lead_action").status_code == 429


def test_no_request_slips_in_between_looking_and_noting(frozen: None) -> None:
    for _ in range(30):
        limits = RateLimiter(Clock())
        found = in_threads(lambda: [limits.take("50810001", "lead_action")[1] for _ in range(10)])  # noqa: B023
        assert sum(wait == 0 for waits in found for wait in waits) == 30


def test_time_can_be_advanced_in_threads_together() -> None:
    clock = Clock()
    before = clock.now()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: [clock.advance(1) for _ in range(2000)], range(8)))
    assert clock.now() - before == pytest.approx(16_000, abs=60)
    clock.reset()
    assert clock.now() - before == pytest.approx(0, abs=60)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -float("inf"), 10.0**12, -(10.0**12)])
def test_time_cannot_leave_the_calendar(seconds: float) -> None:
    clock = Clock()
    with pytest.raises(ValueError, match="calendar"):
        clock.advance(seconds)
    assert clock.now() == pytest.approx(time.time(), abs=60)
