"""No lead's data leaves the source but to RingCX and the report."""

from __future__ import annotations

import json
import logging
import os
import stat
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError
from tests.sandbox.support.loads import OPTIONS
from tests.support.bulk import FakeTaskStateStore, start_attempt
from tests.support.loading import Crm, Row, add_do_not_call, write_csv

#: Values that appear nowhere else.
MARKS = ["Zaphod", "Beeblebrox", "QX-77421", "6175550137", "555-0137", "zb@heart.example", "Magrathea"]


def marked(number: int = 0, **changes: Any) -> Row:
    return {
        "externId": f"QX-77421{number or ''}",
        "leadPhone": f"617-555-0137{f'|617555{number:04}' if number else ''}",
        "firstName": "Zaphod",
        "lastName": "Beeblebrox",
        "email": "zb@heart.example",
        "city": "Magrathea",
        **changes,
    }


@pytest.fixture
def written(
    crm: Crm, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Return a function that loads rows and returns all that is written but to RingCX and the report."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    for name in ("TMPDIR", "SQLITE_TMPDIR"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    caplog.set_level(logging.DEBUG)

    def run(work: Callable[..., Any], rows: list[Row], **options: Any) -> str:
        store = FakeTaskStateStore()
        if work == crm.load:
            options["checkpoints"] = start_attempt(store)
        texts = []
        try:
            texts.append(json.dumps(work(rows, **options)))
        except EngageVoiceError as error:
            texts += [*traceback.format_exception(error), repr(error.__dict__), repr(error.__context__)]
        records = [f"{record.getMessage()} {record.args!r} {record.exc_text}" for record in caplog.records]
        assert not list(folder.iterdir())
        return "\n".join([*texts, *records, *store.values()])

    return run


def assert_private(text: str) -> None:
    assert text
    assert [mark for mark in MARKS if mark.lower() in text.lower()] == []


SITUATIONS: dict[str, tuple[list[Row], dict[str, Any] | None, dict[str, Any]]] = {
    "loaded": ([marked(), marked(1)], None, {}),
    "wrong phone": ([marked(leadPhone="555-0137")], None, {}),
    "wrong key": ([marked(externId=["QX-77421"])], None, {}),
    "wrong number": ([marked(maxPasses="Zaphod")], None, {}),
    "wrong data": ([marked(extendedLeadData="Magrathea")], None, {}),
    "conflict": ([marked(), marked(city="Boston")], None, {}),
    "near misses": ([marked(), marked(externId="qx-77421")], None, {}),
    "rejected by RingCX": ([marked(maxPasses=10**17)], None, {}),
    "no response": ([marked()], {"kind": "drop", "when": "before"}, {}),
    "no response after": ([marked()], {"kind": "drop", "when": "after"}, {}),
    "400 with data": (
        [marked(), marked(1)],
        {"kind": "status", "status": 400, "details": "Zaphod Beeblebrox (617-555-0137, QX-77421) is wrong"},
        {},
    ),
    "400 with lower case": (
        [marked(), marked(1)],
        {"kind": "status", "status": 400, "details": "magrathea is not a city of zaphod"},
        {},
    ),
    "503 with data": (
        [marked()],
        {"kind": "status", "status": 503, "details": "cannot store Beeblebrox, zaphod, QX-77421"},
        {},
    ),
    "rejected row with data": (
        [marked(), marked(1)],
        {
            "kind": "answer",
            "body": {
                "leadsInserted": 1,
                "processingStatus": "DEFAULT_NOT_A_FAILURE",
                "rejectedRows": [
                    {
                        "message": "magrathea of Zaphod beeblebrox 6175550137 QX-77421 is wrong",
                        "rowData": list(marked().values()),
                    }
                ],
            },
        },
        {},
    ),
    "failure with data": (
        [marked(), marked(1)],
        {
            "kind": "answer",
            "times": 99,
            "body": {
                "leadsInserted": 0,
                "processingStatus": "GENERAL_FAILURE",
                "message": "zaphod beeblebrox in Magrathea is wrong",
            },
        },
        {},
    ),
    "too many": ([marked(), marked(1)], None, {"max_leads": 1}),
    "expected rows": ([marked()], None, {"expect_rows": 2}),
    "ignored": ([marked(), marked(1, leadPhone="555-0137")], None, {"on_rejected": "ignore"}),
}


@pytest.mark.parametrize("existing", ["load", "skip", "fail", "update"])
@pytest.mark.parametrize("name", SITUATIONS)
def test_load_writes_no_data_of_leads(
    crm: Crm, written: Callable[..., str], tmp_path: Path, name: str, existing: str
) -> None:
    rows, fault, options = SITUATIONS[name]
    if fault is not None:
        crm.server.fault(**fault, operation="direct_load")
    report = tmp_path / "report.csv"
    assert_private(written(crm.load, rows, existing=existing, report=str(report), **options))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.csv", "temporary"]
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert "QX-77421" in report.read_text() or name == "wrong key"


def test_message_of_a_failure_does_not_name_another_row_that_is_loaded(
    crm: Crm, written: Callable[..., str]
) -> None:
    add_do_not_call(crm.server, "6175550001")
    body = {
        "leadsInserted": 0,
        "processingStatus": "DNC_UPLOAD_FAILED",
        "message": "zaphod beeblebrox of magrathea is wrong",
    }
    crm.server.fault("answer", operation="direct_load", when="after", body=body)
    other = {"externId": "K-1", "leadPhone": "6175550001"}
    text = written(crm.load, [marked(), other], on_rejected="ignore")
    assert "of … is wrong" in text
    assert_private(text)


@pytest.mark.parametrize("name", ["changed", "missing", "several", "refused", "forbidden", "same"])
def test_update_writes_no_data_of_leads(crm: Crm, written: Callable[..., str], name: str) -> None:
    crm.load([marked(firstName="Other"), marked(1)], load_id="before")
    if name == "several":
        crm.load([marked()], load_id="again")
    if name == "refused":
        crm.server.fault(
            "status", operation="lead_update", status=400, details="zaphod Beeblebrox QX-77421 is wrong"
        )
    if name == "forbidden":
        crm.server.fault("status", operation="lead_update", status=403, details="zaphod is not yours")
    row = {"missing": marked(externId="QX-77421-2"), "same": marked(1)}.get(name, marked())
    assert_private(written(crm.update, [row]))


def test_existing_leads_are_not_named(crm: Crm, written: Callable[..., str]) -> None:
    crm.load([marked()], load_id="before")
    assert_private(written(crm.load, [marked()], existing="fail"))


def test_leads_that_are_loaded_twice_are_not_named(crm: Crm, written: Callable[..., str]) -> None:
    crm.load([marked()])
    (name,) = {lead["listDesc"] for lead in crm.server.leads(crm.campaign) if lead["externId"] == "QX-77421"}
    # A request that is processed late.
    client = crm.client()
    campaign = crm.server.campaign(crm.campaign)["campaignId"]
    body = {**OPTIONS, "description": name, "uploadLeads": [marked()]}
    client.request(
        "POST", f"/api/v1/admin/accounts/{{accountId}}/campaigns/{campaign}/leadLoader/direct", json=body
    )
    text = written(crm.load, [marked()])
    assert "LoadedTwice" in text
    assert_private(text)


@pytest.mark.parametrize(
    "content",
    [
        "QX-77421,6175550137,Zaphod\nQX-1,6175550001,Beeblebrox\n",
        "externId,leadPhone,lastName\nQX-77421,6175550137\n",
        'externId,leadPhone,lastName\nQX-77421,6175550137,"Zaphod\n',
        "externId,leadPhone,Zaphod Beeblebrox\nQX-77421,6175550137,x\n",
    ],
)
@pytest.mark.parametrize(
    "mapping", [None, {"externId": "externId", "leadPhone": "leadPhone", "qx_77422": "city"}]
)
def test_files_that_cannot_be_read_are_not_shown(
    crm: Crm, written: Callable[..., str], tmp_path: Path, content: str, mapping: dict[str, str] | None
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(content)

    def load(rows: list[Row], **options: Any) -> Any:
        return crm.load(source=str(path), mapping=mapping)

    text = written(load, [])
    if "Zaphod Beeblebrox" in content and mapping is None:
        # The name of a column, which a file with a header has.
        text = text.replace("Zaphod Beeblebrox", "")
    assert_private(text)


def test_report_replaces_an_older_one_and_follows_no_link(crm: Crm, tmp_path: Path) -> None:
    report, other = tmp_path / "report.csv", tmp_path / "other.csv"
    other.write_text("keep")
    report.symlink_to(other)
    crm.load([marked()], report=str(report))
    assert other.read_text() == "keep"
    assert not report.is_symlink()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    report.chmod(0o644)
    crm.load([marked()], report=str(report))
    assert stat.S_IMODE(report.stat().st_mode) == 0o600


@pytest.fixture
def _umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_report_is_private_without_a_umask(crm: Crm, tmp_path: Path) -> None:
    crm.load([marked()], report=str(tmp_path / "report.csv"))
    assert stat.S_IMODE((tmp_path / "report.csv").stat().st_mode) == 0o600


def test_formulas_in_the_report_are_not_run_by_spreadsheets(crm: Crm, tmp_path: Path) -> None:
    body = {
        "leadsInserted": 0,
        "processingStatus": "NO_LEADS_PASSED_VALIDATION",
        "rejectedRows": [{"message": "=HYPERLINK(1)", "rowData": list(marked().values())}],
    }
    crm.server.fault("answer", operation="direct_load", body=body)
    crm.load([marked()], report=str(tmp_path / "report.csv"), on_rejected="ignore")
    assert ",=HYPERLINK" not in (tmp_path / "report.csv").read_text()


def test_failed_load_leaves_only_the_report(crm: Crm, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "x.csv", [marked()])
    crm.server.fault("drop", operation="direct_load")
    with pytest.raises(EngageVoiceError):
        crm.load(source=source, report=str(tmp_path / "report.csv"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.csv", "x.csv"]
