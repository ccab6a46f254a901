"""Campaigns, lists and dispositions: create, replace, delete and read."""

from __future__ import annotations

import collections
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.admin import put, rejected_values, send

Row = dict[str, Any]


@pytest.fixture
def campaign(api: Any, group: Row) -> Row:
    """Return a new campaign in a new dial group."""
    response = send(api, "POST", f"dialGroups/{group['dialGroupId']}/campaigns", {"campaignName": "First"})
    assert response.status_code == 201
    created: Row = response.json()
    return created


@pytest.fixture
def campaign_path(group: Row, campaign: Row) -> str:
    """Return the path of the new campaign."""
    return f"dialGroups/{group['dialGroupId']}/campaigns/{campaign['campaignId']}"


@pytest.fixture
def spring_path(spring: Row) -> str:
    """Return the path of the campaign "Spring Renewals"."""
    return f"dialGroups/{spring['dialGroupId']}/campaigns/{spring['campaignId']}"


def test_create_campaign_requires_only_name(api: Any, group: Row, campaign: Row, campaign_path: str) -> None:
    assert campaign["dialGroup"] == {"id": group["dialGroupId"], "description": "Trial"}
    # Inactive by default: the guide shows an unchecked box.
    assert campaign["isActive"] == 0
    assert campaign["dncScrubOption"] == "INTERNAL_ONLY"
    assert campaign["startDate"] is None
    assert campaign["sunSched"] == "00000000"
    assert api.get(campaign_path).json() == campaign
    assert api.get(f"{campaign_path}/lists").json() == []


def test_new_campaign_accepts_moved_leads(
    api: Any, campaign: Row, campaign_path: str, leads: list[Row]
) -> None:
    target = {"CAMPAIGN_ID": campaign["campaignId"], "LIST_ID": 0, "LIST_NAME": "Trial"}
    options = {"CREATE_COPY_SETTING": "false", "DUPLICATE_ACTION_SETTING": "MOVE"}
    assert api.act("MOVE_TO_CAMPAIGN", {"leadIds": [leads[0]["leadId"]]}, **target, **options)["success"]
    assert api.lead(leads[0]["leadId"])["campaignName"] == "First"
    assert [row["listDesc"] for row in api.get(f"{campaign_path}/lists").json()] == ["Trial"]


def test_create_campaign_returns_all_sent_fields(api: Any, group: Row) -> None:
    body = {
        "campaignName": "All of it",
        "campaignDesc": "ünïcode",
        "isActive": 1,
        "startDate": "2026-07-01T07:00:00.000+0000",
        "endDate": "2027-07-01T07:00:00.000+0000",
        "callerId": "6175550100",
        "maxPasses": 9,
        "passDelayMin": 5,
        "monSched": "10001100",
        "requeueType": "RESTRICTED",
        "dncScrubOption": "DO_NOT_SCRUB",
        "callingConfiguration": "STRATEGIC",
        "targetAbandonRate": 2.5,
        "machineDetect": True,
        "script": {"id": 7, "description": "Hello"},
        "somethingNew": {"nested": [1, None, "x"]},
    }
    path = f"dialGroups/{group['dialGroupId']}/campaigns"
    created = send(api, "POST", path, body).json()
    shown = api.get(f"{path}/{created['campaignId']}").json()
    assert {name: shown[name] for name in body} == body


@pytest.mark.assumption(51)
def test_campaign_date_without_zone_is_utc(api: Any, campaign: Row, campaign_path: str) -> None:
    changed = put(api, campaign_path, {**campaign, "startDate": "2026-07-01T07:00:00"})
    assert changed["startDate"] == "2026-07-01T07:00:00.000+0000"
    assert changed["endDate"] is None


def test_replace_campaign_pauses_and_resumes(api: Any, spring_path: str) -> None:
    before = api.get(spring_path).json()
    assert before["isActive"] == 1
    paused = put(api, spring_path, {**before, "isActive": 0})
    assert paused == {**before, "isActive": 0}
    assert api.get(spring_path).json() == paused
    assert put(api, spring_path, {**paused, "isActive": 1}) == before


def test_replace_with_same_object_changes_nothing(api: Any, spring: Row, spring_path: str) -> None:
    for path in (spring_path, f"dialGroups/{spring['dialGroupId']}"):
        before = api.get(path).json()
        assert put(api, path, before) == before
        assert api.get(path).json() == before


def test_replace_resets_missing_fields(api: Any, campaign_path: str, group: Row) -> None:
    full = {"campaignName": "A", "campaignDesc": "long", "maxPasses": 9, "satSched": "09001000", "extra": 1}
    put(api, campaign_path, full)
    short = put(api, campaign_path, {"campaignName": "A"})
    assert (short["campaignDesc"], short["maxPasses"], short["satSched"]) == (None, 3, "00000000")
    assert "extra" not in short
    path = f"dialGroups/{group['dialGroupId']}"
    put(api, path, {"dialGroupName": "B", "enableAgentFilter": True, "isActive": False})
    short = put(api, path, {"dialGroupName": "B"})
    assert (short["enableAgentFilter"], short["isActive"]) == (False, True)


def test_replace_ignores_ids_and_read_only_fields(api: Any, campaign: Row, campaign_path: str) -> None:
    ignored = {"campaignId": 1, "dialGroup": {"id": 1}, "groupId": 1, "permissions": ["READ"]}
    assert put(api, campaign_path, {**campaign, **ignored}) == campaign


