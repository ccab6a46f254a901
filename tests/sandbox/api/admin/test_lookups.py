"""Accounts, dial groups, campaigns, lists, agents: what the seeded world shows."""

from __future__ import annotations

import collections
import re
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.seed import generated_data
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings


def all_campaigns(api: Any) -> list[dict[str, Any]]:
    found = []
    for account in ("50810001", "50810002"):
        api.account = account
        for group in api.get("dialGroups/withChildren").json():
            found += [{**row, "account": account, "group": group} for row in group["campaigns"]]
    return found


def test_accounts(sandbox: SandboxServer, api: Any) -> None:
    url = f"{sandbox.url}/voice/api/v1/admin/accounts"
    rows = api.session.get(url, timeout=20).json()
    assert [row["accountId"] for row in rows] == ["50810001", "50810002"]
    assert {row["mainAccountId"] for row in rows} == {"50810000"}
    assert all(row["accountName"] for row in rows)


def test_dial_groups_and_campaigns(api: Any) -> None:
    campaigns = all_campaigns(api)
    assert len(campaigns) == 24
    groups = {(row["account"], row["group"]["dialGroupId"]) for row in campaigns}
    assert collections.Counter(account for account, _ in groups) == {"50810001": 4, "50810002": 2}


def test_is_active_is_a_number_on_campaigns_and_a_boolean_on_dial_groups(api: Any) -> None:
    campaigns = all_campaigns(api)
    assert all(type(row["isActive"]) is int for row in campaigns)
    assert all(row["group"]["isActive"] is True for row in campaigns)
    assert sum(row["isActive"] == 0 for row in campaigns) == 2


def test_names_that_occur_twice(api: Any) -> None:
    places = collections.defaultdict(list)
    for row in all_campaigns(api):
        places[row["campaignName"]].append((row["account"], row["group"]["dialGroupId"]))
    twice = {name: where for name, where in places.items() if len(where) > 1}
    assert set(twice) == {"Customer Survey", "Reactivation"}
    assert {account for account, _ in twice["Customer Survey"]} == {"50810001", "50810002"}
    assert {account for account, _ in twice["Reactivation"]} == {"50810001"}
    assert len(set(twice["Reactivation"])) == 2


def test_the_two_campaigns_of_the_examples() -> None:
    with SandboxServer() as sandbox:
        spring, summer = sandbox.campaign("Spring Renewals"), sandbox.campaign("Summer Win-Back")
        assert spring["accountId"] == summer["accountId"] == "50810001"
        assert spring["dialGroupId"] != summer["dialGroupId"]
        assert spring["isActive"] == summer["isActive"] == 1
        for campaign in (spring, summer):
            leads = sandbox.leads(campaign["campaignId"])
            assert 300 < len(leads) < 1000
            assert sum(lead["leadState"] == "READY" for lead in leads) > 150
        assert sandbox.contents["leads"] == 10_000
        idle = {lead["leadState"] for lead in sandbox.leads("Trade Show Contacts")}
        assert not idle & {"ACTIVE", "PENDING", "PENDING-HCI", "PENDING-ERR"}


