"""Tests of the progress lines in the log."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.bulk import progress
from airflow_provider_engagevoice.ringcx.bulk.progress import ProgressLogger
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import LeadRows
from tests.support.clients import FakeClock, make_client, perform_action


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The clock of the progress log."""
    clock = FakeClock()
    monkeypatch.setattr(progress, "clock", clock)
    return clock


def test_progress_is_logged_at_most_every_ten_seconds(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    work = ProgressLogger("CANCEL_LEADS", 100_000, 200, done=20_000)
    for _ in range(160):
        clock.offset += 0.5
        work.add(500)
    messages = [record.message for record in caplog.records]
    assert messages[0] == "CANCEL_LEADS: 100,000 ids in 200 chunks"
    # 80 seconds, without a line at the end: the summary has the final counts.
    assert len(messages) == 8
    assert messages[1].startswith("CANCEL_LEADS: 30,000 of 100,000 ids, 30%, ")
    rate, left = messages[1].split(", ")[2:]
    assert 950 <= int(rate.split()[0].replace(",", "")) <= 1000
    assert left.startswith("1 min 1")


@pytest.mark.parametrize(
    ("seconds", "remaining"),
    [(10.0, "1 min 30 s left"), (50.0, "7 min 30 s left"), (1000.0, "2 h 30 min left")],
)
def test_progress_line_estimates_the_remaining_time(
    clock: FakeClock, caplog: pytest.LogCaptureFixture, seconds: float, remaining: str
) -> None:
    """The first tenth of the ids took some seconds, so the others take nine times as long."""
    caplog.set_level(logging.INFO)
    work = ProgressLogger("CANCEL_LEADS", 100_000, 200)
    clock.offset += seconds
    work.add(10_000)
    assert caplog.messages[-1].startswith("CANCEL_LEADS: 10,000 of 100,000 ids, 10%, ")
    assert caplog.messages[-1].endswith(f" per second, {remaining}")


def test_progress_of_one_chunk_logs_two_lines(
    ringcx: SandboxServer, ready_leads: LeadRows, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ids = [lead["leadId"] for lead in ready_leads[:3]]
    perform_action(make_client(ringcx.url), "CANCEL_LEADS", {"leadIds": ids})
    messages = [
        record.message for record in caplog.records if record.name.startswith("airflow_provider_engagevoice")
    ]
    assert messages[-2:] == [
        f"Cancelling leads with 3 leadIds, account 50810001 at {ringcx.url.removeprefix('http://')}",
        "Cancelled 3 leads of 3 matched (1 request)",
    ]


@pytest.mark.parametrize("options", [{"dry_run": True}, {"max_leads": 100}, {"verify": True}], ids=str)
def test_progress_of_counting_and_verifying_is_logged(
    ringcx: SandboxServer,
    ready_leads: LeadRows,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
) -> None:
    caplog.set_level(logging.INFO)
    ids = [lead["leadId"] for lead in ready_leads[:6]]
    perform_action(make_client(ringcx.url), "CANCEL_LEADS", {"leadIds": ids}, chunk_size=2, **options)
    work = "Verifying" if "verify" in options else "Counting for"
    assert f"{work} CANCEL_LEADS: 6 ids in 3 chunks" in [record.message for record in caplog.records]
