"""Exports to object storage, with a real S3 client and server: an object appears whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx import LeadRows, LoadOptions
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, SourceRejected, TransientError
from airflow_provider_engagevoice.ringcx.export.exporter import LeadExport
from airflow_provider_engagevoice.ringcx.files import output_file
from airflow_provider_engagevoice.ringcx.files.manifest import read_manifest
from airflow_provider_engagevoice.ringcx.files.output_file import OutputFile
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import make_client
from tests.support.object_storage import ObjectStorage

pytestmark = pytest.mark.usefixtures("pauses", "airflow_home")

MIB = 1 << 20
FAILED = r"Cannot (upload|write) s3://"
FIELDS = ("externId", "leadPhone", "firstName")


def export(server: SandboxServer, path: Any, **options: Any) -> Any:
    campaign = server.campaign("Spring Renewals")["campaignId"]
    leads = LeadExport(Selection({"campaignIds": [campaign]}), path, fields=FIELDS, **options)
    return make_client(server.url, "api_token").lead_exporter().execute(leads)


def load(server: SandboxServer, path: Any) -> Any:
    client = make_client(server.url, "api_token")
    return client.load_leads("Summer Win-Back", LeadRows(source=path), LoadOptions(), list_name="L")


@pytest.mark.parametrize("name", ["leads.csv", "a/b/leads.jsonl.gz", "leads.parquet"])
def test_object_is_written_with_its_manifest(ringcx: SandboxServer, s3: ObjectStorage, name: str) -> None:
    s3.write(name, b"old")
    result = export(ringcx, s3.path(name))
    objects = s3.objects()
    assert set(objects) == {name, f"{name}.meta.json"}
    manifest = json.loads(objects[f"{name}.meta.json"])
    assert manifest["rows"] == result["count"] == len(ringcx.leads("Spring Renewals"))
    assert manifest["bytes"] == result["bytes"] == len(objects[name])
    assert manifest["sha256"] == hashlib.sha256(objects[name]).hexdigest()
    if name == "leads.csv":
        rows = list(csv.DictReader(io.StringIO(objects[name].decode(), newline="")))
        assert sorted(row["externId"] for row in rows) == sorted(
            str(lead["externId"]) for lead in ringcx.leads("Spring Renewals")
        )


def test_without_manifest_an_old_one_is_removed(ringcx: SandboxServer, s3: ObjectStorage) -> None:
    export(ringcx, s3.path("leads.csv"))
    export(ringcx, s3.path("leads.csv"), manifest=False)
    assert set(s3.objects()) == {"leads.csv"}


def test_export_can_be_loaded(ringcx: SandboxServer, s3: ObjectStorage) -> None:
    result = export(ringcx, s3.path("leads.csv"))
    assert load(ringcx, s3.path("leads.csv"))["rows"] == result["count"]


@pytest.mark.parametrize("change", ["torn", "other", "rows"])
def test_load_refuses_an_object_that_its_manifest_does_not_describe(
    ringcx: SandboxServer, s3: ObjectStorage, change: str
) -> None:
    export(ringcx, s3.path("leads.csv"))
    content = s3.objects()["leads.csv"]
    changed = {
        "torn": content[:-20],
        "other": content.replace(b"3", b"4", 1),
        "rows": content + b"X-1,303,\r\n",
    }
    s3.write("leads.csv", changed[change])
    with pytest.raises((SourceRejected, InvalidParameter)):
        load(ringcx, s3.path("leads.csv"))
    assert not any("leadLoader" in request.path for request in ringcx.requests)


def measure(s3: ObjectStorage, work: Callable[[], object]) -> int:
    """Return the number of bytes that some work sends to the server."""
    s3.proxy.drop_after(None)
    work()
    return s3.proxy.sent


def write(path: Any, content: bytes) -> None:
    OutputFile(path).write(lambda file: file.write(content))


@pytest.mark.parametrize("size", [1_000, 300_000, 11 * MIB], ids=["small", "medium", "in parts"])
def test_upload_interrupted_at_any_byte_leaves_the_old_object(
    s3: ObjectStorage, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Offsets are spread over all requests of the upload, with those near the ends of requests and parts."""
    monkeypatch.setattr(output_file, "_PART_SIZE", 5 * MIB)
    new, old = bytes(range(1, 251)) * (size // 250), b"old" * 1_000
    path = s3.path("leads.csv")
    total = measure(s3, lambda: write(path, new))
    assert total > len(new)
    assert s3.objects() == {"leads.csv": new}
    offsets = {1, 2, 100, 400, 1_000, size // 3, size // 2, 5 * MIB, 5 * MIB + 1_000, total - 1}
    for offset in sorted(each for each in offsets if each < total):
        s3.proxy.drop_after(None)
        s3.write("leads.csv", old)
        s3.proxy.drop_after(offset)
        # The numbers of bytes of two uploads differ a little.
        with suppress(TransientError) if offset == total - 1 else pytest.raises(TransientError, match=FAILED):
            write(path, new)
        s3.proxy.drop_after(None)
        assert s3.objects() in ({"leads.csv": old}, {"leads.csv": new if offset == total - 1 else old})
    write(path, new)
    assert s3.objects() == {"leads.csv": new}


def test_interrupted_export_has_no_manifest_that_fits_no_object(
    ringcx: SandboxServer, s3: ObjectStorage
) -> None:
    """Whatever byte an export fails at: a manifest is written only after its object."""
    path = s3.path("leads.csv")
    total = measure(s3, lambda: export(ringcx, path))
    new = s3.objects()["leads.csv"]
    seen = set()
    for offset in [*range(1, total, total // 25), total - 1, total]:
        s3.proxy.drop_after(None)
        s3.fs.rm("leads", recursive=True)
        s3.fs.mkdir("leads")
        s3.proxy.drop_after(offset)
        with suppress(TransientError) if offset >= total - 1 else pytest.raises(TransientError):
            export(ringcx, path)
        s3.proxy.drop_after(None)
        objects = s3.objects()
        seen.add(len(objects))
        assert objects.get("leads.csv", new) == new
        if "leads.csv.meta.json" in objects:
            # Only the response to its upload was lost.
            read_manifest(s3.path("leads.csv.meta.json")).check_file(path)
    assert seen >= {0, 1}


def test_lost_response_is_repaired_by_the_next_attempt(ringcx: SandboxServer, s3: ObjectStorage) -> None:
    path = s3.path("leads.csv")
    s3.write("leads.csv", b"externId,leadPhone\nA-1,3035550100\n")
    manifest = {"rows": 1, "bytes": 34, "sha256": hashlib.sha256(s3.objects()["leads.csv"]).hexdigest()}
    s3.write("leads.csv.meta.json", json.dumps(manifest).encode())
    total = measure(s3, lambda: write(s3.path("other.csv"), b"x"))
    s3.proxy.drop_after(total + 30)
    with pytest.raises(TransientError):
        export(ringcx, path)
    s3.proxy.drop_after(None)
    assert s3.objects()["leads.csv"].startswith(b"externId,leadPhone\nA-1")
    result = export(ringcx, path)
    assert load(ringcx, path)["rows"] == result["count"]


def test_upload_keeps_little_in_memory(s3: ObjectStorage) -> None:
    fs = s3.path("a.csv").fs
    assert output_file._upload_options(fs, 10) == {"chunksize": 8 * MIB, "max_concurrency": 2}
    large = output_file._upload_options(fs, 200_000 * MIB)["chunksize"]
    assert large % MIB == 0
    assert large * 10_000 > 200_000 * MIB


def test_errors_of_the_storage_do_not_show_its_credentials(
    ringcx: SandboxServer, s3: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise ValueError("https://user:secret-key@storage.example.com/leads")

    path = s3.path("leads.csv")
    monkeypatch.setattr(path.fs, "put_file", fail)
    with pytest.raises(TransientError) as caught:
        export(ringcx, path)
    assert "secret-key" not in str(caught.value)
    assert caught.value.__context__ is None or "secret-key" not in repr(caught.value.__context__)
