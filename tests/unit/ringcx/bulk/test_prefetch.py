"""The leads of a request are counted while the one before it is under way."""

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
from tests.support.clients import act, client_of
from tests.support.processes import until


class Slow(MemoryStore):
    """The second count has to wait for a minute."""

    counts = 0

    def reserve_slot(self, key: str, windows: Sequence[RateWindow], pad: float, longest: float) -> float:
        self.counts += "lead_count" in key
        return 60.0 if self.counts > 1 else 0.0


Rows = list[dict[str, Any]]
ACT, COUNT = "lead_action", "lead_count"


def order(ringcx: SandboxServer) -> list[str]:
    """What was counted and done, in the order in which it ended."""
    return [each.operation for each in ringcx.requests if each.operation in (ACT, COUNT)]


def phone(lead: dict[str, Any]) -> str:
    return str(lead["leadPhone"]).split("|")[0]


@pytest.mark.parametrize(
    ("key", "value", "ahead"),
    [
        ("externIds", lambda lead: lead["externId"], True),
        ("leadIds", lambda lead: lead["leadId"], True),
        # A lead with two numbers may be in two requests.
        ("leadPhoneNumbers", phone, False),
    ],
    ids=["externIds", "leadIds", "leadPhoneNumbers"],
)
def test_the_next_request_is_counted_while_one_is_under_way(
    ringcx: SandboxServer, ready: Rows, key: str, value: Callable[[dict[str, Any]], object], ahead: bool
) -> None:
    ringcx.fault("slow", operation=ACT, delay=0.5, times=2)
    ids = [value(lead) for lead in ready[:4]]
    summary = act(client_of(ringcx.url), "PAUSE_LEADS", {key: ids}, chunk_size=2)
    assert order(ringcx) == ([COUNT, COUNT, ACT, ACT] if ahead else [COUNT, ACT, COUNT, ACT])
    assert summary["leads_matched"] == summary["leads_updated"] >= 4


def test_a_count_that_failed_ahead_is_made_again_when_it_is_needed(
    ringcx: SandboxServer, ready: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    """It was made once, so that nothing of it goes on beside the task; RingCX may be well again by then."""
    ringcx.fault("status", operation=COUNT, at=[2], status=503)
    ringcx.fault("slow", operation=ACT, delay=0.5, times=1)
    ids = [lead["leadId"] for lead in ready[:6]]
    summary = act(client_of(ringcx.url), "PAUSE_LEADS", {"leadIds": ids}, chunk_size=2)
    assert (summary["leads_updated"], summary["requests"]) == (6, 3)
    assert order(ringcx)[:4] == [COUNT, COUNT, ACT, COUNT]
    assert "503" not in caplog.text


def test_a_request_that_cannot_be_counted_does_not_touch_the_one_under_way(
    ringcx: SandboxServer, ready: Rows
) -> None:
    ringcx.fault("answer", operation=COUNT, at=[2, 3], body="many")
    ids = [lead["leadId"] for lead in ready[:6]]
    with pytest.raises(UnexpectedResponse) as caught:
        act(client_of(ringcx.url), "PAUSE_LEADS", {"leadIds": ids}, chunk_size=2)
    assert caught.value.result is not None
    assert (caught.value.result["leads_updated"], caught.value.result["requests"]) == (2, 1)


def test_a_request_that_is_sent_again_and_again_is_followed_by_one_count_only(
    ringcx: SandboxServer, ready: Rows, pauses: list[float]
) -> None:
    ringcx.fault("rate_limited", operation=ACT, times=4)
    ids = [lead["leadId"] for lead in ready[:4]]
    act(client_of(ringcx.url), "PAUSE_LEADS", {"leadIds": ids}, chunk_size=2)
    assert len(pauses) == 4
    assert order(ringcx).count(COUNT) == 2


def test_the_thread_that_counts_neither_signs_in_nor_tells_airflow_of_tokens(
    ringcx: SandboxServer, ready: Rows
) -> None:
    """Before Airflow 3.2 two threads that talk to the supervisor may wait for each other for ever."""
    client, threads = client_of(ringcx.url), []
    client.authenticator.mask = lambda secret: threads.append(threading.current_thread().name)
    ringcx.fault("meanwhile", operation=ACT, work=ringcx.revoke_tokens, times=1)
    ringcx.fault("slow", operation=ACT, delay=0.5, times=1)
    ringcx.fault("status", operation=COUNT, at=[2], status=401)
    ids = [lead["leadId"] for lead in ready[:6]]
    summary = act(client, "PAUSE_LEADS", {"leadIds": ids}, chunk_size=2)
    assert summary["leads_updated"] == 6
    assert len(threads) >= 2
    assert set(threads) == {threading.main_thread().name}


def test_nothing_is_counted_any_more_once_the_action_has_failed(ringcx: SandboxServer, ready: Rows) -> None:
    ringcx.fault("rejected", operation=ACT, times=1)
    client = client_of(ringcx.url)
    # The count ahead waits for its moment until after the action has failed.
    client.transport.limiter = RateLimiter(Slow())
    with pytest.raises(ActionRejected):
        act(client, "PAUSE_LEADS", {"leadIds": [lead["leadId"] for lead in ready[:4]]}, chunk_size=2)
    until(lambda: all(thread.name != "ringcx-count" for thread in threading.enumerate()), 5.0)
    assert order(ringcx) == [COUNT, ACT]


def test_without_a_thread_each_request_is_counted_in_its_turn(
    ringcx: SandboxServer, ready: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    ids = [lead["leadId"] for lead in ready[:4]]
    client = client_of(ringcx.url)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        summary = act(client, "PAUSE_LEADS", {"leadIds": ids}, chunk_size=2)
    assert summary["leads_updated"] == 4
    assert order(ringcx) == [COUNT, ACT, COUNT, ACT]


def test_nothing_is_sent_for_a_request_that_was_found_empty_ahead(ringcx: SandboxServer, ready: Rows) -> None:
    ids = [ready[0]["leadId"], 10**9, ready[1]["leadId"]]
    summary = act(client_of(ringcx.url), "PAUSE_LEADS", {"leadIds": ids}, chunk_size=1)
    assert (summary["leads_matched"], summary["leads_updated"], summary["requests"]) == (2, 2, 2)
