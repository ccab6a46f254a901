"""Outbox of EMAIL_LEADS: mails and their ZIP files."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.leads import by_ids, in_state, move_params
from tests.sandbox.support.pages import page_text

Row = dict[str, Any]


def download_rows(sandbox: SandboxServer, link: str) -> list[dict[str, str]]:
    response = requests.get(f"{sandbox.url}{link}", timeout=20)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/zip"
    assert re.fullmatch(r'attachment; filename="leads-\d+\.zip"', response.headers["Content-Disposition"])
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        (name,) = archive.namelist()
        assert name.endswith(".csv")
        return list(csv.DictReader(io.StringIO(archive.read(name).decode("utf-8"), newline="")))


@pytest.mark.assumption(34)
def test_outbox_zip_contains_leads_as_of_sending(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    some = in_state(leads, "READY")[:3]
    api.act("EMAIL_LEADS", by_ids(some), EMAIL_TO="a@example.com,b@example.com")
    api.act("DELETE_LEADS", by_ids(some))
    (mail,) = requests.get(f"{sandbox.url}/sandbox/outbox", timeout=20).json()
    assert (mail["to"], mail["leads"]) == (["a@example.com", "b@example.com"], 3)
    rows = download_rows(sandbox, mail["link"])
    assert [int(row["leadId"]) for row in rows] == sorted(lead["leadId"] for lead in some)
    for row, lead in zip(rows, sorted(some, key=lambda lead: lead["leadId"]), strict=True):
        for name in (
            "firstName",
            "lastName",
            "externId",
            "leadPhone",
            "leadState",
            "stateDts",
            "campaignName",
        ):
            assert row[name] == lead[name], name
    assert "a@example.com, b@example.com 3 leads-1.zip 24 h left" in page_text(sandbox)["outbox"]


def test_outbox_csv_cells_are_unchanged(
    sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row
) -> None:
    some = in_state(leads, "READY")[:1]
    api.act("MOVE_TO_CAMPAIGN", by_ids(some), **move_params(summer, LIST_NAME='=1+1,"\nÄ'))
    api.act("EMAIL_LEADS", by_ids(some), EMAIL_TO="a@example.com")
    assert [row["listDesc"] for row in download_rows(sandbox, "/sandbox/outbox/1.zip")] == ['=1+1,"\nÄ']


def test_outbox_link_expires_after_24_hours(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    api.act("EMAIL_LEADS", by_ids(leads[:2]), EMAIL_TO="a@example.com")
    sandbox.advance(24 * 3600 - 60)
    assert len(download_rows(sandbox, "/sandbox/outbox/1.zip")) == 2
    sandbox.advance(60)
    response = requests.get(f"{sandbox.url}/sandbox/outbox/1.zip", timeout=20)
    assert (response.status_code, response.text.strip()) == (
        410, "The link has expired; links are valid for 24 hours.",
    )  # fmt: skip
    assert "expired after 24 h" in page_text(sandbox)["outbox"]


@pytest.mark.parametrize("mail", ["1", "0", "x", "9" * 30])
def test_outbox_unknown_mail_returns_404(sandbox: SandboxServer, mail: str) -> None:
    assert requests.get(f"{sandbox.url}/sandbox/outbox/{mail}.zip", timeout=20).status_code == 404
