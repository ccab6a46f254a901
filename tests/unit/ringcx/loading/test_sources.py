"""Sources that are empty, incomplete or not what they should be: nothing is sent."""

from __future__ import annotations

import errno
import gzip
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidParameter,
    PermanentError,
    SourceRejected,
    TransientError,
)
from tests.support.loading import Crm, Row, counts, crm_row, crm_rows, write_csv
from tests.unit.ringcx.loading.conftest import Refuse

ROWS = crm_rows(6)
HEADER = "externId,leadPhone\n"
BODY = "".join(f"K-{number},617555{number:04}\n" for number in range(6))


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


# Empty sources.

EMPTY: dict[str, tuple[str, str | bytes]] = {
    "empty CSV": ("x.csv", ""),
    "header only": ("x.csv", HEADER),
    "header and blank lines": ("x.csv", HEADER + "\n,\n\n"),
    "empty JSON lines": ("x.jsonl", "\n\n"),
    "empty, compressed": ("x.csv.gz", gzip.compress(HEADER.encode())),
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_file_is_refused_unless_allowed(refuse: Refuse, crm: Crm, tmp_path: Path, name: str) -> None:
    source = write(tmp_path / EMPTY[name][0], EMPTY[name][1])
    refuse(SourceRejected, "Set allow_empty=True if the source may be empty", source=source)
    assert counts(crm.load(source=source, allow_empty=True)) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("leads", [[], (), iter([]), {}.values()])
def test_no_rows_are_refused(refuse: Refuse, leads: Any) -> None:
    refuse(SourceRejected, "it has no rows. Nothing was sent", leads)


def test_none_is_not_an_empty_list(refuse: Refuse) -> None:
    refuse(InvalidParameter, "the task that should return the rows was skipped", None, allow_empty=True)


@pytest.mark.parametrize("leads", ["externId", b"x", {"externId": "K-1"}, 7])
def test_leads_that_are_no_rows_are_refused(refuse: Refuse, leads: Any) -> None:
    refuse(InvalidParameter, "leads must be a list of rows", leads)


@pytest.mark.parametrize("row", [None, "K-1", ["K-1"]])
def test_row_that_is_no_mapping_is_refused_with_its_number(refuse: Refuse, row: Any) -> None:
    refuse(InvalidParameter, "row 2 of leads must be a dict", [crm_row(1), row])


def test_both_or_neither_source_is_refused(refuse: Refuse, tmp_path: Path) -> None:
    source = write(tmp_path / "x.csv", HEADER + BODY)
    refuse(InvalidParameter, "Pass either leads or source", ROWS, source=source)


# Incomplete sources.


def test_truncated_gzip_file_sends_nothing(refuse: Refuse, tmp_path: Path) -> None:
    rows = crm_rows(2000)
    whole = gzip.compress(Path(write_csv(tmp_path / "x.csv", rows)).read_bytes())
    for size in (len(whole) // 2, len(whole) - 1, 20):
        source = write(tmp_path / "x.csv.gz", whole[:size])
        refuse(InvalidParameter, "not a complete .gz file", source=source, chunk_size=1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", HEADER + BODY + "K-7", "line 8 of the source does not match its header"),
        ("x.csv", HEADER + BODY + '"K-7,6175550', "line 8 of the source is not valid CSV"),
        ("x.jsonl", '{"externId": "K-1", "leadPhone": "6175550001"}\n{"externId": "K-', "line 2"),
    ],
)
def test_torn_last_line_sends_nothing(
    refuse: Refuse, tmp_path: Path, name: str, content: str, message: str
) -> None:
    refuse(InvalidParameter, message, source=write(tmp_path / name, content), chunk_size=1)


def test_last_cell_torn_within_a_phone_number_sends_nothing(refuse: Refuse, tmp_path: Path) -> None:
    source = write(tmp_path / "x.csv", HEADER + BODY + "K-7,61755")
    refuse(SourceRejected, r"row 8: leadPhone ", source=source)


def test_rows_that_end_with_an_error_send_nothing(refuse: Refuse) -> None:
    def rows() -> Iterator[Row]:
        yield from ROWS
        raise ConnectionError("the database is gone")

    refuse(ConnectionError, "the database is gone", rows(), chunk_size=1)


@pytest.mark.parametrize(
    ("expect_rows", "is_met"),
    [
        (6, True),
        (5, False),
        (7, False),
        ("6", True),
        (">=6", True),
        (">= 5", True),
        (">=7", False),
        (0, False),
    ],
)
def test_number_of_rows_must_be_as_expected(crm: Crm, expect_rows: Any, is_met: bool) -> None:
    if is_met:
        assert counts(crm.load(ROWS, expect_rows=expect_rows)) == (6, 0, 0, 0, 0)
        return
    with pytest.raises(SourceRejected, match=f"it has 6 rows, and expect_rows is {expect_rows}"):
        crm.load(ROWS, expect_rows=expect_rows)
    assert not crm.loads


@pytest.mark.parametrize("expect_rows", [-1, 1.5, True, "", [6]])
def test_invalid_expectation_is_refused(refuse: Refuse, expect_rows: Any) -> None:
    refuse(InvalidParameter, "expect_rows must be", ROWS, expect_rows=expect_rows)


# The temporary file.


def test_temporary_file_without_room_sends_nothing(refuse: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def connect_small(*args: Any, **options: Any) -> sqlite3.Connection:
        database = connect(*args, **options)
        database.execute("PRAGMA max_page_count = 10")
        return database

    with monkeypatch.context() as patch:
        patch.setattr("sqlite3.connect", connect_small)
        refuse(TransientError, "^Set TMPDIR to a folder that has room", crm_rows(5000))


def test_temporary_file_that_cannot_be_created_sends_nothing(
    refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    with monkeypatch.context() as patch:
        patch.setattr("sqlite3.connect", fail)
        refuse(PermanentError, "^Set TMPDIR to a folder that can be written to", ROWS)


def test_report_that_cannot_be_written_sends_nothing(refuse: Refuse, tmp_path: Path) -> None:
    refuse(InvalidParameter, "report: .* cannot be written", ROWS, report=str(tmp_path / "no" / "x.csv"))
    refuse(InvalidParameter, "report: .* cannot be written", ROWS, report=str(tmp_path))


def test_report_on_a_full_disk_does_not_fail_the_load(
    crm: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    assert counts(crm.load(ROWS, report=str(tmp_path / "x.csv"))) == (6, 0, 0, 0, 0)
    assert "Cannot write" in caplog.text
    assert not list(tmp_path.iterdir())
