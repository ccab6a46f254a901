"""Ids out of files: every format, what is wrong with a file, and how the ids become a selection."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.criteria import UNSET
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria, InvalidParameter
from airflow_provider_engagevoice.ringcx.leads.id_file import open_id_file, safe_path
from airflow_provider_engagevoice.ringcx.leads.selection import build_selection

FILES: dict[str, tuple[str, str | None]] = {
    "ids": ("A-1\n\nB-2\r\n  C-3  \nA-1", None),
    "ids.txt": ("\ufeffA-1\nB-2\nC-3\n", None),
    "one.csv": ("externId\nA-1\n\nB-2\nC-3\n", None),
    "many.csv": ('name,externId\n"O\'Hara, ""X""",A-1\n"two\nlines",B-2\nx,\nx,C-3\n', "externId"),
    "named-by-pandas.csv": ("0\nA-1\nB-2\nC-3\n", None),
    "named-by-spark.csv": ("_1\nA-1\nB-2\nC-3\n", None),
    "named-by-number.csv": ("2026\nA-1\nB-2\nC-3\n", "2026"),
    "one.jsonl": ('{"id": "A-1"}\n\n{"id": "B-2"}\n{"id": null}\n{"id": "C-3"}\n', None),
    "many.ndjson": ('{"a": 1, "id": "A-1"}\n{"a": 2}\n{"id": "B-2"}\n{"id": "C-3"}', "id"),
}
WRONG: dict[str, tuple[str, str, str | None, str]] = {
    "columns": ("x.csv", "a,b\n1,2\n", None, "has 2 columns; set source_column"),
    "misspelt": ("x.csv", "extern_id,b\n1,2\n", "externid", "no column 'externid'.*extern_id"),
    "semicolons": ("x.csv", "a;b\n1;2\n", None, "separated by commas"),
    "short": ("x.csv", "a,b\n1,2\n3\n", "b", "line 3 of the source has too few"),
    "no-json": ("x.jsonl", '{"a": "1"}\nsecret-7\n', "a", "line 2 of the source is not a JSON"),
    "no-key": ("x.jsonl", '{"a": "1"}\n', "b", "no line of the source has a column 'b'"),
    "column-of-lines": ("x.txt", "A-1\n", "b", "has none"),
    "no-header": ("x.csv", "0012345\n0012346\n", None, "first line of a .csv file must be its header.*[.]txt"),
    "no-header-of-phones": ("x.csv", "+1 617-555-0001\n", None, "first line of a .csv file must be its header"),
    "suffix": ("x.xlsx", "A-1\n", None, "suffix of a supported format"),
}


def read(path: Path, column: str | None = None, key: str = "externIds") -> list[Any]:
    return list(build_selection(UNSET, source=open_id_file(str(path), column, key)).body[key])


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", sorted(FILES))
def test_ids_are_read_once_each_and_blank_ones_left_out(tmp_path: Path, name: str, zipped: bool) -> None:
    text, column = FILES[name]
    path = tmp_path / (f"{name}.gz" if zipped else name)
    content = text.encode()
    path.write_bytes(gzip.compress(content) if zipped else content)
    assert read(path, column) == ["A-1", "B-2", "C-3"]


