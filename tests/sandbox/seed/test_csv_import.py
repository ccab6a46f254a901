"""Seed data imported from a CSV file."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.seed.csv_import import CsvData
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.state.seed_data import SeedDataError

Row = dict[str, Any]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes lines to a CSV file."""

    def write_lines(*lines: str, encoding: str = "utf-8") -> Path:
        file = tmp_path / "leads.csv"
        file.write_bytes("\r\n".join([*lines, ""]).encode(encoding))
        return file

    return write_lines


@contextlib.contextmanager
def csv_sandbox(file: Path) -> Iterator[SandboxServer]:
    with SandboxServer(seed_data=CsvData(str(file), 1)) as running:
        yield running


def load_error(file: Path) -> str:
    """Return the error message of a file, without its path."""
    with pytest.raises(SeedDataError) as raised:
        SandboxServer(seed_data=CsvData(str(file), 1))
    assert str(raised.value).startswith(str(file))
    return str(raised.value).removeprefix(str(file))


def test_csv_with_phone_only_uses_defaults(write: Write) -> None:
    with csv_sandbox(write("leadPhone", "6175550100", "", "(617) 555-0101")) as sandbox:
        first, second = sandbox.leads()
    assert (first["leadPhone"], second["leadPhone"]) == ("6175550100", "6175550101")
    assert first["campaignName"] == first["listDesc"] == "From CSV"
    assert (first["leadState"], first["leadPasses"], first["suppressed"]) == ("READY", 0, False)
    assert first["leadTimezone"] == "EST"
    assert first["externId"] is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv_column_names_are_normalized(write: Write, api_of: Any, encoding: str) -> None:
    file = write(
        "EXTERN_ID,lead_phone,FirstName,Last Name,AUX_DATA1,auxData2,ZIP,Suppressed,LEAD_STATE,leadPasses",
        'A-1,6175550100|6175550101,Jörg,"Ma, ""X""",one,two,01234,TRUE,agent_callback,3',
        encoding=encoding,
    )
    with csv_sandbox(file) as sandbox:
        (lead,) = sandbox.leads()
        api = api_of(sandbox)
        assert api.search(leadPhoneNumbers=["617-555-0101"]) == api.search(externIds=["A-1"]) == [lead]
    expected = {
        "externId": "A-1",
        "leadPhone": "6175550100|6175550101",
        "firstName": "Jörg",
        "lastName": 'Ma, "X"',
        "auxData1": "one",
        "auxData2": "two",
        "zip": "01234",
        "suppressed": True,
        "leadState": "AGENT-CALLBACK",
        "leadPasses": 3,
    }
    assert {name: lead[name] for name in expected} == expected
    assert lead["campaignLead"]["campaignRedials"][0]["callBackPhone"] == "6175550100"


def test_csv_campaigns_are_found_or_created(write: Write, api_of: Any) -> None:
    file = write(
        "leadPhone,campaignName,listDesc",
        "6175550100,Spring Renewals,CRM export",
        "6175550101,Solar Consultations,Mine",
        "6175550102,Own,Mine",
        "6175550103,Own,Mine",
        "6175550104,,",
    )
    with csv_sandbox(file) as sandbox:
        assert [lead["leadPhone"] for lead in sandbox.leads("Spring Renewals")] == ["6175550100"]
        assert sandbox.campaign("Solar Consultations")["accountId"] == "50810002"
        assert len(sandbox.leads("Own")) == 2
        assert sandbox.leads("Summer Win-Back") == []
        own = sandbox.campaign("Own")
        assert own["accountId"] == "50810001"
        assert own["dialGroupId"] == sandbox.campaign("From CSV")["dialGroupId"]
        assert sandbox.contents == {"accounts": 2, "campaigns": 26, "leads": 5}
        api = api_of(sandbox)
        group = api.get(f"dialGroups/{own['dialGroupId']}").json()
        assert group["dialGroupName"] == "From CSV"
        assert len(api.get(f"dialGroups/{own['dialGroupId']}/assignedAgents").json()) == 7
        lists = api.get(f"dialGroups/{own['dialGroupId']}/campaigns/{own['campaignId']}/lists").json()
        assert [(row["listDesc"], row["leadsSupplied"]) for row in lists] == [("Mine", 2)]


