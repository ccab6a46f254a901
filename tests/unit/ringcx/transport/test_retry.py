"""What is sent again and what is not, for each way a request can fail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from pytest_mock import MockerFixture

from airflow_provider_engagevoice.ringcx.exceptions import (
    OutcomeUnknown,
    PermanentError,
    RateLimited,
    ServiceUnavailable,
    TransientError,
)
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import (
    ACTIONS_PATH,
    ONCE,
    REPEATABLE,
    Clock,
    Fault,
    client_of,
    operation_of,
    reached,
)
from tests.support.raw_server import raw_answer, raw_server

pytestmark = pytest.mark.usefixtures("clock", "new_process")

SHORT = 0.2


UNCERTAIN: dict[str, Fault] = {
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


@pytest.mark.parametrize("fault", UNCERTAIN)
@pytest.mark.parametrize("name", REPEATABLE)
def test_what_may_be_repeated_is_sent_again(
    ringcx_sandbox: SandboxServer, do: Callable[..., Any], name: str, fault: str
) -> None:
    ringcx_sandbox.fault(**UNCERTAIN[fault], operation=operation_of(name))
    assert do(name, client_of(ringcx_sandbox.url))
    assert reached(ringcx_sandbox, name) == 2


@pytest.mark.parametrize("fault", UNCERTAIN)
@pytest.mark.parametrize("name", REPEATABLE[:2])
def test_it_is_given_up_after_five_tries_and_airflow_may_try_later(
    ringcx_sandbox: SandboxServer, do: Callable[..., Any], clock: Clock, name: str, fault: str
) -> None:
    ringcx_sandbox.fault(**UNCERTAIN[fault], operation=operation_of(name), chance=1)
    with pytest.raises(ServiceUnavailable) as caught:
        do(name, client_of(ringcx_sandbox.url))
    assert isinstance(caught.value, TransientError)
    assert reached(ringcx_sandbox, name) == 5
    assert len(clock.pauses) == 4
    for pause, middle in zip(clock.pauses, (0.5, 1.0, 2.0, 4.0), strict=True):
        assert 0.75 * middle <= pause <= 1.25 * middle


@pytest.mark.parametrize("fault", UNCERTAIN)
@pytest.mark.parametrize("name", ONCE)
def test_what_must_not_be_repeated_is_sent_once_and_said_to_be_unknown(
    ringcx_sandbox: SandboxServer, do: Callable[..., Any], clock: Clock, name: str, fault: str
) -> None:
    ringcx_sandbox.fault(**UNCERTAIN[fault], operation="lead_action")
    with pytest.raises(OutcomeUnknown, match="may have taken effect and must not be sent twice") as caught:
        do(name, client_of(ringcx_sandbox.url))
    assert isinstance(caught.value, PermanentError)
    assert reached(ringcx_sandbox, name) == 1
    assert clock.pauses == []


@pytest.mark.parametrize("retry_safe", [True, False])
def test_an_answer_of_two_lengths_may_be_that_of_another_request(clock: Clock, retry_safe: bool) -> None:
    two = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1, 2\r\n\r\n{}"
    with raw_server(lambda number, request: two) as server:
        client = client_of(server.url, "api_token")
        with pytest.raises(ServiceUnavailable if retry_safe else OutcomeUnknown):
            client.request("PUT", ACTIONS_PATH, retry_safe=retry_safe)
    assert len(server.received) == (5 if retry_safe else 1)


def test_a_server_that_gives_no_answer_is_waited_for_as_long_as_the_timeout(
    ringcx_sandbox: SandboxServer, do: Callable[..., Any]
) -> None:
    client = client_of(ringcx_sandbox.url)
    ringcx_sandbox.fault("hang", operation=operation_of("read"))
    client.transport.timeout = (SHORT, SHORT)
    assert do("read", client)


LIMITS: dict[str, tuple[dict[str, str], float, float]] = {
    "absent": ({}, 1.8, 3.2),
    "seconds": ({"Retry-After": "7"}, 7, 7.5),
    "fraction": ({"Retry-After": "1.5"}, 1.5, 2.0),
    "date": ({"Retry-After": "HTTP-DATE"}, 18, 20.5),
    "past": ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 1.8, 3.2),
    "zero": ({"Retry-After": "0"}, 1.8, 3.2),
    "negative": ({"Retry-After": "-5"}, 1.8, 3.2),
    "nan": ({"Retry-After": "nan"}, 1.8, 3.2),
    "words": ({"Retry-After": "soon"}, 1.8, 3.2),
    "zone": ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 +99999999999999"}, 1.8, 3.2),
}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("name", ["read", "MANUAL_LEADS"])
def test_a_limited_request_is_sent_again_when_ringcx_says(
    ringcx_sandbox: SandboxServer, do: Callable[..., Any], clock: Clock, name: str, limit: str
) -> None:
    headers, least, most = LIMITS[limit]
    date = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=20), usegmt=True)
    headers = {key: value.replace("HTTP-DATE", date) for key, value in headers.items()}
    ringcx_sandbox.fault("answer", status=429, headers=headers, operation=operation_of(name))
    assert do(name, client_of(ringcx_sandbox.url))
    assert reached(ringcx_sandbox, name) == 2
    assert len(clock.pauses) == 1
    assert least <= clock.pauses[0] <= most


@pytest.mark.parametrize(
    ("headers", "waited"),
    [({}, (250, 300)), ({"Retry-After": "20"}, (270, 300)), ({"Retry-After": "0"}, (250, 300))],
)
def test_the_rate_limit_is_waited_for_no_longer_than_patience_allows(
    ringcx_sandbox: SandboxServer,
    do: Callable[..., Any],
    clock: Clock,
    headers: dict[str, str],
    waited: tuple[float, float],
) -> None:
    text = {"body": "Too many requests", "content_type": "text/plain"}
    ringcx_sandbox.fault("answer", status=429, headers=headers, **text, operation="lead_action", chance=1)
    with pytest.raises(RateLimited, match="Too many requests") as caught:
        do("MANUAL_LEADS", client_of(ringcx_sandbox.url))
    assert isinstance(caught.value, TransientError)
    assert caught.value.status == 429
    assert waited[0] < sum(clock.pauses) <= waited[1]
    assert reached(ringcx_sandbox, "MANUAL_LEADS") == len(clock.pauses) + 1 < 25


@pytest.mark.parametrize("asked", ["3600", "99999999999999999999", "inf", "1e400"])
def test_a_wait_beyond_patience_is_left_to_airflow(
    ringcx_sandbox: SandboxServer, do: Callable[..., Any], clock: Clock, asked: str
) -> None:
    ringcx_sandbox.fault(
        "answer", status=429, headers={"Retry-After": asked}, operation="lead_action", chance=1
    )
    with pytest.raises(RateLimited) as caught:
        do("CANCEL_LEADS", client_of(ringcx_sandbox.url))
    assert caught.value.retry_after == 3600
    assert clock.pauses == []


def test_waiting_for_the_limit_uses_up_no_tries(
    ringcx_sandbox: SandboxServer, do: Callable[..., Any]
) -> None:
    ringcx_sandbox.fault("rate_limited", retry_after=None, operation="dial_groups", times=5)
    ringcx_sandbox.fault("status", status=503, operation="dial_groups", times=4)
    assert do("read", client_of(ringcx_sandbox.url))
    assert reached(ringcx_sandbox, "read") == 10


def test_failures_too_end_with_patience(
    ringcx_sandbox: SandboxServer, do: Callable[..., Any], clock: Clock
) -> None:
    ringcx_sandbox.fault("status", status=503, operation="dial_groups", chance=1)
    with pytest.raises(ServiceUnavailable):
        do("read", client_of(ringcx_sandbox.url, patience=2.0))
    assert sum(clock.pauses) <= 2.0
    assert reached(ringcx_sandbox, "read") in (2, 3)


@pytest.mark.parametrize("retry_safe", [True, False])
def test_a_refused_connection_is_tried_again_for_every_request(clock: Clock, retry_safe: bool) -> None:
    with raw_server(lambda number, request: raw_answer({"success": True}), listening=False) as server:
        client = client_of(server.url, "api_token")
        with pytest.raises(ServiceUnavailable, match=r"No answer from 127.*NewConnectionError") as caught:
            client.request("PUT", ACTIONS_PATH, retry_safe=retry_safe)
        assert isinstance(caught.value, TransientError)
        assert len(clock.pauses) == 4
        clock.on_pause = lambda: len(clock.pauses) == 6 and server.listen()
        assert client.request("PUT", ACTIONS_PATH, retry_safe=retry_safe) == {"success": True}
    assert len(server.received) == 1


def test_a_server_with_another_certificate_was_sent_nothing(mocker: MockerFixture, clock: Clock) -> None:
    """No such server can be had here without a certificate, so what requests raises is made up."""
    import ssl

    import requests
    import urllib3

    cause = urllib3.exceptions.SSLError(ssl.SSLCertVerificationError("certificate verify failed"))
    refused = requests.exceptions.SSLError(urllib3.exceptions.MaxRetryError(None, "/?x=1", cause))  # type: ignore[arg-type]
    mocker.patch.object(requests.Session, "send", side_effect=refused)
    with pytest.raises(ServiceUnavailable) as caught:
        client_of("https://ringcx.example", "api_token").request("PUT", ACTIONS_PATH)
    assert len(clock.pauses) == 4
    assert "?" not in str(caught.value)


@pytest.mark.parametrize("retry_safe", [True, False])
def test_a_connection_that_times_out_was_sent_nothing(
    mocker: MockerFixture, clock: Clock, retry_safe: bool
) -> None:
    """Loopback connects or refuses at once, so what requests raises is made up."""
    import requests

    mocker.patch.object(requests.Session, "send", side_effect=requests.ConnectTimeout)
    with pytest.raises(ServiceUnavailable, match="ConnectTimeout"):
        client_of("https://ringcx.example", "api_token").request("PUT", ACTIONS_PATH, retry_safe=retry_safe)
    assert len(clock.pauses) == 4
