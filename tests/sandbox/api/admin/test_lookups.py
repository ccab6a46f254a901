"""Accounts, lookup tables, outbound statistics and sandbox lookups by name."""

from __future__ import annotations

import collections
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer


def test_accounts_lists_sub_accounts(sandbox: SandboxServer, api: Any) -> None:
    url = f"{sandbox.url}/voice/api/v1/admin/accounts"
    rows = api.session.get(url, timeout=20).json()
    assert [row["accountId"] for row in rows] == ["50810001", "50810002"]
    assert {row["mainAccountId"] for row in rows} == {"50810000"}
    assert all(row["accountName"] for row in rows)


def test_enumerations_match_specification(api: Any) -> None:
    states = api.get("campaignLeads/leadStates").json()
    assert len(states) == 18
    assert "DO-NOT-CALL" in states
    assert len(api.get("campaignLeads/systemDispositions").json()) == 17


def test_states_countries_and_aux_states(sandbox: SandboxServer, api: Any) -> None:
    states = api.session.get(f"{sandbox.url}/voice/api/v1/admin/states", timeout=20).json()
    assert len({state["name"] for state in states}) == 51
    # Every generated lead has one of these states.
    assert {lead["state"] for lead in sandbox.leads()} <= {state["name"] for state in states}
    assert {"id": "USA", "description": "United States"} in api.get("countries/available").json()
    everything = api.get("auxStates").json()
    for query in ({"active": 1}, {"activeOnly": "true"}):
        active_states = api.get("auxStates", **query).json()
        assert active_states == [state for state in everything if state["isActive"]]
        assert len(active_states) < len(everything)


def test_outbound_stats_count_leads_by_state(
    api: Any, sandbox: SandboxServer, spring: dict[str, Any]
) -> None:
    stats = {row["campaignId"]: row for row in api.get("realTimeData/outbound").json()}
    assert len(stats) == 16
    for key, row in stats.items():
        states = collections.Counter(lead["leadState"] for lead in sandbox.leads(key))
        assert row["ready"] == states["READY"]
        assert row["active"] == states["ACTIVE"]
        assert row["pending"] == sum(n for state, n in states.items() if state.startswith("PENDING"))
        assert row["ready"] + row["active"] + row["pending"] + row["other"] == (
            states.total() - states["COMPLETE"]
        )
    assert stats[spring["campaignId"]]["dialGroupId"] == spring["dialGroupId"]
    assert stats[spring["campaignId"]]["staffed"] == 7


def test_outbound_stats_count_calls_of_today(
    api: Any, spring: dict[str, Any], leads: list[dict[str, Any]]
) -> None:
    def today() -> dict[str, Any]:
        rows = api.get("realTimeData/outbound").json()
        (row,) = (row for row in rows if row["campaignId"] == spring["campaignId"])
        return row

    before = today()
    lead = next(lead["leadId"] for lead in leads if lead["leadState"] == "READY")
    params = {"REQUEUE": False, "DO_NOT_CALL": False, "PASS_DELAY": 0, "MERGE_ORIGINAL": False}
    api.act("MANUAL_LEADS", {"leadIds": [lead]}, PASS_DISPOSITION="Sale", **params)
    after = today()
    assert after["complete"] == before["complete"] + 1
    assert after["successDispositions"] == before["successDispositions"] + 1
    assert after["ready"] == before["ready"] - 1


def test_outbound_stats_include_campaigns_without_leads(api: Any, spring: dict[str, Any]) -> None:
    path = f"{api.root}/dialGroups/{spring['dialGroupId']}/campaigns"
    created = api.session.post(path, json={"campaignName": "Empty"}, timeout=20).json()["campaignId"]
    (row,) = (row for row in api.get("realTimeData/outbound").json() if row["campaignId"] == created)
    assert {row[name] for name in ("ready", "pending", "active", "complete", "other", "answer")} == {0}


@pytest.mark.parametrize(
    "path",
    [
        "dialGroups/1",
        "dialGroups/x",
        "dialGroups/99999999999999999999999",
        "dialGroups/{group}/campaigns/1",
        "dialGroups/{group}/campaigns/1/lists",
        "dialGroups/{group}/campaigns/x/campaignDispositions",
        "dialGroups/1/campaigns",
        "dialGroups/1/campaigns/{campaign}",
        "dialGroups/1/assignedAgents",
        "agentGroups/1/agents",
        "nothing/here",
    ],
)
def test_admin_unknown_id_returns_404(api: Any, spring: dict[str, Any], path: str) -> None:
    response = api.get(path.format(group=spring["dialGroupId"], campaign=spring["campaignId"]))
    assert response.status_code == 404
    assert response.json()["generalMessage"] == "The resource you have requested does not exist"


def test_sandbox_campaign_and_leads_by_name(sandbox: SandboxServer) -> None:
    assert sandbox.campaign("Customer Survey")["accountId"] == "50810001"
    assert sandbox.campaign("Solar Consultations")["accountId"] == "50810002"
    assert len({lead["campaignId"] for lead in sandbox.leads("Reactivation")}) == 2
    with pytest.raises(KeyError):
        sandbox.campaign("No Such Campaign")
    with pytest.raises(KeyError):
        sandbox.leads("No Such Campaign")
