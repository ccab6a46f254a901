"""Tests of tokens shared between tasks: one sign-in, refreshed by one task, replaced once if revoked."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.auth import refresh
from airflow_provider_engagevoice.ringcx.auth.token_cache import AccessToken
from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.exceptions import AuthenticationError, RateLimited
from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.ringcx.storage.registry import open_store
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.tokens import TokenFamily
from tests.support.clients import DIAL_GROUPS, EXCHANGE, GRANT, REFRESH, make_client
from tests.support.processes import run_workers

LOGIN = "/api/auth/login/admin"


def request_counts(server: SandboxServer) -> Counter[str]:
    """Return the number of requests by path."""
    return Counter(request.path for request in server.requests)


def statuses(server: SandboxServer) -> Counter[int | None]:
    """Return the number of responses by status."""
    return Counter(request.status for request in server.requests)


def make_task_client(
    server: SandboxServer, store: str = "host", method: str = "ringcentral", **changes: Any
) -> RingCXClient:
    """Return a client like that of a task that has just started in a separate process."""
    refresh._TOKEN_SLOTS.clear()
    client = make_client(server.url, method, **changes)
    client.authenticator.store = open_store(store)
    return client


def read(client: RingCXClient) -> None:
    client.request("GET", DIAL_GROUPS)


def test_32_tasks_that_start_together_sign_in_once(limited_ringcx: SandboxServer, store: str) -> None:
    assert run_workers("read", 32, url=limited_ringcx.url, store=store) == [""] * 32
    assert request_counts(limited_ringcx) == {GRANT: 1, EXCHANGE: 1, DIAL_GROUPS: 32}


@pytest.mark.parametrize("method", ["engage", "legacy"])
def test_password_schemes_sign_in_once_for_all_tasks(limited_ringcx: SandboxServer, method: str) -> None:
    path = LOGIN if method == "engage" else "/api/v1/auth/login"
    run_workers("read", 4, url=limited_ringcx.url, method=method)
    assert request_counts(limited_ringcx)[path] == 1


def test_later_task_uses_cached_token(limited_ringcx: SandboxServer, store: str) -> None:
    for _ in range(3):
        assert run_workers("read", url=limited_ringcx.url, store=store) == [""]
    assert request_counts(limited_ringcx) == {GRANT: 1, EXCHANGE: 1, DIAL_GROUPS: 3}


def test_hosts_with_different_clocks_share_a_token(limited_ringcx: SandboxServer, redis: Any) -> None:
    results = run_workers(
        "read",
        6,
        url=limited_ringcx.url,
        store=redis.url,
        clock_shifts=[0.0, 3600.0, 39600.0],
        times=5,
        pause=0.05,
    )
    assert results == [""] * 6
    assert request_counts(limited_ringcx)[EXCHANGE] == 1
    assert statuses(limited_ringcx).keys() == {200}


def test_changed_system_time_does_not_affect_tokens(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for offset in (0.0, 7200.0, -7200.0):
        original = time.time
        monkeypatch.setattr(time, "time", lambda offset=offset, original=original: original() + offset)
        read(make_task_client(limited_ringcx))
        monkeypatch.undo()
    assert request_counts(limited_ringcx)[EXCHANGE] <= 3


def test_tokens_are_refreshed_before_expiry_by_one_task(store: str) -> None:
    """Tokens are valid for 6 seconds and refreshed 5 seconds before expiry; 4 processes run for 5 seconds."""
    patch = {
        "auth.schemes._TOKEN_LIFETIME": 6.0,
        "auth.schemes._REFRESH_AHEAD": 5.0,
        "auth.token_cache._MIN_LIFETIME": 2.0,
    }
    with SandboxServer(Settings(size=10, token_lifetime=6.0, limits="off")) as server:
        results = run_workers("read", 4, url=server.url, store=store, patch=patch, times=25, pause=0.2)
        assert results == [""] * 4
        assert statuses(server).keys() == {200}
        assert request_counts(server)[EXCHANGE] == 1
        assert 3 <= request_counts(server)[REFRESH] <= 8


def test_other_tasks_use_current_token_during_refresh(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(make_task_client(limited_ringcx))
    ((_, slot),) = refresh._TOKEN_SLOTS.items()
    assert slot.token is not None
    first = slot.token.value
    monkeypatch.setattr(AccessToken, "needs_refresh", property(lambda token: token.value == first))
    refreshing, others = threading.Event(), threading.Event()

    def hold_response() -> None:
        refreshing.set()
        others.wait(60)

    limited_ringcx.fault("meanwhile", work=hold_response, operation="token_refresh")
    one, other = make_task_client(limited_ringcx), make_client(limited_ringcx.url, client_id="sandbox-client")
    work = threading.Thread(target=lambda: read(one))
    work.start()
    assert refreshing.wait(20)
    refresh._TOKEN_SLOTS.clear()
    other.authenticator.store = one.authenticator.store
    read(other)
    # The refresh is still in progress.
    assert work.is_alive()
    assert not others.is_set()
    others.set()
    work.join(20)
    assert not work.is_alive()
    assert request_counts(limited_ringcx) == {GRANT: 1, EXCHANGE: 1, REFRESH: 1, DIAL_GROUPS: 3}


def test_failed_refresh_keeps_current_token_in_use(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow_provider_engagevoice.ringcx.transport import http

    monkeypatch.setattr(http, "_INITIAL_BACKOFF", 0.001)
    client = make_task_client(limited_ringcx)
    read(client)
    monkeypatch.setattr(AccessToken, "needs_refresh", property(lambda token: True))
    for operation in ("platform_token", "token_exchange", "token_refresh"):
        limited_ringcx.fault("status", status=503, operation=operation, chance=1)
    read(client)
    assert "Cannot refresh the token yet, using the current one" in caplog.text
    assert request_counts(limited_ringcx)[DIAL_GROUPS] == 2


def test_rejected_refresh_leads_to_one_sign_in_for_all(limited_ringcx: SandboxServer, store: str) -> None:
    read(make_task_client(limited_ringcx, store))
    limited_ringcx.revoke_tokens()
    assert run_workers("read", 8, url=limited_ringcx.url, store=store) == [""] * 8
    assert request_counts(limited_ringcx)[EXCHANGE] == 2
    assert request_counts(limited_ringcx)[REFRESH] == 1


def test_expired_token_is_replaced_once(limited_ringcx: SandboxServer, store: str) -> None:
    read(make_task_client(limited_ringcx, store))
    limited_ringcx.expire_tokens()
    assert run_workers("read", 16, url=limited_ringcx.url, store=store) == [""] * 16
    assert (request_counts(limited_ringcx)[REFRESH], request_counts(limited_ringcx)[EXCHANGE]) == (1, 1)


def test_replaced_token_is_adopted_without_a_401(limited_ringcx: SandboxServer) -> None:
    one, other = make_client(limited_ringcx.url), make_client(limited_ringcx.url)
    store = open_store("host")
    one.authenticator.store = other.authenticator.store = store
    refresh._TOKEN_SLOTS.clear()
    read(one)
    own_slots = dict(refresh._TOKEN_SLOTS)
    refresh._TOKEN_SLOTS.clear()
    read(other)
    limited_ringcx.revoke_tokens()
    read(other)
    refresh._TOKEN_SLOTS.clear()
    refresh._TOKEN_SLOTS.update(own_slots)
    read(one)
    assert statuses(limited_ringcx)[401] == 1 + 1  # the other client's request and its refresh


@pytest.fixture
def used_refresh_tokens(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the refresh tokens that were sent to RingCX, in order."""
    sent: list[str] = []
    original = TokenFamily.consume

    def consume(family: Any, token: str) -> bool:
        sent.append(token)
        return original(family, token)

    monkeypatch.setattr(TokenFamily, "consume", consume)
    return sent


