"""Rate limiter: documented sliding windows per sub-account and operation."""

from __future__ import annotations

import concurrent.futures
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS
from airflow_provider_engagevoice.sandbox.api.routes import operation_names, operations
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

#: Copied from the documents by hand: method, path and windows (requests, seconds) of each operation.
#: An empty request suffices, since a request rejected for its body counts as well.
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
DEFAULT: tuple[str, str, Windows] = ("GET", GROUPS, [(120, 60)])


class Model:
    """Straightforward implementation of the documented rule: no window may exceed its maximum."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows
        self.timestamps: list[float] = []

    def accepts(self, now: float) -> bool:
        # Older requests are in no window.
        del self.timestamps[:-400]
        full = any(
            sum(now - seconds < timestamp for timestamp in self.timestamps) >= most
            for most, seconds in self.windows
        )
        if not full:
            self.timestamps.append(now)
        return not full


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Freeze the sandbox's clock, except for advances."""
    start = float(int(time.monotonic()))
    monkeypatch.setattr(clock_module, "monotonic", lambda: start)
    monkeypatch.setattr(clock_module, "wall_time", lambda: 1.8e9)


@pytest.fixture
def start(api_of: Any, frozen: None) -> Iterator[Callable[..., tuple[SandboxServer, Any]]]:
    """Start a small sandbox with a frozen clock."""
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


def send(api: Any, operation: tuple[str, str, Windows] | str) -> requests.Response:
    method, path, _ = DOCUMENTED[operation] if isinstance(operation, str) else operation
    response: requests.Response = api.session.request(method, api.url + path, timeout=20)
    return response


def count_accepted(api: Any, operation: Any) -> int:
    """Send requests until one is rejected; return how many were accepted."""
    for number in range(1000):
        if send(api, operation).status_code == 429:
            return number
    raise AssertionError("no request was rejected")


def usages(windows: Windows, timestamps: list[float], now: float) -> list[str]:
    return [
        f"{sum(now - seconds < timestamp for timestamp in timestamps)} of {most} in {seconds} s"
        for most, seconds in windows
    ]


@pytest.mark.assumption(46, 47)
@pytest.mark.parametrize("name", [*sorted(DOCUMENTED), "default"])
def test_documented_windows_are_enforced(start: Any, name: str) -> None:
    operation = DEFAULT if name == "default" else DOCUMENTED[name]
    windows = operation[2]
    server, api = start()
    model, now = Model(windows), 0.0
    # For the length of the longest window, a client in a tight loop gets exactly the documented maximum.
    while now <= windows[-1][1]:
        response = send(api, operation)
        expected = model.accepts(now)
        assert (response.status_code != 429) == expected
        assert server.requests[-1].limit in usages(windows, model.timestamps, now)
        if not expected:
            wait = int(response.headers["Retry-After"])
            assert "expired" not in response.text.lower()
            assert response.headers["content-type"].startswith("text/plain")
            # One second earlier the request is still rejected.
            server.advance(wait - 1)
            assert send(api, operation).status_code == 429
            server.advance(1)
            now += wait
    assert len(model.timestamps) >= max(most for most, _ in windows)


@pytest.mark.assumption(47)
@pytest.mark.parametrize("name", sorted(DOCUMENTED))
@pytest.mark.parametrize("pace", ["bursts", "steady"])
def test_limiter_matches_model_of_documented_windows(frozen: None, name: str, pace: str) -> None:
    windows = DOCUMENTED[name][2]
    clock, chance = Clock(), random.Random(7)
    limiter, model, now = RateLimiter(clock), Model(windows), 0.0
    for _ in range(1000):
        # Half seconds, so that many requests arrive exactly at the end of a window.
        step = chance.choice((0, 0, 0, 0.5, 1, 6)) if pace == "bursts" else chance.choice((0, 0, 0.5))
        clock.advance(step)
        now += step
        _, wait = limiter.acquire("50810001", name)
        assert (wait == 0) == model.accepts(now)


def test_limits_equal_documented_windows() -> None:
    assert {
        name: [(each.max_requests, each.period) for each in windows] for name, windows in LIMITS.items()
    } == {name: windows for name, (_, _, windows) in DOCUMENTED.items()}


def test_limits_name_existing_operations() -> None:
    assert set(LIMITS) <= operation_names()
    # These parts of the API have documented limits; an operation there must not get the default limit.
    for operation in operations():
        path = operation.path.partition("{account}/")[2]
        if path.startswith("campaignLeads/") and operation.method != "GET":
            assert operation.name in LIMITS
        if "/leadLoader/" in path:
            assert operation.name in LIMITS


@pytest.mark.assumption(47)
def test_request_is_accepted_exactly_at_end_of_window(start: Any) -> None:
    server, api = start()
    assert count_accepted(api, "lead_search") == 15
    server.advance(9.75)
    response = send(api, "lead_search")
    assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
    server.advance(0.25)
    assert send(api, "lead_search").status_code == 400


@pytest.mark.assumption(47)
def test_window_slides_instead_of_restarting(start: Any) -> None:
    server, api = start()
    for _ in range(10):
        send(api, "lead_search")
    server.advance(6)
    assert count_accepted(api, "lead_search") == 5
    # The first ten leave the window after ten seconds, the other five six seconds later.
    server.advance(4)
    assert count_accepted(api, "lead_search") == 10
    server.advance(6)
    assert count_accepted(api, "lead_search") == 5