def test_replace_campaign_calling_configuration_is_fixed(api: Any, campaign: Row, campaign_path: str) -> None:
    assert campaign["callingConfiguration"] == "SIMPLE"
    response = send(api, "PUT", campaign_path, {**campaign, "callingConfiguration": "STRATEGIC"})
    assert rejected_values(response) == ["callingConfiguration"]
    created = send(
        api,
        "POST",
        campaign_path.rpartition("/")[0],
        {"campaignName": "S", "callingConfiguration": "STRATEGIC"},
    ).json()
    path = campaign_path.rpartition("/")[0] + f"/{created['campaignId']}"
    assert put(api, path, {"campaignName": "S"})["callingConfiguration"] == "STRATEGIC"


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, ["campaignName"]),
        ({"campaignName": None}, ["campaignName"]),
        ({"campaignName": "  "}, ["campaignName"]),
        ({"campaignName": ["x"]}, ["campaignName"]),
        ({"campaignName": "x", "isActive": True}, ["isActive"]),
        ({"campaignName": "x", "isActive": 3}, ["isActive"]),
        ({"campaignName": "x", "maxPasses": 2**31}, ["maxPasses"]),
        ({"campaignName": "x", "startDate": "soon"}, ["startDate"]),
        ({"campaignName": "x", "machineDetect": 1}, ["machineDetect"]),
        ({"campaignName": "x", "monSched": {}}, ["monSched"]),
        ({"campaignName": "x", "dncScrubOption": "NONE"}, ["dncScrubOption"]),
        ({"campaignName": "x", "script": "hello"}, ["script"]),
        ({"maxPasses": "many", "endDate": 5}, ["campaignName", "endDate", "maxPasses"]),
    ],
    ids=str,
)
def test_campaign_invalid_value_returns_400(
    api: Any, campaign_path: str, body: Row, names: list[str]
) -> None:
    before = api.get(campaign_path).json()
    campaigns = campaign_path.rpartition("/")[0]
    for method, path in (("POST", campaigns), ("PUT", campaign_path)):
        assert sorted(rejected_values(send(api, method, path, body))) == sorted(names)
    assert api.get(campaigns).json() == [before]


@pytest.mark.assumption(53)
def test_delete_campaign_deletes_its_leads(api: Any, sandbox: SandboxServer, spring_path: str) -> None:
    spring_ids = {lead["leadId"] for lead in sandbox.leads("Spring Renewals")}
    others = [lead for lead in sandbox.leads() if lead["leadId"] not in spring_ids]
    assert spring_ids
    response = send(api, "DELETE", spring_path)
    assert (response.status_code, response.json()) == (200, True)
    assert api.get(spring_path).status_code == 404
    assert sandbox.leads() == others
    assert api.search(leadIds=sorted(spring_ids)) == []
    assert send(api, "DELETE", spring_path).status_code == 404


@pytest.mark.assumption(48)
def test_write_campaign_of_other_account_returns_404(
    api: Any, spring_path: str, sandbox: SandboxServer
) -> None:
    before = api.get(spring_path).json()
    api.account = "50810002"
    group_path = spring_path.partition("/campaigns")[0]
    for path, body in ((spring_path, {"campaignName": "x"}), (group_path, {"dialGroupName": "x"})):
        assert send(api, "PUT", path, body).status_code == 404
        assert send(api, "DELETE", path).status_code == 404
    assert send(api, "POST", f"{group_path}/campaigns", {"campaignName": "x"}).status_code == 404
    api.account = "50810009"
    assert send(api, "POST", "dialGroups", {"dialGroupName": "x"}).status_code == 403
    api.account = "50810001"
    assert api.get(spring_path).json() == before


def test_campaigns_support_paging(api: Any, spring: Row) -> None:
    path = f"dialGroups/{spring['dialGroupId']}/campaigns"
    everything = api.get(path).json()
    assert api.get(path, page=1, maxRows=3).json() == everything[3:]
    assert rejected_values(api.get(path, page=-1)) == ["page"]
    assert rejected_values(api.get(path, maxRows="x")) == ["maxRows"]


def test_lists_returns_lists_of_campaign(api: Any, sandbox: SandboxServer, spring: dict[str, Any]) -> None:
    path = f"dialGroups/{spring['dialGroupId']}/campaigns/{spring['campaignId']}/lists"
    lists = api.get(path).json()
    assert len(lists) in (2, 3)
    held = collections.Counter(lead["listId"] for lead in sandbox.leads("Spring Renewals"))
    assert {row["listId"]: row["leadsSupplied"] for row in lists} == held
    assert all(row["listState"] == "ACTIVE" and row["listDesc"] for row in lists)


def test_dispositions_returns_dispositions(api: Any, spring: dict[str, Any]) -> None:
    path = f"dialGroups/{spring['dialGroupId']}/campaigns/{spring['campaignId']}/campaignDispositions"
    assert "Not Interested" in [row["disposition"] for row in api.get(path).json()]


def test_clear_cache_returns_true(api: Any, spring: dict[str, Any]) -> None:
    path = f"dialGroups/{spring['dialGroupId']}/campaigns/{spring['campaignId']}/clearCache"
    response = api.session.post(f"{api.root}/{path}", timeout=20)
    assert (response.status_code, response.text) == (201, "true")
    assert response.headers["content-type"].startswith("text/plain")


def test_campaign_of_other_account_returns_404(api: Any, spring: dict[str, Any]) -> None:
    api.account = "50810002"
    path = f"dialGroups/{spring['dialGroupId']}/campaigns/{spring['campaignId']}"
    assert api.get(path).status_code == 404
