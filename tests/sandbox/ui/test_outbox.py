"""The mails of EMAIL_LEADS, and the ZIP each of them links to."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.leads import by_ids, in_state, move_to
from tests.sandbox.support.pages import look

Row = dict[str, Any]


def unpacked(sandbox: SandboxServer, link: str) -> list[dict[str, str]]:
    answer = requests.get(f"{sandbox.url}{link}", timeout=20)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/zip"
    assert re.fullmatch(r'attachment; filename="leads-\d+\.zip"', answer.headers["Content-Disposition"])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        (name,) = archive.namelist()
        assert name.endswith(".csv")
        return list(csv.DictReader(io.StringIO(archive.read(name).decode("utf-8"), newline="")))


@pytest.mark.choice(34)
def test_the_mail_offers_the_leads_as_they_were(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    some = in_state(leads, "READY")[:3]
    api.act("EMAIL_LEADS", by_ids(some), EMAIL_TO="a@example.com,b@example.com")
    api.act("DELETE_LEADS", by_ids(some))
    (mail,) = requests.get(f"{sandbox.url}/sandbox/outbox", timeout=20).json()
    assert (mail["to"], mail["leads"]) == (["a@example.com", "b@example.com"], 3)
    rows = unpacked(sandbox, mail["link"])
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
    assert "a@example.com, b@example.com 3 leads-1.zip 24 h left" in look(sandbox)["outbox"]


def test_cells_are_left_as_the_data_are(
    sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row
) -> None:
    some = in_state(leads, "READY")[:1]
    api.act("MOVE_TO_CAMPAIGN", by_ids(some), **move_to(summer, LIST_NAME='=1+1,"\nÄ'))
    api.act("EMAIL_LEADS", by_ids(some), EMAIL_TO="a@example.com")
    assert [row["listDesc"] for row in unpacked(sandbox, "/sandbox/outbox/1.zip")] == ['=1+1,"\nÄ']


def test_the_link_works_for_a_day(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    api.act("EMAIL_LEADS", by_ids(leads[:2]), EMAIL_TO="a@example.com")
    sandbox.advance(24 * 3600 - 60)
    assert len(unpacked(sandbox, "/sandbox/outbox/1.zip")) == 2
    sandbox.advance(60)
    answer = requests.get(f"{sandbox.url}/sandbox/outbox/1.zip", timeout=20)
    assert (answer.status_code, answer.text.strip()) == (
        410, "The link has expired; links are valid for 24 hours.",
    )  # fmt: skip
    assert "expired after 24 h" in look(sandbox)["outbox"]


@pytest.mark.parametrize("mail", ["1", "0", "x", "9" * 30])
def test_mails_that_are_not_there(sandbox: SandboxServer, mail: str) -> None:
    assert requests.get(f"{sandbox.url}/sandbox/outbox/{mail}.zip", timeout=20).status_code == 404
