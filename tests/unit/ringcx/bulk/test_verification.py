"""Tests of ``verify``: leads that are not in the expected state after the action."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.bulk.verification import remaining_selection
from airflow_provider_engagevoice.ringcx.exceptions import (
    PermanentError,
    TooManyLeads,
    TransientError,
    VerificationFailed,
)
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import LeadRows
from tests.support.clients import count_action_requests, make_client, move_params, perform_action

EXPECTED_STATES = {"CANCEL_LEADS": "CANCELLED", "PAUSE_LEADS": "PAUSED"}


def count_not_in_state(ringcx: SandboxServer, ids: list[int], state: str) -> int:
    """Return how many of these leads "Spring Renewals" still has in another state."""
    rows = [lead for lead in ringcx.leads("Spring Renewals") if lead["leadId"] in ids]
    return sum(lead["leadState"] != state for lead in rows)


@pytest.mark.parametrize("name", ["CANCEL_LEADS", "DELETE_LEADS", "MOVE_TO_CAMPAIGN", "PAUSE_LEADS"])
@pytest.mark.parametrize("verify", [False, True])
def test_verify_retries_leads_that_the_dialer_had_taken(
    ringcx: SandboxServer, ready_leads: LeadRows, pauses: list[float], name: str, verify: bool
) -> None:
    # The dialer does not take suppressed leads.
    ids = [lead["leadId"] for lead in ready_leads if not lead["suppressed"]][:12]
    campaign = ready_leads[0]["campaignId"]
    criteria = {"campaignId": campaign, "campaignIds": [campaign], "leadIds": ids, "leadStates": ["READY"]}
    summer = ringcx.campaign("Summer Win-Back")
    existing_list = ringcx.leads("Summer Win-Back")[0]["listId"]
    params = move_params(summer, existing_list) if name == "MOVE_TO_CAMPAIGN" else {}
    ready_count = len([lead for lead in ringcx.leads() if lead["leadState"] == "READY"])
    ringcx.fault("dialer", operation="lead_action", leads=ready_count, times=1)
    result = perform_action(make_client(ringcx.url), name, criteria, params, chunk_size=6, verify=verify)
    assert result["leads_updated"] + result["leads_deleted"] == (12 if verify else 0)
    remaining = count_not_in_state(ringcx, ids, EXPECTED_STATES.get(name, "gone"))
    assert remaining == (0 if verify else 12)
    assert len(pauses) == (1 if verify else 0)


def test_verify_lead_that_stays_on_a_call_raises(
    ringcx: SandboxServer, ready_leads: LeadRows, pauses: list[float]
) -> None:
    active = [lead["leadId"] for lead in ringcx.leads() if lead["leadState"] == "ACTIVE"][:1]
    ids = [*active, *(lead["leadId"] for lead in ready_leads[:3])]
    with pytest.raises(
        VerificationFailed, match=r"^Retry the task later: 1 lead still not in the expected state"
    ) as caught:
        perform_action(make_client(ringcx.url), "CANCEL_LEADS", {"leadIds": ids}, verify=True)
    assert pauses == [2, 4, 8, 16]
    assert isinstance(caught.value, TransientError)
    assert caught.value.result is not None
    assert count_not_in_state(ringcx, ids[1:], "CANCELLED") == 0


def test_verify_rate_limited_retry_is_sent_again(
    ringcx: SandboxServer, ready_leads: LeadRows, pauses: list[float]
) -> None:
    ids = [lead["leadId"] for lead in ready_leads[:3]]
    ringcx.fault("answer", operation="lead_action", at=[1], body={"success": True})
    ringcx.fault("rate_limited", operation="lead_action", at=[2])
    result = perform_action(make_client(ringcx.url), "CANCEL_LEADS", {"leadIds": ids}, verify=True)
    # The rejected request is not counted: it changed nothing.
    assert (result["leads_updated"], result["requests"]) == (3, 2)
    assert count_action_requests(ringcx) == 3


@pytest.mark.parametrize("name", ["READY_LEADS", "SUPPRESS_LEADS", "UNSUPPRESS_LEADS"])
def test_verify_complete_action_passes_at_once(
    ringcx: SandboxServer, ready_leads: LeadRows, pauses: list[float], name: str
) -> None:
    ids = [lead["leadId"] for lead in ready_leads[:5]]
    perform_action(make_client(ringcx.url), name, {"leadIds": ids}, verify=True)
    assert pauses == []


def test_verify_unsafe_action_is_not_retried(
    ringcx: SandboxServer, ready_leads: LeadRows, pauses: list[float]
) -> None:
    ids = [lead["leadId"] for lead in ready_leads[:3]]
    perform_action(make_client(ringcx.url), "CANCEL_LEADS", {"leadIds": ids})
    ringcx.fault("answer", operation="lead_action", body={"success": True, "leadUpdateCount": 3})
    with pytest.raises(PermanentError, match="3 leads still not in the expected state") as caught:
        perform_action(make_client(ringcx.url), "READY_LEADS", {"leadIds": ids}, verify=True)
    assert isinstance(caught.value, PermanentError)
    assert count_action_requests(ringcx) == 2


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("CANCEL_LEADS", {"leadIds": [1], "leadStates": ["CANCELLED"]}, "all are CANCELLED"),
        (
            "SUPPRESS_LEADS",
            {"leadIds": [1], "suppressed": "SUPPRESSED"},
            "the action changes none of the selected leads",
        ),
    ],
)
def test_remaining_selection_of_unchanged_leads_is_empty(
    name: str, body: dict[str, Any], reason: str
) -> None:
    """The leads were selected by the state that the action gives, so none can remain."""
    criterion = ACTIONS[name].success
    assert criterion is not None
    assert remaining_selection(criterion, Selection(body), ()).empty_reason == reason


def test_verify_never_acts_on_leads_that_were_not_selected(
    ringcx: SandboxServer, ready_leads: LeadRows, pauses: list[float]
) -> None:
    """Some leads become READY after the action, while its result is verified."""
    spring = ready_leads[0]["campaignId"]
    client, other = make_client(ringcx.url), make_client(ringcx.url)
    paused = [lead["leadId"] for lead in ringcx.leads(spring) if lead["leadState"] == "PAUSED"][:5]
    assert paused
    criteria = {"campaignId": spring, "campaignIds": [spring], "leadStates": ["READY"]}
    selected = client.leads().count(Selection(criteria))

    def set_ready() -> None:
        perform_action(other, "READY_LEADS", {"leadIds": paused})

    # The fourth count is the first one after the action.
    ringcx.fault("meanwhile", operation="lead_count", at=[4], work=set_ready)
    result = perform_action(client, "CANCEL_LEADS", criteria, verify=True, max_leads=selected)
    assert result["leads_updated"] == selected
    states = {lead["leadState"] for lead in ringcx.leads(spring) if lead["leadId"] in paused}
    assert states == {"READY"}


def test_verify_leads_that_match_after_the_count_keep_max_leads(
    ringcx: SandboxServer, ready_leads: LeadRows
) -> None:
    spring = ready_leads[0]["campaignId"]
    client, other = make_client(ringcx.url), make_client(ringcx.url)
    paused = [lead["leadId"] for lead in ringcx.leads(spring) if lead["leadState"] == "PAUSED"][:2]
    criteria = {"campaignId": spring, "campaignIds": [spring], "leadStates": ["READY"]}
    selected = client.leads().count(Selection(criteria))

    def set_ready() -> None:
        perform_action(other, "READY_LEADS", {"leadIds": paused})

    ringcx.fault("meanwhile", operation="lead_search", work=set_ready)
    with pytest.raises(TooManyLeads, match="match by now, more than max_leads"):
        perform_action(client, "CANCEL_LEADS", criteria, verify=True, max_leads=selected)
    assert {lead["leadState"] for lead in ringcx.leads(spring) if lead["leadId"] in paused} == {"READY"}
