"""Tests of the report of unprocessed ids."""

from __future__ import annotations

import csv
import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.bulk.report import UnprocessedIdsReport
from airflow_provider_engagevoice.ringcx.exceptions import (
    ActionRejected,
    InvalidParameter,
    RateLimited,
    VerificationFailed,
)
from airflow_provider_engagevoice.ringcx.leads.selection import build_selection
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import LeadRows, are_cancelled, execute_in_chunks
from tests.support.clients import make_client, perform_action
from tests.unit.ringcx.bulk.conftest import NextAttempt

#: Ids that no lead of the sandbox has.
#: One below and one above the ids of all leads: chunks are cut from the sorted ids.
UNKNOWN_IDS = [1, 10**9]


def read_rows(path: Path) -> list[tuple[str, str]]:
    """Return the rows of a report, after a check of its header."""
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["id", "outcome"]
    return [(row[0], row[1]) for row in rows]


@pytest.mark.parametrize("on_rejected", ["continue", "fail", "ignore"])
def test_report_lists_ids_of_rejected_chunks(
    ringcx: SandboxServer, six_ids: list[int], tmp_path: Path, on_rejected: str
) -> None:
    ringcx.fault("rejected", operation="lead_action", at=[2], message="locked")
    report = tmp_path / "report.csv"
    options: dict[str, Any] = {
        "chunk_size": 2,
        "on_rejected": on_rejected,
        "report": str(report),
        "max_in_flight": 1,
    }
    client = make_client(ringcx.url)
    if on_rejected == "ignore":
        perform_action(client, "CANCEL_LEADS", {"leadIds": six_ids}, **options)
    else:
        with pytest.raises(ActionRejected):
            perform_action(client, "CANCEL_LEADS", {"leadIds": six_ids}, **options)
    assert read_rows(report) == [(str(lead_id), "rejected") for lead_id in six_ids[2:4]]
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["report.csv"]


@pytest.mark.parametrize("key", ["externIds", "leadIds", "leadPhoneNumbers"])
def test_report_lists_ids_that_match_no_lead(
    ringcx: SandboxServer, ready_leads: LeadRows, tmp_path: Path, key: str
) -> None:
    known = {
        "externIds": [lead["externId"] for lead in ready_leads[:3]],
        "leadIds": [lead["leadId"] for lead in ready_leads[:3]],
        "leadPhoneNumbers": [f"+1 {lead['leadPhone'].partition('|')[0][-10:]}" for lead in ready_leads[:3]],
    }[key]
    unknown: list[Any] = [*UNKNOWN_IDS, 10**9 + 2] if key == "leadIds" else ["9990000001", "9990000002"]
    criteria = {"campaignIds": [ready_leads[0]["campaignId"]], key: [*known, *unknown]}
    report = tmp_path / "r.csv"
    result = perform_action(make_client(ringcx.url), "SUPPRESS_LEADS", criteria, chunk_size=4, report=report)
    assert set(read_rows(report)) == {(str(value), "not_found") for value in unknown}
    assert result["ids_not_found"] == len(unknown)
    # Only chunks that match some of their ids, but not all, are searched.
    searches = [request for request in ringcx.requests if request.operation == "lead_search"]
    assert 1 <= len(searches) <= 4


def test_report_unwritable_path_raises_before_any_request(
    ringcx: SandboxServer, ready_leads: LeadRows, tmp_path: Path
) -> None:
    criteria = {"leadIds": [ready_leads[0]["leadId"]]}
    with pytest.raises(InvalidParameter, match=r"report: .* cannot be written"):
        perform_action(make_client(ringcx.url), "CANCEL_LEADS", criteria, report=tmp_path / "no" / "r.csv")
    assert ringcx.requests == []


def test_report_path_of_a_directory_raises(
    ringcx: SandboxServer, ready_leads: LeadRows, tmp_path: Path
) -> None:
    criteria = {"leadIds": [ready_leads[0]["leadId"]]}
    with pytest.raises(InvalidParameter, match=r"report: .* cannot be written \(Is a directory\)"):
        perform_action(make_client(ringcx.url), "CANCEL_LEADS", criteria, report=tmp_path)
    assert ringcx.requests == []


