"""What an answer means: which errors it becomes, and what of it is shown."""

from __future__ import annotations

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
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import (
    ACTING,
    DIAL_GROUPS,
    ONCE,
    REPEATABLE,
    Fault,
    act,
    client_of,
    operation_of,
    reached,
)

pytestmark = pytest.mark.usefixtures("clock", "new_process")

UNREADABLE: dict[str, Fault] = {
    "web-page": {"body": "<!DOCTYPE html><html></html>", "content_type": "text/html; charset=utf-8"},
    "web-page-as-json": {"body": "  <html></html>"},
    "broken": {"body": '{"success": tr'},
    "deep": {"body": "[" * 100_000},
    "redirect": {"status": 302, "headers": {"Location": "https://ringcx.example/login"}},
}
SAID = {
    "web-page": "a web page instead of JSON; check the connection's host",
    "web-page-as-json": "a web page instead of JSON; check the connection's host",
    "broken": "broken JSON",
    "deep": "broken JSON",
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
@pytest.mark.parametrize("name", REPEATABLE[:2])
def test_an_answer_that_cannot_be_read_is_an_error(
    ringcx_sandbox: SandboxServer, do: Callable[..., Any], name: str, fault: str
) -> None:
    ringcx_sandbox.fault("answer", **UNREADABLE[fault], operation=operation_of(name))
    with pytest.raises(UnexpectedResponse, match=f"RingCX answered .* with {SAID[fault]}") as caught:
        do(name, client_of(ringcx_sandbox.url))
    assert isinstance(caught.value, PermanentError)
    assert reached(ringcx_sandbox, name) == 1


@pytest.mark.parametrize("fault", NO_RESULT)
@pytest.mark.parametrize("name", ["CANCEL_LEADS", "DELETE_LEADS"])
def test_an_answer_that_is_no_result_is_not_success(
    ringcx_sandbox: SandboxServer, do: Callable[..., Any], name: str, fault: str
) -> None:
    ringcx_sandbox.fault("answer", **NO_RESULT[fault], operation="lead_action")
    with pytest.raises(UnexpectedResponse, match=f"answered {name} with something other"):
        do(name, client_of(ringcx_sandbox.url))
    assert reached(ringcx_sandbox, name) == 1


@pytest.mark.parametrize("fault", [*UNREADABLE, *NO_RESULT])
@pytest.mark.parametrize("name", ONCE)
def test_such_an_answer_leaves_open_whether_what_must_not_be_repeated_was_done(
    ringcx_sandbox: SandboxServer, do: Callable[..., Any], name: str, fault: str
) -> None:
    ringcx_sandbox.fault("answer", **{**UNREADABLE, **NO_RESULT}[fault], operation="lead_action")
    with pytest.raises(OutcomeUnknown, match="look at the leads") as caught:
        do(name, client_of(ringcx_sandbox.url))
    assert isinstance(caught.value, PermanentError)
    assert reached(ringcx_sandbox, name) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"success": False, "errorMessage": "Campaign is locked"}, "Campaign is locked"),
        ({"success": False, "errorMessage": None}, "it gave no reason"),
        ("false", "it gave no reason"),
    ],
)
@pytest.mark.parametrize("name", ACTING)
def test_success_false_fails_with_the_words_of_ringcx(
    ringcx_sandbox: SandboxServer, do: Callable[..., Any], name: str, body: object, said: str
) -> None:
    ringcx_sandbox.fault("answer", body=body, operation="lead_action")
    with pytest.raises(ActionRejected, match=f"RingCX rejected [A-Z_]*: {said}") as caught:
        do(name, client_of(ringcx_sandbox.url))
    assert isinstance(caught.value, PermanentError)
    assert reached(ringcx_sandbox, name) == 1


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
def test_a_refusal_is_final(
    ringcx_sandbox: SandboxServer,
    do: Callable[..., Any],
    name: str,
    status: int,
    kind: type[EngageVoiceError],
) -> None:
    said = {"generalMessage": "Not like this"}
    ringcx_sandbox.fault("answer", status=status, body=said, operation=operation_of(name))
    with pytest.raises(kind, match=f"RingCX answered {status} to .*: Not like this") as caught:
        do(name, client_of(ringcx_sandbox.url))
    assert (caught.value.status, isinstance(caught.value, PermanentError)) == (status, True)
    assert reached(ringcx_sandbox, name) == 1


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
    "odd-validation": ({"generalMessage": "Odd", "validationErrors": 7}, "Odd"),
    "odd-entries": ({"generalMessage": "Odd", "validationErrors": [None, 7, "x"]}, "Odd"),
    "text": ("Lead of jane@example.com\r\n\x00is in use", "is in use"),
    "long": ({"generalMessage": "x" * 5000}, "x" * 300),
}


@pytest.mark.parametrize("status", [400, 403, 429, 500])
@pytest.mark.parametrize("body", BODIES)
def test_an_error_has_the_words_of_ringcx_but_no_lead(
    ringcx_sandbox: SandboxServer, body: str, status: int
) -> None:
    content, said = BODIES[body]
    ringcx_sandbox.fault("answer", status=status, body=content, operation="dial_groups", chance=1)
    with pytest.raises(EngageVoiceError) as caught:
        client_of(ringcx_sandbox.url, "api_token", patience=0.0).request(
            "GET", DIAL_GROUPS, params={"phone": "6175550100", "email": "jane@example.com"}
        )
    text = str(caught.value)
    assert said in text
    assert len(text) < 500
    assert text.isprintable()
    for word in ("jane", "555", "?", "sandbox-token"):
        assert word not in text
    assert caught.value.request == f"GET {DIAL_GROUPS}"


def test_a_rejected_action_shows_no_lead_either(ringcx_sandbox: SandboxServer, ids: list[int]) -> None:
    said = "jane@example.com at +16175550100 is on a call"
    ringcx_sandbox.fault("rejected", message=said, operation="lead_action")
    with pytest.raises(ActionRejected) as caught:
        act(client_of(ringcx_sandbox.url), "CANCEL_LEADS", {"leadIds": ids[:2]})
    assert str(caught.value) == "RingCX rejected CANCEL_LEADS: … at … is on a call"


def test_the_path_of_an_error_hides_a_permanent_token(ringcx_sandbox: SandboxServer) -> None:
    with pytest.raises(NotFound) as caught:
        client_of(ringcx_sandbox.url, "api_token").request("DELETE", "/api/v1/admin/token/to-be-deleted")
    assert "to-be-deleted" not in str(caught.value)
    assert caught.value.request == "DELETE /voice/api/v1/admin/token/***"
