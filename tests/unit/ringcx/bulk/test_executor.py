"""Tests of the lead action executor: chunks, requests and their counts, ``max_leads`` and ``dry_run``."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.exceptions import (
    OutcomeUnknown,
    PermanentError,
    ServiceUnavailable,
    TooManyLeads,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS
from airflow_provider_engagevoice.ringcx.transport.http import ApiRequest
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import lead_passes, lead_states
from tests.support.clients import PARAMS, count_action_requests, make_client, move_params, perform_action

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

Row = dict[str, Any]


@pytest.mark.parametrize(
    ("leads", "size", "requests"),
    [(1, 1, 1), (5, 5, 1), (5, 6, 1), (5, 2, 3), (6, 2, 3), (7, 1, 7), (20, 7, 3)],
)
def test_executor_sends_one_request_per_chunk(
    ringcx_sandbox: SandboxServer, ids: list[int], leads: int, size: int, requests: int
) -> None:
    result = perform_action(
        make_client(ringcx_sandbox.url), "CANCEL_LEADS", {"leadIds": ids[:leads]}, chunk_size=size
    )
    assert (result["leads_matched"], result["leads_updated"], result["requests"]) == (leads, leads, requests)
    assert count_action_requests(ringcx_sandbox) == requests
    assert lead_states(ringcx_sandbox, ids[:leads]) == {"CANCELLED"}
    assert lead_states(ringcx_sandbox, ids[leads:]) == {"READY"}


def test_executor_adds_up_the_counts_of_all_chunks(ringcx_sandbox: SandboxServer, ids: list[int]) -> None:
    """A count that is missing, negative or not a number counts as zero."""
    responses = [
        {"success": True, "leadUpdateCount": 2, "leadDeleteCount": 10, "redialDeleteCount": 100},
        {"success": True, "leadUpdateCount": 3, "dialerRefreshed": True},
        {"success": True, "leadUpdateCount": None, "leadDeleteCount": -4, "redialDeleteCount": True},
    ]
    for body in responses:
        ringcx_sandbox.fault("answer", body=body, operation="lead_action")
    assert perform_action(
        make_client(ringcx_sandbox.url), "DELETE_LEADS", {"leadIds": ids[:6]}, chunk_size=2
    ) == {
        "lead_action": "DELETE_LEADS",
        "dry_run": False,
        "leads_matched": 6,
        "leads_updated": 5,
        "leads_deleted": 10,
        "redials_deleted": 100,
        "dialer_refreshed": True,
        "requests": 3,
        "account_id": "50810001",
    }


def test_executor_skips_chunks_without_a_match(ringcx_sandbox: SandboxServer, ids: list[int]) -> None:
    unknown = [10**9 + n for n in range(4)]
    result = perform_action(
        make_client(ringcx_sandbox.url), "CANCEL_LEADS", {"leadIds": unknown + ids[:2]}, chunk_size=2
    )
    assert (result["leads_matched"], result["leads_updated"]) == (2, 2)
    assert count_action_requests(ringcx_sandbox) == 1


def test_executor_counts_lead_with_several_numbers_once(
    ringcx_sandbox: SandboxServer, ids: list[int]
) -> None:
    """Two spellings of a number, or two numbers of a lead, would be the same lead in two chunks."""
    lead = next(lead for lead in ringcx_sandbox.leads("Spring Renewals") if lead["leadId"] == ids[0])
    digits = "".join(letter for letter in lead["leadPhone"].partition("|")[0] if letter.isdecimal())[-10:]
    before = lead_passes(ringcx_sandbox)
    criteria = {
        "campaignIds": [lead["campaignId"]],
        "leadPhoneNumbers": [digits, "6175550000", f"+1{digits}", f"1{digits}"],
    }
    result = perform_action(make_client(ringcx_sandbox.url), "MANUAL_LEADS", criteria, chunk_size=1)
    after = lead_passes(ringcx_sandbox)
    assert {key: after[key] - before[key] for key in after if after[key] != before[key]} == {ids[0]: 1}
    assert (result["leads_matched"], result["leads_updated"]) == (1, 1)
    assert count_action_requests(ringcx_sandbox) == 1


@pytest.mark.parametrize("name", ["EMAIL_LEADS", "DIALER_REFRESH"])
def test_executor_sends_unchunkable_action_in_one_request(
    ringcx_sandbox: SandboxServer, ids: list[int], name: str
) -> None:
    result = perform_action(make_client(ringcx_sandbox.url), name, {"leadIds": ids[:9]}, chunk_size=2)
    assert (result["requests"], count_action_requests(ringcx_sandbox)) == (1, 1)
    mails = [mail["leads"] for mail in ringcx_sandbox.outbox]
    assert mails == ([9] if name == "EMAIL_LEADS" else [])


@pytest.mark.parametrize(
    "name", ["CANCEL_LEADS", "DELETE_LEADS", "MANUAL_LEADS", "EMAIL_LEADS", "RESET_LEADS"]
)
def test_executor_no_match_sends_no_action(ringcx_sandbox: SandboxServer, name: str) -> None:
    result = perform_action(make_client(ringcx_sandbox.url), name, {"leadIds": [10**9]})
    assert (result["leads_matched"], result["requests"], count_action_requests(ringcx_sandbox)) == (0, 0, 0)


def test_executor_dialer_refresh_needs_no_match(ringcx_sandbox: SandboxServer, spring: Row) -> None:
    criteria = {"campaignIds": [spring["campaignId"]], "externIds": ["nobody"]}
    result = perform_action(make_client(ringcx_sandbox.url), "DIALER_REFRESH", criteria)
    assert (result["leads_matched"], result["dialer_refreshed"]) == (0, True)
    assert count_action_requests(ringcx_sandbox) == 1


@pytest.mark.parametrize("max_leads", [5, 6, None])
def test_max_leads_not_exceeded_sends_all_chunks(
    ringcx_sandbox: SandboxServer, ids: list[int], max_leads: int | None
) -> None:
    client = make_client(ringcx_sandbox.url)
    perform_action(client, "CANCEL_LEADS", {"leadIds": ids[:5]}, chunk_size=2, max_leads=max_leads)
    assert count_action_requests(ringcx_sandbox) == 3


@pytest.mark.parametrize("max_leads", [0, 4])
def test_max_leads_exceeded_raises_before_any_request(
    ringcx_sandbox: SandboxServer, ids: list[int], max_leads: int
) -> None:
    client = make_client(ringcx_sandbox.url)
    expected = f"act on 5 leads, more than max_leads={max_leads}; nothing was changed"
    with pytest.raises(TooManyLeads, match=expected) as caught:
        perform_action(client, "CANCEL_LEADS", {"leadIds": ids[:5]}, chunk_size=2, max_leads=max_leads)
    assert isinstance(caught.value, PermanentError)
    assert count_action_requests(ringcx_sandbox) == 0


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_dry_run_counts_and_sends_no_action(ringcx_sandbox: SandboxServer, ids: list[int], name: str) -> None:
    before = ringcx_sandbox.leads()
    result = perform_action(
        make_client(ringcx_sandbox.url), name, {"leadIds": ids[:5]}, chunk_size=2, dry_run=True
    )
    assert (result["dry_run"], result["leads_matched"], result["requests"]) == (True, 5, 0)
    assert count_action_requests(ringcx_sandbox) == 0
    assert ringcx_sandbox.leads() == before
    assert ringcx_sandbox.outbox == []


def test_dry_run_max_leads_exceeded_raises(ringcx_sandbox: SandboxServer, ids: list[int]) -> None:
    with pytest.raises(TooManyLeads):
        perform_action(
            make_client(ringcx_sandbox.url), "CANCEL_LEADS", {"leadIds": ids[:5]}, max_leads=4, dry_run=True
        )


def test_executor_empty_selection_sends_nothing(ringcx_sandbox: SandboxServer) -> None:
    empty = BulkAction(ACTIONS["DELETE_LEADS"], Selection({}, "leadIds is empty"), {})
    assert make_client(ringcx_sandbox.url).lead_actions().execute(empty)["leads_matched"] == 0
    assert ringcx_sandbox.requests == []


def hold_back_counts(client: RingCXClient, lead_ids: list[int]) -> None:
    """Let the first action be sent before other leads are counted, whatever thread is faster."""
    attempt, is_sent = client.transport._attempt, threading.Event()

    def attempt_in_order(request: ApiRequest, *args: Any) -> Any:
        if request.method == "PUT":
            is_sent.set()
        elif not set(lead_ids).isdisjoint((request.json or {}).get("leadIds", ())):
            assert is_sent.wait(20)
        return attempt(request, *args)

    client.transport._attempt = attempt_in_order  # type: ignore[method-assign, assignment]


@pytest.mark.parametrize("options", [{}, {"max_leads": 100}], ids=["count-each-chunk", "count-all-first"])
def test_executor_failed_count_sends_no_action_for_it(
    ringcx_sandbox: SandboxServer, ids: list[int], options: dict[str, Any]
) -> None:
    """Each chunk is counted just before its request; with ``max_leads`` all are counted before the first."""
    ringcx_sandbox.fault("status", status=503, operation="lead_count", skip=1, chance=1)
    client = make_client(ringcx_sandbox.url)
    if not options:
        hold_back_counts(client, sorted(ids[:4])[2:])
    with pytest.raises(ServiceUnavailable if options else OutcomeUnknown):
        perform_action(client, "MANUAL_LEADS", {"leadIds": ids[:4]}, chunk_size=2, **options)
    assert count_action_requests(ringcx_sandbox) == (0 if options else 1)


@pytest.mark.parametrize("body", [{}, [], {"success": "yes"}], ids=str)
@pytest.mark.parametrize(
    ("name", "error"), [("CANCEL_LEADS", UnexpectedResponse), ("MANUAL_LEADS", OutcomeUnknown)]
)
def test_executor_response_without_result_raises(
    ringcx_sandbox: SandboxServer, ids: list[int], name: str, error: type[Exception], body: Any
) -> None:
    ringcx_sandbox.fault("answer", operation="lead_action", body=body)
    with pytest.raises(error, match=f"RingCX's response to {name} is not a result"):
        perform_action(make_client(ringcx_sandbox.url), name, {"leadIds": ids[:2]})
    assert count_action_requests(ringcx_sandbox) == 1


def test_executor_result_names_the_account(ringcx_sandbox: SandboxServer) -> None:
    lead = ringcx_sandbox.leads("Solar Consultations")[0]
    client = make_client(ringcx_sandbox.url)
    selection = Selection({"leadIds": [lead["leadId"]]})
    executor = client.lead_actions("50810002")
    result = executor.execute(BulkAction(ACTIONS["SUPPRESS_LEADS"], selection, {}))
    assert (result["account_id"], result["leads_updated"]) == ("50810002", 1)
    assert perform_action(client, "SUPPRESS_LEADS", {"leadIds": [lead["leadId"]]})["leads_matched"] == 0


def test_executor_sends_params_and_criteria_unchanged(
    ringcx_sandbox: SandboxServer, ids: list[int], summer: Row
) -> None:
    client = make_client(ringcx_sandbox.url)
    result = perform_action(client, "MANUAL_LEADS", {"leadIds": ids[:1]}, PARAMS["MANUAL_LEADS"])
    assert result["leads_updated"] == 1
    row = next(lead for lead in ringcx_sandbox.leads() if lead["leadId"] == ids[0])
    assert (row["leadState"], row["agentDispostion"]) == ("COMPLETE", "Sale")
    perform_action(client, "MOVE_TO_CAMPAIGN", {"leadIds": ids[1:2]}, move_params(summer))
    moved = next(lead for lead in ringcx_sandbox.leads() if lead["leadId"] == ids[1])
    assert (moved["campaignName"], moved["listDesc"]) == ("Summer Win-Back", "Moved by a test")


def test_executor_move_with_known_target_sends_no_lookup(
    ringcx_sandbox: SandboxServer, ids: list[int], summer: Row
) -> None:
    client = make_client(ringcx_sandbox.url)
    target = client.campaigns.find(summer["campaignId"])
    before = len(ringcx_sandbox.requests)
    criteria = {"leadIds": ids[:2]}
    result = perform_action(client, "MOVE_TO_CAMPAIGN", criteria, move_params(summer), target=target)
    assert result["campaign_id"] == summer["campaignId"]
    operations = [request.operation for request in ringcx_sandbox.requests[before:]]
    assert "dial_groups_with_children" not in operations
    assert operations.count("lead_action") == 1
