"""Id files: supported formats, invalid files, and selections from ids in a file."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.criteria import UNSET
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria, InvalidParameter
from airflow_provider_engagevoice.ringcx.files.id_file import open_id_file
from airflow_provider_engagevoice.ringcx.files.paths import safe_path
from airflow_provider_engagevoice.ringcx.leads.selection import build_selection

FILES: dict[str, tuple[str, str | None]] = {
    "ids": ("A-1\n\nB-2\r\n  C-3  \nA-1", None),
    "ids.txt": ("\ufeffA-1\nB-2\nC-3\n", None),
    "one.csv": ("externId\nA-1\n\nB-2\nC-3\n", None),
    "many.csv": ('name,externId\n"O\'Hara, ""X""",A-1\n"two\nlines",B-2\nx,\nx,C-3\n', "externId"),
    "blank-lines.csv": ("\n \n,\nname,externId\nx,A-1\n , \ny,B-2\nz,C-3\n", "externId"),
    "named-by-pandas.csv": ("0\nA-1\nB-2\nC-3\n", None),
    "named-by-spark.csv": ("_1\nA-1\nB-2\nC-3\n", None),
    "named-by-number.csv": ("2026\nA-1\nB-2\nC-3\n", "2026"),
    "one.jsonl": ('{"id": "A-1"}\n\n{"id": "B-2"}\n{"id": null}\n{"id": "C-3"}\n', None),
    "many.ndjson": ('{"a": 1, "id": "A-1"}\n{"a": 2}\n{"id": "B-2"}\n{"id": "C-3"}', "id"),
}
INVALID: dict[str, tuple[str, str, str | None, str]] = {
    "columns": ("x.csv", "a,b\n1,2\n", None, "has 2 columns; set source_column"),
    "misspelt": ("x.csv", "extern_id,b\n1,2\n", "externid", "no column 'externid'.*extern_id"),
    "semicolons": ("x.csv", "a;b\n1;2\n", None, "source has 2 columns; set source_column"),
    "short": (
        "x.csv",
        "a,b\n1,2\n3\n",
        "b",
        r"line 3 of the source does not match its header \(1 instead of 2 cells\)",
    ),
    "unquoted comma": (
        "x.csv",
        "name,customer\nDoe, Jane,A-3\nRoe,A-2\n",
        "customer",
        r"line 2 of the source does not match its header \(3 instead of 2 cells\); put cells that contain a",
    ),
    "unquoted comma in the other order": (
        "x.csv",
        "customer,name\nA-3,Doe, Jane\n",
        "customer",
        r"line 2 of the source does not match its header \(3 instead of 2 cells\)",
    ),
    "unreadable header": ("x.csv", '"a"b,c\n1,2\n', "c", "line 1 of the source is not valid CSV"),
    "no-json": ("x.jsonl", '{"a": "1"}\nsecret-7\n', "a", "line 2 of the source is not a JSON"),
    "no-key": ("x.jsonl", '{"a": "1"}\n', "b", "no line of the source has a column 'b'"),
    "column-of-lines": ("x.txt", "A-1\n", "b", "has no columns"),
    "no-header": (
        "x.csv",
        "0012345\n0012346\n",
        None,
        "first line of a .csv file must be its header.*[.]txt",
    ),
    "no-header-of-phones": (
        "x.csv",
        "+1 617-555-0001\n",
        None,
        "first line of a .csv file must be its header",
    ),
    "suffix": ("x.xlsx", "A-1\n", None, "suffix of a supported format"),
}


def read(path: Path, column: str | None = None, key: str = "externIds") -> list[Any]:
    return list(build_selection(UNSET, source=open_id_file(str(path), column, key)).body[key])


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", sorted(FILES))
def test_id_file_ids_are_read_and_blank_ones_skipped(tmp_path: Path, name: str, compressed: bool) -> None:
    text, column = FILES[name]
    path = tmp_path / (f"{name}.gz" if compressed else name)
    content = text.encode()
    path.write_bytes(gzip.compress(content) if compressed else content)
    assert read(path, column) == ["A-1", "B-2", "C-3"]


