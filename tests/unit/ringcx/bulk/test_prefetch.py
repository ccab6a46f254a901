"""Tests of prefetched lead counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import ActionRejected, UnexpectedResponse
from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import LeadRows
from tests.support.clients import make_client, perform_action
from tests.support.processes import wait_for

ACTION, COUNT = "lead_action", "lead_count"


class DelayedSecondCount(MemoryStore):
    """Store in which the second count has to wait for a minute, and no other request at all."""

    counts = 0

    def reserve_slot(self, key: str, windows: Sequence[RateWindow], margin: float, max_wait: float) -> float:
        self.counts += "lead_count" in key
        return 60.0 if self.counts > 1 else 0.0


def completed_operations(ringcx: SandboxServer) -> list[str]:
    """Return the counts and actions in the order in which they completed."""
    return [request.operation for request in ringcx.requests if request.operation in (ACTION, COUNT)]


def lead_ids(rows: LeadRows) -> list[int]:
    return [row["leadId"] for row in rows]


@pytest.mark.parametrize(
    ("key", "read_value", "is_prefetched"),
    [
        ("externIds", lambda lead: lead["externId"], True),
        ("leadIds", lambda lead: lead["leadId"], True),
        # A lead with two numbers can be in two chunks.
        ("leadPhoneNumbers", lambda lead: lead["leadPhone"].split("|")[0], False),
    ],
    ids=["externIds", "leadIds", "leadPhoneNumbers"],
)
def test_prefetch_counts_next_chunk_during_the_request(
    ringcx: SandboxServer,
    ready_leads: LeadRows,
    key: str,
    read_value: Callable[[dict[str, Any]], object],
    is_prefetched: bool,
) -> None:
    ringcx.fault("slow", operation=ACTION, delay=0.5, times=2)
    ids = [read_value(lead) for lead in ready_leads[:4]]
    result = perform_action(make_client(ringcx.url), "PAUSE_LEADS", {key: ids}, chunk_size=2)
    expected = [COUNT, COUNT, ACTION, ACTION] if is_prefetched else [COUNT, ACTION, COUNT, ACTION]
    assert completed_operations(ringcx) == expected
    assert result["leads_matched"] == result["leads_updated"] >= 4


def test_prefetch_failure_counts_again_synchronously(
    ringcx: SandboxServer, ready_leads: LeadRows, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not retried in the background: RingCX may be available again when the count is used."""
    ringcx.fault("status", operation=COUNT, at=[2], status=503)
    ringcx.fault("slow", operation=ACTION, delay=0.5, times=1)
    ids = lead_ids(ready_leads[:6])
    result = perform_action(make_client(ringcx.url), "PAUSE_LEADS", {"leadIds": ids}, chunk_size=2)
    assert (result["leads_updated"], result["requests"]) == (6, 3)
    assert completed_operations(ringcx)[:4] == [COUNT, COUNT, ACTION, COUNT]
    assert "503" not in caplog.text


def test_prefetch_permanent_failure_spares_request_in_flight(
    ringcx: SandboxServer, ready_leads: LeadRows
) -> None:
    ringcx.fault("answer", operation=COUNT, at=[2, 3], body="many")
    ids = lead_ids(ready_leads[:6])
    with pytest.raises(UnexpectedResponse) as caught:
        perform_action(make_client(ringcx.url), "PAUSE_LEADS", {"leadIds": ids}, chunk_size=2)
    assert caught.value.result is not None
    assert (caught.value.result["leads_updated"], caught.value.result["requests"]) == (2, 1)


def test_prefetch_counts_once_if_the_request_is_retried(
    ringcx: SandboxServer, ready_leads: LeadRows, pauses: list[float]
) -> None:
    ringcx.fault("rate_limited", operation=ACTION, times=4)
    ids = lead_ids(ready_leads[:4])
    perform_action(make_client(ringcx.url), "PAUSE_LEADS", {"leadIds": ids}, chunk_size=2)
    assert len(pauses) == 4
    assert completed_operations(ringcx).count(COUNT) == 2


def test_prefetch_thread_neither_signs_in_nor_masks_tokens(
    ringcx: SandboxServer, ready_leads: LeadRows
) -> None:
    """Before Airflow 3.2 two threads that use the supervisor's connection can deadlock."""
    threads: list[str] = []
    client = make_client(ringcx.url)
    client.authenticator.mask = lambda secret: threads.append(threading.current_thread().name)
    ringcx.fault("meanwhile", operation=ACTION, work=ringcx.revoke_tokens, times=1)
    ringcx.fault("slow", operation=ACTION, delay=0.5, times=1)
    ringcx.fault("status", operation=COUNT, at=[2], status=401)
    ids = lead_ids(ready_leads[:6])
    result = perform_action(client, "PAUSE_LEADS", {"leadIds": ids}, chunk_size=2)
    assert result["leads_updated"] == 6
    assert len(threads) >= 2
    assert set(threads) == {threading.main_thread().name}


def test_prefetch_is_cancelled_when_the_action_fails(ringcx: SandboxServer, ready_leads: LeadRows) -> None:
    ringcx.fault("rejected", operation=ACTION, times=1)
    client = make_client(ringcx.url)
    # The prefetched count still waits for its slot when the action fails.
    client.transport.limiter = RateLimiter(DelayedSecondCount())
    ids = lead_ids(ready_leads[:4])
    with pytest.raises(ActionRejected):
        perform_action(client, "PAUSE_LEADS", {"leadIds": ids}, chunk_size=2)
    wait_for(lambda: all(thread.name != "ringcx-count" for thread in threading.enumerate()), 5.0)
    assert completed_operations(ringcx) == [COUNT, ACTION]


def test_prefetch_without_a_thread_counts_synchronously(
    ringcx: SandboxServer, ready_leads: LeadRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    ids = lead_ids(ready_leads[:4])
    client = make_client(ringcx.url)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        result = perform_action(client, "PAUSE_LEADS", {"leadIds": ids}, chunk_size=2)
    assert result["leads_updated"] == 4
    assert completed_operations(ringcx) == [COUNT, ACTION, COUNT, ACTION]


def test_prefetch_of_zero_leads_sends_no_action(ringcx: SandboxServer, ready_leads: LeadRows) -> None:
    ids = [ready_leads[0]["leadId"], 10**9, ready_leads[1]["leadId"]]
    result = perform_action(make_client(ringcx.url), "PAUSE_LEADS", {"leadIds": ids}, chunk_size=1)
    assert (result["leads_matched"], result["leads_updated"], result["requests"]) == (2, 2, 2)
