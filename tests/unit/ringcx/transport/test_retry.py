"""Tests of the retry policy: which requests are retried after each kind of failure, and when."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
import requests
from pytest_mock import MockerFixture

from airflow_provider_engagevoice.ringcx.concurrency import wait_until
from airflow_provider_engagevoice.ringcx.exceptions import (
    OutcomeUnknown,
    PermanentError,
    RateLimited,
    ServiceUnavailable,
    TransientError,
)
from airflow_provider_engagevoice.ringcx.transport.retry import FailureKind, RetryDecision
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.cancellation import cancel_soon, run_cancelled
from tests.support.clients import (
    ACTIONS_PATH,
    DIAL_GROUPS,
    NOT_RETRY_SAFE,
    RETRY_SAFE,
    FakeClock,
    Fault,
    count_requests,
    make_client,
    sandbox_operation,
)
from tests.support.raw_server import raw_response, raw_server

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

MAYBE_APPLIED: dict[str, Fault] = {
    "reset": {"kind": "drop"},
    "reset-after": {"kind": "drop", "when": "after"},
    "cut-off": {"kind": "drop", "part": '{"success": tr'},
    "cut-off-after": {"kind": "drop", "when": "after", "part": '{"success": true}'},
    "500": {"kind": "status", "status": 500},
    "502": {"kind": "answer", "status": 502, "body": "<html>Bad gateway</html>", "content_type": "text/html"},
    "503": {"kind": "answer", "status": 503},
    "504": {"kind": "answer", "status": 504},
    "408": {"kind": "answer", "status": 408},
}


@pytest.mark.parametrize("fault", MAYBE_APPLIED)
@pytest.mark.parametrize("name", RETRY_SAFE)
def test_retry_safe_request_is_retried(
    ringcx_sandbox: SandboxServer, perform: Callable[..., Any], name: str, fault: str
) -> None:
    ringcx_sandbox.fault(**MAYBE_APPLIED[fault], operation=sandbox_operation(name))
    assert perform(name, make_client(ringcx_sandbox.url))
    assert count_requests(ringcx_sandbox, name) == 2


@pytest.mark.parametrize("fault", MAYBE_APPLIED)
@pytest.mark.parametrize("name", RETRY_SAFE[:2])
def test_retries_end_after_five_attempts_with_transient_error(
    ringcx_sandbox: SandboxServer, perform: Callable[..., Any], clock: FakeClock, name: str, fault: str
) -> None:
    ringcx_sandbox.fault(**MAYBE_APPLIED[fault], operation=sandbox_operation(name), chance=1)
    with pytest.raises(ServiceUnavailable) as caught:
        perform(name, make_client(ringcx_sandbox.url))
    assert isinstance(caught.value, TransientError)
    assert count_requests(ringcx_sandbox, name) == 5
    assert len(clock.pauses) == 4
    for pause, middle in zip(clock.pauses, (0.5, 1.0, 2.0, 4.0), strict=True):
        assert 0.75 * middle <= pause <= 1.25 * middle


@pytest.mark.parametrize("fault", MAYBE_APPLIED)
@pytest.mark.parametrize("name", NOT_RETRY_SAFE)
def test_other_request_is_sent_once_and_outcome_unknown(
    ringcx_sandbox: SandboxServer, perform: Callable[..., Any], clock: FakeClock, name: str, fault: str
) -> None:
    ringcx_sandbox.fault(**MAYBE_APPLIED[fault], operation="lead_action")
    with pytest.raises(OutcomeUnknown, match="may have been applied and is not safe to retry") as caught:
        perform(name, make_client(ringcx_sandbox.url))
    assert isinstance(caught.value, PermanentError)
    assert count_requests(ringcx_sandbox, name) == 1
    assert clock.pauses == []


@pytest.mark.parametrize("retry_safe", [True, False])
def test_response_with_two_lengths_counts_as_no_response(clock: FakeClock, retry_safe: bool) -> None:
    two = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1, 2\r\n\r\n{}"
    with raw_server(lambda number, request: two) as server:
        client = make_client(server.url, "api_token")
        with pytest.raises(ServiceUnavailable if retry_safe else OutcomeUnknown):
            client.request("PUT", ACTIONS_PATH, retry_safe=retry_safe)
    assert len(server.received) == (5 if retry_safe else 1)


def test_request_without_response_is_retried_after_timeout(
    ringcx_sandbox: SandboxServer, perform: Callable[..., Any]
) -> None:
    client = make_client(ringcx_sandbox.url)
    ringcx_sandbox.fault("hang", operation=sandbox_operation("read"))
    client.transport.timeout = (0.2, 0.2)
    assert perform("read", client)


RETRY_AFTER: dict[str, tuple[dict[str, str], float, float]] = {
    "absent": ({}, 1.8, 3.2),
    "seconds": ({"Retry-After": "7"}, 7, 7.5),
    "fraction": ({"Retry-After": "1.5"}, 1.5, 2.0),
    "date": ({"Retry-After": "HTTP-DATE"}, 19, 20.5),
    "past": ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 1.8, 3.2),
    "zero": ({"Retry-After": "0"}, 1.8, 3.2),
    "negative": ({"Retry-After": "-5"}, 1.8, 3.2),
    "nan": ({"Retry-After": "nan"}, 1.8, 3.2),
    "words": ({"Retry-After": "soon"}, 1.8, 3.2),
    "zone": ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 +99999999999999"}, 1.8, 3.2),
}


@pytest.mark.parametrize("case", RETRY_AFTER)
@pytest.mark.parametrize("name", ["read", "MANUAL_LEADS"])
def test_rate_limited_request_is_retried_after_retry_after(
    ringcx_sandbox: SandboxServer, perform: Callable[..., Any], clock: FakeClock, name: str, case: str
) -> None:
    headers, least, most = RETRY_AFTER[case]
    started_at = time.monotonic()
    date = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=20), usegmt=True)
    headers = {key: value.replace("HTTP-DATE", date) for key, value in headers.items()}
    ringcx_sandbox.fault("answer", status=429, headers=headers, operation=sandbox_operation(name))
    assert perform(name, make_client(ringcx_sandbox.url))
    assert count_requests(ringcx_sandbox, name) == 2
    assert len(clock.pauses) == 1
    if case == "date":
        # Part of the 20 seconds has passed until the response arrived.
        least -= time.monotonic() - started_at
    assert least <= clock.pauses[0] <= most


@pytest.mark.parametrize(
    ("headers", "waited"),
    [({}, (250, 300)), ({"Retry-After": "20"}, (270, 300)), ({"Retry-After": "0"}, (250, 300))],
)
def test_rate_limited_retries_end_with_retry_timeout(
    ringcx_sandbox: SandboxServer,
    perform: Callable[..., Any],
    clock: FakeClock,
    headers: dict[str, str],
    waited: tuple[float, float],
) -> None:
    text = {"body": "Too many requests", "content_type": "text/plain"}
    ringcx_sandbox.fault("answer", status=429, headers=headers, **text, operation="lead_action", chance=1)
    with pytest.raises(RateLimited, match="Too many requests") as caught:
        perform("MANUAL_LEADS", make_client(ringcx_sandbox.url))
    assert isinstance(caught.value, TransientError)
    assert caught.value.status == 429
    assert waited[0] < sum(clock.pauses) <= waited[1]
    assert count_requests(ringcx_sandbox, "MANUAL_LEADS") == len(clock.pauses) + 1 < 25


@pytest.mark.parametrize("asked", ["3600", "99999999999999999999", "inf", "1e400"])
def test_retry_after_beyond_retry_timeout_raises_at_once(
    ringcx_sandbox: SandboxServer, perform: Callable[..., Any], clock: FakeClock, asked: str
) -> None:
    ringcx_sandbox.fault(
        "answer", status=429, headers={"Retry-After": asked}, operation="lead_action", chance=1
    )
    with pytest.raises(RateLimited) as caught:
        perform("CANCEL_LEADS", make_client(ringcx_sandbox.url))
    assert caught.value.retry_after == 3600
    assert clock.pauses == []


def test_rate_limited_attempts_are_not_counted(
    ringcx_sandbox: SandboxServer, perform: Callable[..., Any]
) -> None:
    ringcx_sandbox.fault("rate_limited", retry_after=None, operation="dial_groups", times=5)
    ringcx_sandbox.fault("status", status=503, operation="dial_groups", times=4)
    assert perform("read", make_client(ringcx_sandbox.url))
    assert count_requests(ringcx_sandbox, "read") == 10


def test_server_error_retries_end_with_retry_timeout(
    ringcx_sandbox: SandboxServer, perform: Callable[..., Any], clock: FakeClock
) -> None:
    ringcx_sandbox.fault("status", status=503, operation="dial_groups", chance=1)
    with pytest.raises(ServiceUnavailable):
        perform("read", make_client(ringcx_sandbox.url, retry_timeout=2.0))
    assert sum(clock.pauses) <= 2.0
    assert count_requests(ringcx_sandbox, "read") in (2, 3)


@pytest.mark.parametrize("retry_safe", [True, False])
def test_refused_connection_is_retried_for_every_request(clock: FakeClock, retry_safe: bool) -> None:
    with raw_server(lambda number, request: raw_response({"success": True}), listening=False) as server:
        client = make_client(server.url, "api_token")
        with pytest.raises(ServiceUnavailable, match=r"No response from 127.*NewConnectionError") as caught:
            client.request("PUT", ACTIONS_PATH, retry_safe=retry_safe)
        assert isinstance(caught.value, TransientError)
        assert len(clock.pauses) == 4

        def listen_at_sixth_pause() -> None:
            if len(clock.pauses) == 6:
                server.listen()

        clock.on_pause = listen_at_sixth_pause
        assert client.request("PUT", ACTIONS_PATH, retry_safe=retry_safe) == {"success": True}
    assert len(server.received) == 1


@pytest.mark.parametrize("retry_safe", [True, False])
def test_connect_timeout_is_retried_as_not_sent(
    mocker: MockerFixture, clock: FakeClock, retry_safe: bool
) -> None:
    """The error of requests is simulated: connections to loopback never time out."""
    mocker.patch.object(requests.Session, "send", side_effect=requests.ConnectTimeout)
    with pytest.raises(ServiceUnavailable, match="ConnectTimeout"):
        make_client("https://ringcx.example", "api_token").request("PUT", ACTIONS_PATH, retry_safe=retry_safe)
    assert len(clock.pauses) == 4


def test_retry_delay_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.concurrency.wait_until", wait_until)
    limited = b"HTTP/1.1 429 Too Many\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"
    with raw_server(lambda number, request: limited) as server:
        client = make_client(server.url, "api_token")
        cancel_soon(client.cancel_token.cancel)
        # Far less than the 60 s that the server asked for.
        assert run_cancelled(lambda: client.request("GET", DIAL_GROUPS)) < 6.0
    assert len(server.received) == 1


DECISIONS = {
    FailureKind.NOT_SENT: (RetryDecision.RETRY, RetryDecision.RETRY),
    FailureKind.RATE_LIMITED: (RetryDecision.RETRY, RetryDecision.RETRY),
    FailureKind.NO_RESPONSE: (RetryDecision.RETRY, RetryDecision.OUTCOME_UNKNOWN),
    FailureKind.SERVER_ERROR: (RetryDecision.RETRY, RetryDecision.OUTCOME_UNKNOWN),
    FailureKind.INVALID_RESPONSE: (RetryDecision.RAISE, RetryDecision.OUTCOME_UNKNOWN),
    FailureKind.REJECTED: (RetryDecision.RAISE, RetryDecision.RAISE),
    FailureKind.INTERRUPTED: (RetryDecision.RAISE, RetryDecision.OUTCOME_UNKNOWN),
}


@pytest.mark.parametrize("kind", FailureKind)
def test_decide_depends_on_failure_and_retry_safety(kind: FailureKind) -> None:
    assert (kind.decide(retry_safe=True), kind.decide(retry_safe=False)) == DECISIONS[kind]
