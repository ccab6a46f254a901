"""What becomes of requests that RingCX rejects, and the private report of ids that were not reached."""

from __future__ import annotations

import csv
import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.bulk.report import UnprocessedIdsReport
from airflow_provider_engagevoice.ringcx.exceptions import ActionRejected, InvalidParameter
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import make_client, perform_action

Rows = list[dict[str, Any]]


def rows_of(path: Path) -> list[tuple[str, str]]:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["id", "outcome"]
    return [(row[0], row[1]) for row in rows]


def cancelled(ringcx: SandboxServer, ids: list[int]) -> list[bool]:
    state = {lead["leadId"]: lead["leadState"] for lead in ringcx.leads()}
    return [state[lead_id] == "CANCELLED" for lead_id in ids]


@pytest.mark.parametrize("policy", ["continue", "fail", "ignore"])
def test_a_rejected_request_ends_the_act_or_does_not(
    ringcx: SandboxServer, ready_leads: Rows, tmp_path: Path, policy: str
) -> None:
    ids = [lead["leadId"] for lead in ready_leads[:6]]
    ringcx.fault("rejected", operation="lead_action", at=[2], message="locked")
    report = tmp_path / "report.csv"
    more: dict[str, Any] = {"chunk_size": 2, "on_rejected": policy, "report": str(report)}
    if policy == "ignore":
        summary: Any = perform_action(make_client(ringcx.url), "CANCEL_LEADS", {"leadIds": ids}, **more)
    else:
        with pytest.raises(ActionRejected, match=r"locked|1 of 3 requests .* 2 ids") as caught:
            perform_action(make_client(ringcx.url), "CANCEL_LEADS", {"leadIds": ids}, **more)
        summary = caught.value.result
    last = policy != "fail"
    assert cancelled(ringcx, ids) == [True, True, False, False, last, last]
    assert summary["leads_updated"] == (4 if last else 2)
    assert summary.get("ids_rejected") == (2 if last else None)
    assert rows_of(report) == [(str(lead_id), "rejected") for lead_id in ids[2:4]]
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["report.csv"]


@pytest.mark.parametrize("key", ["externIds", "leadIds", "leadPhoneNumbers"])
def test_ids_that_match_no_lead_are_reported(
    ringcx: SandboxServer, ready_leads: Rows, tmp_path: Path, key: str
) -> None:
    there = {
        "externIds": [lead["externId"] for lead in ready_leads[:3]],
        "leadIds": [lead["leadId"] for lead in ready_leads[:3]],
        "leadPhoneNumbers": [f"+1 {lead['leadPhone'].partition('|')[0][-10:]}" for lead in ready_leads[:3]],
    }[key]
    nobody: list[Any] = [10**9, 10**9 + 1, 10**9 + 2] if key == "leadIds" else ["9990000001", "9990000002"]
    criteria = {"campaignIds": [ready_leads[0]["campaignId"]], key: [*there, *nobody]}
    report = tmp_path / "r.csv"
    summary = perform_action(make_client(ringcx.url), "SUPPRESS_LEADS", criteria, chunk_size=4, report=report)
    assert rows_of(report) == [(str(value), "not_found") for value in nobody]
    assert summary["ids_not_found"] == len(nobody)
    # Only requests that lack somebody are searched, and one that matches nobody need not be.
    searches = [each for each in ringcx.requests if each.operation == "lead_search"]
    assert 1 <= len(searches) <= 4


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_sent(
    ringcx: SandboxServer, ready_leads: Rows, tmp_path: Path
) -> None:
    criteria = {"leadIds": [ready_leads[0]["leadId"]]}
    with pytest.raises(InvalidParameter, match=r"report: .* cannot be written"):
        perform_action(make_client(ringcx.url), "CANCEL_LEADS", criteria, report=tmp_path / "no" / "r.csv")
    assert ringcx.requests == []


class Full:
    """A file on a disk that is full from the second time on that it is made sure to be written."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = 1

    def flush(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_a_report_that_cannot_be_written_any_more_is_told_of_and_all_leads_are_done(
    ringcx: SandboxServer,
    ready_leads: Rows,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What was done must not become unknown for the report's sake."""
    go_on = UnprocessedIdsReport._go_on

    def on_a_full_disk(report: Any, size: int) -> bool:
        complete = go_on(report, size)
        report._file = Full(report._file)
        return complete

    monkeypatch.setattr(UnprocessedIdsReport, "_go_on", on_a_full_disk)
    ids = [lead["leadId"] for lead in ready_leads[:6]]
    report = tmp_path / "report.csv"
    summary = perform_action(
        make_client(ringcx.url), "CANCEL_LEADS", {"leadIds": [*ids, 10**9]}, chunk_size=2, report=report
    )
    assert cancelled(ringcx, ids) == [True] * 6
    assert (summary["leads_updated"], summary["ids_not_found"]) == (6, 1)
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told.startswith(f"report: {report} cannot be written any more (No space left on device)")
    assert not report.exists()


@pytest.mark.parametrize("policy", ["continue", "ignore"])
def test_what_was_not_rejected_is_verified(
    ringcx: SandboxServer, ready_leads: Rows, pauses: list[float], policy: str
) -> None:
    """Of the first request RingCX says that it is done, though it is not; the second one it rejects."""
    ids = [lead["leadId"] for lead in ready_leads[:4]]
    ringcx.fault("answer", operation="lead_action", at=[1], body={"success": True})
    ringcx.fault("rejected", operation="lead_action", at=[2])
    criteria = {"leadIds": ids}
    more: dict[str, Any] = {"chunk_size": 2, "on_rejected": policy, "verify": True}
    if policy == "continue":
        with pytest.raises(ActionRejected, match="1 of 2 requests") as caught:
            perform_action(make_client(ringcx.url), "CANCEL_LEADS", criteria, **more)
        summary: Any = caught.value.result
    else:
        summary = perform_action(make_client(ringcx.url), "CANCEL_LEADS", criteria, **more)
    assert cancelled(ringcx, ids) == [True, True, False, False]
    assert (summary["leads_updated"], summary["ids_rejected"]) == (2, 2)


def test_a_repeat_that_is_rejected_ends_no_act_that_ignores_it(
    ringcx: SandboxServer, ready_leads: Rows, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    ids = [lead["leadId"] for lead in ready_leads[:4]]
    ringcx.fault("answer", operation="lead_action", at=[1], body={"success": True})
    ringcx.fault("rejected", operation="lead_action", at=[3], message="locked")
    more: dict[str, Any] = {"chunk_size": 2, "on_rejected": "ignore", "verify": True}
    summary = perform_action(make_client(ringcx.url), "CANCEL_LEADS", {"leadIds": ids}, **more)
    # Rejected in the first round, done in the second.
    assert (summary["leads_updated"], len(pauses)) == (4, 2)
    assert "locked" in caplog.text
