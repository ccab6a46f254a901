"""Loads of files: preview and process."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import openpyxl
import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sandbox.support.leads import Row, lists_of
from tests.sandbox.support.loads import find_lead, post_load

CSV = b'phone,id,first,last\n4155500001,F-1,Ada,Lovelace\n(415) 550-0002,F-2,"Bea, B.",\n'
MAPPINGS = {"LEAD_PHONE": 0, "EXTERN_ID": 1, "FIRST_NAME": 2, "LAST_NAME": 3}
#: The guide's sample.
PROCESS = {
    "description": "Spring leads",
    "fileType": "COMMA",
    "fileContainsHeaders": True,
    "duplicateHandling": "REMOVE_FROM_LIST",
    "listState": "ACTIVE",
    "timeZoneOption": "NOT_APPLICABLE",
    "pageNumber": 1,
    "pageColumnMappings": MAPPINGS,
}


def preview(
    api: Any, campaign: Row, content: bytes = CSV, file_type: str = "COMMA", **query: str
) -> requests.Response:
    query = {"fileType": file_type, **query}
    return post_load(api, campaign, "preview", params=query, files={"file": ("leads.csv", content)})


def process(api: Any, campaign: Row, transaction: str, **changes: object) -> requests.Response:
    return post_load(api, campaign, "process", json={**PROCESS, "transactionId": transaction, **changes})


def load_file(api: Any, campaign: Row, content: bytes = CSV, **changes: object) -> Row:
    """Load a file; return the newest list of the campaign."""
    transaction = preview(api, campaign, content).json()["transactionId"]
    response = process(api, campaign, transaction, **changes)
    assert (response.status_code, response.content) == (202, b"")
    newest: Row = lists_of(api, campaign)[-1]
    return newest


def list_result(newest: Row) -> tuple[Any, ...]:
    return newest["leadsSupplied"], newest["leadsAccepted"], newest["result"]


def loaded_names(api: Any, *extern_ids: str) -> list[tuple[str, str]]:
    return [(row["firstName"], row["lastName"]) for row in api.search(externIds=list(extern_ids))]


def test_preview_returns_rows_and_mapping_columns(api: Any, spring: Row) -> None:
    response = preview(api, spring)
    assert response.status_code == 201
    shown = response.json()
    assert shown["pagePreviews"] == [
        {
            "pageNumber": 1,
            "pageName": "leads.csv",
            "rowData": [
                ["phone", "id", "first", "last"],
                ["4155500001", "F-1", "Ada", "Lovelace"],
                ["(415) 550-0002", "F-2", "Bea, B.", ""],
            ],
        }
    ]
    assert len(shown["mappingColumns"]) == len(set(shown["mappingColumns"])) == 29
    assert set(MAPPINGS) < set(shown["mappingColumns"])
    assert api.count(externIds=["F-1", "F-2"]) == 0


def test_process_loads_file_into_new_list(api: Any, spring: Row) -> None:
    before = len(lists_of(api, spring))
    newest = load_file(api, spring)
    assert len(lists_of(api, spring)) == before + 1
    assert (newest["listDesc"], *list_result(newest)) == ("Spring leads", 2, 2, "OK")
    row = find_lead(api, "F-2")
    assert (row["leadPhone"], row["firstName"], row["lastName"]) == ("4155500002", "Bea, B.", None)
    assert (row["leadState"], row["listId"]) == ("READY", newest["listId"])
    assert find_lead(api, "F-1")["lastName"] == "Lovelace"


@pytest.mark.parametrize(("file_type", "separator"), [("PIPE", b"|"), ("TAB", b"\t")])
def test_load_file_with_other_delimiters_and_quotes(
    api: Any, spring: Row, file_type: str, separator: bytes
) -> None:
    content = separator.join([b"'A%bC'" % separator, b'say "x"', b""]) + b"\r\n\r\n"
    shown = preview(api, spring, content, file_type, quoteCharacter="'").json()
    assert shown["pagePreviews"][0]["rowData"] == [[f"A{separator.decode()}C", 'say "x"', ""]]


def test_preview_accepts_format_in_form_fields(api: Any, spring: Row) -> None:
    fields = {"fileType": "PIPE", "quoteCharacter": "'"}
    response = post_load(api, spring, "preview", data=fields, files={"file": ("l.txt", b"'a|b'|c")})
    assert response.status_code == 201
    assert response.json()["pagePreviews"][0]["rowData"] == [["a|b", "c"]]


def test_preview_truncates_and_process_loads_all(api: Any, spring: Row) -> None:
    lines = b"".join(b"415550%04d,F-%d\n" % (number, number) for number in range(40))
    transaction = preview(api, spring, lines).json()
    assert len(transaction["pagePreviews"][0]["rowData"]) == 10
    process(api, spring, transaction["transactionId"], fileContainsHeaders=False)
    assert list_result(lists_of(api, spring)[-1]) == (40, 40, "OK")


@pytest.mark.parametrize("flag", [None, False])
def test_process_without_headers_flag_rejects_header(api: Any, spring: Row, flag: object) -> None:
    assert list_result(load_file(api, spring, fileContainsHeaders=flag)) == (3, 2, "OK")
    assert api.count(externIds=["F-1", "F-2"]) == 2


@pytest.mark.assumption(56)
def test_process_counts_columns_from_0(api: Any, spring: Row) -> None:
    load_file(api, spring, pageColumnMappings={**MAPPINGS, "FIRST_NAME": 3, "LAST_NAME": 2})
    assert loaded_names(api, "F-1") == [("Lovelace", "Ada")]


@pytest.mark.assumption(56)
def test_process_column_base_1_counts_from_1(api_of: Callable[[SandboxServer], Any]) -> None:
    with SandboxServer(Settings(size=100, column_base=1)) as other:
        api, campaign = api_of(other), other.campaign("Spring Renewals")
        shifted = {name: column + 1 for name, column in MAPPINGS.items()}
        load_file(api, campaign, pageColumnMappings=shifted)
        assert loaded_names(api, "F-1") == [("Ada", "Lovelace")]
        transaction = preview(api, campaign).json()["transactionId"]
        assert process(api, campaign, transaction).status_code == 400


def test_process_maps_extended_and_persona_columns(api: Any, spring: Row, agent: Row) -> None:
    content = b"4155500001,F-1,%d,gold,4155500009,3" % agent["agentId"]
    newest = load_file(
        api,
        spring,
        content,
        fileContainsHeaders=False,
        pageColumnMappings={
            "LEAD_PHONE": 0,
            "EXTERN_ID": 1,
            "PENDING_AGENT_ID": 2,
            "LEAD_PRIORITY": "5",
            "ZIP": 99,
        },
        extendedLeadDataMappings={"tier": 3},
        additionalPhoneMappings={"2": 4},
    )
    assert list_result(newest) == (1, 1, "OK")
    row = find_lead(api, "F-1")
    assert row["pendingAgentName"] == f"{agent['firstName']} {agent['lastName']}"
    assert (row["extraData"], row["zip"]) == ('{"tier": "gold"}', None)
    assert api.count(leadPhoneNumbers=["4155500009"]) == 1


@pytest.mark.assumption(36)
@pytest.mark.parametrize("missing", ["duplicateHandling", "timeZoneOption"])
def test_process_missing_option_fails_list(api: Any, spring: Row, missing: str) -> None:
    changes: Row = {missing: None}
    newest = load_file(api, spring, **changes)
    assert list_result(newest) == (2, 0, "Failed")
    assert newest["message"].endswith(f"missing.required.param: {missing}")
    assert api.count(externIds=["F-1", "F-2"]) == 0


@pytest.mark.assumption(37)
@pytest.mark.parametrize("mappings", [{}, None, {"EXTERN_ID": 1}])
def test_process_without_valid_lead_fails_list(api: Any, spring: Row, mappings: object) -> None:
    newest = load_file(api, spring, pageColumnMappings=mappings)
    assert list_result(newest) == (2, 0, "Failed")
    assert newest["message"] == "Your uploaded lead list file processing has failed"


def test_process_removes_duplicates(api: Any, spring: Row) -> None:
    content = CSV + b"4155500001,F-3,Twin,\n"
    assert list_result(load_file(api, spring, content)) == (3, 3, "OK")
    assert api.count(externIds=["F-1", "F-2", "F-3"]) == 2


def test_process_transaction_is_single_use(api: Any, spring: Row) -> None:
    transaction = preview(api, spring).json()["transactionId"]
    assert [process(api, spring, transaction).status_code for _ in range(2)] == [202, 404]
    assert api.count(externIds=["F-1"]) == 1


def test_process_rejected_request_keeps_transaction(api: Any, spring: Row) -> None:
    transaction = preview(api, spring).json()["transactionId"]
    assert process(api, spring, transaction, pageNumber=2).status_code == 400
    assert process(api, spring, transaction, listState="OPEN").status_code == 400
    assert process(api, spring, transaction).status_code == 202


def test_process_transaction_expires(sandbox: SandboxServer, api: Any, spring: Row) -> None:
    transactions = [preview(api, spring).json()["transactionId"] for _ in range(2)]
    sandbox.advance(seconds=3500)
    assert process(api, spring, transactions[0]).status_code == 202
    sandbox.advance(seconds=101)
    assert process(api, spring, transactions[1]).status_code == 404


def test_process_transaction_of_other_campaign_returns_404(api: Any, spring: Row, summer: Row) -> None:
    transaction = preview(api, spring).json()["transactionId"]
    assert process(api, summer, transaction).status_code == 404
    assert process(api, spring, "4431e90b-4c26-44d4-9093-2479e789f051").status_code == 404


BAD_REQUESTS: dict[str, tuple[str, object]] = {
    "column in words": ("pageColumnMappings", {"LEAD_PHONE": "first"}),
    "mappings no object": ("extendedLeadDataMappings", [1]),
    "negative column": ("additionalPhoneMappings", {"2": -1}),
    "no page": ("pageNumber", 0),
    "no transaction": ("transactionId", ""),
    "unknown column": ("pageColumnMappings", {"PHONE": 0}),
    "unsure headers": ("fileContainsHeaders", "perhaps"),
}


@pytest.mark.parametrize("name", sorted(BAD_REQUESTS))
def test_process_invalid_request_returns_400(api: Any, spring: Row, name: str) -> None:
    field, value = BAD_REQUESTS[name]
    body = {**PROCESS, "transactionId": preview(api, spring).json()["transactionId"], field: value}
    response = post_load(api, spring, "process", json=body)
    assert response.status_code == 400
    assert [error["attributeName"] for error in response.json()["validationErrors"]] == [field]


BAD_FILES: dict[str, tuple[bytes, dict[str, str], str]] = {
    "huge field": (b"a" * 200_000, {}, "file"),
    "latin 1": ("J\xfcrgen".encode("latin-1"), {}, "file"),
    "lower-case type": (CSV, {"fileType": "comma"}, "fileType"),
    "no type": (CSV, {"fileType": ""}, "fileType"),
    "no workbook": (CSV, {"fileType": "EXCEL"}, "file"),
    "nul": (b"a,\0", {}, "file"),
    "quote of two": (CSV, {"quoteCharacter": "''"}, "quoteCharacter"),
    "quote that separates": (CSV, {"quoteCharacter": ","}, "quoteCharacter"),
}


@pytest.mark.parametrize("name", sorted(BAD_FILES))
def test_preview_invalid_file_returns_400(api: Any, spring: Row, name: str) -> None:
    content, query, field = BAD_FILES[name]
    response = preview(api, spring, content, **query)
    assert response.status_code == 400, response.text
    assert [error["attributeName"] for error in response.json()["validationErrors"]] == [field]


def test_preview_body_not_multipart_returns_400(api: Any, spring: Row) -> None:
    kind = "multipart/form-data; boundary=x"
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="l.csv"\r\n\r\na,b\r\n'
    bodies: list[tuple[str, bytes]] = [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        (kind, b""),
        (kind, b"no form"),
        (kind, part),
        (kind, part + b'--x\r\nContent-Disposition: form-data; name="fileType"\r\n\r\nCOM'),
        (kind, b"--x\r\n\r\nnameless\r\n--x--\r\n"),
        (kind, b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n\xff\r\n--x--\r\n'),
        (kind, b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nno file\r\n--x--\r\n'),
        (kind, part * 101 + b"--x--\r\n"),
    ]
    for content_type, body in bodies:
        response = post_load(
            api,
            spring,
            "preview",
            params={"fileType": "COMMA"},
            data=body,
            headers={"Content-Type": content_type},
        )
        assert response.status_code == 400, body[:200]
    response = post_load(
        api,
        spring,
        "preview",
        params={"fileType": "COMMA"},
        data=part + b"--x--\r\n",
        headers={"Content-Type": kind},
    )
    assert response.json()["pagePreviews"][0]["rowData"] == [["a", "b"]]


@pytest.mark.assumption(48)
def test_load_file_unknown_campaign_returns_404(api: Any) -> None:
    assert preview(api, {"campaignId": 1}).status_code == 404
    assert process(api, {"campaignId": 1}, "x").status_code == 404


_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def workbook(
    sheet: str,
    shared: str = "",
    compression: int = zipfile.ZIP_DEFLATED,
    parts: Mapping[str, str | bytes] | None = None,
) -> bytes:
    """Return an Excel file of two pages; the second one is empty."""
    overrides = {
        "xl/workbook.xml": "sheet.main",
        "xl/worksheets/a.xml": "worksheet",
        "xl/worksheets/b.xml": "worksheet",
    }
    if shared:
        overrides["xl/sharedStrings.xml"] = "sharedStrings"
    files: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        + "".join(
            f'<Override PartName="/{name}" ContentType="{_CONTENT_TYPE}.{kind}+xml"/>'
            for name, kind in overrides.items()
        )
        + "</Types>",
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>'
        '<sheet name="Leads" sheetId="1" r:id="rId7"/><sheet name="Empty" sheetId="2" r:id="rId8"/>'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId7" Type="{_RELATIONS}/worksheet" Target="worksheets/a.xml"/>'
        f'<Relationship Id="rId8" Type="{_RELATIONS}/worksheet" Target="/xl/worksheets/b.xml"/>'
        "</Relationships>",
        "xl/worksheets/a.xml": f'<worksheet xmlns="{_MAIN}"><sheetData>{sheet}</sheetData></worksheet>',
        "xl/worksheets/b.xml": f'<worksheet xmlns="{_MAIN}"><sheetData/></worksheet>',
        **({"xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}">{shared}</sst>'} if shared else {}),
        **(parts or {}),
    }
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return written.getvalue()


SHEET = (
    '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="D1" t="inlineStr"><is>'
    '<t>Name</t></is></c></row><row r="2"/><row r="3"><c r="A3"><v>4.155500001E9</v></c>'
    '<c r="B3"><v>17</v></c>'
    '<c r="C3"><v>0.5</v></c><c r="D3" t="str"><f>A1</f><v>Ada &amp; Bea</v></c></row>'
)
SHARED = (
    '<si><t>Phone</t></si><si><r><t>Extern </t></r><r><t>id</t></r><rPh sb="0" eb="1"><t>x</t></rPh></si>'
)


def test_process_loads_excel_file(api: Any, spring: Row) -> None:
    shown = preview(api, spring, workbook(SHEET, SHARED), "EXCEL").json()
    assert shown["pagePreviews"] == [
        {
            "pageNumber": 1,
            "pageName": "Leads",
            "rowData": [["Phone", "Extern id", "", "Name"], ["4155500001", "17", "0.5", "Ada & Bea"]],
        },
        {"pageNumber": 2, "pageName": "Empty", "rowData": []},
    ]
    mappings = {"LEAD_PHONE": 0, "EXTERN_ID": 1, "FIRST_NAME": 3}
    assert process(api, spring, shown["transactionId"], pageColumnMappings=mappings).status_code == 202
    assert (find_lead(api, "17")["leadPhone"], find_lead(api, "17")["firstName"]) == (
        "4155500001",
        "Ada & Bea",
    )


def test_preview_excel_values_become_texts(api: Any, spring: Row) -> None:
    written = io.BytesIO()
    book = openpyxl.Workbook()
    book.active.append(["00123", 123, "4155500001", 4155500001, 0.1, True, False, None, "=1/0"])
    book.active.append(
        [datetime.date(2024, 1, 31), datetime.datetime(2024, 1, 31, 12), datetime.time(6), "#N/A"]
    )
    book.active.append([None, None])
    book.active.append([1e20, -5, "1.50", " x ", "A\nB", "\U0001f600"])
    book.save(written)
    (page,) = preview(api, spring, written.getvalue(), "EXCEL").json()["pagePreviews"]
    assert page["rowData"] == [
        ["00123", "123", "4155500001", "4155500001", "0.1", "1", "0", "", ""],
        ["45322", "45322.5", "0.25", "#N/A"],
        ["1e+20", "-5", "1.50", " x ", "A\nB", "\U0001f600"],
    ]


def test_preview_reads_strict_open_xml(api: Any, spring: Row) -> None:
    content = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(SHEET, SHARED))) as transitional,
        zipfile.ZipFile(content, "w") as strict,
    ):
        for name in transitional.namelist():
            text = transitional.read(name).decode()
            text = text.replace(_MAIN, "http://purl.oclc.org/ooxml/spreadsheetml/main")
            text = text.replace(_RELATIONS, "http://purl.oclc.org/ooxml/officeDocument/relationships")
            strict.writestr(name, text.replace("<workbook", '<workbook conformance="strict"'))
    (page, _) = preview(api, spring, content.getvalue(), "EXCEL").json()["pagePreviews"]
    assert page["rowData"] == [["Phone", "Extern id", "", "Name"], ["4155500001", "17", "0.5", "Ada & Bea"]]


def test_preview_excel_iso_dates_and_formula_results(api: Any, spring: Row) -> None:
    sheet = (
        '<row><c t="d"><v>2024-01-31</v></c><c t="d"><v>2024-01-31T12:00:00</v></c>'
        '<c t="b"><v>1</v></c><c t="e"><v>#DIV/0!</v></c><c><f>1+1</f><v>2</v></c><c><v>007</v></c>'
        "<c><v>12345678901234567</v></c></row>"
    )
    shown = preview(api, spring, workbook(sheet), "EXCEL").json()["pagePreviews"][0]["rowData"]
    assert shown == [["2024-01-31", "2024-01-31T12:00:00", "1", "#DIV/0!", "2", "7", "12345678901234567"]]


def encrypted() -> bytes:
    """Return a workbook whose parts are marked as encrypted."""
    content = bytearray(workbook(SHEET, SHARED))
    place = content.find(b"PK\x01\x02")
    while place >= 0:
        content[place + 8] |= 1
        place = content.find(b"PK\x01\x02", place + 4)
    return bytes(content)


_ENTITIES = '<!DOCTYPE a [<!ENTITY b "cccc"><!ENTITY d "&b;&b;">]><sst><si><t>&d;</t></si></sst>'


def page_twice() -> bytes:
    """Return a workbook whose two pages refer to the same part."""
    relation = f'Type="{_RELATIONS}/worksheet" Target="worksheets/a.xml"/>'
    return workbook(
        SHEET,
        SHARED,
        parts={
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
            f'<Relationship Id="rId7" {relation}<Relationship Id="rId8" {relation}</Relationships>'
        },
    )


BAD_WORKBOOKS: dict[str, tuple[Callable[[], bytes], str]] = {
    "bomb": (lambda: workbook("<row>" + " " * 17_000_000 + "</row>"), "too large"),
    # 17 and 24 KiB that expand to 16 MiB.
    "bomb of cells": (lambda: workbook("<row>" + "<c/>" * 4_190_000 + "</row>"), "too large"),
    "bomb of rows": (lambda: workbook("<row/>" * 2_790_000), "too large"),
    "broken number": (lambda: workbook("<row><c><v>1,5</v></c></row>"), "broken content"),
    "broken xml": (lambda: workbook("<row>"), "broken content"),
    "cell far out": (lambda: workbook('<row><c r="XFD1"><v>1</v></c></row>'), "columns"),
    "cells out of order": (
        lambda: workbook('<row><c r="B1"><v>1</v></c><c r="A1"><v>1</v></c></row>'),
        "out of order",
    ),
    "cut off": (lambda: workbook(SHEET, SHARED)[:-40], "not an Excel file"),
    "encrypted": (encrypted, "not an Excel file"),
    "entities": (lambda: workbook(SHEET, parts={"xl/sharedStrings.xml": _ENTITIES}), "does not write"),
    "many cells": (lambda: workbook('<row><c r="SA1"/></row>' * 2100), "1000000 cells"),
    "many columns": (lambda: workbook("<row>" + "<c/>" * 513 + "</row>"), "512 columns"),
    "many elements": (
        lambda: workbook("<row/>" * 1_000_000, compression=zipfile.ZIP_STORED),
        "too large",
    ),
    "many characters": (
        lambda: workbook(
            "<row>" + '<c t="s"><v>0</v></c>' * 400 + "</row>", "<si><t>" + "x" * 100_000 + "</t></si>"
        ),
        "too large",
    ),
    "missing shared string": (lambda: workbook(SHEET), "refers to a shared string"),
    "unsupported compression": (lambda: workbook(SHEET, SHARED, zipfile.ZIP_LZMA), "compressed"),
    "other zip": (
        lambda: workbook(SHEET, SHARED).replace(b"xl/workbook.xml", b"xl/warkbook.xml"),
        "not an Excel file",
    ),
    "page twice": (page_twice, "two pages with the same content"),
    "utf 16": (
        lambda: workbook(SHEET, parts={"xl/sharedStrings.xml": "<sst/>".encode("utf-16")}),
        "not UTF-8",
    ),
}


@pytest.mark.parametrize("name", sorted(BAD_WORKBOOKS))
def test_preview_invalid_excel_file_returns_400(api: Any, spring: Row, name: str) -> None:
    make, problem = BAD_WORKBOOKS[name]
    response = preview(api, spring, make(), "EXCEL")
    assert response.status_code == 400, response.text
    (error,) = response.json()["validationErrors"]
    assert error["attributeName"] == "file"
    assert problem in error["message"]


@pytest.mark.parametrize(("step", "calls"), [("preview", 12), ("process", 9)])
@pytest.mark.assumption(47)
def test_load_file_rate_limits(api_of: Callable[[SandboxServer], Any], step: str, calls: int) -> None:
    with SandboxServer(Settings(size=20)) as limited:
        api, campaign = api_of(limited), limited.campaign("Spring Renewals")
        statuses = [post_load(api, campaign, step, json={}).status_code for _ in range(calls + 1)]
    assert statuses == [400] * calls + [429]
