"""Tests of response parsing: which errors responses become, and what their messages contain."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    AccessDenied,
    ActionRejected,
    EngageVoiceError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    PermanentError,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.ringcx.transport.exchange import Response
from airflow_provider_engagevoice.ringcx.transport.responses import error_message
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import (
    DIAL_GROUPS,
    LEAD_ACTIONS,
    NOT_RETRY_SAFE,
    RETRY_SAFE,
    Fault,
    count_requests,
    make_client,
    perform_action,
    sandbox_operation,
)

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

UNREADABLE: dict[str, Fault] = {
    "web-page": {"body": "<!DOCTYPE html><html></html>", "content_type": "text/html; charset=utf-8"},
    "web-page-as-json": {"body": "  <html></html>"},
    "broken": {"body": '{"success": tr'},
    "deep": {"body": "[" * 100_000},
    "redirect": {"status": 302, "headers": {"Location": "https://ringcx.example/login"}},
}
MESSAGES = {
    "web-page": "a web page instead of JSON; check the connection's host",
    "web-page-as-json": "a web page instead of JSON; check the connection's host",
    "broken": "invalid JSON",
    "deep": "invalid JSON",
    "redirect": "a redirect",
}
NO_RESULT: dict[str, Fault] = {
    "empty": {},
    "no-content": {"status": 204},
    "true": {"body": "true"},
    "number": {"body": "3"},
    "list": {"body": []},
    "text": {"body": "OK", "content_type": "text/plain"},
    "no-success": {"body": {"leadUpdateCount": 3}},
    "success-null": {"body": {"success": None}},
    "success-text": {"body": {"success": "false"}},
}


@pytest.mark.parametrize("fault", UNREADABLE)
@pytest.mark.parametrize("name", RETRY_SAFE[:2])
def test_unparsable_response_is_an_error(
    ringcx_sandbox: SandboxServer, perform: Callable[..., Any], name: str, fault: str
) -> None:
    ringcx_sandbox.fault("answer", **UNREADABLE[fault], operation=sandbox_operation(name))
    with pytest.raises(UnexpectedResponse, match=rf"RingCX returned {MESSAGES[fault]} \(request: ") as caught:
        perform(name, make_client(ringcx_sandbox.url))
    assert isinstance(caught.value, PermanentError)
    assert count_requests(ringcx_sandbox, name) == 1


@pytest.mark.parametrize("fault", NO_RESULT)
@pytest.mark.parametrize("name", ["CANCEL_LEADS", "DELETE_LEADS"])
def test_response_without_result_is_an_error(
    ringcx_sandbox: SandboxServer, perform: Callable[..., Any], name: str, fault: str
) -> None:
    ringcx_sandbox.fault("answer", **NO_RESULT[fault], operation="lead_action")
    with pytest.raises(UnexpectedResponse, match=f"RingCX's response to {name} is not a result"):
        perform(name, make_client(ringcx_sandbox.url))
    assert count_requests(ringcx_sandbox, name) == 1


@pytest.mark.parametrize("fault", [*UNREADABLE, *NO_RESULT])
@pytest.mark.parametrize("name", NOT_RETRY_SAFE)
def test_unexpected_response_to_action_is_outcome_unknown(
    ringcx_sandbox: SandboxServer, perform: Callable[..., Any], name: str, fault: str
) -> None:
    ringcx_sandbox.fault("answer", **{**UNREADABLE, **NO_RESULT}[fault], operation="lead_action")
    with pytest.raises(OutcomeUnknown, match="Check the leads before running the task again") as caught:
        perform(name, make_client(ringcx_sandbox.url))
    assert isinstance(caught.value, PermanentError)
    assert count_requests(ringcx_sandbox, name) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"success": False, "errorMessage": "Campaign is locked"}, "Campaign is locked"),
        ({"success": False, "errorMessage": None}, "it gave no reason"),
        ("false", "it gave no reason"),
    ],
)
@pytest.mark.parametrize("name", LEAD_ACTIONS)
def test_success_false_is_rejected_with_message_of_ringcx(
    ringcx_sandbox: SandboxServer, perform: Callable[..., Any], name: str, body: object, message: str
) -> None:
    ringcx_sandbox.fault("answer", body=body, operation="lead_action")
    with pytest.raises(ActionRejected, match=f"RingCX rejected [A-Z_]*: {message}") as caught:
        perform(name, make_client(ringcx_sandbox.url))
    assert isinstance(caught.value, PermanentError)
    assert count_requests(ringcx_sandbox, name) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (403, AccessDenied),
        (404, NotFound),
        (405, InvalidRequest),
        (409, InvalidRequest),
        (422, InvalidRequest),
    ],
)
@pytest.mark.parametrize("name", ["read", "CANCEL_LEADS", "MANUAL_LEADS"])
def test_rejection_is_permanent(
    ringcx_sandbox: SandboxServer,
    perform: Callable[..., Any],
    name: str,
    status: int,
    kind: type[EngageVoiceError],
) -> None:
    message = {"generalMessage": "Not like this"}
    ringcx_sandbox.fault("answer", status=status, body=message, operation=sandbox_operation(name))
    with pytest.raises(kind, match=f"RingCX returned {status} for .*: Not like this") as caught:
        perform(name, make_client(ringcx_sandbox.url))
    assert (caught.value.status, isinstance(caught.value, PermanentError)) == (status, True)
    assert count_requests(ringcx_sandbox, name) == 1


BODIES: dict[str, tuple[object, str]] = {
    "message": (
        {"generalMessage": "No lead jane@example.com", "developerMessage": "+1 (617) 555-0100"},
        "No lead",
    ),
    "details": ({"details": "Lead 61755501001234 of <jane@example.com> fails"}, "Lead"),
    "validation": (
        {"validationErrors": [{"attributeName": "leadPhone", "message": "6175550100 is no number"}]},
        "leadPhone: … is no number",
    ),
    "invalid-validation-errors": ({"generalMessage": "Invalid", "validationErrors": 7}, "Invalid"),
    "invalid-entries": ({"generalMessage": "Invalid", "validationErrors": [None, 7, "x"]}, "Invalid"),
    "text": ("Lead of jane@example.com\r\n\x00is in use", "is in use"),
    "long": ({"generalMessage": "x" * 5000}, "x" * 300),
}


@pytest.mark.parametrize("status", [400, 403, 429, 500])
@pytest.mark.parametrize("body", BODIES)
def test_error_message_contains_no_personal_data(
    ringcx_sandbox: SandboxServer, body: str, status: int
) -> None:
    content, message = BODIES[body]
    ringcx_sandbox.fault("answer", status=status, body=content, operation="dial_groups", chance=1)
    with pytest.raises(EngageVoiceError) as caught:
        make_client(ringcx_sandbox.url, "api_token", retry_timeout=0.0).request(
            "GET", DIAL_GROUPS, params={"phone": "6175550100", "email": "jane@example.com"}
        )
    text = str(caught.value)
    assert message in text
    assert len(text) < 500
    assert text.isprintable()
    for word in ("jane", "555", "?", "sandbox-token"):
        assert word not in text
    assert caught.value.request == f"GET {DIAL_GROUPS}"


@pytest.mark.parametrize("body", [[], "null", "3", {"generalMessage": 7}, {}])
def test_error_without_message_names_status_and_request(ringcx_sandbox: SandboxServer, body: object) -> None:
    ringcx_sandbox.fault("answer", status=400, body=body, operation="dial_groups")
    with pytest.raises(InvalidRequest) as caught:
        make_client(ringcx_sandbox.url, "api_token").request("GET", DIAL_GROUPS)
    assert str(caught.value) == f"RingCX returned 400 for GET {DIAL_GROUPS}"


def test_rejected_action_message_contains_no_personal_data(
    ringcx_sandbox: SandboxServer, ids: list[int]
) -> None:
    message = "jane@example.com at +16175550100 is on a call"
    ringcx_sandbox.fault("rejected", message=message, operation="lead_action")
    with pytest.raises(ActionRejected) as caught:
        perform_action(make_client(ringcx_sandbox.url), "CANCEL_LEADS", {"leadIds": ids[:2]})
    assert str(caught.value) == "RingCX rejected CANCEL_LEADS: … at … is on a call"


def test_parse_body_decodes_utf_8_without_charset(ringcx_sandbox: SandboxServer) -> None:
    body = '[{"accountId": "50810001", "accountName": "Rückruf München"}]'
    ringcx_sandbox.fault("answer", body=body, content_type="text/plain", operation="accounts")
    assert make_client(ringcx_sandbox.url).campaigns.accounts()[0]["account_name"] == "Rückruf München"


def test_error_message_says_nothing_twice() -> None:
    body = {
        "generalMessage": "The supplied data is not valid",
        "details": "Bad request; isActive must be a whole number",
        "validationErrors": [{"attributeName": "isActive", "message": "must be a whole number"}],
        "message": "bad request",
    }
    response = Response(400, {"Content-Type": "application/json"}, json.dumps(body).encode())
    expected = "The supplied data is not valid; Bad request; isActive must be a whole number"
    assert error_message(response) == expected