def test_parquet_column_is_read_in_batches(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow, the extra parquet")
    from pyarrow import parquet

    path = tmp_path / "leads.parquet"
    ids = [None if number % 10 == 0 else number for number in range(25_000)]
    parquet.write_table(pyarrow.table({"lead": ids, "name": ["x"] * len(ids)}), path)
    assert read(path, "lead", "leadIds") == [number for number in ids if number is not None]
    parquet.write_table(pyarrow.table({"lead": [1.5]}), path)
    with pytest.raises(InvalidCriteria, match="row 1 of the source must be an id"):
        read(path, key="leadIds")


@pytest.mark.parametrize("codec", ["gzip", "none", "snappy", "zstd"])
@pytest.mark.parametrize("damage", ["truncated", "first page", "footer", "later page"])
def test_parquet_damaged_file_is_rejected(tmp_path: Path, damage: str, codec: str) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow, the extra parquet")
    from pyarrow import parquet

    path = tmp_path / "leads.parquet"
    table = pyarrow.table({"lead": [f"A-{number:09}" for number in range(200_000)]})
    parquet.write_table(table, path, compression=codec, use_dictionary=False)
    content = bytearray(path.read_bytes())
    footer = int.from_bytes(content[-8:-4], "little")
    offsets = {"first page": 4, "later page": len(content) // 2, "footer": len(content) - footer - 8}
    if damage == "truncated":
        del content[len(content) // 2 :]
    else:
        start = offsets[damage]
        content[start : start + 1000] = b"\xff" * min(1000, len(content) - start - 8)
    path.write_bytes(content)
    with pytest.raises(InvalidParameter, match="not a valid Parquet file, or is truncated") as caught:
        read(path)
    assert ("shortly after row" in str(caught.value)) == (damage == "later page")


@pytest.mark.parametrize(
    "error", [OSError("network is unreachable"), TimeoutError(110, "Timed out")], ids=["plain", "timeout"]
)
def test_parquet_read_error_is_raised_unchanged(error: OSError) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow, the extra parquet")
    from pyarrow import parquet

    written = io.BytesIO()
    parquet.write_table(pyarrow.table({"lead": [f"A-{number}" for number in range(50_000)]}), written)

    class Stored(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() < 1000:
                raise error
            return super().read(size)

    class Remote:
        def open(self, mode: str) -> Stored:
            return Stored(written.getvalue())

        def __str__(self) -> str:
            return "s3://crm/leads.parquet"

    with pytest.raises(type(error)) as caught:
        list(open_id_file(Remote(), None, "externIds"))
    assert str(caught.value) == str(error)


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(InvalidParameter, match=r"airflow-provider-engagevoice\[parquet\]"):
        read(tmp_path / "x.parquet")


@pytest.mark.parametrize("name", sorted(INVALID))
def test_id_file_invalid_file_is_rejected_without_content(tmp_path: Path, name: str) -> None:
    file, text, column, message = INVALID[name]
    (tmp_path / file).write_text(text)
    with pytest.raises(InvalidParameter, match=message) as caught:
        read(tmp_path / file, column)
    assert not any(secret in str(caught.value) for secret in ("secret", "12345", "555"))


@pytest.mark.parametrize(("key", "invalid"), [("leadIds", "secret-7"), ("leadPhoneNumbers", "secret-7")])
def test_id_file_invalid_id_is_rejected_by_its_line(tmp_path: Path, key: str, invalid: str) -> None:
    (tmp_path / "ids.txt").write_text(f"6175550001\n\n{invalid}\n")
    with pytest.raises(InvalidCriteria, match="line 3 of the source") as caught:
        read(tmp_path / "ids.txt", key=key)
    assert invalid not in str(caught.value)


@pytest.mark.parametrize("content", [b"A-1\n\xff\xfe\n", b"\x1f\x8b broken"], ids=["latin", "gzip"])
def test_id_file_that_is_not_text_is_rejected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ("ids.txt" if content[:1] == b"A" else "ids.txt.gz")
    path.write_bytes(content)
    with pytest.raises(InvalidParameter, match=r"not UTF-8|not a complete .gz"):
        read(path)


def test_id_file_empty_selects_nothing_and_missing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("\n \n")
    source = open_id_file(str(tmp_path / "ids.txt"), None, "externIds")
    assert build_selection(UNSET, source=source).empty_reason == "source contains no ids"
    with pytest.raises(InvalidParameter, match="cannot be read"):
        read(tmp_path / "nowhere.txt")


def test_id_file_is_combined_with_other_criteria(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("A-1\n")
    source = open_id_file(tmp_path / "ids.txt", None, "externIds")
    body = build_selection({"campaignIds": [7], "leadStates": ["READY"]}, runtime_keys=(), source=source).body
    assert body == {"campaignId": 7, "campaignIds": [7], "leadStates": ["READY"], "externIds": ["A-1"]}
    with pytest.raises(InvalidCriteria, match="not in both"):
        build_selection({"externIds": ["B-2"]}, source=source)
    assert build_selection({}, source=source).empty_reason == "the search criteria are empty"


PATHS = [
    "s3://crm@leads/today/ids.csv.gz", "/exports/ids", "./ids", "../ids", "~/ids", "ids.txt",
    "exports/ids.parquet", "/exports/lead ids.csv",
]  # fmt: skip
NO_PATHS = [
    ["A-1"], "['A-1', 'B-2']", "A-1\nB-2", 7, None, "A-1,B-2", "A-1", "A-1/B-2", "/A-1,B-2.csv", "A;B.txt",
    "A|B.csv", "ada@example.com", "/" + "A-1 " * 100, "~A-1", "+1 555 004 2424", "",
]  # fmt: skip


def test_safe_path_shows_paths_and_redacts_ids() -> None:
    assert [safe_path(value) for value in PATHS] == PATHS
    assert [safe_path(value) for value in NO_PATHS] == ["***"] * len(NO_PATHS)


@pytest.mark.parametrize("ids", ["A-secret", "A-secret," * 100, "A-secret/B"])
def test_id_file_with_ids_as_path_does_not_show_them(ids: str) -> None:
    with pytest.raises(InvalidParameter, match="pass ids in search_criteria") as error:
        list(open_id_file(ids, None, "externIds"))
    assert "A-secret" not in str(error.value)


def test_id_file_below_a_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidParameter, match=r"ids\.txt cannot be read: NotADirectoryError"):
        list(open_id_file(tmp_path / "file" / "ids.txt", None, "externIds"))
