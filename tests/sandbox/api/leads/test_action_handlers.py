"""Effects of the lead actions, except MANUAL_LEADS and MOVE_TO_CAMPAIGN."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.leads import (
    MANUAL,
    Row,
    action_counts,
    by_ids,
    in_state,
    is_recent,
    move_params,
    redials,
    reload_leads,
    without,
)


@pytest.mark.parametrize(
    ("action", "state"),
    [("READY_LEADS", "READY"), ("CANCEL_LEADS", "CANCELLED"), ("PAUSE_LEADS", "PAUSED")],
)
@pytest.mark.assumption(19, 22)
def test_state_action_sets_state(
    sandbox: SandboxServer, api: Any, leads: list[Row], action: str, state: str
) -> None:
    result = api.act(action, by_ids(leads))
    removed = redials(leads) if action == "CANCEL_LEADS" else 0
    assert action_counts(result) == (True, len(leads), 0, removed, False)
    assert (result["leadActionType"], result["errorMessage"]) == (action, None)
    changing = ("leadState", "stateDts", "campaignRedials")
    for old, new in zip(leads, reload_leads(sandbox, leads), strict=True):
        assert new["leadState"] == state
        assert is_recent(new["stateDts"])
        assert without(new, *changing) == without(old, *changing)


def test_action_changes_matching_leads_only(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    chosen = {row["leadId"] for row in leads[:7]}
    others = [lead for lead in sandbox.leads() if lead["leadId"] not in chosen]
    assert api.act("CANCEL_LEADS", by_ids(leads[:7]))["leadUpdateCount"] == 7
    assert [lead for lead in sandbox.leads() if lead["leadId"] not in chosen] == others


def test_action_without_params_object_succeeds(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    bodies: list[Row] = [
        {},
        {"leadActionParams": None},
        {"leadActionParams": {}},
        {"leadActionParams": {"paramMap": None}},
    ]
    for extra in bodies:
        response = api.put_action("PAUSE_LEADS", {"campaignLeadSearchCriteria": by_ids(leads[:1]), **extra})
        assert response.json()["leadUpdateCount"] == 1


@pytest.mark.assumption(1)
def test_action_empty_criteria_selects_whole_account(sandbox: SandboxServer, api: Any) -> None:
    api.act("SUPPRESS_LEADS", {})
    assert api.count(suppressed="ONLY_UNSUPPRESSED") == 0
    api.account = "50810002"
    assert api.count(suppressed="ONLY_UNSUPPRESSED") > 100


@pytest.mark.assumption(18)
def test_action_without_matches_changes_nothing(api: Any, agent: Row, summer: Row) -> None:
    params: dict[str, Row] = {
        "MANUAL_LEADS": MANUAL,
        "EMAIL_LEADS": {"EMAIL_TO": "a@example.com"},
        "CALLBACK_LEADS": {"ACTION_TYPE": "CANCEL"},
        "AGENT_RESERVATION": {"RESERVATION_AGENT_ID": 0, "CALLBACK_DTS": "2026-07-01"},
        "MOVE_TO_CAMPAIGN": move_params(summer),
    }
    lists = f"dialGroups/{summer['dialGroupId']}/campaigns/{summer['campaignId']}/lists"
    before = api.get(lists).json()
    for action in ("RESET_LEADS", "CANCEL_LEADS", "DELETE_LEADS", "UNSUPPRESS_LEADS", *params):
        result = api.act(action, {"leadIds": [1]}, **params.get(action, {}))
        assert action_counts(result) == (True, 0, 0, 0, False)
    assert api.get(lists).json() == before


@pytest.mark.assumption(21)
def test_action_excludes_leads_on_a_call(sandbox: SandboxServer, api: Any, summer: Row) -> None:
    active = in_state(sandbox.leads(), "ACTIVE")
    for account in ("50810001", "50810002"):
        api.account = account
        target = sandbox.campaign("Spring Renewals" if account == "50810001" else "Solar Consultations")
        for action in ("CANCEL_LEADS", "PAUSE_LEADS", "DELETE_LEADS", "MOVE_TO_CAMPAIGN"):
            params = move_params(target) if action == "MOVE_TO_CAMPAIGN" else {}
            assert action_counts(api.act(action, by_ids(active), **params)) == (True, 0, 0, 0, False)
    assert reload_leads(sandbox, active) == active


@pytest.mark.assumption(19, 23)
def test_reset_leads_clears_passes_and_state(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    forbidden = in_state(leads, "DO-NOT-CALL")
    others = [row for row in leads if row not in forbidden]
    result = api.act("RESET_LEADS", by_ids(leads))
    assert action_counts(result) == (True, len(others), 0, redials(others), False)
    speed = ("speedToLeadFirstPass", "speedToLeadAgentConn")
    changing = ("leadState", "leadPasses", "nextDialTime", "stateDts", "campaignRedials", *speed)
    for old, new in zip(others, reload_leads(sandbox, others), strict=True):
        assert (new["leadState"], new["leadPasses"]) == ("READY", 0)
        assert is_recent(new["nextDialTime"])
        assert without(new, *changing) == without(old, *changing)
    assert redials(reload_leads(sandbox, leads)) == 0
    assert reload_leads(sandbox, forbidden) == forbidden


@pytest.mark.assumption(19)
def test_delete_leads_removes_leads(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    total = len(sandbox.leads())
    result = api.act("DELETE_LEADS", by_ids(leads))
    assert action_counts(result) == (True, 0, len(leads), redials(leads), False)
    assert redials(leads) > 0
    assert len(sandbox.leads()) == total - len(leads)
    assert api.count(**by_ids(leads)) == 0
    assert api.count(leadPhoneNumbers=[leads[0]["leadPhone"]]) == 0
    assert action_counts(api.act("DELETE_LEADS", by_ids(leads))) == (True, 0, 0, 0, False)


def test_delete_leads_by_extern_id_deletes_all_matches(sandbox: SandboxServer, api: Any) -> None:
    seen: dict[str, int] = {}
    for lead in sandbox.leads():
        seen[lead["externId"]] = seen.get(lead["externId"], 0) + 1
    twice = [extern_id for extern_id, number in seen.items() if number == 2]
    deleted = 0
    for account in ("50810001", "50810002"):
        api.account = account
        deleted += api.act("DELETE_LEADS", {"externIds": twice})["leadDeleteCount"]
    assert deleted == 2 * len(twice) > 0


def test_suppress_and_unsuppress_leads(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    assert action_counts(api.act("SUPPRESS_LEADS", by_ids(leads))) == (True, len(leads), 0, 0, False)
    suppressed = reload_leads(sandbox, leads)
    assert all(row["suppressed"] for row in suppressed)
    assert action_counts(api.act("UNSUPPRESS_LEADS", by_ids(leads))) == (True, len(leads), 0, 0, False)
    for old, new in zip(leads, reload_leads(sandbox, leads), strict=True):
        assert new["suppressed"] is False
        assert without(new, "suppressed") == without(old, "suppressed")


@pytest.mark.assumption(34)
def test_email_leads_changes_no_lead(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    before = sandbox.leads()
    result = api.act("EMAIL_LEADS", by_ids(leads[:3]), EMAIL_TO="a@example.com, b@mail.example.org")
    assert action_counts(result) == (True, 0, 0, 0, False)
    (mail,) = sandbox.outbox
    assert is_recent(mail.pop("sent"))
    assert mail == {
        "mail_id": 1,
        "to": ["a@example.com", "b@mail.example.org"],
        "leads": 3,
        "lead_ids": by_ids(leads[:3])["leadIds"],
    }
    assert sandbox.leads() == before
    api.act("EMAIL_LEADS", by_ids(leads[:3]), EMAIL_TO="a@example.com")
    assert len(sandbox.outbox) == 2
    api.act("DELETE_LEADS", by_ids(leads[:3]))
    assert [mail["lead_ids"] for mail in sandbox.outbox] == [by_ids(leads[:3])["leadIds"]] * 2


@pytest.mark.assumption(32)
def test_callback_leads_agent_sets_callback(
    sandbox: SandboxServer, api: Any, leads: list[Row], agent: Row
) -> None:
    due = "2027-07-24T16:00:00.000+0000"
    params = {"ACTION_TYPE": "AGENT", "RESERVATION_AGENT_ID": str(agent["agentId"]), "CALLBACK_DATE": due}
    assert action_counts(api.act("CALLBACK_LEADS", by_ids(leads), **params)) == (
        True,
        len(leads),
        0,
        0,
        False,
    )
    for old, new in zip(leads, reload_leads(sandbox, leads), strict=True):
        assert (new["leadState"], new["nextDialTime"]) == ("AGENT-CALLBACK", due)
        assert new["pendingAgentName"] == f"{agent['firstName']} {agent['lastName']}"
        assert new["leadPasses"] == old["leadPasses"]
        (redial,) = new["campaignLead"]["campaignRedials"]
        assert (redial["agentId"], redial["callBackDate"]) == (agent["agentId"], due)
        assert redial["callBackPhone"] == new["leadPhone"].split("|")[0]


@pytest.mark.assumption(32)
def test_callback_leads_without_date_is_due_now(
    sandbox: SandboxServer, api: Any, leads: list[Row], agent: Row
) -> None:
    api.act("CALLBACK_LEADS", by_ids(leads[:1]), ACTION_TYPE="agent", RESERVATION_AGENT_ID=agent["agentId"])
    assert is_recent(reload_leads(sandbox, leads[:1])[0]["nextDialTime"])


@pytest.mark.parametrize(("kind", "state"), [("CANCEL", "CALLBACK-CANCELLED"), ("RESET", "READY")])
@pytest.mark.assumption(19, 32)
def test_callback_leads_cancel_and_reset(
    sandbox: SandboxServer, api: Any, leads: list[Row], kind: str, state: str
) -> None:
    waiting = in_state(leads, "AGENT-CALLBACK", "CALLBACK", "PENDING-CALLBACK")
    result = api.act("CALLBACK_LEADS", by_ids(waiting), ACTION_TYPE=kind)
    assert action_counts(result) == (True, len(waiting), 0, len(waiting), False)
    changed = reload_leads(sandbox, waiting)
    assert {row["leadState"] for row in changed} == {state}
    assert {row["pendingAgentName"] for row in changed} == {None}
    assert redials(changed) == 0


@pytest.mark.assumption(33)
def test_agent_reservation_sets_and_clears_agent(
    sandbox: SandboxServer, api: Any, leads: list[Row], agent: Row
) -> None:
    due = "2027-01-02T03:04:05.000+0000"
    params = {"RESERVATION_AGENT_ID": agent["agentId"], "CALLBACK_DTS": due}
    assert action_counts(api.act("AGENT_RESERVATION", by_ids(leads), **params)) == (
        True,
        len(leads),
        0,
        0,
        False,
    )
    for old, new in zip(leads, reload_leads(sandbox, leads), strict=True):
        assert new["pendingAgentName"] == f"{agent['firstName']} {agent['lastName']}"
        assert (new["leadState"], new["nextDialTime"]) == (old["leadState"], due)
    assert api.count(pendingAgentId=agent["agentId"], campaignIds=[leads[0]["campaignId"]]) == len(leads)
    api.act("AGENT_RESERVATION", by_ids(leads), RESERVATION_AGENT_ID="0", CALLBACK_DTS="2027-05-05T00:00:00Z")
    cleared = reload_leads(sandbox, leads)
    assert {row["pendingAgentName"] for row in cleared} == {None}
    assert {row["nextDialTime"] for row in cleared} == {due}


@pytest.mark.parametrize("params", [{}, {"force_dialer_cache_refresh": True}])
@pytest.mark.assumption(20)
def test_dialer_refresh_changes_no_lead(sandbox: SandboxServer, api: Any, spring: Row, params: Row) -> None:
    before = sandbox.leads()
    result = api.act("DIALER_REFRESH", {"campaignIds": [spring["campaignId"]]}, **params)
    assert action_counts(result) == (True, 0, 0, 0, True)
    assert sandbox.leads() == before


def test_action_dates_follow_clock(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    sandbox.advance(86_400)
    api.act("RESET_LEADS", by_ids(in_state(leads, "READY")[:1]))
    assert is_recent(reload_leads(sandbox, in_state(leads, "READY")[:1])[0]["nextDialTime"], 24 * 60)


@pytest.mark.assumption(22)
def test_ready_leads_on_dnc_are_not_dialed(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    forbidden = in_state(leads, "DO-NOT-CALL")
    assert api.act("READY_LEADS", by_ids(forbidden))["leadUpdateCount"] == len(forbidden)
    sandbox.fault("dialer", operation="lead_search", leads=2000)
    assert {row["leadState"] for row in api.search(by_ids(forbidden))} == {"READY"}
    assert api.count(leadStates=["READY"], campaignIds=[leads[0]["campaignId"]]) < len(leads) // 3
