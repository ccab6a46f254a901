"""External ids that the campaign has before the load, and phone numbers that RingCX has already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    LeadsExist,
    OutcomeUnknown,
    RowsRejected,
    TooManyLeads,
    UnexpectedResponse,
)
from tests.support.loading import Crm, add_do_not_call, counts, crm_row, crm_rows, outcomes, read_report
from tests.unit.ringcx.loading.conftest import MakeCrm

ROWS = crm_rows(6)


def load_before(crm: Crm, numbers: list[int], load_id: str = "another") -> None:
    """Load leads as another program does, a year before."""
    crm.server.advance(-365 * 86400)
    crm.load([crm_row(number, firstName="Old") for number in numbers], load_id=load_id, list_name="Other")
    crm.server.advance(365 * 86400)


def test_existing_load_adds_a_second_lead(crm: Crm) -> None:
    load_before(crm, [0, 1])
    assert counts(crm.load(ROWS, chunk_size=2)) == (6, 0, 0, 0, 0)
    assert crm.loaded == {"K-0": 2, "K-1": 2, "K-2": 1, "K-3": 1, "K-4": 1, "K-5": 1}
    assert not crm.searches


@pytest.mark.parametrize("chunk_size", [1, 2, 500])
def test_existing_skip_leaves_rows_out(crm: Crm, tmp_path: Path, chunk_size: int) -> None:
    load_before(crm, [0, 3])
    report = tmp_path / "report.csv"
    assert counts(crm.load(ROWS, existing="skip", chunk_size=chunk_size, report=str(report))) == (
        4,
        0,
        2,
        0,
        0,
    )
    assert crm.loaded == {f"K-{number}": 1 for number in range(6)}
    lines = read_report(report)
    skipped = "skipped_existing"
    assert [line["outcome"] for line in lines] == [skipped, "loaded", "loaded", skipped, "loaded", "loaded"]
    ids = {lead["externId"]: str(lead["leadId"]) for lead in crm.leads}
    assert {line["external_id"]: line["lead_id"] for line in lines} == ids


def test_existing_skip_of_all_rows_sends_nothing(crm: Crm) -> None:
    load_before(crm, [0, 1])
    before = len(crm.loads)
    assert counts(crm.load(ROWS[:2], existing="skip")) == (0, 0, 2, 0, 0)
    assert len(crm.loads) == before


def test_existing_update_changes_what_differs_and_loads_the_rest(crm: Crm, tmp_path: Path) -> None:
    load_before(crm, [0, 1])
    rows = [crm_row(0, firstName="New"), crm_row(1, firstName="Old"), crm_row(2, firstName="Added")]
    result = crm.load(rows, existing="update", report=str(tmp_path / "report.csv"))
    assert (counts(result), result["requests"]) == ((1, 1, 1, 0, 0), 2)
    assert {lead["externId"]: lead["firstName"] for lead in crm.leads} == {
        "K-0": "New",
        "K-1": "Old",
        "K-2": "Added",
    }
    assert outcomes(tmp_path / "report.csv") == ["updated", "skipped_existing", "loaded"]


def test_existing_update_above_max_updates_changes_nothing(crm: Crm) -> None:
    load_before(crm, [0, 1])
    rows = [crm_row(number, firstName="New") for number in range(4)]
    with pytest.raises(TooManyLeads, match="Raise max_updates above 1 to update 2 leads"):
        crm.load(rows, existing="update", max_updates=1)
    assert not crm.patches
    assert set(crm.loaded) == {"K-0", "K-1"}
    assert counts(crm.load(rows, existing="update", max_updates=2)) == (2, 2, 0, 0, 0)


def test_existing_update_of_several_leads_with_one_key_is_rejected(crm: Crm) -> None:
    load_before(crm, [0])
    load_before(crm, [0, 1], load_id="one more")
    with pytest.raises(RowsRejected, match="several leads with this external id: 1"):
        crm.load([crm_row(0, firstName="New"), crm_row(1, firstName="New")], existing="update")


def test_existing_fail_sends_nothing(crm: Crm, tmp_path: Path) -> None:
    load_before(crm, [1, 4])
    before = len(crm.loads)
    with pytest.raises(LeadsExist, match=r"2 rows \(row 2, 5\)\. Nothing was sent") as caught:
        crm.load(ROWS, existing="fail", chunk_size=2, report=str(tmp_path / "report.csv"))
    assert caught.value.result is not None
    assert counts(caught.value.result) == (0, 0, 0, 0, 0)
    assert outcomes(tmp_path / "report.csv") == ["not_sent"] * 6
    assert len(crm.loads) == before
    assert counts(crm.load(crm_rows(3, 10), existing="fail")) == (3, 0, 0, 0, 0)


def test_existing_fail_accepts_what_an_earlier_attempt_has_loaded(crm: Crm) -> None:
    crm.server.fault("status", operation="direct_load", status=404, at=[2])
    with pytest.raises(Exception, match="404"):
        crm.load(ROWS, existing="fail", chunk_size=2, max_in_flight=1)
    assert counts(crm.load(ROWS, existing="fail", chunk_size=2)) == (6, 0, 0, 0, 0)
    assert crm.loaded == {f"K-{number}": 1 for number in range(6)}


@pytest.mark.parametrize("existing", ["skip", "update", "fail"])
def test_external_ids_are_compared_exactly(crm: Crm, existing: str) -> None:
    rows = [{"externId": "K-a", "leadPhone": "6175550001"}]
    crm.load([{"externId": "K-A", "leadPhone": "6175550002"}], load_id="another")
    assert counts(crm.load(rows, existing=existing)) == (1, 0, 0, 0, 0)


@pytest.mark.parametrize("existing", ["load", "skip", "update", "fail"])
def test_leads_of_other_campaigns_do_not_exist(crm: Crm, existing: str) -> None:
    crm.load(ROWS, campaign="Summer Win-Back", load_id="another")
    assert counts(crm.load(ROWS, existing=existing)) == (6, 0, 0, 0, 0)


# Phone numbers: RingCX's own handling of duplicates. The second of two rows has the number of the first.

SAME_PHONE = [crm_row(1, leadPhone="6175550001"), crm_row(2, leadPhone="6175550001"), crm_row(3)]


@pytest.mark.parametrize(
    ("handling", "chunk_size", "expected"),
    [
        ("RETAIN_ALL", 500, {"K-1", "K-2", "K-3"}),
        ("REMOVE_FROM_LIST", 500, {"K-1", "K-3"}),
        ("REMOVE_FROM_LIST", 1, {"K-1", "K-2", "K-3"}),
        ("REMOVE_ALL_EXISTING", 500, {"K-1", "K-3"}),
        ("REMOVE_ALL_EXISTING", 1, {"K-1", "K-3"}),
    ],
)
def test_phone_numbers_within_a_load(
    crm: Crm, tmp_path: Path, handling: str, chunk_size: int, expected: set[str]
) -> None:
    result = crm.load(
        SAME_PHONE,
        load_options={"duplicateHandling": handling},
        chunk_size=chunk_size,
        max_in_flight=1,
        report=str(tmp_path / "report.csv"),
    )
    assert counts(result) == (len(expected), 0, 3 - len(expected), 0, 0)
    assert set(crm.loaded) == expected
    lines = read_report(tmp_path / "report.csv")
    found = {line["external_id"] for line in lines if line["outcome"] == "loaded"}
    assert found == expected
    assert {line["outcome"] for line in lines} <= {"loaded", "duplicate"}


@pytest.mark.parametrize(
    ("handling", "inserted"), [("RETAIN_ALL", 3), ("REMOVE_FROM_LIST", 3), ("REMOVE_ALL_EXISTING", 2)]
)
def test_phone_numbers_of_the_campaign(crm: Crm, handling: str, inserted: int) -> None:
    options: dict[str, Any] = {"load_options": {"duplicateHandling": handling}}
    crm.load([crm_row(9, leadPhone="6175550001")], load_id="another", **options)
    result = crm.load([crm_row(1), crm_row(2), crm_row(3)], **options)
    assert counts(result) == (inserted, 0, 3 - inserted, 0, 0)


def test_rows_on_a_do_not_call_list_are_left_out(crm: Crm, tmp_path: Path) -> None:
    add_do_not_call(crm.server, "6175550002")
    result = crm.load(ROWS, chunk_size=3, report=str(tmp_path / "report.csv"))
    assert counts(result) == (5, 0, 1, 0, 0)
    assert outcomes(tmp_path / "report.csv") == ["loaded", "loaded", "dnc", "loaded", "loaded", "loaded"]
    assert "K-2" not in crm.loaded


def test_rows_on_a_do_not_call_list_that_ringcx_inserts_count_as_loaded(make_crm: MakeCrm) -> None:
    crm = make_crm(dnc_scrubbed="insert")
    add_do_not_call(crm.server, "6175550002")
    assert counts(crm.load(ROWS, chunk_size=3)) == (6, 0, 0, 0, 0)
    assert {lead["externId"] for lead in crm.leads if lead["leadState"] == "DO-NOT-CALL"} == {"K-2"}


def test_row_on_a_do_not_call_list_is_left_out_again_after_a_lost_response(crm: Crm, tmp_path: Path) -> None:
    add_do_not_call(crm.server, "6175550002")
    crm.server.fault("drop", operation="direct_load", when="after")
    result: Any = crm.load(ROWS, report=str(tmp_path / "report.csv"))
    assert counts(result) == (5, 0, 1, 0, 0)
    assert outcomes(tmp_path / "report.csv")[2] == "dnc"
    assert crm.loaded == {f"K-{number}": 1 for number in range(6) if number != 2}


@pytest.mark.parametrize(("seconds", "is_sent_again"), [(800, False), (1000, True)])
def test_list_that_stays_empty_is_sent_again_once_its_leads_would_be_visible(
    crm: Crm, seconds: int, is_sent_again: bool
) -> None:
    """All rows are on a do-not-call list, which the lost response would have shown."""
    add_do_not_call(crm.server, "6175550002")
    crm.server.advance(-seconds)
    crm.server.fault("drop", operation="direct_load", when="after")
    with pytest.raises(OutcomeUnknown, match="RingCX shows none of them yet"):
        crm.load([crm_row(2)])
    crm.server.advance(seconds)
    if is_sent_again:
        assert counts(crm.load([crm_row(2)])) == (0, 0, 1, 0, 0)
    else:
        with pytest.raises(OutcomeUnknown, match="RingCX shows none of them yet"):
            crm.load([crm_row(2)])
    assert len(crm.loads) == 1 + is_sent_again
    assert not crm.loaded


@pytest.mark.parametrize("existing", ["skip", "update", "fail"])
def test_search_result_of_another_campaign_is_refused(crm: Crm, existing: str) -> None:
    """RingCX ignores a filter that it does not know, so that its result may be wider than asked for."""
    row = {"leadId": 1, "externId": "K-1", "campaignId": crm.server.campaign("Summer Win-Back")["campaignId"]}
    crm.server.fault("answer", operation="lead_search", body=[row], times=2)
    with pytest.raises(UnexpectedResponse, match="has leads of other campaigns"):
        crm.load(ROWS, existing=existing)
    assert not crm.loads
