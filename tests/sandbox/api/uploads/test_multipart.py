"""Multipart bodies: limits and parsing of parts."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.sandbox.support.leads import Row
from tests.sandbox.support.loads import post_load

Part = tuple[str, tuple[str | None, bytes]]
FILE: Part = ("file", ("l.csv", b"a,b"))


def send(api: Any, campaign: Row, parts: list[Part], **query: str) -> requests.Response:
    return post_load(api, campaign, "preview", params={"fileType": "COMMA", **query}, files=parts)


def rows_of(response: requests.Response) -> list[list[str]]:
    assert response.status_code == 201, response.text
    rows: list[list[str]] = response.json()["pagePreviews"][0]["rowData"]
    return rows


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([("x", ("x.txt", b"x"))] * 99 + [FILE], 201),
        ([("x", ("x.txt", b"x"))] * 100 + [FILE], 400),
        ([("x", (None, b"x"))] * 100 + [FILE], 201),
        ([("x", (None, b"x"))] * 101 + [FILE], 400),
        ([("x", (None, b"x" * 64 * 1024)), FILE], 201),
        ([("x", (None, b"x" * 64 * 1024 + b"x")), FILE], 400),
        ([("x", (None, b"a\0b")), FILE], 400),
    ],
    ids=["files", "too many files", "texts", "too many texts", "long text", "too long text", "nul"],
)
def test_multipart_parts_are_limited(api: Any, spring: Row, parts: list[Part], status: int) -> None:
    assert send(api, spring, parts).status_code == status


def test_multipart_file_over_10_mib_returns_413(api: Any, spring: Row) -> None:
    line = b"a" * 1023 + b"\n"
    assert send(api, spring, [("file", ("l.csv", line * 10 * 1024))]).status_code == 413
    assert len(rows_of(send(api, spring, [("file", ("l.csv", line * 9 * 1024))]))) == 10


def test_multipart_duplicate_name_last_part_wins(api: Any, spring: Row) -> None:
    texts: list[Part] = [("quoteCharacter", (None, b"%")), ("quoteCharacter", (None, b"'"))]
    response = send(api, spring, [("file", ("k.csv", b"c,d")), *texts, ("file", ("l.csv", b"'a,b'"))])
    assert rows_of(response) == [["a,b"]]
    assert response.json()["pagePreviews"][0]["pageName"] == "l.csv"


def test_multipart_field_and_file_may_share_name(api: Any, spring: Row) -> None:
    assert rows_of(send(api, spring, [FILE, ("file", (None, b"no file"))])) == [["a", "b"]]