@pytest.mark.assumption(47)
def test_count_and_search_have_separate_limits(start: Any) -> None:
    _, api = start()
    assert count_accepted(api, "lead_search") == 15
    assert count_accepted(api, "lead_count") == 90
    for text in ("TRUE", "true "):
        assert api.post_search({}, count=text).status_code == 429
    for query in ({"count": "false"}, {"count": ""}, {}):
        assert api.post_search({}, **query).status_code == 429


@pytest.mark.assumption(47)
def test_operations_have_separate_limits(start: Any) -> None:
    _, api = start()
    assert count_accepted(api, DEFAULT) == 120
    assert api.get("agentGroups").status_code == 200
    assert count_accepted(api, "lead_action") == 30


@pytest.mark.assumption(47)
def test_sub_accounts_have_separate_limits(start: Any) -> None:
    _, api = start()
    assert count_accepted(api, "lead_search") == 15
    api.account = "50810002"
    assert [api.post_search({}).status_code for _ in range(16)] == [200] * 15 + [429]


@pytest.mark.assumption(47)
def test_tokens_and_api_roots_share_limits(start: Any) -> None:
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


@pytest.mark.assumption(45)
def test_token_exchange_is_limited_to_five_per_minute(start: Any) -> None:
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

    responses = [exchange() for _ in range(6)]
    assert [each.status_code for each in responses] == [200] * 5 + [429]
    assert responses[-1].headers["Retry-After"] == "60"
    server.advance(60)
    assert exchange().status_code == 200


def test_rejected_token_or_account_does_not_count(start: Any) -> None:
    _, api = start()
    with signed_in_as(api, **{"X-Auth-Token": "wrong"}):
        assert {api.post_search({}).status_code for _ in range(20)} == {401}
    api.account = "50810009"
    assert {api.post_search({}).status_code for _ in range(20)} == {403}
    api.account = "50810001"
    assert count_accepted(api, "lead_search") == 15


def test_reset_and_advance_restore_limit(start: Any) -> None:
    server, api = start()
    assert count_accepted(api, "lead_search") == 15
    server.advance(30)
    assert count_accepted(api, "lead_search") == 15
    server.reset()
    assert count_accepted(api, "lead_search") == 15


def test_limits_off_accepts_all_requests(start: Any) -> None:
    server, api = start(limits="off")
    assert {send(api, "lead_search").status_code for _ in range(70)} == {400}
    assert {request.limit for request in server.requests} == {""}


@pytest.mark.assumption(46)
def test_retry_after_off_omits_header(start: Any) -> None:
    _, api = start(retry_after=False)
    assert count_accepted(api, "lead_search") == 15
    response = send(api, "lead_search")
    assert (response.status_code, "Retry-After" in response.headers) == (429, False)


@pytest.mark.assumption(46)
def test_rate_headers_describe_fullest_window(start: Any) -> None:
    _, plain = start()
    assert not [name for name in plain.post_search({}).headers if name.lower().startswith("x-rate")]
    server, api = start(rate_headers=True)

    def limit_headers(response: requests.Response) -> list[str]:
        headers = response.headers
        return [headers[f"X-Rate-Limit-{name}"] for name in ("Group", "Limit", "Remaining", "Window")]

    assert limit_headers(api.post_search({})) == ["lead_search", "15", "14", "10"]
    # An error response has them as well.
    assert limit_headers(api.post_search({"leadIds": 1})) == ["lead_search", "15", "13", "10"]
    assert count_accepted(api, "lead_search") == 13
    assert limit_headers(send(api, "lead_search")) == ["lead_search", "15", "0", "10"]
    # They describe the fullest window.
    assert count_accepted(api, "lead_count") == 90
    server.advance(10)
    assert limit_headers(api.post_search({}, count="true")) == ["lead_count", "180", "89", "30"]


@pytest.mark.assumption(46)
@pytest.mark.parametrize("penalty", [False, True])
def test_rate_penalty_counts_rejected_requests(start: Any, penalty: bool) -> None:
    server, api = start(rate_penalty=penalty)
    assert count_accepted(api, "lead_search") == 15
    server.advance(5)
    for _ in range(15):
        wait = int(send(api, "lead_search").headers["Retry-After"])
    # With the penalty, the wait counts from the latest rejected request.
    assert wait == (10 if penalty else 5)
    server.advance(wait)
    assert send(api, "lead_search").status_code == 400


@pytest.mark.assumption(46)
def test_retry_after_is_sufficient_with_rate_penalty(start: Any) -> None:
    server, api = start(rate_penalty=True)
    for count in (1, 20, 70):
        count_accepted(api, "lead_search")
        responses = [send(api, "lead_search") for _ in range(count)]
        server.advance(int(responses[-1].headers["Retry-After"]))
        assert send(api, "lead_search").status_code == 400


def test_concurrent_clients_do_not_exceed_limit(start: Any, api_of: Any) -> None:
    server, _ = start()
    callers = [api_of(server) for _ in range(12)]

    def send_several(api: Any) -> list[int]:
        return [send(api, "lead_action").status_code for _ in range(8)]

    for _ in range(4):
        with concurrent.futures.ThreadPoolExecutor(len(callers)) as pool:
            statuses = [status for found in pool.map(send_several, callers) for status in found]
        assert sorted(statuses) == [400] * 30 + [429] * 66
        server.advance(10)
    # The second window applies: 120 requests were accepted within the minute.
    assert send(callers[0], "lead_action").status_code == 429


def test_concurrent_acquires_do_not_exceed_limit(frozen: None) -> None:
    for _ in range(30):
        limiter = RateLimiter(Clock())
        found = in_threads(lambda: [limiter.acquire("50810001", "lead_action")[1] for _ in range(10)])  # noqa: B023
        assert sum(wait == 0 for waits in found for wait in waits) == 30
