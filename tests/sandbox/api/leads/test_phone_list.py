"""Search of leads by a list of phone numbers, as JSON and as a file."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.leads import Row


def post(api: Any, *, page: Row | None = None, **sent: Any) -> requests.Response:
    path = f"{api.root}/campaignLeads/leadSearchByPhoneList"
    response: requests.Response = api.session.post(path, params=page, timeout=20, **sent)
    return response


def found(response: requests.Response) -> list[int]:
    assert response.status_code == 200, response.text
    return [row["leadId"] for row in response.json()]


@pytest.fixture
def unique_leads(leads: list[Row]) -> list[Row]:
    """Return leads with one phone number that no other lead has."""
    by_phone: dict[str, list[Row]] = {}
    for lead in leads:
        by_phone.setdefault(lead["leadPhone"], []).append(lead)
    return [rows[0] for phone, rows in by_phone.items() if len(rows) == 1 and "|" not in phone][:9]


@pytest.fixture
def phones(unique_leads: list[Row]) -> list[str]:
    return [lead["leadPhone"] for lead in unique_leads]


def test_json_phone_list_returns_search_rows(api: Any, spring: Row, phones: list[str]) -> None:
    campaigns = [spring["campaignId"]]
    response = post(api, json={"phoneList": phones, "campaignIds": campaigns})
    assert response.json() == api.search(leadPhoneNumbers=phones, campaignIds=campaigns)
    assert len(response.json()) == len(phones)


def test_json_phone_list_without_campaigns_searches_account(api: Any, unique_leads: list[Row]) -> None:
    phone = unique_leads[0]["leadPhone"]
    no_filter: list[Row] = [{}, {"campaignIds": []}, {"campaignIds": None}]
    for campaigns in no_filter:
        response = post(api, json={"phoneList": [f"+1{phone}"], **campaigns})
        assert response.json() == api.search(leadPhoneNumbers=[phone])


def test_json_phone_list_filters_by_campaigns(api: Any, summer: Row, phones: list[str]) -> None:
    response = post(api, json={"phoneList": phones, "campaignIds": [str(summer["campaignId"])]})
    assert {row["campaignName"] for row in response.json()} <= {"Summer Win-Back"}


@pytest.mark.parametrize("body", [{}, {"phoneList": []}, {"phoneList": None}, {"phoneList": ["none", ""]}])
def test_empty_phone_list_matches_nothing(api: Any, body: Row) -> None:
    assert found(post(api, json=body)) == []


def test_phone_list_ignores_other_accounts(api: Any, phones: list[str]) -> None:
    api.account = "50810002"
    own = {row["leadId"] for row in post(api, json={"phoneList": phones}).json()}
    api.account = "50810001"
    assert own.isdisjoint(found(post(api, json={"phoneList": phones})))


@pytest.mark.parametrize(
    "template",
    [
        "{}\n{}\n{}\n",
        "{}\r\n{}\r\n{}",
        "\ufeffPhone\n{}\n{}\n{}\n",
        '"+1{}"\n\n"{}"\n{}\n',
        "phone,name\n{},Ada\n{},Bea\n{},Cleo\n",
        "phone;name;zip\n{};Ada;02134\n{};;\n{};Cleo;02134\n",
        "phone\tname\n{}\tAda\n{}\tBea\n{}\tCleo\n",
    ],
)
def test_phone_list_file_returns_matches(api: Any, unique_leads: list[Row], template: str) -> None:
    content = template.format(*(lead["leadPhone"] for lead in unique_leads[:3]))
    ids = found(post(api, files={"file": ("numbers.csv", content.encode())}))
    expected = [
        row["leadId"] for row in api.search(leadPhoneNumbers=[lead["leadPhone"] for lead in unique_leads[:3]])
    ]
    assert ids == expected
    assert {lead["leadId"] for lead in unique_leads[:3]} <= set(ids)


def test_phone_list_supports_paging(api: Any, phones: list[str]) -> None:
    body = {"phoneList": phones}
    everybody = found(post(api, json=body))
    assert found(post(api, json=body, page={"page": 1, "maxRows": 4})) == everybody[4:8]
    assert found(post(api, json=body, page={"page": 99, "maxRows": 4})) == []
    assert post(api, json=body, page={"page": -1}).status_code == 400


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ({"json": {"phoneList": "6175550000"}}, "phoneList"),
        ({"json": {"phoneList": [{}]}}, "phoneList"),
        ({"json": {"phoneList": ["6175550000"], "campaignIds": ["x"]}}, "campaignIds"),
        ({"files": {"other": ("a.txt", b"6175550000")}}, "file"),
        ({"files": {"file": ("a.txt", b"\xff\xfe6\x001\x00")}}, "file"),
        ({"files": {"file": ("a.txt", b'"' + b"1" * 200_000)}}, "file"),
    ],
    ids=lambda part: str(part)[:60],
)
def test_invalid_phone_list_returns_400(api: Any, sent: Any, name: str) -> None:
    response = post(api, **sent)
    assert response.status_code == 400
    assert [error["attributeName"] for error in response.json()["validationErrors"]] == [name]


@pytest.mark.parametrize("body", [b"", b"[]", b"6175550000\n"])
def test_body_neither_object_nor_file_returns_400(api: Any, body: bytes) -> None:
    assert post(api, data=body).status_code == 400


@pytest.mark.assumption(52)
@pytest.mark.ringcx_sandbox(id_cap=3)
def test_id_cap_applies_to_phone_list(api: Any, phones: list[str]) -> None:
    table = "\n".join(["phone", *phones[:3]])
    for sent in ({"json": {"phoneList": phones[:3]}}, {"files": {"file": ("a", table)}}):
        assert post(api, **sent).status_code == 200
    for sent in ({"json": {"phoneList": phones[:4]}}, {"files": {"file": ("a", "\n".join(phones[:4]))}}):
        response = post(api, **sent)
        assert response.status_code == 400
        assert "phoneList must hold at most 3 values" in response.json()["details"]


@pytest.mark.assumption(1)
@pytest.mark.ringcx_sandbox(strict_criteria=True)
def test_strict_criteria_accepts_phone_list(api: Any, phones: list[str]) -> None:
    assert len(found(post(api, json={"phoneList": phones}))) >= len(phones)


def test_phone_list_has_own_rate_limit(sandbox: SandboxServer, api: Any) -> None:
    statuses = [post(api, json={"phoneList": []}).status_code for _ in range(31)]
    assert statuses == [200] * 30 + [429]
    assert {request.operation for request in sandbox.requests} == {"phone_list_search"}
    assert api.post_search({}, count="true").status_code == 200
