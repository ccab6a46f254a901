"""Contents of source files: encodings, delimiters, columns and types, from the file to the campaign."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, SourceRejected
from tests.support.loading import Crm, counts

MAPPING = {"id": "externId", "phone": "leadPhone", "name": "lastName"}
TEXT = "id,phone,name\nK-1,6175550001,Zoë\nK-2,6175550002,O'Neil\n"
NAMES = {"K-1": "Zoë", "K-2": "O'Neil"}


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def names(crm: Crm) -> dict[str, str]:
    return {lead["externId"]: lead["lastName"] for lead in crm.leads}


READABLE: dict[str, str | bytes] = {
    "plain": TEXT,
    "byte order mark": TEXT.encode("utf-8-sig"),
    "CRLF": TEXT.replace("\n", "\r\n"),
    "no newline at the end": TEXT.rstrip(),
    "semicolon": TEXT.replace(",", ";"),
    "tab": TEXT.replace(",", "\t"),
    "pipe": TEXT.replace(",", "|"),
    "spreadsheet": "sep=;\r\n" + TEXT.replace(",", ";").replace("\n", "\r\n") + ";;\r\n",
    "quoted": 'id,phone,name\n"K-1","6175550001","Zoë"\n"K-2","6175550002","O\'Neil"\n',
    "other columns first": "name,phone,id\nZoë,6175550001,K-1\nO'Neil,6175550002,K-2\n",
    "names in upper case": TEXT.replace("id,phone,name", "ID,PHONE,NAME"),
    "blanks around names": TEXT.replace("id,phone,name", " id , phone,name\u00a0"),
}


@pytest.mark.parametrize("name", READABLE)
def test_readable_file_is_loaded(crm: Crm, tmp_path: Path, name: str) -> None:
    result = crm.load(source=write(tmp_path / "x.csv", READABLE[name]), mapping=MAPPING)
    assert counts(result) == (2, 0, 0, 0, 0)
    assert names(crm) == NAMES


def test_special_characters_in_cells_are_kept(crm: Crm, tmp_path: Path) -> None:
    long = "x" * 1_000_00
    text = f'id,phone,name\nK-1,6175550001,"two\nlines"\nK-2,6175550002,"say ""hi"""\nK-3,6175550003,{long}\n'
    crm.load(source=write(tmp_path / "x.csv", text), mapping=MAPPING)
    assert names(crm) == {"K-1": "two\nlines", "K-2": 'say "hi"', "K-3": long}


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "UTF-16": (TEXT.encode("utf-16"), "source is not UTF-8 text"),
    "Latin-1": (TEXT.encode("latin-1"), "source is not UTF-8 text; error shortly after line"),
    "longer row": (TEXT + "K-3,6175550003,a,b\n", r"line 4 .* \(4 instead of 3 cells\)"),
    "shorter row": (TEXT + "K-3,6175550003\n", r"line 4 .* \(2 instead of 3 cells\)"),
    "cell of a megabyte": (TEXT + f"K-3,6175550003,{'x' * 1_000_000}\n", "line 4 .* is not valid CSV"),
    "missing column": (TEXT.replace("phone", "number"), "source has no column 'phone', which mapping names"),
    "renamed column": (TEXT.replace("phone", "phone_"), "no column 'phone'.*did you mean phone_"),
    "added column": ("id,phone,name,plan\nK-1,6175550001,a,b\n", "Map column 'plan' of the source"),
    "column twice": ("id,phone,name,id\nK-1,6175550001,a,K-2\n", "columns 1 and 4 of 4 have the same name"),
    "column without a name": ("id,phone,,name\nK-1,6175550001,,a\n", "column 3 of 4 has no name"),
    "names differ in case": (
        "id,phone,Name,NAME\nK-1,6175550001,a,b\n",
        "several differ from it only in case",
    ),
    "other delimiter": (TEXT.replace(",", "^"), "source has no column 'id'"),
    "no header": ("K-1,6175550001,Zaphod\nK-2,6175550002,Trillian\n", "source has no column 'id'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unreadable_file_is_refused(crm: Crm, tmp_path: Path, name: str) -> None:
    content, message = REFUSED[name]
    with pytest.raises(InvalidParameter, match=message) as caught:
        crm.load(source=write(tmp_path / "x.csv", content), mapping=MAPPING)
    assert not crm.loads
    assert "Zaphod" not in str(caught.value)
    assert "6175550001" not in str(caught.value)


def test_nul_character_rejects_its_row(crm: Crm, tmp_path: Path) -> None:
    source = write(tmp_path / "x.csv", TEXT + "K-3,6175550003,a\0b\n")
    with pytest.raises((SourceRejected, InvalidParameter), match=r"row 4: lastName contains a NUL|line 4"):
        crm.load(source=source, mapping=MAPPING)
    assert not crm.loads


@pytest.mark.parametrize("unmapped", ["ignore", "extended"])
def test_other_columns_are_handled_as_unmapped_says(crm: Crm, tmp_path: Path, unmapped: str) -> None:
    source = write(tmp_path / "x.csv", "id,phone,name,plan\nK-1,6175550001,a,gold\n")
    crm.load(source=source, mapping=MAPPING, unmapped=unmapped)
    (lead,) = crm.leads
    assert ("gold" in str(lead)) == (unmapped == "extended")


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"id": "externId", "phone": "leadPhone", "name": "lastname"}, "did you mean lastName"),
        ({"id": "externId", "phone": "leadPhone", "name": "middleName"}, "'middleName' is not a field"),
        ({"id": "externId", "phone": "leadPhone", "name": "emailAddress"}, "is not a field of a lead"),
        ({"phone": "leadPhone", "name": "lastName"}, "mapping|externId"),
        ({"id": "externId", "phone": "externId", "name": "lastName"}, "externId"),
        ({}, "mapping must be a dict"),
    ],
)
def test_unknown_fields_are_refused_before_sending(
    crm: Crm, tmp_path: Path, mapping: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidParameter, match=message):
        crm.load(source=write(tmp_path / "x.csv", TEXT), mapping=mapping)
    assert not crm.loads