def test_reset_rereads_csv_file(write: Write, api_of: Any) -> None:
    file = write("leadPhone,externId", "6175550100,A-1")
    with csv_sandbox(file) as sandbox:
        before = sandbox.leads()
        api = api_of(sandbox)
        api.act("DELETE_LEADS", {})
        assert sandbox.leads() == []
        assert api.session.post(f"{sandbox.url}/sandbox/reset", timeout=20).status_code == 200
        assert sandbox.leads() == before
        file.unlink()
        rejected = api.session.post(f"{sandbox.url}/sandbox/reset", timeout=20)
        assert rejected.status_code == 409
        assert "No such file" in rejected.text
        assert sandbox.leads() == before


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], ", line 1: the column leadPhone is missing. Columns found: none."),
        (["externId,phon"], ", line 1: the column leadPhone is missing. Columns found: 'externId', 'phon'."),
        (["leadPhone,LEAD_PHONE"], ", line 1, column 'leadPhone': leadPhone is given more than once."),
        (["leadPhone,zip", "6175550100"], ", line 2: expected 2 cells, found 1."),
        (["leadPhone,zip", "6175550100,1", ",2"], ", line 3, column leadPhone: the phone number is missing."),
        (["Lead_Phone", "none"], ", line 2, column Lead_Phone: must be a phone number."),
        (["leadPhone,LEAD_STATE", "6175550100,NEW"], ", line 2, column LEAD_STATE: must be one of ACTIVE, "),
        (["leadPhone,leadPasses", "6175550100,-1"], ", line 2, column leadPasses: must be between 0 and "),
        (["leadPhone,suppressed", "6175550100,maybe"], ", line 2, column suppressed: must be true or false."),
        (["leadPhone,zip", '6175550100,"a\r\nb"', "x,"], ", line 4, column leadPhone: "),
        (["leadPhone", '"6175550100'], ", line 2: unexpected end of data."),
    ],
)
def test_csv_invalid_cell_reports_line_and_column(write: Write, lines: list[str], problem: str) -> None:
    assert load_error(write(*lines)).startswith(problem)


def test_csv_other_encoding_raises(write: Write) -> None:
    assert "is not valid UTF-8" in load_error(
        write("leadPhone,firstName", "6175550100,Jörg", encoding="latin-1")
    )


def test_csv_missing_file_raises(tmp_path: Path) -> None:
    assert load_error(tmp_path / "missing.csv") == " cannot be read: No such file or directory."


def test_csv_many_leads_keep_order(write: Write) -> None:
    # More than one batch.
    numbers = [f"617555{number:04d}" for number in range(3000)] * 2
    with csv_sandbox(write("leadPhone", *numbers)) as sandbox:
        assert [lead["leadPhone"] for lead in sandbox.leads()] == numbers


def test_csv_unusable_columns_are_named_and_ignored(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    file = write(
        "Lead Id,Lead Phone,Owner,,First Name,Owner",
        "17,6175550100,ann,x,Ada,y",
        "18,6175550101,,,Grace,",
    )
    with csv_sandbox(file) as sandbox:
        assert [(lead["leadPhone"], lead["firstName"]) for lead in sandbox.leads()] == [
            ("6175550100", "Ada"),
            ("6175550101", "Grace"),
        ]
    expected = (
        f"Ignored 4 columns of {file} that the sandbox does not import: 'Lead Id', 'Owner', '', 'Owner'."
    )
    assert expected in caplog.text
    assert "ann" not in caplog.text


def test_csv_without_unusable_columns_does_not_warn(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    with csv_sandbox(write("leadPhone", "6175550100")):
        assert caplog.text == ""


def test_zip_of_outbox_is_imported(sandbox: SandboxServer, api: Any, tmp_path: Path) -> None:
    account = sandbox.leads()
    api.act("EMAIL_LEADS", {}, EMAIL_TO="team@example.com")
    file = tmp_path / "leads-1.zip"
    file.write_bytes(api.session.get(f"{sandbox.url}/sandbox/outbox/1.zip", timeout=20).content)
    with csv_sandbox(file) as copy:
        imported = copy.leads()
    mailed = set(sandbox.outbox[0]["lead_ids"])
    original = [lead for lead in account if lead["leadId"] in mailed]
    assert len(imported) == len(original) > 500
    kept = ("externId", "leadPhone", "firstName", "leadState", "campaignName", "listDesc", "suppressed")
    assert [[lead[name] for name in kept] for lead in imported] == [
        [lead[name] for name in kept] for lead in original
    ]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ((), " must contain exactly one CSV file, not 0."),
        (("a.csv", "b.CSV"), " must contain exactly one CSV file, not 2."),
        (("a.txt",), " must contain exactly one CSV file, not 0."),
    ],
)
def test_zip_without_exactly_one_csv_raises(tmp_path: Path, names: tuple[str, ...], problem: str) -> None:
    file = tmp_path / "leads.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("notes.md", "")
        for name in names:
            archive.writestr(name, "leadPhone\n6175550100\n")
    assert load_error(file) == problem


def test_zip_copy_of_macos_is_ignored_and_damage_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "leads.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Export.csv", "leadPhone\n6175550100\n")
        archive.writestr("__MACOSX/._Export.csv", b"\0\1")
    with csv_sandbox(file) as sandbox:
        assert [lead["leadPhone"] for lead in sandbox.leads()] == ["6175550100"]
    file.write_bytes(file.read_bytes()[:60])
    assert load_error(file).startswith(" is a broken or encrypted ZIP file: ")
