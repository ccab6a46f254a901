"""Sources that are empty, incomplete or not what they should be: nothing is sent."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
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
from tests.support.loading import Crm, Row, counts, crm_row, crm_rows, write_csv, write_json_lines

ROWS = crm_rows(6)
HEADER = "externId,leadPhone\n"
BODY = "".join(f"K-{number},617555{number:04}\n" for number in range(6))


@pytest.fixture
def refuse(crm: Crm) -> Iterator[Any]:
    """Return a function that checks that a load is refused with an error and sends nothing."""

    def check(error: type[Exception], message: str, leads: Any = None, **options: Any) -> str:
        with pytest.raises(error, match=message) as caught:
            crm.load(leads, **options)
        assert not crm.loads
        return str(caught.value)

    yield check
    assert not crm.loads


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
def test_empty_file_is_refused_unless_allowed(refuse: Any, crm: Crm, tmp_path: Path, name: str) -> None:
    source = write(tmp_path / EMPTY[name][0], EMPTY[name][1])
    refuse(SourceRejected, "Set allow_empty=True if the source may be empty", source=source)
    assert counts(crm.load(source=source, allow_empty=True)) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("leads", [[], (), iter([]), {}.values()])
def test_no_rows_are_refused(refuse: Any, leads: Any) -> None:
    refuse(SourceRejected, "it has no rows. Nothing was sent", leads)


def test_none_is_not_an_empty_list(refuse: Any) -> None:
    refuse(InvalidParameter, "the task that should return the rows was skipped", None, allow_empty=True)


@pytest.mark.parametrize("leads", ["externId", b"x", {"externId": "K-1"}, 7])
def test_leads_that_are_no_rows_are_refused(refuse: Any, leads: Any) -> None:
    refuse(InvalidParameter, "leads must be a list of rows", leads)


@pytest.mark.parametrize("row", [None, "K-1", ["K-1"]])
def test_row_that_is_no_mapping_is_refused_with_its_number(refuse: Any, row: Any) -> None:
    refuse(InvalidParameter, "row 2 of leads must be a dict", [crm_row(1), row])


def test_both_or_neither_source_is_refused(refuse: Any, tmp_path: Path) -> None:
    source = write(tmp_path / "x.csv", HEADER + BODY)
    refuse(InvalidParameter, "Pass either leads or source", ROWS, source=source)


# Incomplete sources.


def test_truncated_gzip_file_sends_nothing(refuse: Any, tmp_path: Path) -> None:
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
    refuse: Any, tmp_path: Path, name: str, content: str, message: str
) -> None:
    refuse(InvalidParameter, message, source=write(tmp_path / name, content), chunk_size=1)


def test_last_cell_torn_within_a_phone_number_sends_nothing(refuse: Any, tmp_path: Path) -> None:
    source = write(tmp_path / "x.csv", HEADER + BODY + "K-7,61755")
    refuse(SourceRejected, r"row 8: leadPhone ", source=source)


def test_rows_that_end_with_an_error_send_nothing(refuse: Any) -> None:
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
def test_invalid_expectation_is_refused(refuse: Any, expect_rows: Any) -> None:
    refuse(InvalidParameter, "expect_rows must be", ROWS, expect_rows=expect_rows)


# Manifests.


def manifest_of(path: str, **changes: Any) -> dict[str, Any]:
    content = Path(path).read_bytes()
    return {
        "rows": 6,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "columns": ["externId", "leadPhone"],
        **changes,
    }


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_source_that_its_manifest_describes_is_loaded(crm: Crm, tmp_path: Path, name: str) -> None:
    source = (write_csv if name == "x.csv" else write_json_lines)(tmp_path / name, ROWS)
    write(tmp_path / f"{name}.meta.json", json.dumps({**manifest_of(source), "complete": True}))
    assert counts(crm.load(source=source)) == (6, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 7}, "it has 6 rows, and its manifest says 7"),
        ({"rows": 5}, "it has 6 rows, and its manifest says 5"),
        ({"bytes": 1000}, "bytes, and its manifest says 1,000"),
        ({"sha256": "0" * 64}, "the sha256 of the source is not the one in its manifest"),
        ({"columns": ["externId", "leadPhone", "city"]}, "it lacks column 'city'"),
    ],
)
@pytest.mark.parametrize("is_beside", [True, False])
def test_source_that_differs_from_its_manifest_is_refused(
    refuse: Any, tmp_path: Path, changes: dict[str, Any], message: str, is_beside: bool
) -> None:
    source = write_csv(tmp_path / "x.csv", ROWS)
    text = json.dumps(manifest_of(source, **changes))
    path = write(tmp_path / ("x.csv.meta.json" if is_beside else "other.json"), text)
    refuse(SourceRejected, message, source=source, expect_rows=None if is_beside else path)


def test_half_a_file_is_refused_by_its_manifest(refuse: Any, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "x.csv", ROWS)
    write(tmp_path / "x.csv.meta.json", json.dumps(manifest_of(source)))
    write_csv(tmp_path / "x.csv", ROWS[:3])
    refuse(SourceRejected, "Write the source again", source=source)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"rows": "6"}', '{"rows": -1}', '{"columns": "a"}', '{"sha256": 5}']
)
def test_invalid_manifest_is_refused(refuse: Any, tmp_path: Path, content: str) -> None:
    source = write_csv(tmp_path / "x.csv", ROWS)
    write(tmp_path / "x.csv.meta.json", content)
    refuse(InvalidParameter, "Manifest .*x.csv.meta.json", source=source)


def test_named_manifest_that_is_missing_is_refused(refuse: Any, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "x.csv", ROWS)
    path = str(tmp_path / "missing.json")
    refuse(InvalidParameter, "Manifest .*missing.json cannot be read", source=source, expect_rows=path)


def test_named_manifest_applies_to_rows_in_memory(crm: Crm, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.json", json.dumps({"rows": 7}))
    with pytest.raises(SourceRejected, match="its manifest says 7"):
        crm.load(ROWS, expect_rows=path)
    assert not crm.loads


# Files that change.


class ReplacedFile(type(Path())):  # type: ignore[misc]
    """A path of a file that is replaced when it is opened for a certain time.

    It has the same size and the same time of change afterwards.
    """

    replace_at = 0
    opened = 0

    def open(self, *args: Any, **options: Any) -> Any:
        type(self).opened += 1
        if self.opened == self.replace_at:
            status = os.stat(self)  # noqa: PTH116
            content = Path(str(self)).read_bytes().replace(b"K-1", b"K-9")
            Path(str(self)).write_bytes(content)
            os.utime(self, ns=(status.st_atime_ns, status.st_mtime_ns))
        return super().open(*args, **options)


def test_file_that_grows_while_it_is_read_is_refused(refuse: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"

    class Growing(type(Path())):  # type: ignore[misc]
        def open(self, *args: Any, **options: Any) -> Any:
            file = super().open(*args, **options)
            with path.open("a") as more:
                more.write("K-9,6175550009\n")
            return file

    write(path, HEADER + BODY)
    refuse(TransientError, "source changed while it was read", source=Growing(path))


@pytest.mark.parametrize("replace_at", [1, 2, 3])
def test_file_replaced_at_any_time_is_not_loaded_with_the_manifest_of_another(
    crm: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace_at: int
) -> None:
    source = write(tmp_path / "x.csv", HEADER + BODY)
    write(tmp_path / "x.csv.meta.json", json.dumps(manifest_of(source)))
    monkeypatch.setattr(ReplacedFile, "opened", 0)
    monkeypatch.setattr(ReplacedFile, "replace_at", replace_at)
    try:
        crm.load(source=ReplacedFile(source))
    except SourceRejected as error:
        assert "sha256" in str(error)
        assert not crm.loads
    else:
        assert set(crm.loaded) == {row["externId"] for row in ROWS}


# The temporary file.


def test_temporary_file_without_room_sends_nothing(refuse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def connect_small(*args: Any, **options: Any) -> sqlite3.Connection:
        database = connect(*args, **options)
        database.execute("PRAGMA max_page_count = 10")
        return database

    with monkeypatch.context() as patch:
        patch.setattr("sqlite3.connect", connect_small)
        refuse(TransientError, "^Set TMPDIR to a folder that has room", crm_rows(5000))


def test_temporary_file_that_cannot_be_created_sends_nothing(
    refuse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    with monkeypatch.context() as patch:
        patch.setattr("sqlite3.connect", fail)
        refuse(PermanentError, "^Set TMPDIR to a folder that can be written to", ROWS)


def test_report_that_cannot_be_written_sends_nothing(refuse: Any, tmp_path: Path) -> None:
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
