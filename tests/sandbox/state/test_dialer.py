"""The fault ``dialer``: leads go PENDING, ACTIVE and COMPLETE while somebody works on them."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.faults import Row, SetFault
from tests.sandbox.support.leads import MANUAL, by_ids, is_now

INACTIVE = ("Trade Show Contacts", "Holiday Offer")
EVERYBODY = 10**9


def step(sandbox: SandboxServer, api: Any, leads: int) -> dict[int, Row]:
    """Let the dialer go one step on, and return all leads by their ids."""
    sandbox.fault("dialer", leads=leads, operation="agent_groups")
    assert api.get("agentGroups").status_code == 200
    return everyone(sandbox)


def everyone(sandbox: SandboxServer) -> dict[int, Row]:
    return {row["leadId"]: row for row in sandbox.leads()}


def ready(rows: dict[int, Row]) -> list[Row]:
    return [row for row in rows.values() if row["leadState"] == "READY"]


def states(rows: dict[int, Row], chosen: list[Row]) -> list[str]:
    return [rows[row["leadId"]]["leadState"] for row in chosen]


@pytest.mark.choice(55)
def test_leads_are_called_step_by_step(sandbox: SandboxServer, api: Any, fault: SetFault) -> None:
    before = everyone(sandbox)
    fault("dialer", leads=3, operation="lead_count", times=4)
    seen = []
    for _ in range(4):
        api.count()
        seen.append(everyone(sandbox))
    # Whoever counts sees the state after the dialer's step.
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
        assert is_now(called["lastPassDts"])
        # Called once: the fourth step left it alone.
        assert called == seen[2][row["leadId"]]
    # Twelve leads were taken, and nothing else has happened to anybody.
    assert sum(seen[3][number] != row for number, row in before.items()) == 12
    assert api.get("agentGroups").status_code == 200
    assert everyone(sandbox) == seen[3]


@pytest.mark.choice(55)
def test_the_dialer_calls_neither_suppressed_nor_used_up_leads_nor_for_inactive_campaigns(
    sandbox: SandboxServer, api: Any
) -> None:
    chosen = ready(everyone(sandbox))[:5]
    assert api.act("SUPPRESS_LEADS", by_ids(chosen))["leadUpdateCount"] == 5
    used_up = [row for row in everyone(sandbox).values() if row["leadPasses"] >= row["maxPasses"]]
    assert api.act("READY_LEADS", by_ids(used_up))["leadUpdateCount"] > 0
    api.act("READY_LEADS", {"campaignIds": [sandbox.campaign(INACTIVE[0])["campaignId"]]})
    before = everyone(sandbox)
    idle = {row["leadId"] for name in INACTIVE for row in sandbox.leads(name)}
    after = step(sandbox, api, EVERYBODY)
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


@pytest.mark.choice(30, 55)
def test_leads_whose_next_call_is_due_later_are_called_then(sandbox: SandboxServer, api: Any) -> None:
    chosen = ready(everyone(sandbox))[:1]
    api.act("MANUAL_LEADS", by_ids(chosen), **{**MANUAL, "PASS_DELAY": 60})
    assert states(step(sandbox, api, EVERYBODY), chosen) == ["READY"]
    sandbox.advance(seconds=3601)
    assert states(step(sandbox, api, EVERYBODY), chosen) == ["PENDING"]


def test_the_agent_of_an_earlier_pass_is_not_that_of_the_dialer_s_call(
    sandbox: SandboxServer, api: Any
) -> None:
    waiting = [row for row in ready(everyone(sandbox)) if row["lastPassAgentName"]]
    for _ in range(3):
        after = step(sandbox, api, EVERYBODY)
    called = [after[row["leadId"]] for row in waiting if after[row["leadId"]]["leadState"] == "COMPLETE"]
    assert called
    assert {row["lastPassAgentName"] for row in called} == {None}


@pytest.mark.choice(55)
@pytest.mark.parametrize("taken", ["ACTIVE", "PENDING"])
def test_leads_that_others_move_on_meanwhile_are_left_alone(
    sandbox: SandboxServer, api: Any, taken: str
) -> None:
    held: list[Row] = []
    before = everyone(sandbox)
    for _ in range(2 if taken == "ACTIVE" else 1):
        after = step(sandbox, api, 0 if held else 4)
        held = [row for row in after.values() if before[row["leadId"]] != row]
    assert {row["leadState"] for row in held} == {taken}
    # READY_LEADS takes leads in any state, even on a call.
    assert api.act("READY_LEADS", by_ids(held))["leadUpdateCount"] == 4
    api.act("CANCEL_LEADS", by_ids(held[1:2]))
    api.act("DELETE_LEADS", by_ids(held[2:3]))
    moved = everyone(sandbox)
    for _ in range(3):
        assert step(sandbox, api, 0) == moved


def test_leads_pending_for_another_reason_are_not_the_dialer_s(sandbox: SandboxServer, api: Any) -> None:
    busy = [row for row in sandbox.leads() if row["leadState"] in ("PENDING", "ACTIVE")]
    assert busy
    step(sandbox, api, 0)
    after = step(sandbox, api, 0)
    assert [after[row["leadId"]] for row in busy] == busy


@pytest.mark.choice(21, 55)
def test_an_action_passes_over_leads_that_were_taken_just_before_it(
    sandbox: SandboxServer, api: Any, fault: SetFault
) -> None:
    chosen = [row for row in sandbox.leads("Spring Renewals") if row["leadState"] == "READY"][:5]
    criteria = {**by_ids(chosen), "leadStates": ["READY"]}
    assert api.count(**criteria) == 5
    fault("dialer", leads=EVERYBODY, operation="lead_action")
    taken = api.act("CANCEL_LEADS", criteria)["leadUpdateCount"]
    rows = everyone(sandbox)
    assert taken == states(rows, chosen).count("CANCELLED") < 5
    assert states(rows, chosen).count("PENDING") == 5 - taken


@pytest.mark.choice(55)
def test_the_dialer_works_beside_another_fault(sandbox: SandboxServer, api: Any, fault: SetFault) -> None:
    before = everyone(sandbox)
    fault("dialer", leads=2, operation="lead_count")
    fault("status", operation="lead_count")
    assert api.post_search({}, count="true").status_code == 503
    after = everyone(sandbox)
    assert sum(after[number] != row for number, row in before.items()) == 2
    assert sandbox.requests[-1].fault == "dialer, status"


def test_taking_nobody_is_allowed_and_reset_forgets_whom_it_holds(sandbox: SandboxServer, api: Any) -> None:
    before = everyone(sandbox)
    assert step(sandbox, api, 0) == before
    step(sandbox, api, 3)
    sandbox.reset()
    assert step(sandbox, api, 0) == before
