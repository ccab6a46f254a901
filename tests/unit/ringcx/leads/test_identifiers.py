"""Normalization of ids and phone numbers, the same from a list, text and every file format."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_engagevoice.ringcx.criteria import UNSET
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria
from airflow_provider_engagevoice.ringcx.files.id_file import open_id_file
from airflow_provider_engagevoice.ringcx.leads.identifiers import (
    IdNormalizer,
    InvalidIdentifier,
)
from airflow_provider_engagevoice.ringcx.leads.near_misses import (
    explain_no_match,
    near_misses,
    salesforce_id_18,
)
from airflow_provider_engagevoice.ringcx.leads.selection import build_selection


def from_list(key: str, value: str, folder: Path) -> Any:
    return build_selection({key: [value]}).body[key]


def from_template_text(key: str, value: str, folder: Path) -> Any:
    return build_selection({key: str([value])}).body[key]


def from_file(key: str, name: str, content: str, folder: Path) -> Any:
    (folder / name).write_bytes(content.encode())
    return build_selection(UNSET, source=open_id_file(str(folder / name), None, key)).body[key]


def from_lines(key: str, value: str, folder: Path) -> Any:
    return from_file(key, "x.txt", f"{value}\n", folder)


def from_csv(key: str, value: str, folder: Path) -> Any:
    written = io.StringIO()
    csv.writer(written).writerows([["id"], [value]])
    return from_file(key, "x.csv", written.getvalue(), folder)


def from_jsonl(key: str, value: str, folder: Path) -> Any:
    return from_file(key, "x.jsonl", json.dumps({"id": value}), folder)


def from_parquet(key: str, value: str, folder: Path) -> Any:
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow, the extra parquet")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"id": [value]}), folder / "x.parquet")
    source = open_id_file(str(folder / "x.parquet"), None, key)
    return build_selection(UNSET, source=source).body[key]


ROADS = [from_list, from_template_text, from_lines, from_csv, from_jsonl, from_parquet]


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize(
    ("key", "value", "sent"),
    [
        ("externIds", "A-1\u00a0", ["A-1"]),
        ("externIds", "\u202aA-1\u202c", ["A-1"]),
        ("externIds", "\ufeffA\u200b-1", ["A-1"]),
        ("leadPhoneNumbers", "\u202a5551234567\u202c", ["5551234567"]),
        ("leadPhoneNumbers", "5551234567|5557654321", ["5551234567", "5557654321"]),
        ("leadPhoneNumbers", "5552223333.0", ["5552223333"]),
        ("leadPhoneNumbers", "(555)\u00a0222-3333", ["5552223333"]),
        ("leadPhoneNumbers", "+1 (555) 222-3333", ["+15552223333"]),
        ("leadIds", "\u200e17\u00a0", [17]),
    ],
)
def test_normalize_gives_the_same_ids_on_every_road(road, key, value, sent, tmp_path) -> None:
    assert list(road(key, value, tmp_path)) == sent


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize(
    ("key", "value", "cause"),
    [
        ("externIds", "1001.0", "floating-point"),
        ("externIds", "1.23457E+11", "exponent notation"),
        ("externIds", "#N/A", "missing value"),
        ("externIds", "nan", "missing value"),
        ("externIds", "-", "letter or a digit"),
        ("leadIds", "1001.0", "floating-point"),
        ("leadPhoneNumbers", "5.55222E+09", "exponent notation"),
        ("leadPhoneNumbers", "5551234567;5557654321", "one phone number"),
        ("leadPhoneNumbers", "5551234567 x12", "extension"),
    ],
)
def test_normalize_rejects_unmatchable_ids_on_every_road(road, key, value, cause, tmp_path) -> None:
    with pytest.raises(
        InvalidCriteria, match=rf"({key}\[0\]|(line|row) \d of the source) .*{cause}"
    ) as error:
        road(key, value, tmp_path)
    assert value.strip() not in str(error.value) or value == "-"


@given(st.text(max_size=20), st.sampled_from(["externIds", "leadPhoneNumbers", "leadIds"]))
def test_normalize_is_idempotent(text: str, key: str) -> None:
    try:
        once = IdNormalizer(key).normalize(text)
    except InvalidIdentifier:
        return
    assert [each for value in once for each in IdNormalizer(key).normalize(value)] == once


@given(st.lists(st.from_regex(r"\+?[0-9]{7,15}", fullmatch=True), min_size=1, max_size=4))
def test_lead_phone_of_a_search_can_be_fed_back(numbers: list[str]) -> None:
    sent = build_selection({"leadPhoneNumbers": ["|".join(numbers)]}).body["leadPhoneNumbers"]
    assert list(sent) == list(dict.fromkeys(numbers))


def test_normalize_logs_the_number_of_changes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    build_selection({"externIds": ["A-1\u00a0", "A-2\u200b", "A-3"]})
    assert "1 with blanks at the ends removed, 1 with invisible characters removed" in caplog.text
    assert "A-1" not in caplog.text


def test_invalid_ids_can_be_left_out(caplog: pytest.LogCaptureFixture) -> None:
    selection = build_selection({"externIds": ["A-1", "-", "A-2"]}, on_invalid="skip")
    assert list(selection.body["externIds"]) == ["A-1", "A-2"]
    assert selection.invalid_ids == ["-"]
    assert "Left out 1 invalid id" in caplog.text


@pytest.mark.parametrize("start", ["\n\n", " \n", "\r\n\r\n", ",\n", "sep=,\n", "\n\ufeff"])
def test_csv_blank_rows_before_the_header_are_passed_over(start: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"{start}customer\nA-1\n", newline="")
    source = open_id_file(str(path), None, "externIds")
    assert list(build_selection(UNSET, source=source).body["externIds"]) == ["A-1"]


def test_salesforce_id_18_is_that_of_salesforce() -> None:
    assert salesforce_id_18("001A0000006Vm9r") == "001A0000006Vm9rIAC"


@pytest.mark.parametrize(
    ("key", "value", "variant", "difference"),
    [
        ("externIds", "a-1", "A-1", "case"),
        ("externIds", "7", "007", "leading zeros"),
        ("externIds", "007", "7", "leading zeros"),
        ("externIds", "1001", "1001.0", "trailing .0"),
        ("leadPhoneNumbers", "5551234567", "+15551234567", "country code"),
        ("leadPhoneNumbers", "+445551234567", "5551234567", "country code"),
        ("externIds", "0010000000ABCDEAA5", "0010000000ABCDE", "Salesforce"),
    ],
)
def test_near_misses_contain_what_systems_change(key, value, variant, difference) -> None:
    assert difference in near_misses(key, value)[variant]


@pytest.mark.parametrize(
    ("key", "ids", "cause"),
    [
        ("externIds", ["0010000000ABCDE"], "18-letter"),
        ("externIds", ["0010000000ABCDEAA5"], "15-letter"),
        ("externIds", ["7", "8"], "leading zeros"),
        ("leadPhoneNumbers", ["5551234567"], "country code"),
        ("leadIds", [7], "externIds"),
    ],
)
def test_explain_no_match_names_the_likely_cause(key, ids, cause) -> None:
    assert cause in explain_no_match(ids, key)


@pytest.mark.parametrize("entry", ["\x00", "\x1a", "\u200b", "\u00a0", "\ufeff"])
def test_entry_without_visible_character_is_blank(entry: str) -> None:
    selection = build_selection({"externIds": ["A-1", entry]})
    assert selection.body["externIds"] == ["A-1"]
    assert build_selection({"externIds": [entry]}).empty_reason == "externIds is empty"
    with pytest.raises(InvalidCriteria, match=r"externIds\[1\] is empty"):
        build_selection({"externIds": ["A-1", entry]}, runtime_keys=())
