"""Tests of expiring tokens: shared sign-ins, refresh ahead of expiry, rejected tokens and credentials."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.auth.refresh import RefreshingAuthenticator
from airflow_provider_engagevoice.ringcx.auth.token_cache import AccessToken
from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.exceptions import (
    AuthenticationError,
    PermanentError,
    ServiceUnavailable,
    TransientError,
)
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.cancellation import cancel_soon, run_cancelled
from tests.support.clients import (
    ACTIONS_PATH,
    DIAL_GROUPS,
    EXCHANGE,
    GRANT,
    REFRESH,
    FakeClock,
    count_action_requests,
    make_client,
    perform_action,
    request_paths,
)

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

THREADS = 8
GROUPS = "/dialGroups"


def synchronize_threads(sandbox: SandboxServer) -> None:
    """Respond to no read until each thread has sent its first one."""
    barrier = threading.Barrier(THREADS, timeout=20)
    sandbox.fault("meanwhile", work=barrier.wait, operation="dial_groups", times=THREADS)


def read(client: RingCXClient) -> Any:
    return client.request("GET", DIAL_GROUPS)


def in_threads(work: Callable[[], object]) -> None:
    """Run work in several threads at the same time.

    :raises AssertionError: if it fails in any of them.
    """
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failed


def test_clients_of_one_credential_share_one_sign_in(ringcx_sandbox: SandboxServer) -> None:
    for _ in range(3):
        read(make_client(ringcx_sandbox.url))
    assert request_paths(ringcx_sandbox) == [GRANT, EXCHANGE, GROUPS, GROUPS, GROUPS]


def test_another_credential_has_a_separate_token(ringcx_sandbox: SandboxServer) -> None:
    read(make_client(ringcx_sandbox.url))
    with pytest.raises(AuthenticationError):
        read(make_client(ringcx_sandbox.url, client_secret="other"))


def test_threads_that_start_together_sign_in_once(ringcx_sandbox: SandboxServer) -> None:
    in_threads(lambda: read(make_client(ringcx_sandbox.url)))
    assert sorted(request_paths(ringcx_sandbox)) == sorted([GRANT, EXCHANGE, *[GROUPS] * THREADS])


@pytest.mark.parametrize("method", ["ringcentral", "engage"])
def test_token_is_refreshed_a_minute_before_expiry(
    ringcx_sandbox: SandboxServer, clock: FakeClock, method: str
) -> None:
    client = make_client(ringcx_sandbox.url, method)
    read(client)
    signed_in = len(ringcx_sandbox.requests)
    clock.offset += 235
    read(client)
    assert request_paths(ringcx_sandbox)[signed_in:] == [GROUPS]
    # Refresh tokens are single-use: the second refresh shows that both tokens were replaced.
    for _ in range(2):
        clock.offset += 241
        read(client)
    assert request_paths(ringcx_sandbox)[signed_in + 1 :] == [REFRESH, GROUPS, REFRESH, GROUPS]
    assert {request.status for request in ringcx_sandbox.requests} == {200}


def test_legacy_token_is_replaced_by_sign_in_after_an_hour(
    ringcx_sandbox: SandboxServer, clock: FakeClock
) -> None:
    client = make_client(ringcx_sandbox.url, "legacy")
    read(client)
    clock.offset += 3530
    read(client)
    clock.offset += 20
    read(client)
    groups = DIAL_GROUPS.removeprefix("/voice")
    login = "/api/v1/auth/login"
    assert [request.path for request in ringcx_sandbox.requests] == [login, groups, groups, login, groups]


REJECTIONS = [
    {"status": 401, "body": "Bad credentials", "content_type": "text/plain"},
    {"status": 400, "body": {"generalMessage": "Unknown"}},
    {"status": 404},
    {"body": "<html></html>", "content_type": "text/html"},
    {"body": {}},
]


@pytest.mark.parametrize("rejection", REJECTIONS, ids=["401", "400", "404", "web-page", "no-token"])
def test_rejected_refresh_leads_to_one_sign_in(
    ringcx_sandbox: SandboxServer, clock: FakeClock, rejection: Any
) -> None:
    client = make_client(ringcx_sandbox.url)
    read(client)
    clock.offset += 250
    ringcx_sandbox.fault("answer", **rejection, operation="token_refresh")
    read(client)
    assert request_paths(ringcx_sandbox) == [GRANT, EXCHANGE, GROUPS, REFRESH, GRANT, EXCHANGE, GROUPS]


def test_expired_token_is_refreshed_and_request_retried(ringcx_sandbox: SandboxServer) -> None:
    client = make_client(ringcx_sandbox.url)
    before = read(client)
    ringcx_sandbox.expire_tokens()
    assert read(client) == before
    assert request_paths(ringcx_sandbox)[3:] == [GROUPS, REFRESH, GROUPS]
    assert ringcx_sandbox.requests[3].status == 401


def test_revoked_token_is_replaced_by_sign_in(ringcx_sandbox: SandboxServer) -> None:
    client = make_client(ringcx_sandbox.url)
    before = read(client)
    ringcx_sandbox.revoke_tokens()
    assert read(client) == before
    assert request_paths(ringcx_sandbox)[3:] == [GROUPS, REFRESH, GRANT, EXCHANGE, GROUPS]


@pytest.mark.parametrize("method", ["engage", "legacy"])
def test_revoked_token_is_replaced_in_each_scheme(ringcx_sandbox: SandboxServer, method: str) -> None:
    client = make_client(ringcx_sandbox.url, method)
    before = read(client)
    ringcx_sandbox.revoke_tokens()
    assert read(client) == before


def test_threads_with_expired_token_refresh_it_once(ringcx_sandbox: SandboxServer) -> None:
    client = make_client(ringcx_sandbox.url)
    read(client)
    ringcx_sandbox.expire_tokens()
    synchronize_threads(ringcx_sandbox)
    in_threads(lambda: read(client))
    seen = request_paths(ringcx_sandbox)[3:]
    assert seen.count(REFRESH) == 1
    assert seen.count(GROUPS) == 2 * THREADS
    assert seen.count(EXCHANGE) == 0


def test_threads_with_separate_clients_refresh_once(ringcx_sandbox: SandboxServer) -> None:
    read(make_client(ringcx_sandbox.url))
    ringcx_sandbox.expire_tokens()
    synchronize_threads(ringcx_sandbox)
    in_threads(lambda: read(make_client(ringcx_sandbox.url)))
    assert request_paths(ringcx_sandbox).count(REFRESH) == 1


def test_second_401_is_permanent_error(ringcx_sandbox: SandboxServer) -> None:
    client = make_client(ringcx_sandbox.url)
    ringcx_sandbox.fault(
        "answer",
        status=401,
        body="Jwt is expired",
        content_type="text/plain",
        operation="dial_groups",
        chance=1,
    )
    with pytest.raises(AuthenticationError, match="Jwt is expired") as caught:
        read(client)
    assert isinstance(caught.value, PermanentError)
    assert request_paths(ringcx_sandbox) == [GRANT, EXCHANGE, GROUPS, REFRESH, GROUPS]


def test_disabled_credential_is_permanent_error(ringcx_sandbox: SandboxServer) -> None:
    client = make_client(ringcx_sandbox.url)
    read(client)
    ringcx_sandbox.revoke_tokens()
    disabled = {"error_description": "Client is disabled"}
    ringcx_sandbox.fault("answer", status=401, body=disabled, operation="platform_token", chance=1)
    with pytest.raises(AuthenticationError, match=r"client id.*Client is disabled"):
        read(client)
    assert request_paths(ringcx_sandbox)[3:] == [GROUPS, REFRESH, GRANT]


def test_action_with_expired_token_is_applied_once(ringcx_sandbox: SandboxServer, ids: list[int]) -> None:
    client = make_client(ringcx_sandbox.url)
    passes = {lead["leadId"]: lead["leadPasses"] for lead in ringcx_sandbox.leads("Spring Renewals")}
    original = client.authenticator.headers

    def headers(transport: Any) -> Any:
        current = original(transport)
        if any(
            request.query.get("count") for request in ringcx_sandbox.requests
        ) and not count_action_requests(ringcx_sandbox):
            ringcx_sandbox.expire_tokens()
        return current

    client.authenticator.headers = headers  # type: ignore[method-assign]
    done = perform_action(client, "MANUAL_LEADS", {"leadIds": ids[:2]})
    assert (done["leads_updated"], count_action_requests(ringcx_sandbox)) == (2, 2)
    after = {lead["leadId"]: lead["leadPasses"] for lead in ringcx_sandbox.leads("Spring Renewals")}
    assert {key for key in passes if after[key] == passes[key] + 1} == set(ids[:2])


def test_permanent_token_is_used_without_sign_in(ringcx_sandbox: SandboxServer) -> None:
    client = make_client(ringcx_sandbox.url, "api_token")
    ringcx_sandbox.fault(
        "answer", status=401, body="No", content_type="text/plain", operation="dial_groups", at=[2]
    )
    read(client)
    with pytest.raises(AuthenticationError, match="permanent API token"):
        read(client)
    assert request_paths(ringcx_sandbox) == [GROUPS, GROUPS]


@pytest.mark.parametrize("signed_in", [True, False])
def test_failed_sign_in_before_action_is_transient(ringcx_sandbox: SandboxServer, signed_in: bool) -> None:
    """Only the sign-in failed, so Airflow may retry even actions that are not idempotent."""
    client = make_client(ringcx_sandbox.url)
    if signed_in:
        read(client)
        ringcx_sandbox.revoke_tokens()
    for operation in ("platform_token", "token_exchange", "token_refresh"):
        ringcx_sandbox.fault("status", status=503, operation=operation, chance=1)
    with pytest.raises(ServiceUnavailable) as caught:
        client.request("PUT", ACTIONS_PATH, {"leadAction": "RESET_LEADS"}, {})
    assert isinstance(caught.value, TransientError)
    assert {request.status for request in ringcx_sandbox.requests if request.path == ACTIONS_PATH} <= {401}


@pytest.mark.parametrize(("seconds", "lines"), [(9.0, 0), (12.0, 1), (80.0, 1), (200.0, 3)])
def test_wait_for_another_tasks_sign_in_is_logged_once(
    limited_ringcx: SandboxServer,
    caplog: pytest.LogCaptureFixture,
    clock: FakeClock,
    seconds: float,
    lines: int,
) -> None:
    """The other task waits for a slot, for example, which only its own log contains."""
    caplog.set_level(logging.DEBUG)
    client = make_client(limited_ringcx.url)
    locks = lock_sign_in(client)

    def release_later() -> None:
        if clock.offset > seconds:
            for release in locks:
                release()
            locks.clear()

    clock.on_pause = release_later
    client.request("GET", DIAL_GROUPS)
    waits = [line for line in caplog.messages if "another task to sign in" in line]
    assert waits == ["Waiting for another task to sign in: at most 80 s left"] * lines
    assert "sandbox-" not in "".join(caplog.messages)


def test_token_of_another_task_is_used_after_the_wait(
    limited_ringcx: SandboxServer, clock: FakeClock
) -> None:
    client = make_client(limited_ringcx.url)
    authenticator = refreshing_authenticator(client)
    cache = authenticator._token_cache(authenticator._token_slot())
    assert cache.acquire_lock() is not None
    token = AccessToken("of another task", clock.monotonic() + 300.0, 60.0)
    clock.on_pause = lambda: cache.set(token)
    masked: list[str] = []
    authenticator.mask = masked.append
    assert authenticator.headers(client.transport) == {"Authorization": "Bearer of another task"}
    assert masked == ["of another task"]
    assert limited_ringcx.requests == []


def test_token_of_another_task_is_used_after_a_401(limited_ringcx: SandboxServer, clock: FakeClock) -> None:
    client = make_client(limited_ringcx.url)
    read(client)
    authenticator = refreshing_authenticator(client)
    cache = authenticator._token_cache(authenticator._token_slot())
    rejected = authenticator.headers(client.transport)
    # It expires earlier than the rejected token, so it is used only after the 401.
    cache.set(AccessToken("of another task", clock.monotonic() + 100.0, 60.0))
    assert authenticator.headers(client.transport) == rejected
    authenticator.refresh(client.transport, rejected)
    assert authenticator.headers(client.transport) == {"Authorization": "Bearer of another task"}
    assert request_paths(limited_ringcx) == [GRANT, EXCHANGE, GROUPS]


def test_rejection_of_another_task_ends_the_wait(limited_ringcx: SandboxServer, clock: FakeClock) -> None:
    client = make_client(limited_ringcx.url)
    authenticator = refreshing_authenticator(client)
    cache = authenticator._token_cache(authenticator._token_slot())
    assert cache.acquire_lock() is not None
    clock.on_pause = lambda: cache.cache_rejection(AuthenticationError("Wrong password", status=401))
    with pytest.raises(AuthenticationError, match=r"^Wrong password \(not retried for 30 s\)$"):
        read(client)
    assert limited_ringcx.requests == []


def test_stuck_sign_in_of_another_task_is_not_waited_for(
    limited_ringcx: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(limited_ringcx.url)
    lock_sign_in(client)
    client.request("GET", DIAL_GROUPS)
    stuck = [line for line in caplog.messages if "no longer waiting" in line]
    assert stuck == ["Another task has been signing in for 90 s; no longer waiting for it"] * 3
    assert request_paths(limited_ringcx) == [GRANT, EXCHANGE, GROUPS]


def test_wait_for_another_threads_sign_in_is_cancelled(limited_ringcx: SandboxServer) -> None:
    first, second = make_client(limited_ringcx.url), make_client(limited_ringcx.url)
    is_signing_in, finish = threading.Event(), threading.Event()

    def hold_response() -> None:
        is_signing_in.set()
        finish.wait(60)

    limited_ringcx.fault("meanwhile", work=hold_response, operation="token_exchange")
    signing_in = threading.Thread(target=lambda: read(first))
    signing_in.start()
    assert is_signing_in.wait(20)
    cancel_soon(second.cancel_token.cancel)
    # The first client is still signing in.
    run_cancelled(lambda: read(second))
    assert signing_in.is_alive()
    finish.set()
    signing_in.join(20)
    assert not signing_in.is_alive()


def refreshing_authenticator(client: RingCXClient) -> RefreshingAuthenticator:
    assert isinstance(client.authenticator, RefreshingAuthenticator)
    return client.authenticator


def lock_sign_in(client: RingCXClient) -> list[Callable[[], object]]:
    """Hold the locks for signing in, as another task does; return the functions that release them."""
    authenticator = refreshing_authenticator(client)
    cache = authenticator._token_cache(authenticator._token_slot())
    return [release for turn in range(3) if (release := cache.acquire_lock(turn)) is not None]
