"""One sign-in serves all tasks: shared, renewed ahead of time by one, replaced once when it is revoked."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.auth import refresh
from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.exceptions import AuthenticationError, RateLimited
from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.ringcx.storage.registry import open_store
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state import tokens as issued
from tests.support.clients import DIAL_GROUPS, EXCHANGE, GRANT, REFRESH, make_client
from tests.support.processes import run

LOGIN = "/api/auth/login/admin"


def asked(server: SandboxServer) -> Counter[str]:
    """How often each path was asked for."""
    return Counter(request.path for request in server.requests)


def statuses(server: SandboxServer) -> Counter[int]:
    return Counter(request.status for request in server.requests)


def task_of(
    server: SandboxServer, store: str = "host", method: str = "ringcentral", **more: str
) -> RingCXClient:
    """Make a client as a task does that has just started in a process of its own."""
    refresh._TOKEN_SLOTS.clear()
    client = make_client(server.url, method, **more)
    client.authenticator.store = open_store(store)
    return client


def read(client: RingCXClient) -> None:
    client.request("GET", DIAL_GROUPS)


def test_32_tasks_that_start_together_sign_in_once(limited_ringcx: SandboxServer, store: str) -> None:
    assert run("read", 32, url=limited_ringcx.url, store=store) == [""] * 32
    assert asked(limited_ringcx) == {GRANT: 1, EXCHANGE: 1, DIAL_GROUPS: 32}


@pytest.mark.parametrize("method", ["engage", "legacy"])
def test_passwords_sign_in_once_for_all_tasks_too(limited_ringcx: SandboxServer, method: str) -> None:
    path = LOGIN if method == "engage" else "/api/v1/auth/login"
    run("read", 4, url=limited_ringcx.url, method=method)
    assert asked(limited_ringcx)[path] == 1


def test_a_task_that_starts_later_finds_the_token(limited_ringcx: SandboxServer, store: str) -> None:
    for _ in range(3):
        assert run("read", url=limited_ringcx.url, store=store) == [""]
    assert asked(limited_ringcx) == {GRANT: 1, EXCHANGE: 1, DIAL_GROUPS: 3}


def test_hosts_whose_clocks_differ_share_a_token(limited_ringcx: SandboxServer, redis: Any) -> None:
    results = run(
        "read",
        6,
        url=limited_ringcx.url,
        store=redis.url,
        clocks=[0.0, 36000.0, -3600.0],
        times=5,
        pause=0.05,
    )
    assert results == [""] * 6
    assert asked(limited_ringcx)[EXCHANGE] == 1
    assert statuses(limited_ringcx).keys() == {200}


def test_a_wall_clock_that_was_moved_changes_nothing(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for moved in (0.0, 7200.0, -7200.0):
        original = time.time
        monkeypatch.setattr(time, "time", lambda moved=moved, original=original: original() + moved)
        read(task_of(limited_ringcx))
        monkeypatch.undo()
    assert asked(limited_ringcx)[EXCHANGE] <= 3


def test_tokens_are_renewed_in_time_by_one_and_no_request_is_refused(store: str) -> None:
    """Tokens that live 3 seconds, renewed 2 seconds before; 4 processes for 5 seconds."""
    patch = {
        "auth.schemes._TOKEN_LIFE": 3.0,
        "auth.schemes._RENEW_AHEAD": 2.0,
        "auth.token_cache._LAST_SECONDS": 1.0,
    }
    with SandboxServer(Settings(size=10, token_lifetime=3.0, limits="off")) as server:
        results = run("read", 4, url=server.url, store=store, patch=patch, times=25, pause=0.2)
        assert results == [""] * 4
        assert statuses(server).keys() == {200}
        assert asked(server)[EXCHANGE] == 1
        assert 3 <= asked(server)[REFRESH] <= 8


def test_the_others_go_on_with_the_old_token_while_one_renews_it(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(task_of(limited_ringcx))
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.auth.schemes._RENEW_AHEAD", 60.0)
    monkeypatch.setattr(refresh.AccessToken, "is_fresh", property(lambda token: token.left > 299.0))
    renewing, others = threading.Event(), threading.Event()
    limited_ringcx.fault(
        "meanwhile", work=lambda: (renewing.set(), others.wait(10)), operation="token_refresh"
    )
    time.sleep(1.1)
    one, other = task_of(limited_ringcx), make_client(limited_ringcx.url, client_id="sandbox-client")
    work = threading.Thread(target=lambda: read(one))
    work.start()
    assert renewing.wait(10)
    refresh._TOKEN_SLOTS.clear()
    other.authenticator.store = one.authenticator.store
    begun = time.monotonic()
    read(other)
    # Far less than the ten seconds for which the renewal is held up.
    assert time.monotonic() - begun < 6.0
    others.set()
    work.join(10)
    assert asked(limited_ringcx) == {GRANT: 1, EXCHANGE: 1, REFRESH: 1, DIAL_GROUPS: 3}


def test_a_renewal_that_fails_leaves_the_old_token_in_use(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow_provider_engagevoice.ringcx.transport import http

    monkeypatch.setattr(http, "_INITIAL_BACKOFF", 0.001)
    client = task_of(limited_ringcx)
    read(client)
    monkeypatch.setattr(refresh.AccessToken, "is_fresh", property(lambda token: token.left > 300.0))
    for operation in ("platform_token", "token_exchange", "token_refresh"):
        limited_ringcx.fault("status", status=503, operation=operation, chance=1)
    read(client)
    assert "The token cannot be renewed yet" in caplog.text
    assert asked(limited_ringcx)[DIAL_GROUPS] == 2


def test_a_refused_renewal_becomes_one_sign_in_for_all(limited_ringcx: SandboxServer, store: str) -> None:
    read(task_of(limited_ringcx, store))
    limited_ringcx.revoke_tokens()
    assert run("read", 8, url=limited_ringcx.url, store=store) == [""] * 8
    assert asked(limited_ringcx)[EXCHANGE] == 2
    assert asked(limited_ringcx)[REFRESH] == 1


def test_a_revoked_token_is_replaced_once(limited_ringcx: SandboxServer, store: str) -> None:
    read(task_of(limited_ringcx, store))
    limited_ringcx.expire_tokens()
    assert run("read", 16, url=limited_ringcx.url, store=store) == [""] * 16
    assert (asked(limited_ringcx)[REFRESH], asked(limited_ringcx)[EXCHANGE]) == (1, 1)


def test_who_waits_learns_of_a_revoked_token_without_being_refused(limited_ringcx: SandboxServer) -> None:
    one, other = make_client(limited_ringcx.url), make_client(limited_ringcx.url)
    store = open_store("host")
    one.authenticator.store = other.authenticator.store = store
    refresh._TOKEN_SLOTS.clear()
    read(one)
    mine = dict(refresh._TOKEN_SLOTS)
    refresh._TOKEN_SLOTS.clear()
    read(other)
    limited_ringcx.revoke_tokens()
    read(other)
    refresh._TOKEN_SLOTS.clear()
    refresh._TOKEN_SLOTS.update(mine)
    read(one)
    assert statuses(limited_ringcx)[401] == 1 + 1  # the request of the other, and its renewal


@pytest.fixture
def spent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The refresh tokens that RingCX was shown, in order."""
    shown: list[str] = []
    original = issued.TokenFamily.consume

    def consume(family: Any, token: str) -> bool:
        shown.append(token)
        return original(family, token)

    monkeypatch.setattr(issued.TokenFamily, "consume", consume)
    return shown


