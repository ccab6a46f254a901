"""Simulated dialer: the fault ``dialer`` sets leads to PENDING, ACTIVE and COMPLETE between requests."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.faults import Row, SetFault
from tests.sandbox.support.leads import MANUAL, by_ids, is_recent

INACTIVE = ("Trade Show Contacts", "Holiday Offer")
ALL_LEADS = 10**9


def step(sandbox: SandboxServer, api: Any, leads: int) -> dict[int, Row]:
    """Run the dialer for one step; return all leads by id."""
    sandbox.fault("dialer", leads=leads, operation="agent_groups")
    assert api.get("agentGroups").status_code == 200
    return leads_by_id(sandbox)


def leads_by_id(sandbox: SandboxServer) -> dict[int, Row]:
    return {row["leadId"]: row for row in sandbox.leads()}


def ready(rows: dict[int, Row]) -> list[Row]:
    return [row for row in rows.values() if row["leadState"] == "READY"]


def states(rows: dict[int, Row], chosen: list[Row]) -> list[str]:
    return [rows[row["leadId"]]["leadState"] for row in chosen]


@pytest.mark.assumption(55)
def test_dialer_changes_states_step_by_step(sandbox: SandboxServer, api: Any, fault: SetFault) -> None:
    before = leads_by_id(sandbox)
    fault("dialer", leads=3, operation="lead_count", times=4)
    seen = []
    for _ in range(4):
        api.count()
        seen.append(leads_by_id(sandbox))
    # A count shows the state after the dialer's step.
    first = [row for row in before.values() if seen[0][row["leadId"]] != row]
    second = [row for row in before.values() if seen[1][row["leadId"]] != row and row not in first]
    assert (len(first), len(second)) == (3, 3)
    assert states(before, first + second) == ["READY"] * 6
    assert [states(rows, first) for rows in seen] == [
        ["PENDING"] * 3,
        ["ACTIVE"] * 3,
        ["COMPLETE"] * 3,
        ["COMPLETE"] * 3,
    ]
    assert [states(rows, second) for rows in seen[1:]] == [["PENDING"] * 3, ["ACTIVE"] * 3, ["COMPLETE"] * 3]
    for row in first:
        called = seen[3][row["leadId"]]
        assert called["leadPasses"] == row["leadPasses"] + 1
        assert called["lastPassDisposition"] == "ANSWER"
        assert is_recent(called["lastPassDts"])
        # Called only once: the fourth step did not change it.
        assert called == seen[2][row["leadId"]]
    # Twelve leads were dialed; no other lead has changed.
    assert sum(seen[3][number] != row for number, row in before.items()) == 12
    assert api.get("agentGroups").status_code == 200
    assert leads_by_id(sandbox) == seen[3]


@pytest.mark.assumption(55)
def test_dialer_skips_suppressed_exhausted_and_inactive_leads(sandbox: SandboxServer, api: Any) -> None:
    chosen = ready(leads_by_id(sandbox))[:5]
    assert api.act("SUPPRESS_LEADS", by_ids(chosen))["leadUpdateCount"] == 5
    used_up = [row for row in leads_by_id(sandbox).values() if row["leadPasses"] >= row["maxPasses"]]
    assert api.act("READY_LEADS", by_ids(used_up))["leadUpdateCount"] > 0
    api.act("READY_LEADS", {"campaignIds": [sandbox.campaign(INACTIVE[0])["campaignId"]]})
    before = leads_by_id(sandbox)
    idle = {row["leadId"] for name in INACTIVE for row in sandbox.leads(name)}
    after = step(sandbox, api, ALL_LEADS)
    left = {row["leadId"] for row in ready(after)}
    assert left & idle
    assert left == {
        number
        for number, row in before.items()
        if row["leadState"] == "READY"
        and (number in idle or row["suppressed"] or row["leadPasses"] >= row["maxPasses"])
    }
    assert {row["leadId"] for row in chosen} <= left
    assert all(after[number] == before[number] for number in left)


@pytest.mark.assumption(30, 55)
def test_dialer_waits_for_next_dial_time(sandbox: SandboxServer, api: Any) -> None:
    chosen = ready(leads_by_id(sandbox))[:1]
    api.act("MANUAL_LEADS", by_ids(chosen), **{**MANUAL, "PASS_DELAY": 60})
    assert states(step(sandbox, api, ALL_LEADS), chosen) == ["READY"]
    sandbox.advance(seconds=3601)
    assert states(step(sandbox, api, ALL_LEADS), chosen) == ["PENDING"]


def test_dialer_call_clears_agent_of_last_pass(sandbox: SandboxServer, api: Any) -> None:
    waiting = [row for row in ready(leads_by_id(sandbox)) if row["lastPassAgentName"]]
    for _ in range(3):
        after = step(sandbox, api, ALL_LEADS)
    called = [after[row["leadId"]] for row in waiting if after[row["leadId"]]["leadState"] == "COMPLETE"]
    assert called
    assert {row["lastPassAgentName"] for row in called} == {None}


@pytest.mark.assumption(55)
@pytest.mark.parametrize("taken", ["ACTIVE", "PENDING"])
def test_dialer_releases_leads_changed_by_others(sandbox: SandboxServer, api: Any, taken: str) -> None:
    held: list[Row] = []
    before = leads_by_id(sandbox)
    for _ in range(2 if taken == "ACTIVE" else 1):
        after = step(sandbox, api, 0 if held else 4)
        held = [row for row in after.values() if before[row["leadId"]] != row]
    assert {row["leadState"] for row in held} == {taken}
    # READY_LEADS applies to leads in any state, even on a call.
    assert api.act("READY_LEADS", by_ids(held))["leadUpdateCount"] == 4
    api.act("CANCEL_LEADS", by_ids(held[1:2]))
    api.act("DELETE_LEADS", by_ids(held[2:3]))
    moved = leads_by_id(sandbox)
    for _ in range(3):
        assert step(sandbox, api, 0) == moved


def test_dialer_ignores_leads_pending_for_other_reasons(sandbox: SandboxServer, api: Any) -> None:
    busy = [row for row in sandbox.leads() if row["leadState"] in ("PENDING", "ACTIVE")]
    assert busy
    step(sandbox, api, 0)
    after = step(sandbox, api, 0)
    assert [after[row["leadId"]] for row in busy] == busy


@pytest.mark.assumption(21, 55)
def test_action_skips_leads_dialed_just_before(sandbox: SandboxServer, api: Any, fault: SetFault) -> None:
    chosen = [row for row in sandbox.leads("Spring Renewals") if row["leadState"] == "READY"][:5]
    criteria = {**by_ids(chosen), "leadStates": ["READY"]}
    assert api.count(**criteria) == 5
    fault("dialer", leads=ALL_LEADS, operation="lead_action")
    taken = api.act("CANCEL_LEADS", criteria)["leadUpdateCount"]
    rows = leads_by_id(sandbox)
    assert taken == states(rows, chosen).count("CANCELLED") < 5
    assert states(rows, chosen).count("PENDING") == 5 - taken


@pytest.mark.assumption(55)
def test_dialer_combines_with_another_fault(sandbox: SandboxServer, api: Any, fault: SetFault) -> None:
    before = leads_by_id(sandbox)
    fault("dialer", leads=2, operation="lead_count")
    fault("status", operation="lead_count")
    assert api.post_search({}, count="true").status_code == 503
    after = leads_by_id(sandbox)
    assert sum(after[number] != row for number, row in before.items()) == 2
    assert sandbox.requests[-1].fault == "dialer, status"


def test_dialer_accepts_0_leads_and_reset_clears_it(sandbox: SandboxServer, api: Any) -> None:
    before = leads_by_id(sandbox)
    assert step(sandbox, api, 0) == before
    step(sandbox, api, 3)
    sandbox.reset()
    assert step(sandbox, api, 0) == before
