"""The file of an export: its content, its manifest, and what is there if something fails."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidParameter,
    ServiceUnavailable,
    SourceRejected,
    TransientError,
)
from airflow_provider_engagevoice.ringcx.export.exporter import LeadExport
from airflow_provider_engagevoice.ringcx.files import row_writer
from airflow_provider_engagevoice.ringcx.files.manifest import find_manifest
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import make_client

pytestmark = pytest.mark.usefixtures("pauses")


def export(server: SandboxServer, path: Any, **options: Any) -> Any:
    criteria = options.pop("criteria", {"campaignIds": [server.campaign("Spring Renewals")["campaignId"]]})
    leads = LeadExport(Selection(criteria), path, **options)
    return make_client(server.url).lead_exporter().execute(leads)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, with values as text."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(path).to_pylist()
    else:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = io.StringIO(content.decode(), newline="")
        if ".csv" in path.suffixes:
            return list(csv.DictReader(text))
        rows = [json.loads(line) for line in content.decode().split("\n") if line]
    return [{key: _text(value) for key, value in row.items()} for row in rows]


def _text(value: Any) -> str:
    return "" if value is None else json.dumps(value) if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.ndjson.gz", "a.parquet"])
def test_all_formats_have_the_same_rows(ringcx: SandboxServer, tmp_path: Path, name: str) -> None:
    result = export(ringcx, str(tmp_path / name))
    expected = {str(lead["leadId"]): lead for lead in ringcx.leads("Spring Renewals")}
    rows = {row["leadId"]: row for row in read(tmp_path / name)}
    assert rows.keys() == expected.keys()
    for lead_id, row in rows.items():
        assert row["externId"] == str(expected[lead_id]["externId"])
        assert row["suppressed"] == str(expected[lead_id]["suppressed"]).lower()
        assert row["lastPassDts"] == (expected[lead_id]["lastPassDts"] or "")
    assert result["count"] == len(rows)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_values_survive_a_round_trip(tmp_path: Path, name: str) -> None:
    values = ['=1+1 "x"', "a,b;c\td", "line\nbreak\r\n", "\u2028 \u0085 \ufeff", "ümläut 😀", "", "007"]
    rows = [[str(number), value] for number, value in enumerate(values)]
    with (tmp_path / name).open("wb") as file:
        row_writer.write_rows(file, name, ["key", "value"], {}, rows)
    assert [row["value"] for row in read(tmp_path / name)] == values


def test_manifest_describes_the_file(ringcx: SandboxServer, tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    result = export(ringcx, str(path), fields=["leadId", "externId"])
    manifest = json.loads(Path(result["manifest"]).read_text())
    assert manifest["rows"] == result["count"] == len(read(path))
    assert manifest["bytes"] == result["bytes"] == path.stat().st_size
    assert manifest["sha256"] == result["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest["columns"] == ["leadId", "externId"]
    assert manifest["complete"] is True


def test_manifest_has_no_data_of_leads(ringcx: SandboxServer, tmp_path: Path) -> None:
    lead = ringcx.leads("Spring Renewals")[0]
    criteria = {"externIds": [lead["externId"]], "lastName": lead["lastName"]}
    result = export(ringcx, str(tmp_path / "one.csv"), criteria=criteria)
    assert result["count"] == 1
    text = Path(result["manifest"]).read_text()
    assert lead["externId"] not in text
    assert lead["lastName"] not in text


def test_files_are_private(ringcx: SandboxServer, tmp_path: Path) -> None:
    result = export(ringcx, str(tmp_path / "leads.csv"))
    for path in (result["path"], result["manifest"]):
        assert Path(path).stat().st_mode & 0o777 == 0o600


def test_without_manifest_only_the_file_is_written(ringcx: SandboxServer, tmp_path: Path) -> None:
    assert export(ringcx, str(tmp_path / "leads.csv"), manifest=False)["manifest"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["leads.csv"]


def test_without_manifest_an_old_one_is_removed(ringcx: SandboxServer, tmp_path: Path) -> None:
    """It describes another file, so a load would refuse the new one."""
    path = str(tmp_path / "leads.csv")
    export(ringcx, path)
    export(ringcx, path, manifest=False)
    assert [each.name for each in tmp_path.iterdir()] == ["leads.csv"]


def test_failed_search_leaves_the_old_file(ringcx: SandboxServer, tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    export(ringcx, str(path), fields=["leadId"])
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    ringcx.fault("status", status=503, operation="lead_search", chance=1)
    with pytest.raises(ServiceUnavailable):
        export(ringcx, str(path))
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_failed_write_leaves_the_old_file(
    ringcx: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("old")

    def fail(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.files.output_file.os.fsync", fail)
    with pytest.raises(TransientError, match="No space left on device"):
        export(ringcx, str(path))
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"leads.csv": "old"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": "leads.txt"}, "output must be a .csv"),
        ({"path": "leads.xlsx"}, "output must be a .csv"),
        ({"fields": ["leadID"]}, "no field 'leadID'; did you mean leadId"),
        ({"fields": ["leadId", "leadId"]}, "repeated"),
        ({"fields": []}, "fields must be a list"),
        ({"on_changed": "ignore"}, "on_changed"),
    ],
)
def test_wrong_arguments_are_refused(changes: dict[str, Any], message: str) -> None:
    path = changes.pop("path", "leads.csv")
    with pytest.raises(InvalidParameter, match=message):
        LeadExport(Selection({"campaignIds": [1]}), path, **changes)


def test_missing_folders_are_made(ringcx: SandboxServer, tmp_path: Path) -> None:
    result = export(ringcx, str(tmp_path / "a" / "b" / "leads.csv"))
    assert Path(result["path"]).is_file()


@pytest.mark.parametrize("name", ["file/leads.csv", "folder.csv"])
def test_impossible_path_is_refused_before_anything_is_read(
    ringcx: SandboxServer, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InvalidParameter, match="cannot be written"):
        export(ringcx, str(tmp_path / name))
    assert not any(request.operation == "lead_search" for request in ringcx.requests)


def test_nothing_selected_writes_a_file_without_leads(ringcx: SandboxServer, tmp_path: Path) -> None:
    leads = LeadExport(Selection({}, "externIds is empty"), str(tmp_path / "a.csv"), fields=["leadId"])
    result = make_client(ringcx.url).lead_exporter().execute(leads)
    assert (result["count"], result["requests"]) == (0, 0)
    assert (tmp_path / "a.csv").read_bytes() == b"leadId\r\n"


def test_parquet_without_pyarrow_names_the_extra_and_leaves_the_old_file(
    ringcx: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "leads.parquet"
    path.write_text("old")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidParameter, match=r"pip install airflow-provider-engagevoice\[parquet\]"):
        export(ringcx, str(path))
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"leads.parquet": "old"}
    assert not any(request.operation == "lead_search" for request in ringcx.requests)


_KILLED = """
import sys, time
from airflow_provider_engagevoice.ringcx.export import exporter
from airflow_provider_engagevoice.ringcx.files import output_file
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from tests.support.clients import make_client
url, campaign, path, stage = sys.argv[1:]

