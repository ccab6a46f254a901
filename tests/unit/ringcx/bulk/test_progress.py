"""What the log says of long work: how much it is, how far it has come, what came out of it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.bulk import progress
from airflow_provider_engagevoice.ringcx.bulk.progress import ProgressLogger
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import FakeClock, make_client, perform_action


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_progress_is_told_at_most_every_ten_seconds(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    work = ProgressLogger("CANCEL_LEADS", 100_000, 200, done=20_000)
    for _ in range(160):
        clock.offset += 0.5
        work.add(500)
    said = [record.message for record in caplog.records]
    assert said[0] == "CANCEL_LEADS: 100,000 ids in 200 requests"
    # 80 seconds; at the end the counts tell.
    assert len(said) == 8
    assert said[1].startswith("CANCEL_LEADS: 30,000 of 100,000 ids, 30%, ")
    rate, left = said[1].split(", ")[2:]
    assert 950 <= int(rate.split()[0].replace(",", "")) <= 1000
    assert left.startswith("1 min 1")


def test_short_work_is_told_in_two_lines(
    ringcx: SandboxServer, ready_leads: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    perform_action(
        make_client(ringcx.url), "CANCEL_LEADS", {"leadIds": [lead["leadId"] for lead in ready_leads[:3]]}
    )
    said = [each.message for each in caplog.records if each.name.startswith("airflow_provider_engagevoice")]
    assert said[-2:] == [
        "CANCEL_LEADS on 3 leadIds",
        "CANCEL_LEADS: 3 leads matched, 3 leads updated, 0 deleted, in 1 requests",
    ]


@pytest.mark.parametrize("more", [{"dry_run": True}, {"max_leads": 100}, {"verify": True}], ids=str)
def test_counting_is_told_of_as_well(
    ringcx: SandboxServer,
    ready_leads: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
    more: dict[str, Any],
) -> None:
    caplog.set_level(logging.INFO)
    ids = [lead["leadId"] for lead in ready_leads[:6]]
    perform_action(make_client(ringcx.url), "CANCEL_LEADS", {"leadIds": ids}, chunk_size=2, **more)
    what = "Verifying" if "verify" in more else "Counting for"
    assert f"{what} CANCEL_LEADS: 6 ids in 3 requests" in [record.message for record in caplog.records]
