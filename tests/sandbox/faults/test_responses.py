"""Faults that replace the response: the response and the effect on the leads."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.ringcx.transport import http
from airflow_provider_engagevoice.sandbox.faults.registry import FAULT_KINDS
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.faults import (
    Row,
    SetFault,
    active_rules,
    pause,
    state_of,
)
from tests.support.clients import FakeClock, make_client, perform_action

HTML = "<!DOCTYPE html>"


# Before or after the request is handled


@pytest.mark.assumption(55)
@pytest.mark.parametrize("when", ["after", "before", None])
@pytest.mark.parametrize(
    ("kind", "options", "status", "text"),
    [
        ("answer", {"status": 418, "body": {"odd": True}}, 418, '"odd"'),
        ("expired", {}, 401, "Jwt is expired"),
        ("html", {}, 200, HTML),
        ("rate_limited", {}, 429, "Request rate exceeded"),
        ("rejected", {}, 200, '"success":false'),
        ("status", {"status": 502}, 502, '"generalMessage"'),
    ],
    ids=lambda value: value if isinstance(value, str) and value in FAULT_KINDS else "",
)
def test_response_fault_applies_before_or_after(
    sandbox: SandboxServer,
    api: Any,
    fault: SetFault,
    lead: Row,
    kind: str,
    options: Row,
    status: int,
    text: str,
    when: str | None,
) -> None:
    rule = fault(kind, operation="lead_action", **options, **({"when": when} if when else {}))
    assert (rule["kind"], rule["when"], rule["times"], rule["met"]) == (kind, when or "before", 1, 0)
    response = pause(api, lead)
    assert response.status_code == status
    assert text in response.text
    assert state_of(sandbox, lead) == ("PAUSED" if when == "after" else "READY")
    (record,) = sandbox.requests
    assert (record.operation, record.fault, record.status) == ("lead_action", kind, status)
    # Only a handled request counts towards the rate limit.
    assert record.limit == ("1 of 30 in 10 s" if when == "after" else "")
    # The next request is not affected.
    assert pause(api, lead).status_code == 200


# Responses


@pytest.mark.assumption(46)
@pytest.mark.parametrize(
    ("seconds", "header"),
    [(None, None), (0, "0"), (2, "2"), (0.5, "0.5"), (1_234_567, "1234567")],
    ids=str,
)
def test_rate_limited_sets_retry_after(
    api: Any, fault: SetFault, seconds: float | None, header: str | None
) -> None:
    fault("rate_limited", retry_after=seconds)
    response = api.get("dialGroups")
    assert response.status_code == 429
    assert response.headers.get("Retry-After") == header
    assert "expired" not in response.text


def test_rate_limited_default_retry_after_is_1(api: Any, fault: SetFault) -> None:
    fault("rate_limited")
    assert api.get("dialGroups").headers["Retry-After"] == "1"


@pytest.mark.parametrize("status", [400, 401, 404, 408, 409, 418, 423, 500, 502, 503, 504, 599])
def test_status_returns_error_status(api: Any, fault: SetFault, status: int) -> None:
    fault("status", status=status, details="as configured")
    response = api.get("dialGroups")
    assert response.status_code == status
    assert response.json()["details"] == "as configured"
    assert response.json()["generalMessage"]


def test_status_default_is_503(api: Any, fault: SetFault) -> None:
    fault("status")
    response = api.get("dialGroups")
    assert (response.status_code, response.json()["generalMessage"]) == (503, "Service Unavailable")


def test_rejected_returns_message(api: Any, fault: SetFault, lead: Row) -> None:
    fault("rejected", message="No such thing \u2603")
    result = pause(api, lead).json()
    assert (result["success"], result["errorMessage"]) == (False, "No such thing \u2603")
    assert result["leadActionType"] == "PAUSE_LEADS"
    assert result["leadUpdateCount"] == 0


@pytest.mark.parametrize(
    ("options", "body", "kind"),
    [
        ({}, b"", "application/json"),
        ({"body": [1, {"a": None}]}, b'[1, {"a": null}]', "application/json"),
        ({"body": "not { JSON"}, b"not { JSON", "application/json"),
        ({"body": "\u2603", "content_type": "text/plain; charset=utf-8"}, b"\xe2\x98\x83", None),
        ({"body": 0}, b"0", "application/json"),
        ({"body": None}, b"null", "application/json"),
        ({"status": 204}, b"", "application/json"),
        ({"body": "x" * 100_000}, b"x" * 100_000, "application/json"),
    ],
    ids=["default", "list", "text", "type", "number", "null", "no-content", "long"],
)
def test_answer_returns_configured_response(
    api: Any, fault: SetFault, options: Row, body: bytes, kind: str | None
) -> None:
    fault("answer", **options, headers={"X-Odd": "yes, very", "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})
    response = api.get("dialGroups")
    assert response.status_code == options.get("status", 200)
    assert response.content == body
    assert response.headers["Content-Type"] == (kind or "text/plain; charset=utf-8")
    assert response.headers["X-Odd"] == "yes, very"
    assert response.headers["Retry-After"].startswith("Wed")


def test_answer_accepts_bytes_in_python(sandbox: SandboxServer, api: Any) -> None:
    sandbox.fault("answer", body=b"\xff\xfe", times=2)
    # Bytes that JSON cannot represent must not break the list of faults.
    assert [rule["kind"] for rule in active_rules(sandbox)] == ["answer"]
    assert api.get("dialGroups").content == b"\xff\xfe"


def test_answer_deeply_nested_body(sandbox: SandboxServer, api: Any) -> None:
    """A body that is accepted can also be sent and listed."""
    for depth in (100, *range(850, 1010, 7), 1200, 5000, 50_000):
        nested = "[" * depth + "]" * depth
        response = requests.post(
            f"{sandbox.url}/sandbox/faults",
            data=f'{{"kind": "answer", "body": {nested}}}',
            headers={"Content-Type": "application/json"},
            timeout=20,
        )
        assert response.status_code in (201, 400)
        assert requests.get(f"{sandbox.url}/sandbox/faults", timeout=20).status_code == 200
        if response.status_code == 201:
            assert api.get("dialGroups").text == nested


# Tokens


def test_expired_expires_all_tokens_until_login(sandbox: SandboxServer, fault: SetFault) -> None:
    def login() -> dict[str, str]:
        form = {"username": "sandbox-user", "password": "sandbox-password", "platformId": "sandbox-platform"}
        tokens = requests.post(f"{sandbox.url}/api/auth/login/admin", data=form, timeout=20).json()
        return {"Authorization": f"Bearer {tokens['accessToken']}"}

    def read(headers: dict[str, str]) -> tuple[int, str]:
        path = f"{sandbox.url}/voice/api/v1/admin/accounts"
        response = requests.get(path, headers=headers, timeout=20)
        return response.status_code, response.headers["content-type"].partition(";")[0]

    first, second = login(), login()
    fault("expired", operation="accounts")
    assert read(first) == (401, "text/plain")
    assert not active_rules(sandbox)
    assert read(first) == read(second) == (401, "text/plain")
    assert read(login()) == (200, "application/json")


@pytest.mark.assumption(55)
def test_expired_mid_batch_client_refreshes_token(
    sandbox: SandboxServer, fault: SetFault, leads: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "clock", FakeClock())
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.auth.refresh._TOKEN_SLOTS", {})
    ids = [lead["leadId"] for lead in leads][:10]
    fault("expired", operation="lead_action", at=[3])
    summary = perform_action(make_client(sandbox.url), "PAUSE_LEADS", {"leadIds": ids}, chunk_size=2)
    assert summary["leads_updated"] == 10
    paused = [row["leadId"] for row in sandbox.leads("Spring Renewals") if row["leadState"] == "PAUSED"]
    assert set(ids) <= set(paused)
    seen = [(each.operation, each.status, each.fault) for each in sandbox.requests]
    first = seen.index(("lead_action", 401, "expired"))
    assert [name for name, _, _ in seen[first:]].count("token_refresh") == 1
    # All requests in flight are rejected, since they have the same token.
    assert [status for name, status, _ in seen if name == "lead_action"].count(200) == 5
