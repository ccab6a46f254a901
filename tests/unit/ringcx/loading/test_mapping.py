"""Rows of a source as leads: columns, fields and values."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.loading.mapping import RowMapper
from airflow_provider_engagevoice.ringcx.loading.values import RowRejected, to_lead

MAPPING = {"crm_id": "externId", "mobile": "leadPhone", "plan": "extendedLeadData.plan"}


def lead(
    row: dict[str, Any], mapping: dict[str, str] | None = None, unmapped: str = "fail"
) -> dict[str, Any]:
    return to_lead(row, RowMapper(mapping, unmapped).targets(row))


def test_mapped_columns_become_fields() -> None:
    row = {"crm_id": " C-1 ", "mobile": "(617) 555-0001|+44 20 7946 0001", "plan": "gold"}
    assert lead(row, MAPPING) == {
        "externId": "C-1",
        "leadPhone": "6175550001|+442079460001",
        "extendedLeadData": {"plan": "gold"},
    }


def test_columns_with_names_of_fields_need_no_mapping() -> None:
    row = {"externId": 7, "firstName": "Zoë ", "extendedLeadData": {"a": 1}, "extendedLeadData.b": True}
    assert lead(row) == {"externId": "7", "firstName": "Zoë ", "extendedLeadData": {"a": 1, "b": True}}


@pytest.mark.parametrize("blank", [None, "", "  ", "\u200b", math.nan])
def test_blank_values_are_left_out(blank: Any) -> None:
    assert lead({"externId": "a", "city": blank, "extendedLeadData.b": blank}) == {"externId": "a"}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("externId", "007", "007"),
        ("externId", 1234567890123456, "1234567890123456"),
        ("externId", Decimal(12), "12"),
        ("externId", UUID("AAAAAAAA-0000-4000-8000-00000000000A"), "aaaaaaaa-0000-4000-8000-00000000000a"),
        ("auxData1", 12, "12"),
        ("auxData1", Decimal("12.50"), "12.50"),
        ("auxData1", date(2026, 11, 27), "2026-11-27"),
        ("auxData1", datetime(2026, 11, 27, 8, 30), "2026-11-27 08:30:00"),
        ("maxPasses", " 5 ", 5),
        ("maxPasses", Decimal("5"), 5),
        ("quotaTargetIds", (1, 2), [1, 2]),
    ],
)
def test_values_are_converted_to_the_kind_of_their_field(field: str, value: Any, expected: Any) -> None:
    row = {"externId": "a", field: value}
    assert lead(row)[field] == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("externId", True),
        ("externId", 7.0),
        ("externId", b"secret"),
        ("externId", "NULL"),
        ("leadPhone", "55"),
        ("city", True),
        ("city", b"secret"),
        ("city", ["secret"]),
        ("city", "secret\0"),
        ("city", "secret\ud83d"),
        ("auxData1", math.inf),
        ("maxPasses", 1.0),
        ("maxPasses", "1.5"),
        ("maxPasses", 2**70),
        ("extendedLeadData", "secret"),
        ("extendedLeadData", {1: "secret"}),
        ("extendedLeadData.x", {"a": math.inf}),
        ("quotaTargetIds", "secret"),
    ],
)
def test_invalid_value_rejects_the_row_without_showing_it(field: str, value: Any) -> None:
    with pytest.raises(RowRejected) as caught:
        lead({"externId": "a", field: value})
    assert str(caught.value).startswith(field.partition(".")[0])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"id": "externID"}, "'externID' is not a field of a lead; did you mean externId"),
        ({"id": "externId", "mail": "emailAddress"}, "'emailAddress' is not a field"),
        ({"id": "externId", "a": "city", "b": "city"}, "several columns are mapped to city"),
        ({"a": "city"}, "map one column to externId"),
        ({"id": "externId", "x": "extendedLeadData."}, "is not a field"),
        ({}, "mapping must be a dict"),
        ({"id": 7}, "must be text"),
    ],
)
def test_invalid_mapping_is_refused(mapping: Any, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        RowMapper(mapping)


def test_missing_and_additional_columns_are_refused_before_any_row() -> None:
    with pytest.raises(
        InvalidParameter, match="no column 'mobile', which mapping names; did you mean Mobiles"
    ):
        RowMapper(MAPPING).targets(["crm_id", "Mobiles", "plan"])
    with pytest.raises(InvalidParameter, match="Map column 'note' of the source, or set unmapped"):
        RowMapper(MAPPING).targets([*MAPPING, "note"])
    with pytest.raises(InvalidParameter, match=r"Map column 'middleName' .*did you mean midName"):
        RowMapper().targets(["externId", "middleName"])
    with pytest.raises(InvalidParameter, match="no column externId"):
        RowMapper().targets(["leadPhone"])
    with pytest.raises(InvalidParameter, match="unmapped must be one of"):
        RowMapper(unmapped="drop")


def test_unmapped_columns_are_ignored_or_kept_as_extended_data() -> None:
    row = {"externId": "a", "note": "x", "score": 3}
    assert lead(row, unmapped="ignore") == {"externId": "a"}
    assert lead(row, unmapped="extended") == {
        "externId": "a",
        "extendedLeadData": {"note": "x", "score": 3},
    }


@pytest.mark.parametrize(
    ("mapping", "columns", "expected"),
    [
        (None, ["EXTERNID", "LeadPhone"], {"EXTERNID": "externId", "LeadPhone": "leadPhone"}),
        ({"crm_id": "externId"}, ["CRM_ID"], {"CRM_ID": "externId"}),
        ({"ID": "externId"}, ["Id", "ID"], {"ID": "externId"}),
        ({"ID": "externId", "id": "city"}, ["Id", "ID"], {"ID": "externId", "Id": "city"}),
    ],
)
def test_missing_name_matches_the_only_column_in_another_case(
    mapping: dict[str, str] | None, columns: list[str], expected: dict[str, str]
) -> None:
    assert RowMapper(mapping, "ignore").targets(columns) == expected
    row = dict.fromkeys(columns, "1234567890")
    assert to_lead(row, expected).keys() == set(expected.values())


def test_equal_column_wins_over_one_in_another_case() -> None:
    assert RowMapper(None, "ignore").targets(["CITY", "externId", "city"]) == {
        "externId": "externId",
        "city": "city",
    }


@pytest.mark.parametrize(
    ("mapping", "columns", "message"),
    [
        ({"id": "externId"}, ["ID", "Id"], "several differ from it only in case, name one of them: ID, Id"),
        ({"ID": "externId", "Id": "city"}, ["id"], "no column 'ID', which mapping names"),
        ({"ID": "externId", "id": "city"}, ["id"], "no column 'ID', which mapping names"),
        (None, ["EXTERNID", "ExternID"], "no column externId"),
    ],
)
def test_ambiguous_match_in_another_case_is_refused(
    mapping: dict[str, str] | None, columns: list[str], message: str
) -> None:
    with pytest.raises(InvalidParameter, match=message):
        RowMapper(mapping, "ignore").targets(columns)
