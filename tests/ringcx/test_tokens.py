"""The life of a token: signed in once for all, renewed ahead of its end and once when refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.errors import AuthenticationError, ServiceUnavailable
from airflow_provider_engagevoice.sandbox.server import SandboxServer
from tests.faults import Faults, answer, obey, together
from tests.ringcx.clients import (
    ACTIONS_PATH,
    DIAL_GROUPS,
    EXCHANGE,
    GRANT,
    REFRESH,
    Clock,
    act,
    acted,
    client_of,
    paths,
)

THREADS = 8
GROUPS = "/dialGroups"


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


def test_clients_of_one_credential_share_one_sign_in(sandbox: SandboxServer) -> None:
    for _ in range(3):
        read(client_of(sandbox.url))
    assert paths(sandbox) == [GRANT, EXCHANGE, GROUPS, GROUPS, GROUPS]


def test_another_credential_has_a_token_of_its_own(sandbox: SandboxServer) -> None:
    read(client_of(sandbox.url))
    with pytest.raises(AuthenticationError):
        read(client_of(sandbox.url, client_secret="other"))


def test_threads_that_start_together_sign_in_once(sandbox: SandboxServer) -> None:
    in_threads(lambda: read(client_of(sandbox.url)))
    assert sorted(paths(sandbox)) == sorted([GRANT, EXCHANGE, *[GROUPS] * THREADS])


@pytest.mark.parametrize("method", ["ringcentral", "engage"])
def test_a_token_is_refreshed_a_minute_before_its_end(
    sandbox: SandboxServer, clock: Clock, method: str
) -> None:
    client = client_of(sandbox.url, method)
    read(client)
    signed_in = len(sandbox.requests)
    clock.moved += 235
    read(client)
    assert paths(sandbox)[signed_in:] == [GROUPS]
    # The sandbox takes each refresh token once: the second renewal shows that both were replaced.
    for _ in range(2):
        clock.moved += 241
        read(client)
    assert paths(sandbox)[signed_in + 1 :] == [REFRESH, GROUPS, REFRESH, GROUPS]
    assert {request.status for request in sandbox.requests} == {200}


def test_a_legacy_token_is_replaced_after_an_hour_by_signing_in_again(
    sandbox: SandboxServer, clock: Clock
) -> None:
    client = client_of(sandbox.url, "legacy")
    read(client)
    clock.moved += 3530
    read(client)
    clock.moved += 20
    read(client)
    groups = DIAL_GROUPS.removeprefix("/voice")
    login = "/api/v1/auth/login"
    assert [request.path for request in sandbox.requests] == [login, groups, groups, login, groups]


REFUSED = [
    answer(401, "Bad credentials", "text/plain"),
    answer(400, {"generalMessage": "Unknown"}),
    answer(404),
    answer(200, "<html></html>", "text/html"),
    answer(200, {}),
]


@pytest.mark.parametrize("refusal", REFUSED, ids=["401", "400", "404", "web-page", "no-token"])
def test_a_refused_refresh_becomes_one_new_sign_in(
    sandbox: SandboxServer, faults: Faults, clock: Clock, refusal: Any
) -> None:
    client = client_of(sandbox.url)
    read(client)
    clock.moved += 250
    faults.on(REFRESH, refusal)
    read(client)
    assert paths(sandbox) == [GRANT, EXCHANGE, GROUPS, REFRESH, GRANT, EXCHANGE, GROUPS]


def test_an_expired_token_is_renewed_once_and_the_request_repeated(sandbox: SandboxServer) -> None:
    client = client_of(sandbox.url)
    before = read(client)
    sandbox.expire_tokens()
    assert read(client) == before
    assert paths(sandbox)[3:] == [GROUPS, REFRESH, GROUPS]
    assert sandbox.requests[3].status == 401


def test_a_revoked_token_is_replaced_by_a_new_sign_in(sandbox: SandboxServer) -> None:
    client = client_of(sandbox.url)
    before = read(client)
    sandbox.revoke_tokens()
    assert read(client) == before
    assert paths(sandbox)[3:] == [GROUPS, REFRESH, GRANT, EXCHANGE, GROUPS]


@pytest.mark.parametrize("method", ["engage", "legacy"])
def test_every_token_that_can_be_renewed_survives_being_revoked(sandbox: SandboxServer, method: str) -> None:
    client = client_of(sandbox.url, method)
    before = read(client)
    sandbox.revoke_tokens()
    assert read(client) == before


def test_threads_that_meet_an_expired_token_renew_it_once(sandbox: SandboxServer, faults: Faults) -> None:
    client = client_of(sandbox.url)
    read(client)
    sandbox.expire_tokens()
    faults.on(GROUPS, *[together(THREADS)] * THREADS)
    in_threads(lambda: read(client))
    seen = paths(sandbox)[3:]
    assert seen.count(REFRESH) == 1
    assert seen.count(GROUPS) == 2 * THREADS
    assert seen.count(EXCHANGE) == 0


def test_threads_with_clients_of_their_own_renew_once_too(sandbox: SandboxServer, faults: Faults) -> None:
    read(client_of(sandbox.url))
    sandbox.expire_tokens()
    faults.on(GROUPS, *[together(THREADS)] * THREADS)
    in_threads(lambda: read(client_of(sandbox.url)))
    assert paths(sandbox).count(REFRESH) == 1


def test_a_new_token_that_is_refused_too_ends_it(sandbox: SandboxServer, faults: Faults) -> None:
    client = client_of(sandbox.url)
    faults.on(GROUPS, answer(401, "Jwt is expired", "text/plain"), forever=True)
    with pytest.raises(AuthenticationError, match="Jwt is expired") as caught:
        read(client)
    assert not caught.value.retryable
    assert paths(sandbox) == [GRANT, EXCHANGE, GROUPS, REFRESH, GROUPS]


def test_credentials_withdrawn_meanwhile_end_it(sandbox: SandboxServer, faults: Faults) -> None:
    client = client_of(sandbox.url)
    read(client)
    sandbox.revoke_tokens()
    faults.on(GRANT, answer(401, {"error_description": "Client is disabled"}), forever=True)
    with pytest.raises(AuthenticationError, match=r"client id.*Client is disabled"):
        read(client)
    assert paths(sandbox)[3:] == [GROUPS, REFRESH, GRANT]


def test_an_action_on_an_expired_token_is_done_exactly_once(sandbox: SandboxServer, ids: list[int]) -> None:
    client = client_of(sandbox.url)
    passes = {lead["leadId"]: lead["leadPasses"] for lead in sandbox.leads("Spring Renewals")}
    original = client.sign_in.headers

    def headers(transport: Any) -> Any:
        given = original(transport)
        if any(request.query.get("count") for request in sandbox.requests) and not acted(sandbox):
            sandbox.expire_tokens()
        return given

    client.sign_in.headers = headers  # type: ignore[method-assign]
    done = act(client, "MANUAL_LEADS", {"leadIds": ids[:2]})
    assert (done["leads_updated"], acted(sandbox)) == (2, 2)
    after = {lead["leadId"]: lead["leadPasses"] for lead in sandbox.leads("Spring Renewals")}
    assert {key for key in passes if after[key] == passes[key] + 1} == set(ids[:2])


def test_the_permanent_token_is_not_signed_in_for(sandbox: SandboxServer, faults: Faults) -> None:
    client = client_of(sandbox.url, "api_token")
    faults.on(GROUPS, obey, answer(401, "No", "text/plain"))
    read(client)
    with pytest.raises(AuthenticationError, match="permanent API token"):
        read(client)
    assert paths(sandbox) == [GROUPS, GROUPS]


@pytest.mark.parametrize("signed_in", [True, False])
def test_an_action_that_could_not_be_signed_in_for_was_not_sent(
    sandbox: SandboxServer, faults: Faults, signed_in: bool
) -> None:
    """Only the sign-in failed, so Airflow may try again even what must not be done twice."""
    client = client_of(sandbox.url)
    if signed_in:
        read(client)
        sandbox.revoke_tokens()
    faults.on("auth", answer(503), forever=True)
    with pytest.raises(ServiceUnavailable) as caught:
        client.request("PUT", ACTIONS_PATH, {"leadAction": "RESET_LEADS"}, {})
    assert caught.value.retryable
    assert {request.status for request in sandbox.requests if request.path == ACTIONS_PATH} <= {401}
