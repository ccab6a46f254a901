"""Tests of sanitized messages: no data of leads remains, and what RingCX itself says does."""

from __future__ import annotations

import time

import pytest

from airflow_provider_engagevoice.ringcx.transport.sanitize import sanitize, sanitize_path

PHONES = [
    "617-555-0100",
    "(617) 555-0100",
    "617.555.0100",
    "617/555/0100",
    "617:555:0100",
    "617,555,0100",
    "617_555_0100",
    "617--555----0100",
    "617 . 555 . 0100",
    "6 1 7 5 5 5 0 1 0 0",
    "+1 617 555 0100",
    "+1(617)5550100",
    "0049 (0) 30 123456",
    "+44 20\u00a07946\u20110958",
    "\uff16\uff11\uff17\uff15\uff15\uff15\uff10\uff11\uff10\uff10",
    "5550100",
    "555-010",
    "1-800-FLOWERS",
]
ADDRESSES = [
    "jane@example.com",
    "jane.doe@localhost",
    '"jane doe"@example.com',
    "jane@[10.0.0.1]",
    "jane%40example.com",
    "jane @ example.com",
    "jane(at)example.com",
    "jane [at] example [dot] com",
    "jane\uff20example.com",
    "mailto:jane@example.com",
]
IDS = [
    "00Q1a000",
    "ABC-123",
    "A-3",
    "A12",
    "K/2024/17",
    "#123-A",
    "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "1980-02-03",
    "50810001234",
]
QUOTED = [
    "'jane'",
    '"jane"',
    "'O'Brien'",
    "`jane`",
    "\u201cjane\u201d",
    "\u2018jane\u2019",
    "\u00abjane\u00bb",
    '"jane',
]


@pytest.mark.parametrize("value", [*PHONES, *ADDRESSES, *IDS, *QUOTED])
def test_sanitize_hides_values_of_every_spelling(value: str) -> None:
    assert sanitize(f"The value {value} is not valid") == "The value … is not valid"
    assert sanitize(value).strip("…<>[](),") == ""


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Lead Jane Doe (00Q1a000) at 617-555-0100 is in use", "Lead … (…) at … is in use"),
        ("Jane O'Neill is on a call", "… is on a call"),
        ("DOE, JANE is on a call", "… is on a call"),
        ("Cannot call Jane: busy", "Cannot call …: busy"),
        ("\u674e\u96f7 is on a call", "… is on a call"),
        ("Lead \u0141ukasz is on a call", "Lead … is on a call"),
        ("customer jane doe is on a call", "customer … is on a call"),
        ("No lead 'jane' for +44 20\u00a07946\u20110958", "No lead … for …"),
        ("phone 555/123-4567 and 5550100 are invalid", "phone … and … are invalid"),
        ("lead 4711 is locked", "lead … is locked"),
        ("leadIds: 12, 34 not found", "leadIds: … not found"),
        ("externIds A-1, A-2, B-9 not found", "externIds … not found"),
        ("externId=abc; firstName: jane", "externId=…; firstName: …"),
        ("rejected value [jane]", "rejected value […]"),
        ("value <jane>", "value <…>"),
    ],
)
def test_sanitize_hides_names_and_ids_in_sentences(message: str, shown: str) -> None:
    assert sanitize(message) == shown


@pytest.mark.parametrize(
    "message",
    [
        "Campaign is locked",
        "Campaign 249548 not found",
        "list 12345 does not exist",
        "Bad Request; campaignId must be a whole number",
        "campaignIds[0] must be a number",
        "leadPhone: must not be blank",
        "leadStates must be one of [READY, PENDING-CALLBACK]",
        "CREATE_COPY_SETTING is missing",
        "access.denied",
        "Rate limit of 120 requests per 60 s exceeded",
        "Unexpected token at line 1 column 17",
        "HTTP 405 Method Not Allowed",
        "Jwt is expired (OAU-213)",
        "timeout after 30000 ms",
        "Lead is not READY",
    ],
)
def test_sanitize_keeps_what_ringcx_says(message: str) -> None:
    assert sanitize(message) == message


@pytest.mark.parametrize(
    "text", ["1" * 9999, "a" * 9999, "'" * 9999, "[<" * 5000, "A b " * 3000, "1-" * 5000]
)
def test_sanitize_long_text_takes_no_time(text: str) -> None:
    started = time.process_time()
    assert len(sanitize(text)) <= 300
    assert time.process_time() - started < 1.0


def test_sanitize_path_hides_tokens_phones_and_addresses() -> None:
    path = "/voice/api/v1/admin/token/secret-word/x/6175550100/jane%40example.com?password=secret-word"
    assert sanitize_path(path) == "/voice/api/v1/admin/token/***/x/…/…"
