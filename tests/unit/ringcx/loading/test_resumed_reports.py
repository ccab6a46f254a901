"""Reports and counts of loads that are started again with the checkpoint of an earlier attempt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import AccessDenied, NotFound, VerificationFailed
from tests.support.bulk import FakeTaskStateStore, start_attempt
from tests.support.clients import ROOT
from tests.support.loading import Crm, crm_row, crm_rows, outcomes, read_report

ROWS = crm_rows(6)


def delete_lead(crm: Crm, external_id: str) -> None:
    lead = next(lead for lead in crm.leads if lead["externId"] == external_id)
    crm.client().request(
        "PUT",
        f"{ROOT}/campaignLeads/actions",
        {"leadAction": "DELETE_LEADS"},
        {
            "campaignLeadSearchCriteria": {"leadIds": [lead["leadId"]]},
            "leadActionParams": {"paramMap": {}},
        },
    )


def interrupt(crm: Crm, store: FakeTaskStateStore, report: Path) -> None:
    """Load four of six rows; the third request fails without being processed."""
    crm.server.fault("status", operation="direct_load", status=404, at=[3])
    with pytest.raises(NotFound):
        crm.load(ROWS, chunk_size=2, max_in_flight=1, report=str(report), checkpoints=start_attempt(store))
    crm.server.clear_faults()


def test_lead_that_was_deleted_since_is_not_loaded_again(crm: Crm, tmp_path: Path) -> None:
    store, report = FakeTaskStateStore(), tmp_path / "report.csv"
    interrupt(crm, store, report)
    delete_lead(crm, "K-0")
    with pytest.raises(VerificationFailed, match="6 leads as inserted and shows 5"):
        crm.load(
            ROWS,
            chunk_size=2,
            max_in_flight=1,
            report=str(report),
            checkpoints=start_attempt(store, is_retry=True),
        )
    assert crm.loaded["K-0"] == 0
    assert outcomes(report) == ["loaded"] * 6


def test_retry_that_fails_early_keeps_what_is_known(crm: Crm, tmp_path: Path) -> None:
    store, report = FakeTaskStateStore(), tmp_path / "report.csv"
    interrupt(crm, store, report)
    crm.server.fault("status", operation="direct_load", status=403, chance=1)
    with pytest.raises(AccessDenied) as caught:
        crm.load(
            ROWS,
            chunk_size=2,
            max_in_flight=1,
            report=str(report),
            checkpoints=start_attempt(store, is_retry=True),
        )
    assert caught.value.result is not None
    assert caught.value.result["leads_inserted"] == 4
    assert outcomes(report) == ["loaded"] * 4 + ["not_sent"] * 2


def test_report_of_a_resumed_load_has_the_ids_of_all_leads(crm: Crm, tmp_path: Path) -> None:
    store, report = FakeTaskStateStore(), tmp_path / "report.csv"
    interrupt(crm, store, report)
    crm.load(ROWS, chunk_size=2, report=str(report), checkpoints=start_attempt(store, is_retry=True))
    ids = {lead["externId"]: str(lead["leadId"]) for lead in crm.leads}
    assert {line["external_id"]: line["lead_id"] for line in read_report(report)} == ids
    assert set(crm.loaded.values()) == {1}


@pytest.mark.parametrize("has_checkpoint", [True, False])
def test_duplicate_that_ringcx_removed_is_not_loaded_after_a_lost_response(
    crm: Crm, tmp_path: Path, has_checkpoint: bool
) -> None:
    """RingCX compares the numbers of one request only, so the duplicate must not be sent alone."""
    rows = [crm_row(0), crm_row(1, leadPhone=crm_row(0)["leadPhone"]), crm_row(2)]
    options: dict[str, Any] = {"load_options": {"duplicateHandling": "REMOVE_FROM_LIST"}}
    report = tmp_path / "report.csv"
    if has_checkpoint:
        crm.server.fault("drop", operation="direct_load", when="after")
    result = crm.load(rows, report=str(report), **options)
    if not has_checkpoint:
        result = crm.load(rows, report=str(report), **options)
    assert crm.loaded == {"K-0": 1, "K-2": 1}
    assert (result["leads_inserted"], result["leads_skipped"]) == (2, 1)
    assert outcomes(report) == ["loaded", "duplicate", "loaded"]


def test_half_of_a_character_in_a_message_is_reported(crm: Crm, tmp_path: Path) -> None:
    row = {"message": "broken \ud83d", "rowData": ["K-0", crm_row(0)["leadPhone"]]}
    body = {"leadsInserted": 0, "processingStatus": "DEFAULT_NOT_A_FAILURE", "rejectedRows": [row]}
    crm.server.fault("answer", operation="direct_load", body=body)
    report = tmp_path / "report.csv"
    result = crm.load([crm_row(0)], on_rejected="ignore", report=str(report))
    assert (result["leads_rejected"], result["leads_unknown"]) == (1, 0)
    assert read_report(report)[0]["message"] == r"broken \ud83d"


def test_message_about_another_row_hides_its_values(crm: Crm, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    rows = [crm_row(0), crm_row(1, lastName="Zaphodsson")]
    row = {"message": "duplicate of zaphodsson", "rowData": ["K-0", rows[0]["leadPhone"]]}
    body = {"leadsInserted": 1, "processingStatus": "DEFAULT_NOT_A_FAILURE", "rejectedRows": [row]}
    crm.server.fault("answer", operation="direct_load", body=body)
    crm.load(rows, on_rejected="ignore", verify=False)
    assert "zaphodsson" not in caplog.text.lower()


@pytest.mark.parametrize(
    ("existing", "text"),
    [("load", "has 2 rows of them already"), ("update", "2 rows of them already; 1 lead would be updated")],
)
def test_dry_run_logs_what_the_campaign_has(
    crm: Crm, caplog: pytest.LogCaptureFixture, existing: str, text: str
) -> None:
    caplog.set_level("INFO")
    crm.load(crm_rows(2), load_id="before")
    before = len(crm.loads)
    crm.load([crm_row(0), crm_row(1, city="Denver"), crm_row(2)], existing=existing, dry_run=True)
    assert text in caplog.text
    assert len(crm.loads) == before
    assert crm.patches == []