@pytest.mark.parametrize("fault", ["503", "dropped", "garbage", "refused", "limited"])
def test_what_renews_a_token_is_never_shown_twice(
    limited_ringcx: SandboxServer, spent: list[str], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    from airflow_provider_engagevoice.ringcx.transport import http

    monkeypatch.setattr(http, "_INITIAL_RATE_LIMIT_BACKOFF", 0.001)
    meets = {
        "503": {"kind": "drop", "when": "after", "part": "{"},
        "dropped": {"kind": "drop", "when": "after"},
        "garbage": {"kind": "drop", "when": "after", "part": "{}"},
        "refused": {"kind": "answer", "status": 401, "body": "Bad credentials"},
        "limited": {"kind": "rate_limited", "retry_after": None},
    }
    client = task_of(limited_ringcx)
    read(client)
    for _ in range(2):
        limited_ringcx.expire_tokens()
        limited_ringcx.fault(**meets[fault], operation="token_refresh")
        read(client)
        read(task_of(limited_ringcx))
    assert len(spent) == len(set(spent))
    assert asked(limited_ringcx)[EXCHANGE] <= 3


def test_a_task_that_slept_for_long_does_not_use_what_another_has_used(
    limited_ringcx: SandboxServer, spent: list[str]
) -> None:
    sleeper = task_of(limited_ringcx)
    read(sleeper)
    mine = dict(refresh._TOKEN_SLOTS)
    limited_ringcx.expire_tokens()
    other = task_of(limited_ringcx)
    read(other)
    other.authenticator.store.delete(other.authenticator._key())  # type: ignore[attr-defined]
    refresh._TOKEN_SLOTS.clear()
    refresh._TOKEN_SLOTS.update(mine)
    limited_ringcx.expire_tokens()
    read(sleeper)
    assert len(spent) == len(set(spent)) == 1


def test_sign_ins_are_five_a_minute_at_most() -> None:
    """Even where every single request needs a new sign-in."""
    store = MemoryStore()
    with SandboxServer(Settings(size=10)) as server:
        for _ in range(5):
            client = task_of(server, "process")
            client.authenticator.store = MemoryStore()
            client.transport.limiter = RateLimiter(store, timeout=1.0)
            read(client)
        client = task_of(server, "process")
        client.authenticator.store = MemoryStore()
        client.transport.limiter = RateLimiter(store, timeout=1.0)
        with pytest.raises(RateLimited, match="limit for token_exchange"):
            read(client)
        assert asked(server)[EXCHANGE] == 5
        assert statuses(server).keys() == {200}


def test_a_limited_sign_in_is_waited_for_by_all_and_asked_by_one(
    limited_ringcx: SandboxServer,
) -> None:
    limited_ringcx.fault("rate_limited", retry_after=1, operation="token_exchange")
    assert run("read", 8, url=limited_ringcx.url) == [""] * 8
    assert asked(limited_ringcx)[EXCHANGE] == 2


def test_a_refused_credential_is_tried_once_for_all(limited_ringcx: SandboxServer, store: str) -> None:
    results = run("read", 12, url=limited_ringcx.url, store=store, changes={"client_secret": "mistyped"})
    assert asked(limited_ringcx) == {GRANT: 1}
    assert all("RingCentral refused the sign-in; check the connection's login" in one for one in results)
    assert sum("not tried again for" in one for one in results) == 11


def test_a_refused_credential_does_not_harm_another(limited_ringcx: SandboxServer) -> None:
    for method, wrong in (
        ("ringcentral", {"client_secret": "mistyped"}),
        ("engage", {"password": "mistyped"}),
    ):
        read(task_of(limited_ringcx, method=method))
        with pytest.raises(AuthenticationError):
            read(task_of(limited_ringcx, method=method, **wrong))
        read(task_of(limited_ringcx, method=method))
    assert (asked(limited_ringcx)[EXCHANGE], asked(limited_ringcx)[LOGIN]) == (1, 2)


def test_two_secrets_of_one_client_keep_apart(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "airflow_provider_engagevoice.sandbox.api.auth.platform._is_client", lambda header: True
    )
    for _ in range(3):
        for secret in ("old-secret", "new-secret"):
            read(task_of(limited_ringcx, client_secret=secret))
    assert asked(limited_ringcx)[EXCHANGE] == 2


def test_a_changed_password_reads_nothing_of_the_old_one(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(task_of(limited_ringcx, method="engage"))
    with pytest.raises(AuthenticationError):
        read(task_of(limited_ringcx, method="engage", password="guessed"))
    assert asked(limited_ringcx)[LOGIN] == 2


def test_a_token_that_ends_while_a_request_waits_for_its_slot_brings_no_401() -> None:
    """Order: token, slot, the token again, send. Tokens live 3 seconds, slots are 4 seconds apart."""
    patch = {
        "auth.schemes._TOKEN_LIFE": 3.0,
        "auth.schemes._RENEW_AHEAD": 1.5,
        "auth.token_cache._LAST_SECONDS": 1.0,
    }
    with SandboxServer(Settings(size=10, token_lifetime=3.0, limits="off")) as server:
        slots = {"limits": {"lead_count": [(1, 4.0)]}, "limiter": {"pad": 0.0}}
        run("go_on", 2, url=server.url, patch=patch, most=1, **slots)
        assert statuses(server).keys() == {200}
        assert (asked(server)[EXCHANGE], asked(server)[REFRESH]) == (1, 1)


def test_clients_that_meet_a_revoked_token_together_replace_it_once(
    limited_ringcx: SandboxServer,
) -> None:
    read(task_of(limited_ringcx))
    limited_ringcx.expire_tokens()
    together = threading.Barrier(6, timeout=20)
    limited_ringcx.fault("meanwhile", work=together.wait, operation="dial_groups", times=6)
    assert run("read", 6, url=limited_ringcx.url) == [""] * 6
    assert asked(limited_ringcx)[REFRESH] == 1
    assert statuses(limited_ringcx)[401] == 6


def test_windows_of_sign_ins_are_the_documented_ones() -> None:
    from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS

    assert LIMITS["token_exchange"] == (RateWindow(5, 60),)


@pytest.fixture
def contents(shared_folder: Path) -> Callable[[], bytes]:
    """Everything that is written in the shared folder, names included."""

    def written() -> bytes:
        return b"\n".join(
            part for path in shared_folder.iterdir() for part in (path.name.encode(), path.read_bytes())
        )

    return written


@pytest.mark.parametrize("method", ["engage", "legacy", "ringcentral"])
def test_no_secret_stands_in_a_file_or_in_redis(
    limited_ringcx: SandboxServer, redis: Any, contents: Callable[[], bytes], shared_folder: Path, method: str
) -> None:
    secrets = [b"sandbox-secret", b"sandbox-jwt", b"sandbox-password", b"sandbox-user", b"sandbox-client"]
    for store in ("host", redis.url):
        client = task_of(limited_ringcx, store, method)
        client.authenticator.mask = lambda secret: secrets.append(secret.encode())
        read(client)
        with pytest.raises(AuthenticationError):
            wrong = {"client_secret": "mistyped"} if method == "ringcentral" else {"password": "mistyped"}
            read(task_of(limited_ringcx, store, method, **wrong))
    assert len(secrets) > 5
    server = redis.client()
    in_redis = b"\n".join(
        part for key in server.keys("*value*") for part in (key, server.get(key))
    ) + b"".join(server.keys())
    for text in (contents(), in_redis):
        assert len(text) > 300
        assert [secret for secret in (*secrets, b"mistyped") if secret in text] == []
    assert {path.stat().st_mode & 0o777 for path in shared_folder.iterdir()} == {0o600}


@pytest.mark.parametrize("method", ["engage", "legacy"])
def test_names_tell_nothing_of_a_password(limited_ringcx: SandboxServer, method: str) -> None:
    """Who sees a name could else try passwords against it, quickly."""
    names = {
        make_client(limited_ringcx.url, method, password=word).authenticator._key() for word in ("one", "two")
    }  # type: ignore[attr-defined]
    assert len(names) == 1


def test_a_guess_at_a_password_costs_time() -> None:
    from airflow_provider_engagevoice.ringcx.auth.encryption import DecryptionError, ScryptCipher

    sealed = ScryptCipher(["word"]).close(b"value")
    begun = time.process_time()
    with pytest.raises(DecryptionError):
        ScryptCipher(["guess"]).open(sealed)
    assert time.process_time() - begun > 0.03


def test_a_python_without_scrypt_shares_no_passwords_token(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("hashlib.scrypt")
    client = task_of(limited_ringcx, method="engage")
    read(client)
    read(client)
    assert asked(limited_ringcx)[LOGIN] == 1
    read(task_of(limited_ringcx, method="engage"))
    assert asked(limited_ringcx)[LOGIN] == 2
