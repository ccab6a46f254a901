"""Rows of files with named columns."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.files.row_file import RowFile

ROWS = [{"crm_id": "007", "name": "Eve"}, {"crm_id": "8", "name": ""}]

FILES = {
    "comma": ("x.csv", "crm_id,name\n007,Eve\n8,\n"),
    "semicolon": ("x.csv", "crm_id;name\n007;Eve\n8;\n"),
    "tab": ("x.csv", "crm_id\tname\n007\tEve\n8\t\n"),
    "pipe": ("x.csv", "crm_id|name\r\n007|Eve\r\n8|\r\n"),
    "excel": ("x.csv", "\ufeffsep=;\ncrm_id;name\n007;Eve\n8;\n"),
    "byte order mark, blank lines": ("x.csv", "\ufeff\n,\ncrm_id,name\n\n007,Eve\n,\n8,\n"),
    "invisible characters in the header": ("x.csv", " crm_id\u200b,name \n007,Eve\n8,\n"),
    "quoted delimiter in the header": ("x.csv", '"crm_id";"name"\n"007";"Eve"\n8;\n'),
    "json": ("x.jsonl", '{"crm_id": "007", "name": "Eve"}\n\n{"crm_id": "8", "name": ""}\n'),
}


def read(path: Path, **options: Any) -> list[tuple[int, dict[str, Any]]]:
    return [(number, dict(row)) for number, row in RowFile(str(path), **options)]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_rows_are_read_as_text(tmp_path: Path, name: str, compressed: bool) -> None:
    file, text = FILES[name]
    path = tmp_path / (f"{file}.gz" if compressed else file)
    path.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    found = [row for _, row in read(path) if any(row.values())]
    assert found == ROWS


def test_rows_have_the_numbers_of_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('sep=;\n\nid;note\n1;"two\nlines"\n\n2;x\n')
    assert read(path) == [(5, {"id": "1", "note": "two\nlines"}), (7, {"id": "2", "note": "x"})]


def test_delimiter_given_wins(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b|c\n1,2|3\n")
    assert read(path, delimiter="|") == [(2, {"a,b": "1,2", "c": "3"})]


def test_parquet_rows_keep_their_types(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow, the extra parquet")
    from pyarrow import parquet

    path = tmp_path / "x.parquet"
    parquet.write_table(pyarrow.table({"id": [7, None], "tags": [["a"], []]}), path)
    assert read(path) == [(1, {"id": 7, "tags": ["a"]}), (2, {"id": None, "tags": []})]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("x.csv", "a,b\n1\n", "line 2 of the source does not match its header .1 instead of 2 cells."),
        ("x.csv", "a,a\n1,2\n", "columns 1 and 2 of 2 have the same name"),
        ("x.csv", "a,,b\n1,2,3\n", "column 2 of 3 has no name"),
        ("x.csv", 'a,b\n1,"secret', "line 2 of the source is not valid CSV"),
        ("x.jsonl", '{"a": 1}\n{"a": 1, "a": 2}\n', "line 2 of the source is not a JSON object"),
        ("x.txt", "a\n", "since rows have columns"),
    ],
)
def test_invalid_file_is_refused_with_its_place(tmp_path: Path, file: str, text: str, message: str) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(InvalidParameter, match=message) as caught:
        read(tmp_path / file)
    assert "secret" not in str(caught.value)


def test_unknown_delimiter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="delimiter must be one of"):
        RowFile(str(tmp_path / "x.csv"), delimiter="::")


def test_names_of_columns_are_not_shown_since_they_may_be_values(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("6175550137,A,6175550137\n6175550138,B,6175550138\n")
    with pytest.raises(InvalidParameter, match="source: columns 1 and 3 of 3 have the same name") as caught:
        read(path)
    assert "6175550137" not in str(caught.value)


@pytest.mark.parametrize("source", [5, [{"externId": "K-1"}], "[1]"])
def test_source_that_is_no_path_is_refused_with_the_argument_for_rows(source: object) -> None:
    with pytest.raises(InvalidParameter, match=r"source must be the path of a file.*; pass rows in leads"):
        RowFile(source)


@pytest.mark.parametrize("source", ["x.xlsx", "x.txt", "x"])
def test_format_without_columns_is_refused_with_those_of_rows(source: str) -> None:
    message = r"supported format: \.csv, .* or \.parquet, since rows have columns"
    with pytest.raises(InvalidParameter, match=message):
        RowFile(source)


def test_missing_file_that_may_be_data_is_refused_with_the_argument_for_rows() -> None:
    with pytest.raises(InvalidParameter, match="may be rows instead of a path; pass rows in leads"):
        list(RowFile("a,b.csv"))
