"""The leads of a request are counted while the one before it is under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.errors import UnexpectedAnswer
from airflow_provider_engagevoice.sandbox.server import SandboxServer
from tests.ringcx.clients import act, client_of

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


def test_a_request_that_cannot_be_counted_does_not_touch_the_one_under_way(
    ringcx: SandboxServer, ready: Rows
) -> None:
    ringcx.fault("answer", operation=COUNT, at=[2], body="many")
    ringcx.fault("slow", operation=ACT, delay=0.5, times=1)
    ids = [lead["leadId"] for lead in ready[:6]]
    with pytest.raises(UnexpectedAnswer) as caught:
        act(client_of(ringcx.url), "PAUSE_LEADS", {"leadIds": ids}, chunk_size=2)
    assert caught.value.summary is not None
    assert (caught.value.summary["leads_updated"], caught.value.summary["requests"]) == (2, 1)
    assert order(ringcx) == [COUNT, COUNT, ACT]


def test_nothing_is_sent_for_a_request_that_was_found_empty_ahead(ringcx: SandboxServer, ready: Rows) -> None:
    ids = [ready[0]["leadId"], 10**9, ready[1]["leadId"]]
    summary = act(client_of(ringcx.url), "PAUSE_LEADS", {"leadIds": ids}, chunk_size=1)
    assert (summary["leads_matched"], summary["leads_updated"], summary["requests"]) == (2, 2, 2)