def test_dial_group_and_campaign_by_id(api: Any, spring: dict[str, Any]) -> None:
    group = api.get(f"dialGroups/{spring['dialGroupId']}").json()
    assert group["dialGroupId"] == spring["dialGroupId"]
    assert group["dialMode"] == "PREDICTIVE"
    path = f"dialGroups/{spring['dialGroupId']}/campaigns"
    campaign = api.get(f"{path}/{spring['campaignId']}").json()
    assert campaign in api.get(path).json()
    assert campaign["campaignName"] == "Spring Renewals"
    assert campaign["dialGroup"]["id"] == spring["dialGroupId"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", campaign["startDate"])


def test_lists_of_a_campaign(api: Any, sandbox: SandboxServer, spring: dict[str, Any]) -> None:
    path = f"dialGroups/{spring['dialGroupId']}/campaigns/{spring['campaignId']}/lists"
    lists = api.get(path).json()
    assert len(lists) in (2, 3)
    held = collections.Counter(lead["listId"] for lead in sandbox.leads("Spring Renewals"))
    assert {row["listId"]: row["leadsSupplied"] for row in lists} == held
    assert all(row["listState"] == "ACTIVE" and row["listDesc"] for row in lists)


def test_dispositions_of_a_campaign(api: Any, spring: dict[str, Any]) -> None:
    path = f"dialGroups/{spring['dialGroupId']}/campaigns/{spring['campaignId']}/campaignDispositions"
    assert "Not Interested" in [row["disposition"] for row in api.get(path).json()]


def test_clear_cache(api: Any, spring: dict[str, Any]) -> None:
    path = f"dialGroups/{spring['dialGroupId']}/campaigns/{spring['campaignId']}/clearCache"
    response = api.session.post(f"{api.root}/{path}", timeout=20)
    assert (response.status_code, response.text) == (201, "true")
    assert response.headers["content-type"].startswith("text/plain")


def test_agents(api: Any, spring: dict[str, Any]) -> None:
    groups = api.get("agentGroups").json()
    agents = [
        agent for group in groups for agent in api.get(f"agentGroups/{group['agentGroupId']}/agents").json()
    ]
    assert len(agents) == 8
    gone = [agent["agentId"] for agent in agents if not agent["active"]]
    assigned = api.get(f"dialGroups/{spring['dialGroupId']}/assignedAgents").json()
    assert {agent["agentId"] for agent in assigned} == {agent["agentId"] for agent in agents} - set(gone)
    assert len(gone) == 1


def test_lookups(api: Any) -> None:
    states = api.get("campaignLeads/leadStates").json()
    assert len(states) == 18
    assert "DO-NOT-CALL" in states
    assert len(api.get("campaignLeads/systemDispositions").json()) == 17


def test_tables_to_look_up(sandbox: SandboxServer, api: Any) -> None:
    states = api.session.get(f"{sandbox.url}/voice/api/v1/admin/states", timeout=20).json()
    assert len({state["name"] for state in states}) == 51
    # Every state of a lead can be looked up, and searched for.
    assert {lead["state"] for lead in sandbox.leads()} <= {state["name"] for state in states}
    assert {"id": "USA", "description": "United States"} in api.get("countries/available").json()
    everything = api.get("auxStates").json()
    for query in ({"active": 1}, {"activeOnly": "true"}):
        in_use = api.get("auxStates", **query).json()
        assert in_use == [state for state in everything if state["isActive"]]
        assert len(in_use) < len(everything)


def test_real_time_counts_agree_with_the_leads(
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


def test_real_time_counts_of_the_day(api: Any, spring: dict[str, Any], leads: list[dict[str, Any]]) -> None:
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


def test_campaigns_without_leads_are_counted_too(api: Any, spring: dict[str, Any]) -> None:
    path = f"{api.root}/dialGroups/{spring['dialGroupId']}/campaigns"
    made = api.session.post(path, json={"campaignName": "Empty"}, timeout=20).json()["campaignId"]
    (row,) = (row for row in api.get("realTimeData/outbound").json() if row["campaignId"] == made)
    assert {row[name] for name in ("ready", "pending", "active", "complete", "other", "answer")} == {0}


def test_lists_come_in_pages(api: Any) -> None:
    everything = api.get("dialGroups").json()
    assert api.get("dialGroups", page=1, maxRows=3).json() == everything[3:]


def test_legacy_root_shows_the_same(api: Any, sandbox: SandboxServer) -> None:
    url = f"{sandbox.url}/api/v1/admin/accounts/50810001/dialGroups"
    assert api.session.get(url, timeout=20).json() == api.get("dialGroups").json()


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
def test_unknown_ids_in_a_path(api: Any, spring: dict[str, Any], path: str) -> None:
    response = api.get(path.format(group=spring["dialGroupId"], campaign=spring["campaignId"]))
    assert response.status_code == 404
    assert response.json()["generalMessage"] == "The resource you have requested does not exist"


def test_other_account_does_not_see_the_campaign(api: Any, spring: dict[str, Any]) -> None:
    api.account = "50810002"
    path = f"dialGroups/{spring['dialGroupId']}/campaigns/{spring['campaignId']}"
    assert api.get(path).status_code == 404


def test_generated_data_same_seed_same_data() -> None:
    def data(settings: Settings) -> list[dict[str, Any]]:
        with SandboxServer(settings) as sandbox:
            return [sandbox.campaign("Spring Renewals"), *sandbox.leads()]

    first = data(Settings(seed=5, size=300))
    generated_data._template.cache_clear()
    assert data(Settings(seed=5, size=300)) == first
    other = data(Settings(seed=6, size=300))
    assert other[0]["campaignId"] != first[0]["campaignId"]
    assert [lead["externId"] for lead in other[1:]] != [lead["externId"] for lead in first[1:]]


def test_people_are_fictional_and_mostly_unique(sandbox: SandboxServer) -> None:
    leads = sandbox.leads()
    assert len(leads) == 1300
    assert all(re.fullmatch(r"\d{3}555\d{4}(\|\d{3}555\d{4})?", lead["leadPhone"]) for lead in leads)
    assert all(lead["email"].rpartition("@")[2].startswith("example.") for lead in leads)
    assert all(re.fullmatch(r"CRM-\d{7}", lead["externId"]) for lead in leads)
    repeated = [n for n in collections.Counter(lead["externId"] for lead in leads).values() if n > 1]
    assert 0 < len(repeated) < 10


def test_callbacks_stand_with_their_leads(sandbox: SandboxServer) -> None:
    for lead in sandbox.leads():
        has_callback = lead["leadState"] in ("CALLBACK", "AGENT-CALLBACK", "PENDING-CALLBACK")
        assert bool(lead["campaignLead"]["campaignRedials"]) == has_callback


def test_look_up_by_name(sandbox: SandboxServer) -> None:
    assert sandbox.campaign("Customer Survey")["accountId"] == "50810001"
    assert sandbox.campaign("Solar Consultations")["accountId"] == "50810002"
    assert len({lead["campaignId"] for lead in sandbox.leads("Reactivation")}) == 2
    with pytest.raises(KeyError):
        sandbox.campaign("No Such Campaign")
    with pytest.raises(KeyError):
        sandbox.leads("No Such Campaign")
