"""Error responses to invalid, malformed and oversized requests."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings

KEYS = {
    "generalMessage",
    "developerMessage",
    "details",
    "cause",
    "requestUri",
    "timestamp",
    "validationErrors",
}


def send(api: Any, body: bytes, path: str = "campaignLeads/leadSearch") -> requests.Response:
    method = "POST" if path.endswith("Search") else "PUT"
    response: requests.Response = api.session.request(
        method,
        f"{api.root}/{path}",
        data=body,
        params={"leadAction": "PAUSE_LEADS"},
        headers={"Content-Type": "application/json"},
        timeout=60,
    )
    return response


def test_error_response_has_errors_object(api: Any) -> None:
    response = api.post_search({"leadIds": 1})
    body = response.json()
    assert set(body) == KEYS
    assert body["developerMessage"] == "Bad request"
    assert body["requestUri"] == "voice/api/v1/admin/accounts/50810001/campaignLeads/leadSearch - POST"
    assert abs(body["timestamp"] / 1000 - 1.7e9) < 1e9


@pytest.mark.assumption(48)
@pytest.mark.parametrize("account", ["50810000", "50810003", "1", "x", "50810001%00", "%27%20OR%201=1"])
def test_unknown_account_is_403(api: Any, account: str) -> None:
    api.account = account
    for response in (api.get("dialGroups"), api.post_search({}), api.put_action("DELETE_LEADS", {})):
        assert response.status_code == 403
        assert response.json()["errorCode"] == "access.denied.exception"
        assert response.json()["generalMessage"] == "You do not have permission to access this resource"


@pytest.mark.assumption(54)
@pytest.mark.parametrize(
    "path",
    ["/index.html", "/voice", "/voice/admin/x", "/voice/apis", "/apis", "/api2/v1", "/v1/admin",
     "/api/nothing", "/api/admin/accounts", "/voice/voice/api/v1/admin/accounts"],
)  # fmt: skip
def test_unknown_path_outside_api_is_web_page(sandbox: SandboxServer, path: str) -> None:
    response = requests.get(sandbox.url + path, timeout=20)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "<html" in response.text


@pytest.mark.assumption(54)
@pytest.mark.parametrize(
    "path",
    ["/api/auth/nothing", "/api/v1/admin/nothing", "/restapi/v1.0/account", "/voice/api", "/voice/api/",
     "/voice/api/v1/nothing"],
)  # fmt: skip
def test_unknown_path_inside_api_is_404(sandbox: SandboxServer, path: str) -> None:
    response = requests.get(sandbox.url + path, timeout=20)
    assert response.status_code == 404
    assert response.json()["requestUri"] == f"{path[1:]} - GET"


@pytest.mark.assumption(54)
def test_html_fallback_off_makes_unknown_paths_404() -> None:
    with SandboxServer(Settings(size=20, html_fallback=False)) as sandbox:
        for path in ("/api/admin/accounts", "/index.html", "/voice/api/v1/nothing"):
            response = requests.get(sandbox.url + path, timeout=20)
            assert response.status_code == 404
            assert response.json()["developerMessage"] == "Not found"


@pytest.mark.parametrize(
    ("method", "path", "body", "attributes"),
    [
        ("GET", "agentGroups?includePermissions=x", None, ["includePermissions"]),
        ("GET", "dialGroups?page=x", None, ["page"]),
        ("POST", "campaignLeads/leadSearch", {"leadIds": 1, "city": []}, ["leadIds"]),
        ("POST", "campaignLeads/leadSearch", {"leadIds": 1, "city": {}}, ["leadIds", "city"]),
        ("POST", "campaignLeads/leadSearch?count=x", {}, ["count"]),
        ("POST", "dialGroups", {}, ["dialGroupName"]),
        ("PUT", "campaignLeads/actions", {}, ["leadAction"]),
        ("PUT", "campaignLeads/actions?leadAction=CANCEL_LEADS", {"leadActionParams": 1},
         ["leadActionParams"]),
        ("PUT", "campaignLeads/actions?leadAction=CANCEL_LEADS", {"campaignLeadSearchCriteria": 1},
         ["campaignLeadSearchCriteria"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_validation_error_names_every_invalid_value(
    api: Any, method: str, path: str, body: object, attributes: list[str]
) -> None:
    response = api.session.request(method, f"{api.root}/{path}", json=body, timeout=20)
    assert response.status_code == 400
    errors = response.json()["validationErrors"]
    assert [error["attributeName"] for error in errors] == attributes
    details = "; ".join(f"{error['attributeName']} {error['message']}" for error in errors)
    assert response.json()["details"] == details


def test_wrong_method_is_405(api: Any) -> None:
    response = api.get("campaignLeads/leadSearch")
    assert response.status_code == 405
    assert response.json()["requestUri"].endswith(" - GET")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"5",
        b'"text"',
        b"[]",
        b"[{}]",
        b'{"leadIds": [NaN]}',
        b'{"leadPassesCriteria": {"operator": "EQUALS", "value": 1e999}}',
        b"\xff\xfe\xfa",
        b'{"leadIds": [' + b"9" * 5000 + b"]}",
        b'{"firstName": "a\\u0000b"}',
        b'{"firstName": "\\ud800"}',
        b'{"other": [{"\\u0000": 1}]}',
        b"[" * 200_000,
        b'{"leadIds": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"a": ' * 100_000,
        b'{"firstName": "\xed\xa0\x80"}',
        '{"firstName": "\\ud800"}'.encode("utf-16"),
    ],
    ids=lambda body: repr(body[:40]),
)
def test_malformed_body_is_400(api: Any, body: bytes) -> None:
    assert send(api, body).status_code == 400
    nested = b'{"campaignLeadSearchCriteria": ' + body + b"}"
    if body != b"null":
        assert send(api, nested, "campaignLeads/actions").status_code == 400


def test_body_over_10_mb_is_413(api: Any) -> None:
    body = json.dumps({"unknown": "x" * (10 * 1024 * 1024)}).encode()
    response = send(api, body)
    assert response.status_code == 413
    assert set(response.json()) == KEYS
    assert api.get("dialGroups").status_code == 200


def test_body_below_10_mb_is_accepted(api: Any, sandbox: SandboxServer) -> None:
    lead = sandbox.leads("Spring Renewals")[0]["leadId"]
    assert api.count(leadIds=[*range(1, 300_000), lead]) == 1


@pytest.mark.assumption(15)
@pytest.mark.parametrize("action", [None, "", "cancel_leads", "CANCEL", "DROP_TABLE"])
def test_unknown_action_is_400(api: Any, action: str | None) -> None:
    response = api.put_action(action, {"campaignLeadSearchCriteria": {}})
    assert response.status_code == 400
    assert response.json()["validationErrors"][0]["attributeName"] == "leadAction"


@pytest.mark.parametrize(
    "body",
    [
        {"campaignLeadSearchCriteria": []},
        {"campaignLeadSearchCriteria": 5},
        {"leadActionParams": []},
        {"leadActionParams": {"paramMap": "x"}},
        {"campaignLeadSearchCriteria": {"leadStates": ["REDY"]}},
    ],
    ids=str,
)
def test_invalid_action_body_is_400_and_changes_nothing(
    api: Any, sandbox: SandboxServer, body: dict[str, Any]
) -> None:
    before = sandbox.leads()
    assert api.put_action("PAUSE_LEADS", body).status_code == 400
    assert sandbox.leads() == before


def test_sql_in_values_is_treated_as_text(api: Any, sandbox: SandboxServer) -> None:
    for text in ("' OR 1=1 --", "%", "Ada'; DROP TABLE leads; --"):
        assert api.count(firstName=text) == 0
        assert api.count(externIds=[text]) == 0
    assert sandbox.leads()


@pytest.mark.parametrize("request_line", [b"GET /voice/api/v1/admin/accounts HTTP/1.1", b"GET / HTTP/1.1"])
def test_malformed_host_header_is_not_500(sandbox: SandboxServer, request_line: bytes) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(request_line + b"\r\nHost: [bad\r\nConnection: close\r\n\r\n")
        assert b" 500 " not in client.recv(100)


def test_client_disconnect_does_not_affect_server(api: Any, sandbox: SandboxServer) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    head = b"POST /restapi/oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(head)
    assert api.get("dialGroups").status_code == 200
