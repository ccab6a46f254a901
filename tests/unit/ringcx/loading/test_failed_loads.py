"""Loads that RingCX refuses as a whole, with status 200 or an error: the bad rows are found by halving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import NotFound, OutcomeUnknown, RowsRejected
from airflow_provider_engagevoice.sandbox.api.loader import load_rows
from tests.support.bulk import FakeTaskStateStore, start_attempt
from tests.support.loading import Crm, counts, crm_row, crm_rows, outcomes, read_report
from tests.unit.ringcx.loading.conftest import MakeCrm

ROWS = crm_rows(6)
EACH_ONCE = {row["externId"]: 1 for row in ROWS}
STATUSES = ["GENERAL_FAILURE", "NO_LEADS_PASSED_VALIDATION"]
ACCOUNT_STATUSES = ["DNC_ACCOUNT_SETTINGS", "DNC_UPLOAD_FAILED", "DNC_GREATER_ONE_DAY"]


@pytest.fixture
def bad_city(monkeypatch: pytest.MonkeyPatch) -> str:
    """A city for which RingCX refuses the whole request with status 400."""
    from airflow_provider_engagevoice.sandbox.http.errors import ApiError

    parse = load_rows._parse_lead

    def refuse(entry: Any, options: Any) -> Any:
        if entry.get("city") == "Nowhere":
            raise ApiError(400, "city is not valid")
        return parse(entry, options)

    monkeypatch.setattr(load_rows, "_parse_lead", refuse)
    return "Nowhere"


@pytest.mark.parametrize("status", STATUSES)
def test_failure_of_one_request_is_overcome_by_halves(crm: Crm, status: str) -> None:
    crm.server.fault("load_failed", operation="direct_load", status=status)
    result = crm.load(ROWS)
    assert (counts(result), result["requests"]) == ((6, 0, 0, 0, 0), 3)
    assert crm.loaded == EACH_ONCE


@pytest.mark.parametrize("status", [*STATUSES, *ACCOUNT_STATUSES])
def test_rows_of_a_request_that_was_processed_although_it_failed_are_not_sent_again(
    crm: Crm, status: str
) -> None:
    crm.server.fault("load_failed", operation="direct_load", status=status, when="after")
    assert counts(crm.load(ROWS)) == (6, 0, 0, 0, 0)
    assert len(crm.loads) == 1
    assert crm.loaded == EACH_ONCE


@pytest.mark.parametrize("fault", [{"kind": "load_failed"}, {"kind": "status", "status": 400}])
def test_rows_of_a_failed_request_that_are_not_visible_in_time_are_not_sent_again(
    make_crm: MakeCrm, fault: dict[str, Any]
) -> None:
    crm = make_crm(visibility_delay=200)
    crm.server.fault(**fault, operation="direct_load", when="after")
    with pytest.raises(OutcomeUnknown, match="RingCX shows none of them yet"):
        crm.load(ROWS)
    assert len(crm.loads) == 1
    crm.server.advance(200)
    assert counts(crm.load(ROWS)) == (6, 0, 0, 0, 0)
    assert crm.loaded == EACH_ONCE


@pytest.mark.parametrize("status", ACCOUNT_STATUSES)
def test_failure_that_rows_cannot_cause_is_not_halved(crm: Crm, status: str) -> None:
    crm.server.fault("load_failed", operation="direct_load", status=status)
    with pytest.raises(RowsRejected, match="6 rows that RingCX rejected"):
        crm.load(ROWS)
    assert len(crm.loads) == 1
    assert not crm.loaded


def test_all_requests_fail(crm: Crm, tmp_path: Path) -> None:
    crm.server.fault("load_failed", operation="direct_load", times=1000)
    with pytest.raises(RowsRejected) as caught:
        crm.load(crm_rows(64), report=str(tmp_path / "report.csv"))
    assert caught.value.result is not None
    assert counts(caught.value.result) == (0, 0, 0, 64, 0)
    assert {line["code"] for line in read_report(tmp_path / "report.csv")} == {"GENERAL_FAILURE"}
    # The whole, two halves and four quarters; not each of 64 rows.
    assert len(crm.loads) == 7


def test_one_bad_row_among_500_is_found_with_few_requests(crm: Crm, bad_city: str, tmp_path: Path) -> None:
    rows = crm_rows(500)
    rows[317]["city"] = bad_city
    result = crm.load(rows, on_rejected="ignore", report=str(tmp_path / "report.csv"))
    assert counts(result) == (499, 0, 0, 1, 0)
    assert len(crm.loads) <= 19
    (rejected,) = [line for line in read_report(tmp_path / "report.csv") if line["outcome"] == "rejected"]
    assert (rejected["row"], rejected["external_id"], rejected["code"]) == ("318", "K-317", "http_400")
    assert crm.loaded == {row["externId"]: 1 for row in rows if row["externId"] != "K-317"}


def test_two_bad_rows_far_apart_are_found(crm: Crm, bad_city: str) -> None:
    rows = crm_rows(64)
    rows[3]["city"] = rows[60]["city"] = bad_city
    assert counts(crm.load(rows, on_rejected="ignore")) == (62, 0, 0, 2, 0)
    assert len(crm.loads) <= 25


def test_every_other_row_bad_ends_after_few_requests(crm: Crm, bad_city: str) -> None:
    rows = crm_rows(500)
    for row in rows[::2]:
        row["city"] = bad_city
    result = crm.load(rows, on_rejected="ignore")
    assert counts(result) == (0, 0, 0, 500, 0)
    assert len(crm.loads) <= 7


def test_bad_row_alone_is_rejected_with_one_request(crm: Crm, bad_city: str) -> None:
    with pytest.raises(RowsRejected, match="1 row that RingCX rejected"):
        crm.load([crm_row(1, city=bad_city)])
    assert len(crm.loads) == 1


def test_request_that_is_too_large_is_halved(crm: Crm) -> None:
    crm.server.fault("status", operation="direct_load", status=413)
    assert counts(crm.load(ROWS)) == (6, 0, 0, 0, 0)
    assert crm.loaded == EACH_ONCE


def test_rejected_rows_stop_the_load_unless_the_author_continues(crm: Crm) -> None:
    crm.server.fault("load_failed", operation="direct_load", status=ACCOUNT_STATUSES[0])
    with pytest.raises(RowsRejected, match="2 rows that RingCX rejected"):
        crm.load(ROWS, chunk_size=2, max_in_flight=1)
    assert len(crm.loads) == 1
    crm.server.fault("load_failed", operation="direct_load", status=ACCOUNT_STATUSES[0])
    with pytest.raises(RowsRejected) as caught:
        crm.load(ROWS, chunk_size=2, max_in_flight=1, on_rejected="continue")
    assert caught.value.result is not None
    assert counts(caught.value.result) == (4, 0, 0, 2, 0)
    assert counts(crm.load(ROWS, chunk_size=2)) == (6, 0, 0, 0, 0)
    assert crm.loaded == EACH_ONCE


def test_rejected_rows_are_sent_again_by_an_attempt_with_the_checkpoint(crm: Crm) -> None:
    store = FakeTaskStateStore()
    options: dict[str, Any] = {"chunk_size": 2, "on_rejected": "continue"}
    crm.server.fault("load_failed", operation="direct_load", status=ACCOUNT_STATUSES[0])
    with pytest.raises(RowsRejected):
        crm.load(ROWS, checkpoints=start_attempt(store), **options)
    result = crm.load(ROWS, checkpoints=start_attempt(store, is_retry=True), **options)
    assert counts(result) == (6, 0, 0, 0, 0)
    assert crm.loaded == EACH_ONCE


@pytest.mark.parametrize(("most", "is_accepted"), [(1, False), (2, True), ("30%", False), ("34%", True)])
def test_rejected_rows_up_to_the_limit_are_accepted(crm: Crm, most: Any, is_accepted: bool) -> None:
    crm.server.fault("load_failed", operation="direct_load", status=ACCOUNT_STATUSES[0])
    if is_accepted:
        assert counts(crm.load(ROWS, chunk_size=2, max_rejected=most)) == (4, 0, 0, 2, 0)
    else:
        with pytest.raises(RowsRejected):
            crm.load(ROWS, chunk_size=2, max_rejected=most)


def test_campaign_that_disappears_ends_the_load_without_rejected_rows(crm: Crm, tmp_path: Path) -> None:
    crm.server.fault("status", operation="direct_load", status=404)
    with pytest.raises(NotFound) as caught:
        crm.load(ROWS, chunk_size=3, max_in_flight=1, report=str(tmp_path / "report.csv"))
    assert caught.value.result is not None
    assert counts(caught.value.result) == (0, 0, 0, 0, 0)
    assert outcomes(tmp_path / "report.csv") == ["not_sent"] * 6