def test_a_column_of_parquet_is_read_in_batches(tmp_path: Path) -> None:
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
@pytest.mark.parametrize("place", ["cut", "first page", "footer", "later page"])
def test_a_torn_parquet_file_is_refused(tmp_path: Path, place: str, codec: str) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow, the extra parquet")
    from pyarrow import parquet

    path = tmp_path / "leads.parquet"
    table = pyarrow.table({"lead": [f"A-{number:09}" for number in range(200_000)]})
    parquet.write_table(table, path, compression=codec, use_dictionary=False)
    content = bytearray(path.read_bytes())
    footer = int.from_bytes(content[-8:-4], "little")
    begins = {"first page": 4, "later page": len(content) // 2, "footer": len(content) - footer - 8}
    if place == "cut":
        del content[len(content) // 2 :]
    else:
        content[begins[place] : begins[place] + 1000] = b"\xff" * min(1000, len(content) - begins[place] - 8)
    path.write_bytes(content)
    with pytest.raises(InvalidParameter, match="not a valid Parquet file, or is truncated") as caught:
        read(path)
    assert ("shortly after row" in str(caught.value)) == (place == "later page")


@pytest.mark.parametrize(
    "error", [OSError("the network is gone"), TimeoutError(110, "Timed out")], ids=["plain", "timeout"]
)
def test_a_parquet_file_that_cannot_be_read_now_is_not_called_torn(error: OSError) -> None:
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


def test_without_pyarrow_parquet_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(InvalidParameter, match=r"airflow-provider-engagevoice\[parquet\]"):
        read(tmp_path / "x.parquet")


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_wrong_file_is_refused_in_words(tmp_path: Path, name: str) -> None:
    file, text, column, message = WRONG[name]
    (tmp_path / file).write_text(text)
    with pytest.raises(InvalidParameter, match=message) as caught:
        read(tmp_path / file, column)
    assert not any(shown in str(caught.value) for shown in ("secret", "12345", "555"))


@pytest.mark.parametrize(("key", "bad"), [("leadIds", "secret-7"), ("leadPhoneNumbers", "secret-7")])
def test_a_bad_id_is_refused_by_its_line_and_never_shown(tmp_path: Path, key: str, bad: str) -> None:
    (tmp_path / "ids.txt").write_text(f"6175550001\n\n{bad}\n")
    with pytest.raises(InvalidCriteria, match="line 3 of the source") as caught:
        read(tmp_path / "ids.txt", key=key)
    assert bad not in str(caught.value)


@pytest.mark.parametrize("content", [b"A-1\n\xff\xfe\n", b"\x1f\x8b broken"], ids=["latin", "torn"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ("ids.txt" if content[:1] == b"A" else "ids.txt.gz")
    path.write_bytes(content)
    with pytest.raises(InvalidParameter, match=r"not UTF-8|not a complete .gz"):
        read(path)


def test_an_empty_file_selects_nobody_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("\n \n")
    assert build_selection(UNSET, source=open_id_file(str(tmp_path / "ids.txt"), None, "externIds")).empty_reason == (
        "source contains no ids"
    )
    with pytest.raises(InvalidParameter, match="cannot be read"):
        read(tmp_path / "nowhere.txt")


def test_a_source_narrows_and_other_filters_stand_beside_it(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("A-1\n")
    source = open_id_file(tmp_path / "ids.txt", None, "externIds")
    body = build_selection({"campaignIds": [7], "leadStates": ["READY"]}, runtime_keys=(), source=source).body
    assert body == {"campaignId": 7, "campaignIds": [7], "leadStates": ["READY"], "externIds": ["A-1"]}
    with pytest.raises(InvalidCriteria, match="not in both"):
        build_selection({"externIds": ["B-2"]}, source=source)
    assert build_selection({}, source=source).empty_reason == "the search criteria are empty"


def test_ids_in_the_place_of_a_path_are_never_shown() -> None:
    assert safe_path("s3://crm@leads/today/ids.csv.gz") == "s3://crm@leads/today/ids.csv.gz"
    assert [safe_path(value) for value in (["A-1"], "['A-1', 'B-2']", "A-1\nB-2", 7, None)] == ["***"] * 5


def test_a_million_ids_go_through_in_bounded_memory(tmp_path: Path) -> None:
    """From a generator to the parts as they are sent, in a process of its own, with its peak memory."""
    import subprocess
    import sys

    code = """
import json, resource
from airflow_provider_engagevoice.ringcx.leads.selection import build_selection
from airflow_provider_engagevoice.ringcx.bulk import executor
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
list(build_selection({"externIds": ["x"] * 10}).chunks(500))
before, sent = peak(), 0
selection = build_selection({"externIds": (f"CRM-{n % 1_000_000:09}" for n in range(1_000_500))})
for part in selection.chunks(500):
    sent += len(json.loads(json.dumps(part.body))["externIds"])
print(json.dumps([sent, len(selection.chunks(500)), peak() - before]))
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=90,
        env={**__import__("os").environ, "PYTHONPATH": __import__("os").pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    sent, parts, kibibytes = json.loads(run.stdout.splitlines()[-1])
    assert (sent, parts) == (1_000_000, 2000)
    # A list of them takes 80 MiB.
    assert kibibytes < 48 * 1024
