"""Limits of a load, its campaign, its lists, and a dry run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    CampaignAmbiguous,
    CampaignNotFound,
    InvalidParameter,
    TooManyLeads,
    VerificationFailed,
)
from airflow_provider_engagevoice.ringcx.loading.load_lists import MAX_NAME
from tests.support.loading import Crm, counts, crm_row, crm_rows
from tests.unit.ringcx.loading.conftest import MakeCrm, Refuse

ROWS = crm_rows(6)


@pytest.mark.parametrize(("chunk_size", "requests"), [(1, 6), (4, 2), (6, 1), (1000, 1)])
def test_chunk_size_is_the_number_of_rows_in_a_request(crm: Crm, chunk_size: int, requests: int) -> None:
    result = crm.load(ROWS, chunk_size=chunk_size)
    assert (counts(result), result["requests"]) == ((6, 0, 0, 0, 0), requests)
    assert len(crm.loads) == requests


@pytest.mark.parametrize("chunk_size", [0, -1, 1001, 2.5, "500", True, None])
def test_invalid_chunk_size_is_refused(crm: Crm, chunk_size: Any) -> None:
    with pytest.raises(InvalidParameter, match="chunk_size must be a whole number of rows from 1 to 1000"):
        crm.load(ROWS, chunk_size=chunk_size)


def test_thousand_rows_fit_one_request(crm: Crm) -> None:
    assert counts(crm.load(crm_rows(1001), chunk_size=1000)) == (1001, 0, 0, 0, 0)
    assert len(crm.loads) == 2


def test_max_leads_is_the_largest_number_that_is_loaded(crm: Crm) -> None:
    with pytest.raises(TooManyLeads, match=r"Raise max_leads above 5 to load 6 rows\. Nothing was sent"):
        crm.load(ROWS, max_leads=5)
    assert not crm.loads
    assert counts(crm.load(ROWS, max_leads=6)) == (6, 0, 0, 0, 0)


def test_max_leads_does_not_count_repeated_and_rejected_rows(crm: Crm) -> None:
    rows = [*ROWS, ROWS[0], crm_row(7, leadPhone="1")]
    assert counts(crm.load(rows, max_leads=6, on_rejected="ignore")) == (6, 0, 1, 1, 0)


def test_max_leads_zero_loads_nothing(crm: Crm) -> None:
    with pytest.raises(TooManyLeads):
        crm.load(ROWS[:1], max_leads=0)
    assert counts(crm.load([], max_leads=0, allow_empty=True)) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("existing", ["load", "skip", "update", "fail"])
def test_dry_run_sends_nothing(crm: Crm, existing: str) -> None:
    result = crm.load(ROWS, existing=existing, dry_run=True)
    assert (result["dry_run"], result["leads_supplied"], result["requests"]) == (True, 6, 0)
    assert counts(result) == (0, 0, 0, 0, 0)
    assert not crm.loads
    assert counts(crm.load(ROWS)) == (6, 0, 0, 0, 0)


def test_dry_run_shows_what_exists(crm: Crm) -> None:
    crm.load([crm_row(0), crm_row(1, firstName="Old")], load_id="another")
    rows = [crm_row(0), crm_row(1, firstName="New"), crm_row(2)]
    assert counts(crm.load(rows, existing="skip", dry_run=True)) == (0, 0, 2, 0, 0)
    assert not crm.patches
    crm.load(rows, existing="update", dry_run=True)
    assert not crm.patches
    assert len(crm.loads) == 1


def test_inactive_campaign_is_warned_of(crm: Crm, caplog: pytest.LogCaptureFixture) -> None:
    crm.campaign = "Trade Show Contacts"
    assert counts(crm.load(ROWS)) == (6, 0, 0, 0, 0)
    assert "The campaign is not active" in caplog.text


def test_two_campaigns_of_one_name_are_refused_before_anything_is_sent(crm: Crm) -> None:
    with pytest.raises(CampaignAmbiguous):
        crm.load(ROWS, campaign="Reactivation")
    with pytest.raises(CampaignNotFound):
        crm.load(ROWS, campaign="Spring Renewal")
    assert not crm.loads


def test_many_immediate_leads_are_warned_of(crm: Crm, caplog: pytest.LogCaptureFixture) -> None:
    options: dict[str, Any] = {"load_options": {"dialPriority": "IMMEDIATE"}, "dry_run": True}
    crm.load(crm_rows(1000), **options)
    assert "IMMEDIATE" not in caplog.text
    crm.load(crm_rows(1001), **options)
    assert "dialPriority IMMEDIATE puts 1,001 leads before all others" in caplog.text


@pytest.mark.parametrize(
    "list_name",
    [
        "x" * 1000,
        "Frühjahr 🌱" * 40,
        "ends with a token · abcdefghijkl/1",
        "· ",
        " · /1",
        "a · b",
        "(.*)",
        "name with \u2028 and \u200b",
    ],
)
def test_any_name_of_a_list_is_found_again(crm: Crm, list_name: str) -> None:
    crm.server.fault("drop", operation="direct_load", when="after", at=[2])
    assert counts(crm.load(ROWS, chunk_size=2, list_name=list_name)) == (6, 0, 0, 0, 0)
    assert counts(crm.load(ROWS, chunk_size=2, list_name=list_name)) == (6, 0, 0, 0, 0)
    assert crm.loaded == {row["externId"]: 1 for row in ROWS}
    assert max(map(len, crm.list_names)) <= MAX_NAME


@pytest.mark.parametrize("list_name", ["", "  ", None, 7, "a\u0000b", "a\nb", "a\x7f"])
def test_invalid_name_of_a_list_is_refused(crm: Crm, list_name: Any) -> None:
    with pytest.raises(InvalidParameter, match="list_name must be text without control characters"):
        crm.load(ROWS, list_name=list_name)
    assert not crm.server.requests


def test_list_of_a_person_with_a_similar_name_is_not_taken_for_one_of_the_load(crm: Crm) -> None:
    """The name ends with the token, but not as the loads write it."""
    crm.load(ROWS[:3], chunk_size=3)
    (name,) = crm.list_names
    crm.load(ROWS[3:], load_id="a person", list_name=f"{name} copy")
    result = crm.load(ROWS, chunk_size=3)
    assert counts(result) == (6, 0, 0, 0, 0)
    assert crm.loaded == {f"K-{number}": 1 + (number > 2) for number in range(6)}


def test_other_load_id_loads_again(crm: Crm) -> None:
    crm.load(ROWS)
    crm.load(ROWS, load_id="run 2")
    assert set(crm.loaded.values()) == {2}


def test_options_are_sent_as_given(crm: Crm) -> None:
    options: dict[str, Any] = {
        "listState": "PAUSED",
        "timeZoneOption": "EXPLICIT",
        "internationalNumberFormat": True,
        "phoneNumbersI18nEnabled": True,
        "dncTags": ["A"],
        "scheduleArchiveDts": "2027-01-01T00:00:00Z",
    }
    row = {"externId": "K-1", "leadPhone": "+442079460001", "leadTimezone": "WA01"}
    assert counts(crm.load([row], load_options=options)) == (1, 0, 0, 0, 0)
    (lead,) = crm.leads
    assert (lead["leadPhone"], json.dumps(lead).count("WA01") > 0) == ("+442079460001", True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dialpriority": "NORMAL"}, "did you mean dialPriority"),
        ({"dialPriority": "normal"}, "did you mean NORMAL"),
        ({"internationalNumberFormat": "true"}, "must be True or False"),
        ({"dncTags": "A"}, "must be a list of text"),
        ({"scheduleArchiveDts": "tomorrow"}, "scheduleArchiveDts"),
        ({"description": "x"}, "no option 'description'"),
        ([], "must be a dict"),
    ],
)
def test_unknown_options_are_refused(crm: Crm, options: Any, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        crm.load(ROWS, load_options=options)


@pytest.mark.parametrize("delay", [2, 10, 50])
def test_verification_waits_until_leads_are_visible(make_crm: MakeCrm, delay: int) -> None:
    crm = make_crm(visibility_delay=delay)
    assert counts(crm.load(ROWS, chunk_size=2)) == (6, 0, 0, 0, 0)
    assert delay - 5 <= sum(crm.clock.pauses) <= 60


def test_leads_that_stay_invisible_fail_the_verification(make_crm: MakeCrm) -> None:
    crm = make_crm(visibility_delay=200)
    with pytest.raises(VerificationFailed, match="reported 6 leads as inserted and shows 0 of them"):
        crm.load(ROWS)
    crm.server.advance(200)
    assert counts(crm.load(ROWS)) == (6, 0, 0, 0, 0)
    assert len(crm.loads) == 1


def test_retry_before_leads_are_visible_does_not_load_them_again(make_crm: MakeCrm) -> None:
    crm = make_crm(visibility_delay=200)
    with pytest.raises(VerificationFailed):
        crm.load(ROWS, chunk_size=2)
    with pytest.raises(Exception, match="RingCX shows none of them yet"):
        crm.load(ROWS, chunk_size=2)
    crm.server.advance(200)
    assert counts(crm.load(ROWS, chunk_size=2)) == (6, 0, 0, 0, 0)
    assert crm.loaded == {row["externId"]: 1 for row in ROWS}


def test_verification_can_be_left_out(make_crm: MakeCrm) -> None:
    crm = make_crm(visibility_delay=200)
    assert counts(crm.load(ROWS, verify=False)) == (6, 0, 0, 0, 0)
    assert not crm.clock.pauses


@pytest.mark.parametrize("expected", [">1000", "<5", "=5", ">=many", "", -1, 1.5])
def test_expectations_that_mean_nothing_are_refused(refuse: Refuse, expected: Any) -> None:
    refuse(InvalidParameter, "expect_rows must be", [crm_row(0)], expect_rows=expected)