def test_json_lines_keep_their_types(crm: Crm, tmp_path: Path) -> None:
    text = (
        '{"externId": 7001, "leadPhone": 6175550001, "extendedLeadData": {"vip": true, "n": [1, null]}}\n'
        '{"externId": "K-2", "leadPhone": "6175550002", "leadPriority": "5"}\n'
    )
    assert counts(crm.load(source=write(tmp_path / "x.jsonl", text))) == (2, 0, 0, 0, 0)
    leads = {lead["externId"]: lead for lead in crm.server.leads(crm.campaign)}
    assert leads["7001"]["leadPhone"] == "6175550001"
    assert '"vip": true' in str(leads["7001"]) or "'vip': True" in str(leads["7001"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"externId": "K-1", "externId": "K-2", "leadPhone": "6175550001"}', "line 1 .* distinct keys"),
        ('["K-1"]', "line 1 of the source is not a JSON object"),
        ("NaN", "line 1 of the source is not a JSON object"),
    ],
)
def test_invalid_json_lines_are_refused(crm: Crm, tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        crm.load(source=write(tmp_path / "x.jsonl", line))


def test_parquet_columns_of_any_type(crm: Crm, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow, the extra parquet")
    from pyarrow import parquet

    table = pyarrow.table(
        {
            "externId": pyarrow.array([7001, 7002], pyarrow.int32()),
            "leadPhone": pyarrow.array(["6175550001", "6175550002"]).dictionary_encode(),
            "auxData1": pyarrow.array([datetime(2026, 11, 27, 8, 30), None]),
            "auxData2": pyarrow.array([date(2026, 11, 27), None]),
            "auxData3": pyarrow.array([Decimal("12.50"), None]),
            "maxPasses": pyarrow.array([3, None], pyarrow.int64()),
            "extendedLeadData": pyarrow.array([{"plan": "gold", "tags": ["a"]}, None]),
        }
    )
    path = tmp_path / "x.parquet"
    with parquet.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table.slice(0, 1))
        writer.write_table(table.slice(0, 0))
        writer.write_table(table.slice(1, 1))
    assert counts(crm.load(source=str(path))) == (2, 0, 0, 0, 0)
    leads = {lead["externId"]: lead["campaignLead"] for lead in crm.server.leads(crm.campaign)}
    first = leads["7001"]
    assert [first[f"auxData{number}"] for number in (1, 2, 3)] == [
        "2026-11-27 08:30:00",
        "2026-11-27",
        "12.50",
    ]
    assert first["maxPasses"] == 3
    assert "gold" in str(first)


def test_truncated_parquet_file_is_refused(crm: Crm, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow, the extra parquet")
    from pyarrow import parquet

    path = tmp_path / "x.parquet"
    parquet.write_table(pyarrow.table({"externId": ["K-1"], "leadPhone": ["6175550001"]}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InvalidParameter, match="source is not a valid Parquet file, or is truncated"):
        crm.load(source=str(path))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x.txt", "since rows have columns"),
        ("x.xlsx", "suffix"),
        ("missing.csv", "cannot be read"),
        (7, "path"),
    ],
)
def test_file_that_cannot_be_read_is_refused(crm: Crm, tmp_path: Path, source: Any, message: str) -> None:
    path = str(tmp_path / source) if isinstance(source, str) else source
    with pytest.raises(InvalidParameter, match=message):
        crm.load(source=path)
