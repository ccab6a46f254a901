"""Recording of API requests in the request log, without credentials and personal data."""

from __future__ import annotations

import json
import time
from dataclasses import fields
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.state.request_log import RecordedRequest

Row = dict[str, Any]

ADMIN = "/voice/api/v1/admin"
ACCOUNT = f"{ADMIN}/accounts/50810001"


def read_log(sandbox: SandboxServer) -> list[Row]:
    records: list[Row] = requests.get(f"{sandbox.url}/sandbox/requests", timeout=20).json()
    return records


def test_record_has_no_credentials_and_no_body(sandbox: SandboxServer, api: Any) -> None:
    api.session.headers["User-Agent"] = "tester/1"
    api.post_search({"firstName": "Ada"}, count="true", token="secret-1")
    query = {"username": "secret-2", "password": "secret-3", "platformId": "x", "rcAccessToken": "secret-4"}
    api.session.post(f"{sandbox.url}/api/auth/login/admin?refresh_token=secret-5", params=query, timeout=20)
    first, second = sandbox.requests
    assert (first.method, first.status, first.user_agent) == ("POST", 200, "tester/1")
    assert first.path == "/voice/api/v1/admin/accounts/50810001/campaignLeads/leadSearch"
    assert first.query == {"count": "true", "token": "***"}
    assert second.status == 401
    assert second.query["platformId"] == "x"
    assert "secret" not in repr(sandbox.requests)
    assert "Ada" not in repr(sandbox.requests)


def test_record_client_port_identifies_connection(sandbox: SandboxServer, api: Any) -> None:
    for _ in range(5):
        api.get("dialGroups")
    assert len({request.client_port for request in sandbox.requests}) == 1
    requests.get(f"{sandbox.url}/elsewhere", timeout=20)
    assert len({request.client_port for request in sandbox.requests}) == 2


def test_record_of_failed_request_names_fault(sandbox: SandboxServer, api: Any) -> None:
    sandbox.fault("status", status=503)
    assert api.get("dialGroups").status_code == 503
    assert api.get("dialGroups").status_code == 200
    assert [(request.status, request.fault) for request in sandbox.requests] == [(503, "status"), (200, "")]


def test_log_over_http_equals_log_in_python(sandbox: SandboxServer, api: Any) -> None:
    api.session.headers["User-Agent"] = "tester/1"
    before = time.time()
    api.post_search({"firstName": "Ada"}, count="true")
    (record,) = read_log(sandbox)
    assert set(record) == {each.name for each in fields(RecordedRequest)}
    assert record == json.loads(sandbox.requests[0].as_json())
    assert record["time"] == pytest.approx(before, abs=20)
    assert 0 < record["milliseconds"] < 20_000
    assert isinstance(record["client_port"], int)
    values = {name: record[name] for name in ("method", "path", "query", "status", "operation", "user_agent")}
    assert values == {
        "method": "POST",
        "path": f"{ACCOUNT}/campaignLeads/leadSearch",
        "query": {"count": "true"},
        "status": 200,
        "operation": "lead_count",
        "user_agent": "tester/1",
    }


def test_record_has_operation_limit_and_fault(sandbox: SandboxServer, api: Any) -> None:
    sandbox.fault("short_page", operation="lead_search", times=2)
    sandbox.fault("html", operation="dial_groups")
    api.search({})
    for _ in range(15):
        api.post_search({"leadIds": 1})
    api.get("dialGroups")
    api.get("agentGroups")
    requests.get(f"{sandbox.url}/somewhere", timeout=20)
    logged = [(each["operation"], each["status"], each["limit"], each["fault"]) for each in read_log(sandbox)]
    assert logged[:2] == [
        ("lead_search", 200, "1 of 15 in 10 s", "short_page"),
        ("lead_search", 400, "2 of 15 in 10 s", "short_page"),
    ]
    assert logged[14:] == [
        ("lead_search", 400, "15 of 15 in 10 s", ""),
        ("lead_search", 429, "15 of 15 in 10 s", ""),
        ("dial_groups", 200, "", "html"),
        ("agent_groups", 200, "1 of 120 in 60 s", ""),
        ("", 200, "", ""),
    ]


