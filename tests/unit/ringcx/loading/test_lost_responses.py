"""Loads whose requests get no usable response: no row is loaded twice, and none is lost silently."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import LoadedTwice, OutcomeUnknown, RateLimited
from tests.support.clients import make_client
from tests.support.loading import Crm, counts, crm_rows
from tests.unit.ringcx.loading.conftest import MakeCrm

ROWS = crm_rows(6)
EACH_ONCE = {row["externId"]: 1 for row in ROWS}

#: Faults after which RingCX may have processed the request.
LOST: dict[str, dict[str, Any]] = {
    "dropped": {"kind": "drop"},
    "dropped in the body": {"kind": "drop", "part": '{"leadsSupplied": 2, "leadsIns'},
    "no response in time": {"kind": "hang"},
    "503": {"kind": "status", "status": 503},
    "408": {"kind": "status", "status": 408},
    "502 with a page": {
        "kind": "answer",
        "status": 502,
        "body": "<html>Bad Gateway</html>",
        "content_type": "text/html",
    },
    "page": {"kind": "html"},
    "empty object": {"kind": "answer", "body": {}},
    "list": {"kind": "answer", "body": []},
    "no body": {"kind": "answer", "status": 204},
    "broken JSON": {"kind": "answer", "body": '{"leadsInserted":'},
}


@pytest.fixture(params=LOST)
def lost(request: pytest.FixtureRequest) -> dict[str, Any]:
    return LOST[request.param]


@pytest.mark.parametrize("request_number", [1, 2, 3])
def test_request_processed_without_response_counts_as_loaded(
    crm: Crm, lost: dict[str, Any], request_number: int
) -> None:
    crm.server.fault(**lost, operation="direct_load", when="after", at=[request_number])
    result = crm.load(ROWS, chunk_size=2, client=crm.client(timeout=0.5))
    assert counts(result) == (6, 0, 0, 0, 0)
    assert result["requests"] == 3
    assert crm.loaded == EACH_ONCE


@pytest.mark.parametrize("request_number", [1, 2, 3])
def test_request_that_never_arrived_is_unknown_until_the_next_attempt(
    crm: Crm, lost: dict[str, Any], request_number: int
) -> None:
    crm.server.fault(**lost, operation="direct_load", when="before", at=[request_number])
    with pytest.raises(OutcomeUnknown, match="The next attempt looks again before it sends them") as caught:
        crm.load(ROWS, chunk_size=2, client=crm.client(timeout=0.5), max_in_flight=1)
    assert caught.value.result is not None
    assert counts(caught.value.result) == (2 * (request_number - 1), 0, 0, 0, 2)
    assert sum(crm.clock.pauses) == pytest.approx(52, abs=1)
    result = crm.load(ROWS, chunk_size=2)
    assert counts(result) == (6, 0, 0, 0, 0)
    assert crm.loaded == EACH_ONCE


def test_all_requests_lost_after_they_were_processed(crm: Crm, lost: dict[str, Any]) -> None:
    crm.server.fault(**lost, operation="direct_load", when="after", times=3)
    assert counts(crm.load(ROWS, chunk_size=2, client=crm.client(timeout=0.5))) == (6, 0, 0, 0, 0)
    assert crm.loaded == EACH_ONCE


def test_rejections_because_of_the_rate_limit_are_retried(crm: Crm) -> None:
    crm.server.fault("rate_limited", operation="direct_load", times=4, retry_after=7.0)
    result = crm.load(ROWS, chunk_size=2)
    assert (counts(result), result["requests"]) == ((6, 0, 0, 0, 0), 3)
    assert len(crm.loads) == 7
    assert crm.loaded == EACH_ONCE


def test_rejection_because_of_the_rate_limit_is_known_not_to_be_loaded(crm: Crm) -> None:
    crm.server.fault("rate_limited", operation="direct_load", times=1)
    with pytest.raises(RateLimited) as caught:
        crm.load(ROWS, client=crm.client(retry_timeout=0.0))
    assert caught.value.result is not None
    assert counts(caught.value.result) == (0, 0, 0, 0, 0)


def test_token_that_expires_during_a_load_is_refreshed(crm: Crm, isolated_store: None) -> None:
    crm.server.fault("expired", operation="direct_load", at=[2])
    result = crm.load(ROWS, chunk_size=2, client=make_client(crm.server.url))
    assert counts(result) == (6, 0, 0, 0, 0)
    assert crm.loaded == EACH_ONCE


@pytest.fixture
def arrival() -> Iterator[threading.Event]:
    """RingCX processes the requests of a fault ``meanwhile`` when this is set."""
    event = threading.Event()
    yield event
    event.set()


def test_late_request_is_found_by_the_next_attempt(crm: Crm, arrival: threading.Event) -> None:
    crm.server.fault("meanwhile", operation="direct_load", work=lambda: arrival.wait(30))
    with pytest.raises(OutcomeUnknown):
        crm.load(ROWS, client=crm.client(timeout=0.3))
    arrival.set()
    wait_for(crm, EACH_ONCE)
    assert counts(crm.load(ROWS)) == (6, 0, 0, 0, 0)
    assert len(crm.loads) == 1
    assert crm.loaded == EACH_ONCE


def test_request_that_is_processed_after_the_next_attempt_is_named(
    crm: Crm, arrival: threading.Event
) -> None:
    crm.server.fault("meanwhile", operation="direct_load", work=lambda: arrival.wait(30))
    with pytest.raises(OutcomeUnknown):
        crm.load(ROWS, client=crm.client(timeout=0.3))
    assert counts(crm.load(ROWS)) == (6, 0, 0, 0, 0)
    arrival.set()
    wait_for(crm, dict.fromkeys(EACH_ONCE, 2))
    ids = sorted({lead["listId"] for lead in crm.leads})
    with pytest.raises(LoadedTwice, match=rf"\({ids[0]}, {ids[1]}\): .* 6 leads"):
        crm.load(ROWS)
    assert len(crm.loads) == 2


def test_request_that_is_processed_late_while_the_next_attempt_runs_is_named(
    crm: Crm, arrival: threading.Event
) -> None:
    crm.server.fault("meanwhile", operation="direct_load", work=lambda: arrival.wait(30))
    with pytest.raises(OutcomeUnknown):
        crm.load(ROWS, client=crm.client(timeout=0.3))

    def arrive() -> None:
        arrival.set()
        wait_for(crm, EACH_ONCE)

    crm.server.fault("meanwhile", operation="direct_load", work=arrive)
    with pytest.raises(LoadedTwice, match="6 leads"):
        crm.load(ROWS)


def wait_for(crm: Crm, loaded: dict[str, int]) -> None:
    """Wait until the campaign has these leads."""
    for _ in range(500):
        if crm.loaded == loaded:
            return
        threading.Event().wait(0.01)
    raise AssertionError("the request was not processed")


@pytest.mark.parametrize("delay", [0, 2, 10, 50])
def test_processed_request_is_found_once_its_leads_are_visible(make_crm: MakeCrm, delay: int) -> None:
    crm = make_crm(visibility_delay=delay)
    crm.server.fault("drop", operation="direct_load", when="after", at=[2])
    assert counts(crm.load(ROWS, chunk_size=2)) == (6, 0, 0, 0, 0)
    assert crm.loaded == EACH_ONCE


def test_rows_that_are_not_visible_in_time_are_not_sent_again(make_crm: MakeCrm) -> None:
    """The list of the request is visible, so RingCX has processed it."""
    crm = make_crm(visibility_delay=200)
    crm.server.fault("drop", operation="direct_load", when="after")
    with pytest.raises(OutcomeUnknown) as caught:
        crm.load(ROWS)
    assert caught.value.result is not None
    assert counts(caught.value.result) == (0, 0, 0, 0, 6)
    with pytest.raises(OutcomeUnknown):
        crm.load(ROWS)
    assert len(crm.loads) == 1
    crm.server.advance(200)
    assert counts(crm.load(ROWS)) == (6, 0, 0, 0, 0)
    assert crm.loaded == EACH_ONCE