@pytest.mark.parametrize("fault", ["cut-off", "dropped", "garbage", "rejected", "rate-limited"])
def test_refresh_token_is_never_sent_twice(
    limited_ringcx: SandboxServer, used_refresh_tokens: list[str], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    from airflow_provider_engagevoice.ringcx.transport import http

    monkeypatch.setattr(http, "_INITIAL_RATE_LIMIT_BACKOFF", 0.001)
    faults: dict[str, dict[str, Any]] = {
        "cut-off": {"kind": "drop", "when": "after", "part": "{"},
        "dropped": {"kind": "drop", "when": "after"},
        "garbage": {"kind": "drop", "when": "after", "part": "{}"},
        "rejected": {"kind": "answer", "status": 401, "body": "Bad credentials"},
        "rate-limited": {"kind": "rate_limited", "retry_after": None},
    }
    client = make_task_client(limited_ringcx)
    read(client)
    for _ in range(2):
        limited_ringcx.expire_tokens()
        limited_ringcx.fault(**faults[fault], operation="token_refresh")
        read(client)
        read(make_task_client(limited_ringcx))
    assert len(used_refresh_tokens) == len(set(used_refresh_tokens))
    assert request_counts(limited_ringcx)[EXCHANGE] <= 3


def test_paused_task_does_not_use_a_used_refresh_token(
    limited_ringcx: SandboxServer, used_refresh_tokens: list[str]
) -> None:
    paused = make_task_client(limited_ringcx)
    read(paused)
    own_slots = dict(refresh._TOKEN_SLOTS)
    limited_ringcx.expire_tokens()
    other = make_task_client(limited_ringcx)
    read(other)
    other.authenticator.store.delete(other.authenticator._cache_key())  # type: ignore[attr-defined]
    refresh._TOKEN_SLOTS.clear()
    refresh._TOKEN_SLOTS.update(own_slots)
    limited_ringcx.expire_tokens()
    read(paused)
    assert len(used_refresh_tokens) == len(set(used_refresh_tokens)) == 1


def test_sign_ins_are_limited_to_five_a_minute() -> None:
    """Even if every request needs a new sign-in."""
    store = MemoryStore()
    with SandboxServer(Settings(size=10)) as server:
        for _ in range(5):
            client = make_task_client(server, "process")
            client.authenticator.store = MemoryStore()
            client.transport.limiter = RateLimiter(store, timeout=1.0)
            read(client)
        client = make_task_client(server, "process")
        client.authenticator.store = MemoryStore()
        client.transport.limiter = RateLimiter(store, timeout=1.0)
        with pytest.raises(RateLimited, match="Rate limit for token_exchange"):
            read(client)
        assert request_counts(server)[EXCHANGE] == 5
        assert statuses(server).keys() == {200}


def test_rate_limited_sign_in_is_retried_by_one_task(
    limited_ringcx: SandboxServer,
) -> None:
    limited_ringcx.fault("rate_limited", retry_after=1, operation="token_exchange")
    assert run_workers("read", 8, url=limited_ringcx.url) == [""] * 8
    assert request_counts(limited_ringcx)[EXCHANGE] == 2


def test_rejected_credential_is_sent_once_for_all(limited_ringcx: SandboxServer, store: str) -> None:
    results = run_workers(
        "read", 12, url=limited_ringcx.url, store=store, changes={"client_secret": "mistyped"}
    )
    assert request_counts(limited_ringcx) == {GRANT: 1}
    assert all("RingCentral rejected the sign-in; check the connection's login" in one for one in results)
    assert sum("not retried for" in one for one in results) == 11


def test_rejected_credential_does_not_affect_others(limited_ringcx: SandboxServer) -> None:
    for method, wrong in (
        ("ringcentral", {"client_secret": "mistyped"}),
        ("engage", {"password": "mistyped"}),
    ):
        read(make_task_client(limited_ringcx, method=method))
        with pytest.raises(AuthenticationError):
            read(make_task_client(limited_ringcx, method=method, **wrong))
        read(make_task_client(limited_ringcx, method=method))
    assert (request_counts(limited_ringcx)[EXCHANGE], request_counts(limited_ringcx)[LOGIN]) == (1, 2)


def test_secrets_of_one_client_id_have_separate_tokens(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "airflow_provider_engagevoice.sandbox.api.auth.platform._has_client_credentials", lambda header: True
    )
    for _ in range(3):
        for secret in ("old-secret", "new-secret"):
            read(make_task_client(limited_ringcx, client_secret=secret))
    assert request_counts(limited_ringcx)[EXCHANGE] == 2


def test_wrong_password_does_not_get_cached_token(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(make_task_client(limited_ringcx, method="engage"))
    with pytest.raises(AuthenticationError):
        read(make_task_client(limited_ringcx, method="engage", password="guessed"))
    assert request_counts(limited_ringcx)[LOGIN] == 2


def test_token_that_expires_during_slot_wait_is_refreshed() -> None:
    """Tokens are valid for 3 seconds and slots are 4 seconds apart."""
    patch = {
        "auth.schemes._TOKEN_LIFETIME": 3.0,
        "auth.schemes._REFRESH_AHEAD": 1.5,
        "auth.token_cache._MIN_LIFETIME": 1.0,
    }
    with SandboxServer(Settings(size=10, token_lifetime=3.0, limits="off")) as server:
        slots = {"limits": {"lead_count": [(1, 4.0)]}, "limiter": {"margin": 0.0}}
        run_workers("send_requests", 2, url=server.url, patch=patch, max_requests=1, **slots)
        assert statuses(server).keys() == {200}
        assert (request_counts(server)[EXCHANGE], request_counts(server)[REFRESH]) == (1, 1)


def test_expired_token_used_by_six_tasks_is_replaced_once(
    limited_ringcx: SandboxServer,
) -> None:
    read(make_task_client(limited_ringcx))
    limited_ringcx.expire_tokens()
    together = threading.Barrier(6, timeout=20)
    limited_ringcx.fault("meanwhile", work=together.wait, operation="dial_groups", times=6)
    assert run_workers("read", 6, url=limited_ringcx.url) == [""] * 6
    assert request_counts(limited_ringcx)[REFRESH] == 1
    assert statuses(limited_ringcx)[401] == 6


@pytest.fixture
def folder_contents(shared_folder: Path) -> Callable[[], bytes]:
    """Return a function that returns all names and contents of the shared folder."""

    def read_all() -> bytes:
        return b"\n".join(
            part for path in shared_folder.iterdir() for part in (path.name.encode(), path.read_bytes())
        )

    return read_all


@pytest.mark.parametrize("method", ["engage", "legacy", "ringcentral"])
def test_stores_contain_no_secret_in_plain_text(
    limited_ringcx: SandboxServer,
    redis: Any,
    folder_contents: Callable[[], bytes],
    shared_folder: Path,
    method: str,
) -> None:
    secrets = [b"sandbox-secret", b"sandbox-jwt", b"sandbox-password", b"sandbox-user", b"sandbox-client"]
    for store in ("host", redis.url):
        client = make_task_client(limited_ringcx, store, method)
        client.authenticator.mask = lambda secret: secrets.append(secret.encode())
        read(client)
        wrong = {"client_secret": "mistyped"} if method == "ringcentral" else {"password": "mistyped"}
        with pytest.raises(AuthenticationError):
            read(make_task_client(limited_ringcx, store, method, **wrong))
    assert len(secrets) > 5
    server = redis.client()
    in_redis = b"\n".join(
        part for key in server.keys("*value*") for part in (key, server.get(key))
    ) + b"".join(server.keys())
    for text in (folder_contents(), in_redis):
        assert len(text) > 300
        assert [secret for secret in (*secrets, b"mistyped") if secret in text] == []
    assert {path.stat().st_mode & 0o777 for path in shared_folder.iterdir()} == {0o600}


def test_python_without_scrypt_shares_tokens_in_process_only(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("hashlib.scrypt")
    client = make_task_client(limited_ringcx, method="engage")
    read(client)
    read(client)
    assert request_counts(limited_ringcx)[LOGIN] == 1
    read(make_task_client(limited_ringcx, method="engage"))
    assert request_counts(limited_ringcx)[LOGIN] == 2