@pytest.mark.parametrize("path", ["/", "/sandbox/requests", "/sandbox/faults", "/sandbox/nothing"])
def test_control_and_dashboard_requests_are_not_recorded(sandbox: SandboxServer, path: str) -> None:
    requests.get(sandbox.url + path, timeout=20)
    requests.post(f"{sandbox.url}/sandbox/clock", json={"advance": 1}, timeout=20)
    requests.delete(f"{sandbox.url}/sandbox/faults", timeout=20)
    assert read_log(sandbox) == []


@pytest.mark.parametrize(
    "name",
    [
        "X-Auth-Token", "access_token", "accessToken", "assertion", "client_secret", "jwt", "password",
        "rcAccessToken", "refreshToken", "refresh_token", "token", "USERNAME",
    ],
)  # fmt: skip
def test_record_masks_credentials_in_query(sandbox: SandboxServer, api: Any, name: str) -> None:
    api.session.post(f"{sandbox.url}/api/auth/token/refresh?{name}=s3cret&page=2&{name}=s3cret", timeout=20)
    api.get("dialGroups", **{name: "s3cret", "page": "2"})
    assert [each["query"] for each in read_log(sandbox)] == [{name: "***", "page": "2"}] * 2
    assert "s3cret" not in requests.get(f"{sandbox.url}/sandbox/requests", timeout=20).text


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        (f"{ADMIN}/token/s3cret", f"{ADMIN}/token/***"),
        (f"{ADMIN}/token/s3cret/more", f"{ADMIN}/token/***"),
        (f"{ADMIN}/token/s3cret%0As3cret", f"{ADMIN}/token/***"),
        ("/api/v1/admin/token/s3cret", "/api/v1/admin/token/***"),
        (f"{ACCOUNT}/dncLists/tags/GLOBAL/phones/s3cret", f"{ACCOUNT}/dncLists/tags/GLOBAL/phones/***"),
        (
            f"{ACCOUNT}/dncLists/tags/GLOBAL/phones/s3cret/countries/USA",
            f"{ACCOUNT}/dncLists/tags/GLOBAL/phones/***/countries/USA",
        ),
    ],
)
@pytest.mark.parametrize("method", ["DELETE", "GET"])
def test_record_masks_tokens_and_numbers_in_path(
    sandbox: SandboxServer, api: Any, method: str, path: str, logged: str
) -> None:
    api.session.request(method, sandbox.url + path, timeout=20)
    (record,) = read_log(sandbox)
    assert record["path"] == logged
    assert "s3cret" not in json.dumps(record)


def test_record_has_no_bodies_headers_or_responses(sandbox: SandboxServer, api: Any) -> None:
    lead = sandbox.leads("Spring Renewals")[0]
    secret = {"firstName": lead["firstName"], "lastName": lead["lastName"], "externIds": [lead["externId"]]}
    assert api.search(secret) == [lead]
    api.act("PAUSE_LEADS", {"leadIds": [lead["leadId"]]})
    form = {"username": "sandbox-user", "password": "sandbox-password", "platformId": "sandbox-platform"}
    signed = api.session.post(f"{sandbox.url}/api/auth/login/admin", data=form, timeout=20).json()
    cookies = {"Cookie": "s3cret", "Authorization": "Basic s3cret", "Referer": "http://example.com/s3cret"}
    api.session.get(f"{sandbox.url}{ADMIN}/accounts", headers=cookies, timeout=20)
    text = requests.get(f"{sandbox.url}/sandbox/requests", timeout=20).text
    assert len(json.loads(text)) == 4
    personal = [
        str(lead[name]) for name in ("leadId", "externId", "leadPhone", "lastName", "email") if lead[name]
    ]
    for word in ["s3cret", "sandbox-token", "sandbox-password", *signed.values(), *personal]:
        assert not isinstance(word, str) or len(word) < 5 or word not in text


def test_record_of_malformed_request_is_valid_json(sandbox: SandboxServer, api: Any) -> None:
    for path in ("/%ff%fe", "/a%00b", "/%ED%A0%80?x=%ED%A0%80&y=%ff&z=%00", "/?a=%22%0A"):
        requests.get(sandbox.url + path, headers={"User-Agent": "odd\u00ff"}, timeout=20)
    records = read_log(sandbox)
    assert [record["status"] for record in records] == [200, 200, 200]
    for record in sandbox.requests:
        assert "\n" not in record.as_json()
        assert json.loads(record.as_json().encode())["path"] == record.path
