"""What is sent again and what is not, for each way a request can fail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from pytest_mock import MockerFixture

from airflow_provider_engagevoice.ringcx.errors import (
    OutcomeUnknown,
    RateLimited,
    ServiceUnavailable,
)
from airflow_provider_engagevoice.sandbox.server import SandboxServer
from tests.faults import Fault, Faults, answer, drop, raw_answer, raw_server, stall
from tests.ringcx.clients import (
    ACTING,
    ACTIONS_PATH,
    ONCE,
    PLACES,
    REPEATABLE,
    Clock,
    client_of,
    reached,
)

SHORT = 0.2


UNCERTAIN: dict[str, Fault] = {
    "reset": drop(),
    "reset-after": drop(applied=True),
    "cut-off": drop(part=b'{"success": tr'),
    "cut-off-after": drop(applied=True, part=b'{"success": true}'),
    "500": answer(500, {"generalMessage": "An Internal Server Error occurred"}),
    "502": answer(502, "<html>Bad gateway</html>", "text/html"),
    "503": answer(503),
    "504": answer(504),
    "408": answer(408),
    "two-lengths": answer(200, {"success": True}, Content_Length="1, 2"),
}


@pytest.mark.parametrize("fault", UNCERTAIN)
@pytest.mark.parametrize("name", REPEATABLE)
def test_what_may_be_repeated_is_sent_again(
    sandbox: SandboxServer, faults: Faults, do: Callable[..., Any], name: str, fault: str
) -> None:
    faults.on(PLACES.get(name, ACTIONS_PATH), UNCERTAIN[fault])
    assert do(name, client_of(sandbox.url))
    assert reached(sandbox, name) == 2


@pytest.mark.parametrize("fault", UNCERTAIN)
@pytest.mark.parametrize("name", REPEATABLE[:2])
def test_it_is_given_up_after_five_tries_and_airflow_may_try_later(
    sandbox: SandboxServer, faults: Faults, do: Callable[..., Any], clock: Clock, name: str, fault: str
) -> None:
    faults.on(PLACES.get(name, ACTIONS_PATH), UNCERTAIN[fault], forever=True)
    with pytest.raises(ServiceUnavailable) as caught:
        do(name, client_of(sandbox.url))
    assert caught.value.retryable
    assert reached(sandbox, name) == 5
    assert len(clock.pauses) == 4
    for pause, middle in zip(clock.pauses, (0.5, 1.0, 2.0, 4.0), strict=True):
        assert 0.75 * middle <= pause <= 1.25 * middle


@pytest.mark.parametrize("fault", UNCERTAIN)
@pytest.mark.parametrize("name", ONCE)
def test_what_must_not_be_repeated_is_sent_once_and_said_to_be_unknown(
    sandbox: SandboxServer, faults: Faults, do: Callable[..., Any], clock: Clock, name: str, fault: str
) -> None:
    faults.on(ACTIONS_PATH, UNCERTAIN[fault])
    with pytest.raises(OutcomeUnknown, match="may have taken effect and must not be sent twice") as caught:
        do(name, client_of(sandbox.url))
    assert not caught.value.retryable
    assert reached(sandbox, name) == 1
    assert clock.pauses == []


@pytest.mark.parametrize("name", ["read", "CANCEL_LEADS", "MANUAL_LEADS"])
def test_a_server_that_gives_no_answer_is_waited_for_as_long_as_the_timeout(
    sandbox: SandboxServer, faults: Faults, do: Callable[..., Any], name: str
) -> None:
    client = client_of(sandbox.url)
    faults.on(PLACES.get(name, ACTIONS_PATH), stall)
    client.transport.timeout = (SHORT, SHORT)
    if name in ONCE:
        with pytest.raises(OutcomeUnknown, match="ReadTimeout"):
            do(name, client)
    else:
        assert do(name, client)


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
    sandbox: SandboxServer, faults: Faults, do: Callable[..., Any], clock: Clock, name: str, limit: str
) -> None:
    headers, least, most = LIMITS[limit]
    date = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=20), usegmt=True)
    headers = {key: value.replace("HTTP-DATE", date) for key, value in headers.items()}
    faults.on(PLACES.get(name, ACTIONS_PATH), answer(429, **headers))
    assert do(name, client_of(sandbox.url))
    assert reached(sandbox, name) == 2
    assert len(clock.pauses) == 1
    assert least <= clock.pauses[0] <= most


@pytest.mark.parametrize("name", ACTING)
def test_every_action_survives_the_rate_limit(
    sandbox: SandboxServer, faults: Faults, do: Callable[..., Any], name: str
) -> None:
    faults.on(ACTIONS_PATH, *[answer(429)] * 6)
    assert do(name, client_of(sandbox.url))["requests"] == 1
    assert reached(sandbox, name) == 7


@pytest.mark.parametrize(
    ("headers", "waited"),
    [({}, (250, 300)), ({"Retry-After": "20"}, (270, 300)), ({"Retry-After": "0"}, (250, 300))],
)
def test_the_rate_limit_is_waited_for_no_longer_than_patience_allows(
    sandbox: SandboxServer,
    faults: Faults,
    do: Callable[..., Any],
    clock: Clock,
    headers: dict[str, str],
    waited: tuple[float, float],
) -> None:
    faults.on(ACTIONS_PATH, answer(429, "Too many requests", "text/plain", **headers), forever=True)
    with pytest.raises(RateLimited, match="Too many requests") as caught:
        do("MANUAL_LEADS", client_of(sandbox.url))
    assert caught.value.retryable
    assert caught.value.status == 429
    assert waited[0] < sum(clock.pauses) <= waited[1]
    assert reached(sandbox, "MANUAL_LEADS") == len(clock.pauses) + 1 < 25


@pytest.mark.parametrize("asked", ["3600", "99999999999999999999", "inf", "1e400"])
def test_a_wait_beyond_patience_is_left_to_airflow(
    sandbox: SandboxServer, faults: Faults, do: Callable[..., Any], clock: Clock, asked: str
) -> None:
    faults.on(ACTIONS_PATH, answer(429, Retry_After=asked), forever=True)
    with pytest.raises(RateLimited) as caught:
        do("CANCEL_LEADS", client_of(sandbox.url))
    assert caught.value.retry_after == 3600
    assert clock.pauses == []


def test_waiting_for_the_limit_uses_up_no_tries(
    sandbox: SandboxServer, faults: Faults, do: Callable[..., Any]
) -> None:
    faults.on("/dialGroups", *[answer(429)] * 5, *[answer(503)] * 4)
    assert do("read", client_of(sandbox.url))
    assert reached(sandbox, "read") == 10


def test_failures_too_end_with_patience(
    sandbox: SandboxServer, faults: Faults, do: Callable[..., Any], clock: Clock
) -> None:
    faults.on("/dialGroups", answer(503), forever=True)
    with pytest.raises(ServiceUnavailable):
        do("read", client_of(sandbox.url, patience=2.0))
    assert sum(clock.pauses) <= 2.0
    assert reached(sandbox, "read") in (2, 3)


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_refused_connection_is_tried_again_for_every_request(clock: Clock, repeatable: bool) -> None:
    with raw_server(lambda number, request: raw_answer({"success": True}), listening=False) as server:
        client = client_of(server.url, "api_token")
        with pytest.raises(ServiceUnavailable, match=r"No answer from 127.*NewConnectionError") as caught:
            client.request("PUT", ACTIONS_PATH, repeatable=repeatable)
        assert caught.value.retryable
        assert len(clock.pauses) == 4
        clock.on_pause = lambda: len(clock.pauses) == 6 and server.listen()
        assert client.request("PUT", ACTIONS_PATH, repeatable=repeatable) == {"success": True}
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


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_connection_that_times_out_was_sent_nothing(
    mocker: MockerFixture, clock: Clock, repeatable: bool
) -> None:
    """Loopback connects or refuses at once, so what requests raises is made up."""
    import requests

    mocker.patch.object(requests.Session, "send", side_effect=requests.ConnectTimeout)
    with pytest.raises(ServiceUnavailable, match="ConnectTimeout"):
        client_of("https://ringcx.example", "api_token").request("PUT", ACTIONS_PATH, repeatable=repeatable)
    assert len(clock.pauses) == 4