class FileOnFullDisk:
    """File whose disk is full from the second flush on."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._flushes = 0

    def flush(self) -> None:
        self._flushes += 1
        if self._flushes > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_report_full_disk_logs_error_and_action_completes(
    ringcx: SandboxServer,
    six_ids: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A report that cannot be written must not make the outcome of the action unknown."""
    open_file = UnprocessedIdsReport._open

    def open_on_full_disk(report: Any, size: int) -> bool:
        complete = open_file(report, size)
        report._file = FileOnFullDisk(report._file)
        return complete

    monkeypatch.setattr(UnprocessedIdsReport, "_open", open_on_full_disk)
    report = tmp_path / "report.csv"
    criteria = {"leadIds": [*six_ids, UNKNOWN_IDS[0]]}
    result = perform_action(make_client(ringcx.url), "CANCEL_LEADS", criteria, chunk_size=2, report=report)
    assert are_cancelled(ringcx, six_ids) == [True] * 6
    assert (result["leads_updated"], result["ids_not_found"]) == (6, 1)
    (message,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert message.startswith(f"Cannot write the report {report} any more (No space left on device)")
    assert not report.exists()


def test_report_resumed_by_a_retry_lists_each_id_once(
    ringcx: SandboxServer, six_ids: list[int], next_attempt: NextAttempt, tmp_path: Path
) -> None:
    report = tmp_path / "report.csv"
    ids = [six_ids[0], UNKNOWN_IDS[0], six_ids[1], UNKNOWN_IDS[1]]
    ringcx.fault("rate_limited", operation="lead_action", at=[2], retry_after=60.0)
    with pytest.raises(RateLimited):
        execute_in_chunks(ringcx, ids, next_attempt(is_retry=False), report=report)
    result = execute_in_chunks(ringcx, ids, next_attempt(is_retry=True), report=report)
    assert read_rows(report) == [(str(value), "not_found") for value in UNKNOWN_IDS]
    assert result["ids_not_found"] == 2


def test_report_missing_at_a_retry_covers_this_attempt_only(
    ringcx: SandboxServer,
    six_ids: list[int],
    next_attempt: NextAttempt,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The retry runs on another worker, or the file was removed."""
    report = tmp_path / "report.csv"
    ids = [six_ids[0], UNKNOWN_IDS[0], six_ids[1], UNKNOWN_IDS[1]]
    ringcx.fault("rate_limited", operation="lead_action", at=[2], retry_after=60.0)
    with pytest.raises(RateLimited):
        execute_in_chunks(ringcx, ids, next_attempt(is_retry=False), report=report)
    report.unlink()
    execute_in_chunks(ringcx, ids, next_attempt(is_retry=True), report=report)
    assert read_rows(report) == [(str(UNKNOWN_IDS[1]), "not_found")]
    assert "the report covers this attempt only" in caplog.text


def test_report_lists_ids_that_were_left_out_as_invalid(
    ringcx: SandboxServer, ready_leads: LeadRows, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ids = ["-", ready_leads[0]["externId"], "#N/A"]
    selection = build_selection({"externIds": ids}, on_invalid="skip")
    action = BulkAction.create("CANCEL_LEADS", selection, {}, report=tmp_path / "report.csv")
    result = make_client(ringcx.url).lead_actions().execute(action)
    assert (result["leads_updated"], result["ids_invalid"]) == (1, 2)
    assert (tmp_path / "report.csv").read_text().splitlines() == ["id,outcome", "-,invalid", "#N/A,invalid"]
    assert "Left out 2 invalid ids (on_invalid_id='skip')" in caplog.text


@pytest.mark.parametrize("key", ["externIds", "leadIds", "leadStates"])
def test_report_lists_leads_that_verification_found(
    ringcx: SandboxServer, ready_leads: LeadRows, pauses: list[float], tmp_path: Path, key: str
) -> None:
    """A lead on a call stays ACTIVE; one that is selected by filters is listed with its lead id."""
    active = next(lead for lead in ringcx.leads("Spring Renewals") if lead["leadState"] == "ACTIVE")
    criteria: dict[str, Any] = {
        "externIds": {"externIds": [active["externId"], ready_leads[0]["externId"]]},
        "leadIds": {"leadIds": [active["leadId"], ready_leads[0]["leadId"]]},
        "leadStates": {"leadStates": ["ACTIVE"]},
    }[key]
    report = tmp_path / "r.csv"
    criteria["campaignIds"] = [active["campaignId"]]
    with pytest.raises(VerificationFailed):
        perform_action(make_client(ringcx.url), "CANCEL_LEADS", criteria, verify=True, report=report)
    listed = {row for row in read_rows(report) if row[1] == "not_done"}
    identifier = active["externId"] if key == "externIds" else active["leadId"]
    assert (str(identifier), "not_done") in listed
    assert len(listed) == 1 or key == "leadStates"


@pytest.mark.parametrize("name", ["file/r.csv", "loop.csv/r.csv", f"{'n' * 300}.csv", "a\0b.csv"])
def test_report_path_that_cannot_exist_raises(
    ringcx: SandboxServer, ready_leads: LeadRows, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    criteria = {"leadIds": [ready_leads[0]["leadId"]]}
    with pytest.raises(InvalidParameter, match=r"report: .* cannot be written \("):
        perform_action(make_client(ringcx.url), "CANCEL_LEADS", criteria, report=str(tmp_path / name))
    assert ringcx.requests == []


@pytest.mark.parametrize("value", ["", 7, [], {"a": 1}, True, b"r.csv"])
def test_report_that_is_not_a_path_raises(ringcx: SandboxServer, ready_leads: LeadRows, value: Any) -> None:
    criteria = {"leadIds": [ready_leads[0]["leadId"]]}
    with pytest.raises(InvalidParameter, match=r"report: .* cannot be written \("):
        perform_action(make_client(ringcx.url), "CANCEL_LEADS", criteria, report=value)
    assert ringcx.requests == []
