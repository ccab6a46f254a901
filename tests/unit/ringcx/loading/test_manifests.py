"""Manifests of sources, and sources that change while they are read."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, SourceRejected, TransientError
from tests.support.loading import Crm, counts, crm_rows, write_csv, write_json_lines
from tests.unit.ringcx.loading.conftest import Refuse

ROWS = crm_rows(6)
HEADER = "externId,leadPhone\n"
BODY = "".join(f"K-{number},617555{number:04}\n" for number in range(6))


def write(path: Path, content: str) -> str:
    path.write_text(content)
    return str(path)


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
    refuse: Refuse, tmp_path: Path, changes: dict[str, Any], message: str, is_beside: bool
) -> None:
    source = write_csv(tmp_path / "x.csv", ROWS)
    text = json.dumps(manifest_of(source, **changes))
    path = write(tmp_path / ("x.csv.meta.json" if is_beside else "other.json"), text)
    refuse(SourceRejected, message, source=source, expect_rows=None if is_beside else path)


def test_half_a_file_is_refused_by_its_manifest(refuse: Refuse, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "x.csv", ROWS)
    write(tmp_path / "x.csv.meta.json", json.dumps(manifest_of(source)))
    write_csv(tmp_path / "x.csv", ROWS[:3])
    refuse(SourceRejected, "Write the source again", source=source)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"rows": "6"}', '{"rows": -1}', '{"columns": "a"}', '{"sha256": 5}']
)
def test_invalid_manifest_is_refused(refuse: Refuse, tmp_path: Path, content: str) -> None:
    source = write_csv(tmp_path / "x.csv", ROWS)
    write(tmp_path / "x.csv.meta.json", content)
    refuse(InvalidParameter, "Manifest .*x.csv.meta.json", source=source)


def test_named_manifest_that_is_missing_is_refused(refuse: Refuse, tmp_path: Path) -> None:
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
    """A path of a file that is replaced when it is opened for the n-th time; the first is its manifest.

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


def test_file_that_grows_while_it_is_read_is_refused(refuse: Refuse, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"

    class Growing(type(Path())):  # type: ignore[misc]
        def open(self, *args: Any, **options: Any) -> Any:
            file = super().open(*args, **options)
            with path.open("a") as more:
                more.write("K-9,6175550009\n")
            return file

    write(path, HEADER + BODY)
    refuse(TransientError, "source changed while it was read", source=Growing(path))


@pytest.mark.parametrize("replace_at", [2, 3])
def test_file_replaced_at_any_time_is_not_loaded_with_the_manifest_of_another(
    crm: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace_at: int
) -> None:
    source = write(tmp_path / "x.csv", HEADER + BODY)
    write(tmp_path / "x.csv.meta.json", json.dumps(manifest_of(source)))
    monkeypatch.setattr(ReplacedFile, "opened", 0)
    monkeypatch.setattr(ReplacedFile, "replace_at", replace_at)
    with pytest.raises(SourceRejected, match="sha256"):
        crm.load(source=ReplacedFile(source))
    assert not crm.loads


class Storage:
    """A path in object storage whose manifest, or whose file, cannot be read because of an error."""

    def __init__(self, path: Path, error: OSError | None = None) -> None:
        self.path = path
        self.error = error

    def __str__(self) -> str:
        return f"s3://crm{self.path}"

    @property
    def parent(self) -> Storage:
        return self

    def __truediv__(self, name: str) -> Storage:
        return Storage(self.path.parent / name, self.error)

    def open(self, mode: str) -> Any:
        if self.error is not None and self.path.name.endswith(".meta.json"):
            raise self.error
        return self.path.open(mode)

    def exists(self) -> bool:
        if self.error is not None:
            raise self.error
        return self.path.exists()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EIO, "503 for K-1"), TransientError),
        (ConnectionResetError("K-1"), TransientError),
        (TimeoutError(), TransientError),
        (PermissionError("K-1"), InvalidParameter),
    ],
)
@pytest.mark.parametrize("is_named", [False, True])
def test_manifest_that_cannot_be_read_is_not_ignored(
    refuse: Refuse, tmp_path: Path, error: OSError, expected: type[Exception], is_named: bool
) -> None:
    source = Storage(Path(write_csv(tmp_path / "x.csv", ROWS)), error)
    options = {"expect_rows": source / "y.meta.json", "leads": ROWS} if is_named else {"source": source}
    text = refuse(expected, "Manifest s3://.* cannot be read: ", **options)
    assert "K-1" not in text


@pytest.mark.parametrize(
    "error", [FileNotFoundError("s3://crm/x"), OSError(errno.ENAMETOOLONG, "too long"), None]
)
def test_file_without_a_manifest_is_loaded(crm: Crm, tmp_path: Path, error: OSError | None) -> None:
    source = Storage(Path(write_csv(tmp_path / "x.csv", ROWS)), error)
    assert counts(crm.load(source=source)) == (6, 0, 0, 0, 0)
