"""Looking afterwards whether all is done: one successful request is no proof."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.bulk.options import check_verifiable
from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidParameter,
    PermanentError,
    TransientError,
    VerificationFailed,
)
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import make_client, move_params, perform_action

Rows = list[dict[str, Any]]
STATES = {"CANCEL_LEADS": "CANCELLED", "PAUSE_LEADS": "PAUSED"}


def still_there(ringcx: SandboxServer, ids: list[int], state: str) -> int:
    rows = [lead for lead in ringcx.leads("Spring Renewals") if lead["leadId"] in ids]
    return sum(lead["leadState"] != state for lead in rows)


@pytest.mark.parametrize("name", ["CANCEL_LEADS", "DELETE_LEADS", "MOVE_TO_CAMPAIGN", "PAUSE_LEADS"])
@pytest.mark.parametrize("verify", [False, True])
def test_leads_that_the_dialer_took_meanwhile_are_done_by_a_repeat(
    ringcx: SandboxServer, ready_leads: Rows, pauses: list[float], name: str, verify: bool
) -> None:
    # The dialer passes over suppressed leads.
    ids = [lead["leadId"] for lead in ready_leads if not lead["suppressed"]][:12]
    campaign = ready_leads[0]["campaignId"]
    criteria = {"campaignId": campaign, "campaignIds": [campaign], "leadIds": ids, "leadStates": ["READY"]}
    summer = ringcx.campaign("Summer Win-Back")
    existing = ringcx.leads("Summer Win-Back")[0]["listId"]
    params = move_params(summer, existing) if name == "MOVE_TO_CAMPAIGN" else {}
    before = len([lead for lead in ringcx.leads() if lead["leadState"] == "READY"])
    ringcx.fault("dialer", operation="lead_action", leads=before, times=1)
    summary = perform_action(make_client(ringcx.url), name, criteria, params, chunk_size=6, verify=verify)
    assert summary["leads_updated"] + summary["leads_deleted"] == (12 if verify else 0)
    left = still_there(ringcx, ids, STATES.get(name, "gone"))
    assert left == (0 if verify else 12)
    assert len(pauses) == (1 if verify else 0)


def test_a_lead_that_stays_on_a_call_is_told_of(
    ringcx: SandboxServer, ready_leads: Rows, pauses: list[float]
) -> None:
    active = [lead["leadId"] for lead in ringcx.leads() if lead["leadState"] == "ACTIVE"][:1]
    ids = [*active, *(lead["leadId"] for lead in ready_leads[:3])]
    with pytest.raises(VerificationFailed, match="1 leads are still not in the state") as caught:
        perform_action(make_client(ringcx.url), "CANCEL_LEADS", {"leadIds": ids}, verify=True)
    assert pauses == [2, 4, 8, 16]
    assert isinstance(caught.value, TransientError)
    assert caught.value.result is not None
    assert still_there(ringcx, ids[1:], "CANCELLED") == 0


@pytest.mark.parametrize("name", ["READY_LEADS", "SUPPRESS_LEADS", "UNSUPPRESS_LEADS"])
def test_what_is_done_passes_at_once(
    ringcx: SandboxServer, ready_leads: Rows, pauses: list[float], name: str
) -> None:
    perform_action(
        make_client(ringcx.url), name, {"leadIds": [lead["leadId"] for lead in ready_leads[:5]]}, verify=True
    )
    assert pauses == []


def test_what_must_not_be_repeated_is_only_looked_at(
    ringcx: SandboxServer, ready_leads: Rows, pauses: list[float]
) -> None:
    ids = [lead["leadId"] for lead in ready_leads[:3]]
    perform_action(make_client(ringcx.url), "CANCEL_LEADS", {"leadIds": ids})
    ringcx.fault("answer", operation="lead_action", body={"success": True, "leadUpdateCount": 3})
    with pytest.raises(PermanentError, match="3 leads are still not in the state") as caught:
        perform_action(make_client(ringcx.url), "READY_LEADS", {"leadIds": ids}, verify=True)
    assert isinstance(caught.value, PermanentError)
    assert sum(each.operation == "lead_action" for each in ringcx.requests) == 2


@pytest.mark.parametrize("name", sorted(name for name, action in ACTIONS.items() if action.success is None))
def test_what_no_search_can_tell_is_refused(name: str) -> None:
    with pytest.raises(InvalidParameter, match=f"no search tells whether {name}"):
        check_verifiable(ACTIONS[name])


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({"CREATE_COPY_SETTING": "true"}, {"campaignIds": [1]}),
        ({"DUPLICATE_ACTION_SETTING": "IGNORE"}, {"campaignIds": [1]}),
        ({}, {"campaignIds": [7]}),
        ({}, {"leadIds": [1]}),
    ],
    ids=["copy", "ignore", "same-campaign", "no-source"],
)
def test_a_move_whose_leads_stay_cannot_be_verified(changes: dict[str, Any], body: dict[str, Any]) -> None:
    params = {**move_params({"campaignId": 7}), **changes}
    with pytest.raises(InvalidParameter, match="can be verified only"):
        BulkAction.of("MOVE_TO_CAMPAIGN", Selection(body), params, verify=True)