def stop(*args):
    print("reached", flush=True)
    time.sleep(60)

def stop_in_the_middle(file, *args):
    file.write(b"half of a fi")
    file.flush()
    stop()

if stage == "writing":
    exporter.write_rows = stop_in_the_middle
elif stage == "renaming":
    output_file.os.fsync = stop
else:
    output_file.OutputFile.write_manifest = stop
export = exporter.LeadExport(Selection({"campaignIds": [int(campaign)]}), path, fields=["leadId"])
make_client(url, "api_token").lead_exporter().execute(export)
"""


@pytest.mark.parametrize("stage", ["writing", "renaming", "before the manifest"])
def test_kill_leaves_the_old_file_or_the_new_one(ringcx: SandboxServer, tmp_path: Path, stage: str) -> None:
    path = tmp_path / "leads.csv"
    first = export(ringcx, str(path), fields=["leadId", "externId"])
    old = path.read_bytes()
    campaign = ringcx.campaign("Spring Renewals")["campaignId"]
    program = subprocess.Popen(
        [sys.executable, "-c", _KILLED, ringcx.url, str(campaign), str(path), stage],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == "reached\n"
    finally:
        program.kill()
        program.communicate()
    others = [each for each in tmp_path.iterdir() if not each.name.startswith("leads.csv")]
    if stage == "before the manifest":
        # A load refuses the new file with the old manifest.
        assert others == []
        assert len(read(path)) == first["count"]
        manifest = find_manifest(str(path))
        assert manifest is not None
        with pytest.raises(SourceRejected):
            manifest.check_file(str(path))
    else:
        assert path.read_bytes() == old
        assert [each.name.startswith(".engagevoice-") for each in others] == [True]
        assert all(each.stat().st_mode & 0o777 == 0o600 for each in others)
    export(ringcx, str(path), fields=["leadId"])
    assert set(read(path)[0]) == {"leadId"}
