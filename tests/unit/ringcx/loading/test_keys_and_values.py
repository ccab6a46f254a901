"""External ids, phone numbers and other values of rows, from the source to the campaign."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, SourceRejected
from tests.support.loading import Crm, Row, counts, crm_row, crm_rows, outcomes, read_report


def rows_with_keys(*keys: Any) -> list[Row]:
    return [{"externId": key, "leadPhone": f"617555{n:04}"} for n, key in enumerate(keys)]


def all_keys(crm: Crm, before: int = 0) -> set[str]:
    """Return the external ids of the leads that a load has added."""
    return {lead["externId"] for lead in crm.server.leads(crm.campaign) if "CRM list" in lead["listDesc"]}


@pytest.mark.parametrize(
    ("key", "sent"),
    [
        ("007", "007"),
        ("7", "7"),
        (7, "7"),
        (1234567890123456789, "1234567890123456789"),
        (Decimal("12"), "12"),
        (UUID("AAAAAAAA-0000-4000-8000-00000000000A"), "aaaaaaaa-0000-4000-8000-00000000000a"),
        ("AAAAAAAA-0000-4000-8000-00000000000A", "AAAAAAAA-0000-4000-8000-00000000000A"),
        ("55.01", "55.01"),
        ("1e9", "1e9"),
        ("-0", "-0"),
        ("  K-1\t", "K-1"),
        ("İstanbul ß", "İstanbul ß"),
        ("e\u0301", "e\u0301"),
        ("🦄1", "🦄1"),
    ],
)
def test_key_is_sent_exactly(crm: Crm, key: Any, sent: str) -> None:
    assert counts(crm.load(rows_with_keys(key))) == (1, 0, 0, 0, 0)
    assert all_keys(crm) == {sent}


@pytest.mark.parametrize(
    "key", [None, "", "  ", "\u00a0", "\u200b", math.nan, 5.5, 5.0, "55.0", "-", "🦄", True, b"K-1", ["K-1"]]
)
def test_row_without_a_valid_key_is_rejected(crm: Crm, key: Any, tmp_path: Path) -> None:
    rows = rows_with_keys("K-1", key)
    with pytest.raises(SourceRejected, match=r"Correct 1 row of 2, .*\nrow 2: externId "):
        crm.load(rows, report=str(tmp_path / "report.csv"))
    assert not crm.loads
    assert outcomes(tmp_path / "report.csv") == ["not_sent", "rejected"]
    assert counts(crm.load(rows, on_rejected="ignore")) == (1, 0, 0, 1, 0)


@pytest.mark.parametrize("rows", [2, 3, 7])
@pytest.mark.parametrize("chunk_size", [1, 500])
def test_equal_rows_are_loaded_once(crm: Crm, tmp_path: Path, rows: int, chunk_size: int) -> None:
    report = str(tmp_path / "report.csv")
    result = crm.load([crm_row(1)] * rows + [crm_row(2)], report=report, chunk_size=chunk_size)
    assert counts(result) == (2, 0, rows - 1, 0, 0)
    assert crm.loaded == {"K-1": 1, "K-2": 1}
    assert outcomes(tmp_path / "report.csv") == ["loaded", *["duplicate"] * (rows - 1), "loaded"]


def test_rows_that_are_equal_once_they_are_converted_are_loaded_once(crm: Crm) -> None:
    rows: list[Row] = [
        {"externId": 7001, "leadPhone": "(617) 555-0001", "city": ""},
        {"externId": "7001", "leadPhone": "+1 617 555 0001", "city": None},
    ]
    assert counts(crm.load(rows)) == (1, 0, 1, 0, 0)


def test_different_rows_with_one_key_are_all_rejected(crm: Crm, tmp_path: Path) -> None:
    rows = [crm_row(1), crm_row(2), crm_row(1, city="Boston"), crm_row(1)]
    with pytest.raises(SourceRejected, match="Correct 3 rows of 4"):
        crm.load(rows)
    report = tmp_path / "report.csv"
    result = crm.load(rows, on_rejected="ignore", report=str(report), chunk_size=1)
    assert counts(result) == (1, 0, 0, 3, 0)
    assert crm.loaded == {"K-2": 1}
    assert [line["code"] for line in read_report(report)] == [
        "conflicting_rows",
        "",
        "conflicting_rows",
        "conflicting_rows",
    ]


NEAR_MISSES = {
    "leading zeros": ("007", "7"),
    "case": ("K-a", "K-A"),
    "inner blank": ("K 1", "K1"),
    "NBSP": ("K\u00a01", "K1"),
    "composed": ("\u00e9", "e\u0301"),
    "Salesforce": ("0015g00000ABCDe", "0015g00000ABCDeAAF"),
    "type": (7, "07"),
}


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_near_misses_are_different_leads_and_named_once(
    crm: Crm, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    assert counts(crm.load(rows_with_keys(*NEAR_MISSES[name], "K-other"))) == (3, 0, 0, 0, 0)
    (warning,) = [r.getMessage() for r in caplog.records if "differ from another one only" in r.getMessage()]
    assert warning.startswith("2 external ids differ")
    assert warning.endswith("First rows: 1, 2")


def test_many_near_misses_make_one_short_warning(crm: Crm, caplog: pytest.LogCaptureFixture) -> None:
    rows = rows_with_keys(*(f"{zeros}{n}" for n in range(100, 400) for zeros in ("", "0")))
    crm.load(rows, dry_run=True)
    (warning,) = [r.getMessage() for r in caplog.records if "differ from another one only" in r.getMessage()]
    assert warning.startswith("600 external ids")
    assert len(warning) < 300


def test_keys_that_are_not_similar_are_not_warned_of(crm: Crm, caplog: pytest.LogCaptureFixture) -> None:
    crm.load(crm_rows(20), dry_run=True)
    assert "differ from another" not in caplog.text


@pytest.mark.parametrize("blank", [None, "", "   ", "\u200b", math.nan])
def test_blank_values_are_not_sent(crm: Crm, blank: Any) -> None:
    body: list[Any] = []
    client = crm.client()
    request_steps = client.request_steps

    def record(method: str, path: str, *args: Any, **options: Any) -> Any:
        if path.endswith("/direct"):
            body.append(options["json"])
        return request_steps(method, path, *args, **options)

    client.request_steps = record  # type: ignore[method-assign]
    row = crm_row(1, city=blank, maxPasses=blank, extendedLeadData=None, **{"extendedLeadData.a": blank})
    crm.load([row], client=client)
    assert body[0]["uploadLeads"] == [crm_row(1)]


def test_columns_that_no_lead_has_are_refused(crm: Crm) -> None:
    for name in ("middleName", "emailAddress", "leadState", "type"):
        with pytest.raises(InvalidParameter, match=f"Map column '{name}' of the source"):
            crm.load([crm_row(1, **{name: "x"})])
    assert not crm.loads


def test_columns_may_differ_from_row_to_row(crm: Crm) -> None:
    assert counts(crm.load([crm_row(1), crm_row(2, city="Boston"), crm_row(3)])) == (3, 0, 0, 0, 0)
    with pytest.raises(InvalidParameter, match="Map column 'town'"):
        crm.load([crm_row(4), crm_row(5, town="Boston")])


@pytest.mark.parametrize(
    ("option", "row", "missing"),
    [
        ("EXPLICIT", {}, "leadTimezone is missing, which timeZoneOption EXPLICIT needs"),
        ("EXPLICIT", {"zip": "02101"}, "leadTimezone is missing"),
        ("EXPLICIT", {"leadTimezone": "WA01"}, None),
        ("EXPLICIT", {"leadTimezone": "Australia/Sydney"}, None),
        ("ZIPCODE", {}, "zip is missing, which timeZoneOption ZIPCODE needs"),
        ("ZIPCODE", {"zip": "02101"}, None),
        ("NPA_NXX", {}, None),
        ("NOT_APPLICABLE", {}, None),
    ],
)
def test_time_zone_options_need_their_field(crm: Crm, option: str, row: Row, missing: str | None) -> None:
    rows = [crm_row(1, zip="02101", leadTimezone="EST"), crm_row(2, **row)]
    if missing is None:
        assert counts(crm.load(rows, load_options={"timeZoneOption": option})) == (2, 0, 0, 0, 0)
        return
    with pytest.raises(SourceRejected, match=f"row 2: {missing}"):
        crm.load(rows, load_options={"timeZoneOption": option})
    assert not crm.loads


ABROAD = {"internationalNumberFormat": True}


@pytest.mark.parametrize(
    ("phone", "options", "sent"),
    [
        ("6175550001", {}, "6175550001"),
        ("(617) 555-0001", {}, "6175550001"),
        ("16175550001", {}, "6175550001"),
        ("+1 617.555.0001", {}, "6175550001"),
        (6175550001, {}, "6175550001"),
        ("6175550001|6175550002", {}, "6175550001|6175550002"),
        ("617555000", {}, None),
        ("26175550001", {}, None),
        ("+442079460001", {}, None),
        ("617-555-CALL", {}, None),
        ("6175550001|12", {}, None),
        ("+442079460001", ABROAD, "+442079460001"),
        ("+44 20 7946 0001", ABROAD, "+442079460001"),
        ("+442079460001", {"numberOriginCountry": "e164"}, "+442079460001"),
        ("+61291234567", {"numberOriginCountry": "AUS"}, "+61291234567"),
        ("12", ABROAD, None),
        ("abc", ABROAD, None),
    ],
)
def test_phone_numbers_by_mode(crm: Crm, phone: Any, options: dict[str, Any], sent: str | None) -> None:
    rows = [crm_row(1, leadPhone=phone)]
    if sent is None:
        with pytest.raises(SourceRejected, match="row 1: leadPhone ") as caught:
            crm.load(rows, load_options=options)
        assert str(phone) not in str(caught.value)
        assert not crm.loads
        return
    assert counts(crm.load(rows, load_options=options)) == (1, 0, 0, 0, 0)
    assert [lead["leadPhone"] for lead in crm.leads] == [sent]


def test_lead_with_an_international_number_alone_is_loaded(crm: Crm) -> None:
    rows = [{"externId": "K-1", "leadPhoneE164": "+16175550001"}]
    assert counts(crm.load(rows)) == (1, 0, 0, 0, 0)


def test_lead_without_a_phone_number_is_rejected(crm: Crm) -> None:
    with pytest.raises(SourceRejected, match="row 1: leadPhone is missing"):
        crm.load([{"externId": "K-1", "city": "Boston"}])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("text", "extendedLeadData must be a mapping"),
        ({1: "a"}, "extendedLeadData must have keys of text"),
        ({"a": math.inf}, "extendedLeadData contains a number that is not finite"),
        ({"a": b"x"}, "extendedLeadData must be text"),
        ({"a": "\ud800"}, "extendedLeadData contains half of a character"),
    ],
)
def test_invalid_extended_data_is_rejected(crm: Crm, value: Any, message: str) -> None:
    with pytest.raises(SourceRejected, match=f"row 1: {message}"):
        crm.load([crm_row(1, extendedLeadData=value)])


def test_large_extended_data_is_loaded(crm: Crm) -> None:
    data = {"note": "x" * 100_000, "nested": {"list": [True, None, 1.5, {"a": "b"}]}}
    assert counts(crm.load([crm_row(1, extendedLeadData=data)])) == (1, 0, 0, 0, 0)


def test_first_wrong_rows_are_named_and_the_others_counted(crm: Crm) -> None:
    rows = [crm_row(n, leadPhone="1") for n in range(50)]
    with pytest.raises(SourceRejected) as caught:
        crm.load(rows)
    assert str(caught.value).count("\nrow ") == 5
    assert str(caught.value).endswith("45 more")
