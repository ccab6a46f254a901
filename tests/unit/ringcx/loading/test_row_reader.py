"""Columns of sources whose rows may lack some of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.files.row_file import RowFile
from airflow_provider_engagevoice.ringcx.loading.mapping import RowMapper
from airflow_provider_engagevoice.ringcx.loading.row_reader import read_rows
from airflow_provider_engagevoice.ringcx.loading.rows import MemoryRows, Outcome, RowSource
from tests.support.loading import Row, write_csv, write_json_lines

MAPPING = {"id": "externId", "phone": "leadPhone", "town": "city"}
SHORT: Row = {"id": "K-1", "phone": "6175550001"}
LONG: Row = {"id": "K-2", "phone": "6175550002", "town": "Boston"}


def make_source(kind: str, tmp_path: Path, rows: list[Row]) -> RowSource:
    if kind == "leads":
        return MemoryRows(rows)
    return RowFile(write_json_lines(tmp_path / "x.jsonl", rows))


def read(source: RowSource, mapping: dict[str, str] | None, unmapped: str = "fail") -> dict[str, Any]:
    spool, _ = read_rows(source, RowMapper(mapping, unmapped), lambda lead: None)
    try:
        assert not spool.first_rows(Outcome.REJECTED, 1)
        return {row.key: row.lead.get("city") for row in spool.read_chunk(0, 10)}
    finally:
        spool.close()


@pytest.mark.parametrize("kind", ["leads", "file"])
@pytest.mark.parametrize("rows", [[SHORT, LONG], [LONG, SHORT]])
def test_mapped_column_may_be_missing_in_any_row(kind: str, rows: list[Row], tmp_path: Path) -> None:
    assert read(make_source(kind, tmp_path, rows), MAPPING) == {"K-1": None, "K-2": "Boston"}


@pytest.mark.parametrize("kind", ["leads", "file"])
def test_later_column_is_found_whatever_its_case(kind: str, tmp_path: Path) -> None:
    rows = [{name.upper(): value for name, value in row.items()} for row in (SHORT, LONG)]
    assert read(make_source(kind, tmp_path, rows), MAPPING) == {"K-1": None, "K-2": "Boston"}


@pytest.mark.parametrize("kind", ["leads", "file"])
def test_mapped_column_in_no_row_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="source has no column 'town', which mapping names"):
        read(make_source(kind, tmp_path, [SHORT, SHORT]), MAPPING)


@pytest.mark.parametrize("kind", ["leads", "file"])
def test_rows_without_any_external_id_are_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="source has no column externId"):
        read(make_source(kind, tmp_path, [{"leadPhone": "6175550001"}] * 2), None)


def test_first_row_without_external_id_is_rejected_alone() -> None:
    rows = [{"leadPhone": "6175550001"}, {"externId": "K-2", "leadPhone": "6175550002"}]
    spool, columns = read_rows(MemoryRows(rows), RowMapper(), lambda lead: None)
    assert spool.first_rows(Outcome.REJECTED, 2) == [(1, "externId is missing")]
    assert columns == ["leadPhone", "externId"]
    spool.close()


@pytest.mark.parametrize("kind", ["leads", "file"])
def test_unknown_column_is_refused_at_its_row(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="Map column 'plan' of the source"):
        read(make_source(kind, tmp_path, [SHORT, {**LONG, "plan": "gold"}]), MAPPING)


def test_header_must_have_all_mapped_columns(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="source has no column 'town'"):
        read(RowFile(write_csv(tmp_path / "x.csv", [SHORT])), MAPPING)
