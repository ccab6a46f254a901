"""The life of a token: signed in once for all, renewed ahead of its end and once when refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.exceptions import (
    AuthenticationError,
    PermanentError,
    ServiceUnavailable,
    TransientError,
)
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
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


def hold_until_all_are_there(sandbox: SandboxServer) -> None:
    """Answer no read before every thread has sent its first one."""
    barrier = threading.Barrier(THREADS, timeout=20)
    sandbox.fault("meanwhile", work=barrier.wait, operation="dial_groups", times=THREADS)


def read(client: RingCXClient) -> Any:
    return client.request("GET", DIAL_GROUPS)


def in_threads(work: Callable[[], object]) -> None:
    """Run the work in several threads at once; fail if it fails in any."""
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


def test_another_credential_has_a_token_of_its_own(ringcx_sandbox: SandboxServer) -> None:
    read(make_client(ringcx_sandbox.url))
    with pytest.raises(AuthenticationError):
        read(make_client(ringcx_sandbox.url, client_secret="other"))


def test_threads_that_start_together_sign_in_once(ringcx_sandbox: SandboxServer) -> None:
    in_threads(lambda: read(make_client(ringcx_sandbox.url)))
    assert sorted(request_paths(ringcx_sandbox)) == sorted([GRANT, EXCHANGE, *[GROUPS] * THREADS])


@pytest.mark.parametrize("method", ["ringcentral", "engage"])
def test_a_token_is_refreshed_a_minute_before_its_end(
    ringcx_sandbox: SandboxServer, clock: FakeClock, method: str
) -> None:
    client = make_client(ringcx_sandbox.url, method)
    read(client)
    signed_in = len(ringcx_sandbox.requests)
    clock.offset += 235
    read(client)
    assert request_paths(ringcx_sandbox)[signed_in:] == [GROUPS]
    # The sandbox takes each refresh token once: the second renewal shows that both were replaced.
    for _ in range(2):
        clock.offset += 241
        read(client)
    assert request_paths(ringcx_sandbox)[signed_in + 1 :] == [REFRESH, GROUPS, REFRESH, GROUPS]
    assert {request.status for request in ringcx_sandbox.requests} == {200}


def test_a_legacy_token_is_replaced_after_an_hour_by_signing_in_again(
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


REFUSED = [
    {"status": 401, "body": "Bad credentials", "content_type": "text/plain"},
    {"status": 400, "body": {"generalMessage": "Unknown"}},
    {"status": 404},
    {"body": "<html></html>", "content_type": "text/html"},
    {"body": {}},
]


@pytest.mark.parametrize("refusal", REFUSED, ids=["401", "400", "404", "web-page", "no-token"])
def test_a_refused_refresh_becomes_one_new_sign_in(
    ringcx_sandbox: SandboxServer, clock: FakeClock, refusal: Any
) -> None:
    client = make_client(ringcx_sandbox.url)
    read(client)
    clock.offset += 250
    ringcx_sandbox.fault("answer", **refusal, operation="token_refresh")
    read(client)
    assert request_paths(ringcx_sandbox) == [GRANT, EXCHANGE, GROUPS, REFRESH, GRANT, EXCHANGE, GROUPS]


def test_an_expired_token_is_renewed_once_and_the_request_repeated(ringcx_sandbox: SandboxServer) -> None:
    client = make_client(ringcx_sandbox.url)
    before = read(client)
    ringcx_sandbox.expire_tokens()
    assert read(client) == before
    assert request_paths(ringcx_sandbox)[3:] == [GROUPS, REFRESH, GROUPS]
    assert ringcx_sandbox.requests[3].status == 401


def test_a_revoked_token_is_replaced_by_a_new_sign_in(ringcx_sandbox: SandboxServer) -> None:
    client = make_client(ringcx_sandbox.url)
    before = read(client)
    ringcx_sandbox.revoke_tokens()
    assert read(client) == before
    assert request_paths(ringcx_sandbox)[3:] == [GROUPS, REFRESH, GRANT, EXCHANGE, GROUPS]


@pytest.mark.parametrize("method", ["engage", "legacy"])
def test_every_token_that_can_be_renewed_survives_being_revoked(
    ringcx_sandbox: SandboxServer, method: str
) -> None:
    client = make_client(ringcx_sandbox.url, method)
    before = read(client)
    ringcx_sandbox.revoke_tokens()
    assert read(client) == before


def test_threads_that_meet_an_expired_token_renew_it_once(ringcx_sandbox: SandboxServer) -> None:
    client = make_client(ringcx_sandbox.url)
    read(client)
    ringcx_sandbox.expire_tokens()
    hold_until_all_are_there(ringcx_sandbox)
    in_threads(lambda: read(client))
    seen = request_paths(ringcx_sandbox)[3:]
    assert seen.count(REFRESH) == 1
    assert seen.count(GROUPS) == 2 * THREADS
    assert seen.count(EXCHANGE) == 0


def test_threads_with_clients_of_their_own_renew_once_too(ringcx_sandbox: SandboxServer) -> None:
    read(make_client(ringcx_sandbox.url))
    ringcx_sandbox.expire_tokens()
    hold_until_all_are_there(ringcx_sandbox)
    in_threads(lambda: read(make_client(ringcx_sandbox.url)))
    assert request_paths(ringcx_sandbox).count(REFRESH) == 1


def test_a_new_token_that_is_refused_too_ends_it(ringcx_sandbox: SandboxServer) -> None:
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


def test_credentials_withdrawn_meanwhile_end_it(ringcx_sandbox: SandboxServer) -> None:
    client = make_client(ringcx_sandbox.url)
    read(client)
    ringcx_sandbox.revoke_tokens()
    disabled = {"error_description": "Client is disabled"}
    ringcx_sandbox.fault("answer", status=401, body=disabled, operation="platform_token", chance=1)
    with pytest.raises(AuthenticationError, match=r"client id.*Client is disabled"):
        read(client)
    assert request_paths(ringcx_sandbox)[3:] == [GROUPS, REFRESH, GRANT]


def test_an_action_on_an_expired_token_is_done_exactly_once(
    ringcx_sandbox: SandboxServer, ids: list[int]
) -> None:
    client = make_client(ringcx_sandbox.url)
    passes = {lead["leadId"]: lead["leadPasses"] for lead in ringcx_sandbox.leads("Spring Renewals")}
    original = client.authenticator.headers

    def headers(transport: Any) -> Any:
        given = original(transport)
        if any(
            request.query.get("count") for request in ringcx_sandbox.requests
        ) and not count_action_requests(ringcx_sandbox):
            ringcx_sandbox.expire_tokens()
        return given

    client.authenticator.headers = headers  # type: ignore[method-assign]
    done = perform_action(client, "MANUAL_LEADS", {"leadIds": ids[:2]})
    assert (done["leads_updated"], count_action_requests(ringcx_sandbox)) == (2, 2)
    after = {lead["leadId"]: lead["leadPasses"] for lead in ringcx_sandbox.leads("Spring Renewals")}
    assert {key for key in passes if after[key] == passes[key] + 1} == set(ids[:2])


def test_the_permanent_token_is_not_signed_in_for(ringcx_sandbox: SandboxServer) -> None:
    client = make_client(ringcx_sandbox.url, "api_token")
    ringcx_sandbox.fault(
        "answer", status=401, body="No", content_type="text/plain", operation="dial_groups", at=[2]
    )
    read(client)
    with pytest.raises(AuthenticationError, match="permanent API token"):
        read(client)
    assert request_paths(ringcx_sandbox) == [GROUPS, GROUPS]


@pytest.mark.parametrize("signed_in", [True, False])
def test_an_action_that_could_not_be_signed_in_for_was_not_sent(
    ringcx_sandbox: SandboxServer, signed_in: bool
) -> None:
    """Only the sign-in failed, so Airflow may try again even what must not be done twice."""
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
