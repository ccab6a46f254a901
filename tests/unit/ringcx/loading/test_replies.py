"""Results of RingCX that do not say what became of each row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import OutcomeUnknown, RowsRejected
from tests.support.loading import Crm, add_do_not_call, counts, crm_row, crm_rows, outcomes, read_report
from tests.unit.ringcx.loading.conftest import MakeCrm

ROWS = crm_rows(4)
EACH_ONCE = {row["externId"]: 1 for row in ROWS}
OK: dict[str, Any] = {
    "leadsSupplied": 4,
    "leadsAccepted": 4,
    "leadsInserted": 4,
    "processingResult": "OK",
    "processingStatus": "DEFAULT_NOT_A_FAILURE",
    "rejectedRows": [],
}


def answer(crm: Crm, when: str = "after", **changes: Any) -> None:
    """Replace the result of the next load; a value of None removes a field."""
    body = {name: value for name, value in {**OK, **changes}.items() if value is not None}
    crm.server.fault("answer", operation="direct_load", when=when, body=body)


@pytest.mark.parametrize(
    "changes",
    [
        {"leadsInserted": None},
        {"leadsInserted": "4"},
        {"leadsInserted": -1},
        {"leadsInserted": 2},
        {"leadsInserted": 9},
        {"leadsInserted": 0},
        {"leadsInserted": None, "processingStatus": None, "leadsSupplied": 4, "processingResult": "OK"},
        {"rejectedRows": [{"message": "no values"}], "leadsInserted": 3},
        {"rejectedRows": "none"},
        {"processingStatus": None},
        {"processingStatus": "SOMETHING_NEW"},
    ],
    ids=str,
)
def test_counters_that_do_not_add_up_are_settled_by_a_search(crm: Crm, changes: dict[str, Any]) -> None:
    answer(crm, **changes)
    assert counts(crm.load(ROWS)) == (4, 0, 0, 0, 0)
    assert len(crm.loads) == 1
    assert crm.loaded == EACH_ONCE


def test_missing_counter_is_unknown_and_not_zero(crm: Crm, tmp_path: Path) -> None:
    answer(crm, when="before", leadsInserted=None)
    with pytest.raises(OutcomeUnknown, match="4 rows of 4") as caught:
        crm.load(ROWS, report=str(tmp_path / "report.csv"))
    assert caught.value.result is not None
    assert counts(caught.value.result) == (0, 0, 0, 0, 4)
    assert outcomes(tmp_path / "report.csv") == ["unknown"] * 4
    assert counts(crm.load(ROWS)) == (4, 0, 0, 0, 0)
    assert crm.loaded == EACH_ONCE


def test_leads_reported_as_inserted_but_not_found_are_unknown(crm: Crm) -> None:
    answer(crm, when="before", leadsInserted=3)
    with pytest.raises(OutcomeUnknown) as caught:
        crm.load(ROWS)
    assert caught.value.result is not None
    assert counts(caught.value.result) == (0, 0, 0, 0, 4)


def test_nothing_inserted_without_a_reason_is_rejected(crm: Crm, tmp_path: Path) -> None:
    answer(crm, when="before", leadsInserted=0)
    with pytest.raises(RowsRejected, match="gave no reason: 4"):
        crm.load(ROWS, report=str(tmp_path / "report.csv"))
    assert {line["code"] for line in read_report(tmp_path / "report.csv")} == {"no_reason"}


def test_rejected_rows_are_named_with_ringcx_reason(crm: Crm, tmp_path: Path) -> None:
    rows = [crm_row(1), crm_row(2, maxPasses=10**17), crm_row(3)]
    result = crm.load(rows, on_rejected="ignore", report=str(tmp_path / "report.csv"))
    assert counts(result) == (2, 0, 0, 1, 0)
    lines = read_report(tmp_path / "report.csv")
    assert [line["outcome"] for line in lines] == ["loaded", "rejected", "loaded"]
    assert (lines[1]["code"], lines[1]["message"]) == ("ringcx", "maxPasses is out of range")


def test_external_id_that_is_another_value_of_a_rejected_row_is_not_rejected(
    crm: Crm, tmp_path: Path
) -> None:
    rows: list[dict[str, Any]] = [
        {"externId": "K-1", "leadPhone": "6175550001"},
        {"externId": "K-2", "leadPhone": "6175550002", "auxData1": "K-1", "maxPasses": 10**17},
        {"externId": "K-3", "leadPhone": "6175550003", "auxData1": "K-2"},
    ]
    result = crm.load(rows, on_rejected="ignore", report=str(tmp_path / "report.csv"))
    assert counts(result) == (2, 0, 0, 1, 0)
    assert outcomes(tmp_path / "report.csv") == ["loaded", "rejected", "loaded"]


def test_external_id_in_the_values_of_another_rejected_row_is_not_rejected(crm: Crm, tmp_path: Path) -> None:
    """RingCX shows the values of the second row without its external id."""
    rows = [crm_row(1), crm_row(2, auxData1="K-1", maxPasses=10**17)]
    answer(
        crm,
        leadsInserted=1,
        rejectedRows=[{"message": "wrong", "rowData": ["6175550002", "K-1", str(10**17)]}],
    )
    result = crm.load(rows, on_rejected="ignore", report=str(tmp_path / "report.csv"))
    assert counts(result) == (1, 0, 0, 1, 0)
    assert outcomes(tmp_path / "report.csv") == ["loaded", "rejected"]


def test_rejected_row_whose_values_are_those_of_two_rows_is_found_by_a_search(
    crm: Crm, tmp_path: Path
) -> None:
    phone = "6175550001"
    rows = [
        crm_row(1, leadPhone=phone),
        crm_row(2, leadPhone=phone, auxData1="K-1", maxPasses=10**17),
    ]
    result = crm.load(rows, on_rejected="ignore", report=str(tmp_path / "report.csv"))
    assert counts(result) == (1, 0, 0, 1, 0)
    assert outcomes(tmp_path / "report.csv") == ["loaded", "rejected"]


def test_inserted_rows_are_told_from_those_left_out_once_they_are_visible(make_crm: MakeCrm) -> None:
    crm = make_crm(visibility_delay=10)
    add_do_not_call(crm.server, "6175550002")
    assert counts(crm.load(ROWS)) == (3, 0, 1, 0, 0)
    assert set(crm.loaded) == {"K-0", "K-1", "K-3"}


@pytest.mark.parametrize("row_data", [None, [], ["another value"], "K-2"])
def test_rejected_row_without_its_values_is_found_by_a_search(
    crm: Crm, tmp_path: Path, row_data: Any
) -> None:
    crm.load([crm_row(0), crm_row(2), crm_row(3)], load_id="by hand")
    rows = [crm_row(0), crm_row(1, maxPasses=10**17), crm_row(2), crm_row(3)]
    answer(crm, leadsInserted=3, rejectedRows=[{"message": "out of range", "rowData": row_data}])
    result = crm.load(rows, on_rejected="ignore", report=str(tmp_path / "report.csv"))
    assert counts(result) == (3, 0, 0, 1, 0)
    assert outcomes(tmp_path / "report.csv") == ["loaded", "rejected", "loaded", "loaded"]


@pytest.mark.parametrize(
    ("counter", "outcome"),
    [
        ("deletedCount", "duplicate"),
        ("internalDncCount", "dnc"),
        ("dncReturnedCount", "dnc"),
        ("whitelistCount", "dnc"),
        ("quotaCount", "rejected"),
    ],
)
def test_rows_left_out_have_the_outcome_of_their_counter(
    crm: Crm, tmp_path: Path, counter: str, outcome: str
) -> None:
    answer(crm, when="before", leadsInserted=0, **{counter: 4})
    result = crm.load(ROWS, on_rejected="ignore", report=str(tmp_path / "report.csv"))
    assert counts(result) == ((0, 0, 0, 4, 0) if outcome == "rejected" else (0, 0, 4, 0, 0))
    lines = read_report(tmp_path / "report.csv")
    assert [(line["outcome"], line["code"]) for line in lines] == [(outcome, counter)] * 4


def test_rows_left_out_for_several_reasons_are_not_guessed(crm: Crm, tmp_path: Path) -> None:
    answer(crm, when="before", leadsInserted=0, deletedCount=1, internalDncCount=3)
    result = crm.load(ROWS, report=str(tmp_path / "report.csv"))
    assert counts(result) == (0, 0, 4, 0, 0)
    messages = {line["message"] for line in read_report(tmp_path / "report.csv")}
    assert messages == {"RingCX left 4 rows out: deletedCount 1, internalDncCount 3"}


def test_counters_of_left_out_rows_that_do_not_add_up_are_rejected(crm: Crm) -> None:
    answer(crm, when="before", leadsInserted=0, deletedCount=1)
    with pytest.raises(RowsRejected, match="gave no reason: 4"):
        crm.load(ROWS)


def test_agents_that_could_not_be_reserved_are_warned_of(crm: Crm, caplog: pytest.LogCaptureFixture) -> None:
    assert counts(crm.load([crm_row(1, reserveAgent="nobody"), crm_row(2)])) == (2, 0, 0, 0, 0)
    assert "1 lead could not be reserved" in caplog.text
