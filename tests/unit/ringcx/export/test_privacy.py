"""No lead's data is written but to the file."""

from __future__ import annotations

import json
import logging
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx import LeadRows, LoadOptions
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError
from airflow_provider_engagevoice.ringcx.export.exporter import LeadExport
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import make_client
from tests.unit.ringcx.loading.test_privacy import MARKS, assert_private, marked

pytestmark = pytest.mark.usefixtures("pauses")

SITUATIONS: dict[str, dict[str, Any] | None] = {
    "exported": None,
    "no response": {"kind": "drop", "chance": 1},
    "400 with data": {
        "kind": "status",
        "status": 400,
        "chance": 1,
        "details": "Zaphod Beeblebrox (617-555-0137, QX-77421) of Magrathea is wrong",
    },
    "503 with data": {
        "kind": "status",
        "status": 503,
        "chance": 1,
        "details": "cannot find Beeblebrox, Zaphod, QX-77421",
    },
    "other campaign": {"kind": "answer", "body": [{"leadId": 1, "campaignId": 1, **marked()}]},
    "no id": {"kind": "answer", "body": [marked()]},
    "no list": {"kind": "answer", "body": {"Zaphod": "QX-77421"}},
    "changed": {"kind": "short_page", "rows": 0, "chance": 1},
}


@pytest.fixture
def written(
    ringcx: SandboxServer, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Return a function that exports a marked lead and returns all that is written but to the file."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    for name in ("TMPDIR", "SQLITE_TMPDIR"):
        monkeypatch.setenv(name, str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    caplog.set_level(logging.DEBUG)
    client = make_client(ringcx.url, "api_token")
    client.load_leads("Spring Renewals", LeadRows([marked()]), LoadOptions(), list_name="L", verify=False)

    def run(criteria: dict[str, Any], path: str, fault: dict[str, Any] | None, **options: Any) -> str:
        caplog.clear()
        campaign = ringcx.campaign("Spring Renewals")["campaignId"]
        if fault:
            ringcx.fault(**fault, operation="lead_search")
        texts = []
        try:
            export = LeadExport(Selection({"campaignIds": [campaign], **criteria}), path, **options)
            result = client.lead_exporter().execute(export)
            assert result["count"] == 1
            texts += [json.dumps(result), Path(str(result["manifest"])).read_text()]
        except EngageVoiceError as error:
            texts += [*traceback.format_exception(error), repr(error.__dict__), repr(error.__context__)]
        records = [f"{record.getMessage()} {record.args!r} {record.exc_text}" for record in caplog.records]
        assert not list(temporary.iterdir())
        return "\n".join([*texts, *records])

    return run


@pytest.mark.parametrize("suffix", ["csv", "jsonl.gz", "parquet"])
@pytest.mark.parametrize("name", SITUATIONS)
def test_export_writes_no_data_of_leads(
    written: Callable[..., str], tmp_path: Path, name: str, suffix: str
) -> None:
    criteria = {"externIds": ["QX-77421"], "lastName": "Beeblebrox", "leadStates": ["READY"]}
    fault = SITUATIONS[name]
    text = written(criteria, str(tmp_path / f"leads.{suffix}"), fault)
    assert_private(text)
    files = {path.name for path in tmp_path.iterdir()} - {"temporary"}
    assert files == (set() if fault else {f"leads.{suffix}", f"leads.{suffix}.meta.json"})
    if name == "exported" and suffix == "csv":
        assert all(mark in (tmp_path / "leads.csv").read_text() for mark in MARKS[:3])


def test_time_that_cannot_be_read_is_not_shown(written: Callable[..., str], tmp_path: Path) -> None:
    row = {
        **dict.fromkeys(("lastPassDts", "lastPassDate"), "Zaphod at 617-555-0137"),
        **marked(),
        "leadId": 1,
    }
    criteria = {"lastPassTimeCriteria": {"operator": "GREATER_THAN", "value": "2026-01-01T00:00:00Z"}}
    answer = {"kind": "answer", "body": [row]}
    text = written({**criteria, "externIds": ["QX-77421"]}, str(tmp_path / "leads.csv"), answer)
    assert_private(text)


@pytest.mark.parametrize("value", ["Zaphod", {"Zaphod": 1}, ["QX-77421"]])
def test_value_that_fits_no_column_is_not_shown(
    ringcx: SandboxServer, written: Callable[..., str], tmp_path: Path, value: Any
) -> None:
    campaign = ringcx.campaign("Spring Renewals")["campaignId"]
    row = {**marked(), "leadId": 1, "campaignId": campaign, "leadPasses": value, "suppressed": value}
    ringcx.fault("answer", operation="lead_count", body=1, chance=1)
    text = written({}, str(tmp_path / "leads.parquet"), {"kind": "answer", "body": [row], "chance": 1})
    assert_private(text)
    assert "UnexpectedResponse" in text
