"""Tests of bulk actions with several requests in flight."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    ActionRejected,
    Cancelled,
    OutcomeUnknown,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import (
    FakeTaskStateStore,
    LeadRows,
    added_passes,
    are_cancelled,
    execute_in_chunks,
    start_attempt,
)
from tests.support.clients import count_action_requests, make_client, perform_action
from tests.support.processes import wait_for
from tests.unit.ringcx.bulk.conftest import NextAttempt

ACTION, COUNT = "lead_action", "lead_count"


class DelayedSecondCount(MemoryStore):
    """Store in which the second count has to wait for a minute, and no other request at all."""

    counts = 0

    def reserve_slot(self, key: str, windows: Sequence[RateWindow], margin: float, max_wait: float) -> float:
        self.counts += "lead_count" in key
        return 60.0 if self.counts > 1 and "lead_count" in key else 0.0


class Gate:
    """Holds the responses of requests back until a number of them is in flight.

    :param ringcx: the sandbox.
    :param expected: how many requests are held back; more than that are recorded in ``peak`` as well.
    """

    def __init__(self, ringcx: SandboxServer, expected: int) -> None:
        self.peak = self._inside = 0
        self._expected = expected
        self._lock = threading.Lock()
        self._open = threading.Event()
        ringcx.fault("meanwhile", operation=ACTION, work=self._hold, chance=1)

    def _hold(self) -> None:
        with self._lock:
            self._inside += 1
            self.peak = max(self.peak, self._inside)
            if self._inside >= self._expected:
                self._open.set()
        self._open.wait(20)
        with self._lock:
            self._inside -= 1


def completed_operations(ringcx: SandboxServer) -> list[str]:
    """Return the counts and actions in the order in which they completed."""
    return [request.operation for request in ringcx.requests if request.operation in (ACTION, COUNT)]


def lead_ids(rows: LeadRows) -> list[int]:
    return [row["leadId"] for row in rows]


@pytest.mark.parametrize(
    ("name", "options", "in_flight"),
    [
        ("PAUSE_LEADS", {}, 8),
        ("PAUSE_LEADS", {"max_in_flight": 3}, 3),
        ("MANUAL_LEADS", {}, 1),
        ("MANUAL_LEADS", {"max_in_flight": 4}, 4),
    ],
    ids=["retry-safe", "fewer", "not-retry-safe", "not-retry-safe-explicit"],
)
def test_requests_in_flight_reach_but_do_not_exceed_the_limit(
    ringcx: SandboxServer, ready_leads: LeadRows, name: str, options: dict[str, Any], in_flight: int
) -> None:
    gate = Gate(ringcx, in_flight)
    ids = lead_ids(ready_leads[:12])
    result = perform_action(make_client(ringcx.url), name, {"leadIds": ids}, chunk_size=1, **options)
    assert gate.peak == in_flight
    assert (result["leads_matched"], result["leads_updated"], result["requests"]) == (12, 12, 12)


@pytest.mark.parametrize("options", [{}, {"max_in_flight": 4}], ids=["default", "explicit"])
def test_phone_numbers_are_sent_one_chunk_at_a_time(
    ringcx: SandboxServer, ready_leads: LeadRows, options: dict[str, Any]
) -> None:
    """A lead with two numbers can be in two chunks, so even the count of one must follow the other."""
    ringcx.fault("slow", operation=ACTION, delay=0.2, times=2)
    phones = [lead["leadPhone"].split("|")[0] for lead in ready_leads[:4]]
    perform_action(
        make_client(ringcx.url), "PAUSE_LEADS", {"leadPhoneNumbers": phones}, chunk_size=2, **options
    )
    assert completed_operations(ringcx) == [COUNT, ACTION, COUNT, ACTION]


@pytest.mark.parametrize("key", ["externIds", "leadIds"])
def test_next_chunks_are_counted_while_one_is_in_flight(
    ringcx: SandboxServer, ready_leads: LeadRows, key: str
) -> None:
    ringcx.fault("slow", operation=ACTION, delay=0.5, times=2)
    ids = [lead["externId" if key == "externIds" else "leadId"] for lead in ready_leads[:4]]
    perform_action(make_client(ringcx.url), "MANUAL_LEADS", {key: ids}, chunk_size=2)
    assert completed_operations(ringcx) == [COUNT, COUNT, ACTION, ACTION]


def test_count_of_zero_leads_sends_no_action(ringcx: SandboxServer, ready_leads: LeadRows) -> None:
    ids = [ready_leads[0]["leadId"], 10**9, ready_leads[1]["leadId"]]
    result = perform_action(make_client(ringcx.url), "PAUSE_LEADS", {"leadIds": ids}, chunk_size=1)
    assert (result["leads_matched"], result["leads_updated"], result["requests"]) == (2, 2, 2)


def test_rejected_chunk_stops_new_ones_and_awaits_those_in_flight(
    ringcx: SandboxServer, ready_leads: LeadRows, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    in_flight = threading.Barrier(3, timeout=20)
    ringcx.fault("meanwhile", operation=ACTION, work=in_flight.wait, times=3)
    ringcx.fault("slow", operation=ACTION, delay=0.5, at=[1, 3])
    ringcx.fault("rejected", operation=ACTION, at=[2], message="locked")
    ids = lead_ids(ready_leads[:12])
    with pytest.raises(ActionRejected, match="locked") as caught:
        perform_action(
            make_client(ringcx.url), "CANCEL_LEADS", {"leadIds": ids}, chunk_size=2, max_in_flight=3
        )
    assert count_action_requests(ringcx) == 3
    assert caught.value.result is not None
    assert (caught.value.result["leads_updated"], sum(are_cancelled(ringcx, ids))) == (4, 4)
    assert "stopped after 2 of 6 chunks: cancelled 4 leads of 4 matched; rejected 1 chunk" in caplog.text


def test_failing_count_awaits_requests_in_flight(ringcx: SandboxServer, ready_leads: LeadRows) -> None:
    """The third chunk is counted while the second one is in flight."""
    sent = threading.Event()
    ringcx.fault("meanwhile", operation=ACTION, work=sent.set, at=[2])
    ringcx.fault("slow", operation=ACTION, delay=0.5, at=[2])
    ringcx.fault("answer", operation=COUNT, at=[3], body="many")
    ringcx.fault("meanwhile", operation=COUNT, work=lambda: sent.wait(20), at=[3])
    ids = lead_ids(ready_leads[:6])
    options: dict[str, Any] = {"chunk_size": 2, "max_in_flight": 1}
    with pytest.raises(UnexpectedResponse) as caught:
        perform_action(make_client(ringcx.url), "PAUSE_LEADS", {"leadIds": ids}, **options)
    assert caught.value.result is not None
    assert (caught.value.result["leads_updated"], caught.value.result["requests"]) == (4, 2)


def test_unknown_outcome_names_all_chunks_without_one(
    ringcx: SandboxServer, ready_leads: LeadRows, next_attempt: NextAttempt
) -> None:
    """Chunks 1 and 3 lose their responses; chunk 2 is in flight with them and succeeds."""
    all_sent = threading.Barrier(3, timeout=20)
    ringcx.fault("meanwhile", operation=ACTION, work=all_sent.wait, times=3)
    ringcx.fault("drop", operation=ACTION, at=[1, 3])
    ringcx.fault("slow", operation=ACTION, delay=0.5, at=[2])
    ids = lead_ids(ready_leads[:8])
    with pytest.raises(OutcomeUnknown, match="The outcome is unknown for chunks ") as caught:
        execute_in_chunks(ringcx, ids, next_attempt(is_retry=False), max_in_flight=3)
    numbers = str(caught.value).partition("outcome is unknown for chunks ")[2].split(" of ")[0].split(", ")
    assert len(numbers) == 2
    assert caught.value.result is not None
    assert caught.value.result["leads_updated"] == 2
    # A person clears the task: it resumes after these chunks.
    result = execute_in_chunks(ringcx, ids, next_attempt(is_retry=False), max_in_flight=3)
    assert (result["leads_updated"], result["leads_unknown"]) == (4, 4)
    unknown = [index for number in numbers for index in (2 * int(number) - 2, 2 * int(number) - 1)]
    assert added_passes(ringcx, ready_leads, ids) == [int(index not in unknown) for index in range(8)]


def test_rate_limited_requests_pause_all_new_ones(
    ringcx: SandboxServer, ready_leads: LeadRows, caplog: pytest.LogCaptureFixture
) -> None:
    """Four requests in flight are rejected with 429; no other one is sent until one of them is retried."""
    caplog.set_level(logging.INFO)
    all_sent = threading.Barrier(4, timeout=20)
    ringcx.fault("meanwhile", operation=ACTION, work=all_sent.wait, times=4)
    ringcx.fault("rate_limited", operation=ACTION, times=4, retry_after=1.0)
    client = make_client(ringcx.url)
    client.transport.limiter = RateLimiter(MemoryStore())
    ids = lead_ids(ready_leads[:12])
    result = perform_action(client, "PAUSE_LEADS", {"leadIds": ids}, chunk_size=1, max_in_flight=4)
    assert (result["leads_updated"], result["requests"]) == (12, 12)
    actions = [request for request in ringcx.requests if request.operation == ACTION]
    assert [request.status for request in actions] == [429] * 4 + [200] * 12
    assert min(request.time for request in actions[4:]) - max(r.time for r in actions[:4]) > 0.9
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "429 for lead_action" in warnings[0]


def test_one_thread_signs_in_masks_saves_and_logs(ringcx: SandboxServer, ready_leads: LeadRows) -> None:
    """Before Airflow 3.2 two threads that use the supervisor's connection can deadlock."""
    threads: list[str] = []

    class Recording(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            threads.append(threading.current_thread().name)

    class RecordingStore(FakeTaskStateStore):
        def set(self, key: str, value: str) -> None:
            threads.append(threading.current_thread().name)
            super().set(key, value)

    client = make_client(ringcx.url)
    client.authenticator.mask = lambda secret: threads.append(threading.current_thread().name)
    ringcx.fault("meanwhile", operation=ACTION, work=ringcx.revoke_tokens, at=[3])
    ringcx.fault("status", operation=ACTION, at=[6], status=503)
    ringcx.fault("status", operation=COUNT, at=[4], status=503)
    logger, handler = logging.getLogger("airflow_provider_engagevoice.ringcx"), Recording()
    logger.addHandler(handler)
    try:
        ids = lead_ids(ready_leads[:12])
        checkpoints = start_attempt(RecordingStore())
        result = execute_in_chunks(ringcx, ids, checkpoints, "PAUSE_LEADS", client=client, chunk_size=1)
    finally:
        logger.removeHandler(handler)
    assert result["leads_updated"] == 12
    assert len(threads) > 24
    assert set(threads) == {threading.main_thread().name}


def test_expired_token_is_refreshed_once_for_all_in_flight(
    ringcx: SandboxServer, ready_leads: LeadRows
) -> None:
    client = make_client(ringcx.url, "engage")
    all_sent = threading.Barrier(4, timeout=20)
    ringcx.fault("meanwhile", operation=ACTION, work=all_sent.wait, times=4)
    ringcx.fault("status", operation=ACTION, status=401, times=4)
    ids = lead_ids(ready_leads[:8])
    result = perform_action(client, "PAUSE_LEADS", {"leadIds": ids}, chunk_size=2, max_in_flight=4)
    assert result["leads_updated"] == 8
    sign_ins = [request.operation for request in ringcx.requests].count("login")
    assert sign_ins <= 2


def test_failure_ends_counts_that_wait_for_a_slot(ringcx: SandboxServer, ready_leads: LeadRows) -> None:
    ringcx.fault("rejected", operation=ACTION, times=1)
    client = make_client(ringcx.url)
    client.transport.limiter = RateLimiter(DelayedSecondCount())
    with pytest.raises(ActionRejected):
        perform_action(client, "PAUSE_LEADS", {"leadIds": lead_ids(ready_leads[:4])}, chunk_size=2)
    assert completed_operations(ringcx) == [COUNT, ACTION]


def test_cancel_ends_counts_that_wait_for_a_slot(ringcx: SandboxServer, ready_leads: LeadRows) -> None:
    client = make_client(ringcx.url)
    client.transport.limiter = RateLimiter(DelayedSecondCount())
    # After the first chunk is complete, while the second one waits for its count.
    cancel_soon = threading.Timer(0.5, client.cancel_token.cancel)
    ringcx.fault("meanwhile", operation=ACTION, work=cancel_soon.start, times=1)
    with pytest.raises(Cancelled, match="stopped after 1 of 2 chunks"):
        perform_action(client, "PAUSE_LEADS", {"leadIds": lead_ids(ready_leads[:4])}, chunk_size=2)
    assert completed_operations(ringcx) == [COUNT, ACTION]


def test_cancel_awaits_requests_in_flight(ringcx: SandboxServer, ready_leads: LeadRows) -> None:
    client = make_client(ringcx.url)
    all_sent = threading.Barrier(3, action=client.cancel_token.cancel, timeout=20)
    ringcx.fault("meanwhile", operation=ACTION, work=all_sent.wait, times=3)
    ringcx.fault("slow", operation=ACTION, delay=0.5, times=3)
    ids = lead_ids(ready_leads[:12])
    with pytest.raises(Cancelled, match="stopped after 3 of 6 chunks: cancelled 6 leads") as caught:
        perform_action(client, "CANCEL_LEADS", {"leadIds": ids}, chunk_size=2, max_in_flight=3)
    assert caught.value.result is not None
    assert (caught.value.result["leads_updated"], sum(are_cancelled(ringcx, ids))) == (6, 6)


def test_threads_end_with_their_requests(ringcx: SandboxServer, ready_leads: LeadRows) -> None:
    perform_action(make_client(ringcx.url), "PAUSE_LEADS", {"leadIds": lead_ids(ready_leads)}, chunk_size=1)
    wait_for(lambda: all(thread.name != "ringcx-request" for thread in threading.enumerate()), 5.0)


def test_without_threads_requests_are_sent_one_at_a_time(
    ringcx: SandboxServer, ready_leads: LeadRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def start_others(thread: threading.Thread) -> None:
        if thread.name == "ringcx-request":
            raise RuntimeError("can't start new thread")
        start(thread)

    ids = lead_ids(ready_leads[:4])
    client = make_client(ringcx.url)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start_others)
        result = perform_action(client, "PAUSE_LEADS", {"leadIds": ids}, chunk_size=2)
    assert result["leads_updated"] == 4
