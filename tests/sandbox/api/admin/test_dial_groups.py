"""Dial groups: create, replace, delete and permissions."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sandbox.support.admin import all_campaigns, put, rejected_values, send

Row = dict[str, Any]


def test_create_dial_group_requires_only_name(api: Any, group: Row) -> None:
    assert group["dialGroupName"] == "Trial"
    assert group["isActive"] is True
    assert group["maxLeadsReturned"] == 1
    assert group in api.get("dialGroups").json()
    assert api.get(f"dialGroups/{group['dialGroupId']}").json() == group
    assert {**group, "campaigns": []} in api.get("dialGroups/withChildren").json()


def test_dial_group_is_active_must_be_boolean(api: Any, group: Row) -> None:
    path = f"dialGroups/{group['dialGroupId']}"
    assert put(api, path, {**group, "isActive": False})["isActive"] is False
    assert rejected_values(send(api, "PUT", path, {**group, "isActive": 0})) == ["isActive"]


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, ["dialGroupName"]),
        ({"dialGroupName": "x", "dialMode": "FAST"}, ["dialMode"]),
        ({"dialGroupName": "x", "hciEnabled": True}, ["hciEnabled"]),
        ({"dialGroupName": "x", "enableAgentFilter": "maybe"}, ["enableAgentFilter"]),
    ],
    ids=str,
)
def test_dial_group_invalid_value_returns_400(api: Any, group: Row, body: Row, names: list[str]) -> None:
    before = api.get("dialGroups").json()
    for method, path in (("POST", "dialGroups"), ("PUT", f"dialGroups/{group['dialGroupId']}")):
        assert rejected_values(send(api, method, path, body)) == names
    assert api.get("dialGroups").json() == before


@pytest.mark.parametrize("body", ["[]", '"x"', "5", "null", "{", "", '{"dialGroupName": "\\u0000"}'])
def test_create_dial_group_invalid_body_returns_400(api: Any, body: str) -> None:
    before = api.get("dialGroups").json()
    response = api.session.post(f"{api.root}/dialGroups", data=body, timeout=20)
    assert response.status_code == 400
    assert response.json()["details"]
    assert api.get("dialGroups").json() == before


def test_create_dial_group_limits_nesting_depth(api: Any) -> None:
    def nested(levels: int) -> str:
        return '{"dialGroupName": "x", "other": ' + "[" * levels + "]" * levels + "}"

    url = f"{api.root}/dialGroups"
    assert api.session.post(url, data=nested(90), timeout=20).status_code == 201
    assert api.session.post(url, data=nested(900), timeout=20).status_code == 400
    assert api.get("dialGroups").status_code == 200


@pytest.mark.assumption(53)
def test_delete_dial_group_deletes_its_campaigns(api: Any, sandbox: SandboxServer, spring: Row) -> None:
    path = f"dialGroups/{spring['dialGroupId']}"
    deleted = {row["campaignId"] for row in api.get(f"{path}/campaigns").json()}
    remaining = [lead for lead in sandbox.leads() if lead["campaignId"] not in deleted]
    assert len(deleted) == 4
    response = send(api, "DELETE", path)
    assert (response.status_code, response.json()) == (200, True)
    assert sandbox.leads() == remaining
    assert sandbox.contents["campaigns"] == 20
    assert [api.get(f"{path}{end}").status_code for end in ("", "/campaigns", "/assignedAgents")] == [404] * 3


def test_delete_dial_group_leaves_no_orphans(tmp_path: Any, api_of: Any) -> None:
    with SandboxServer(Settings(size=300), database=str(tmp_path / "state.db")) as sandbox:
        spring = sandbox.campaign("Spring Renewals")
        api = api_of(sandbox)
        assert send(api, "DELETE", f"dialGroups/{spring['dialGroupId']}").status_code == 200
    with sqlite3.connect(tmp_path / "state.db") as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            if "campaignId" in columns:
                orphans = "campaignId NOT IN (SELECT campaignId FROM campaigns)"
            elif "leadId" in columns:
                orphans = "leadId NOT IN (SELECT leadId FROM leads)"
            else:
                continue
            found = connection.execute(f"SELECT count(*) FROM {table} WHERE {orphans}").fetchone()[0]
            assert found == 0, table
    connection.close()


def test_dial_group_ids_are_not_reused(api: Any, group: Row) -> None:
    send(api, "DELETE", f"dialGroups/{group['dialGroupId']}")
    recreated = send(api, "POST", "dialGroups", {"dialGroupName": "Trial"}).json()
    assert recreated["dialGroupId"] > group["dialGroupId"]


def test_include_permissions_returns_permissions(api: Any) -> None:
    (plain, *_), (full, *_) = (
        api.get("dialGroups/withChildren", includePermissions=flag).json() for flag in ("false", "true")
    )
    assert plain["permissions"] == plain["campaigns"][0]["permissions"] == []
    assert "DELETE" in full["permissions"]
    assert full["campaigns"][0]["permissions"] == full["permissions"]
    assert rejected_values(api.get("dialGroups/withChildren", includePermissions="some")) == [
        "includePermissions"
    ]


def test_get_dial_group_and_campaign_by_id(api: Any, spring: dict[str, Any]) -> None:
    group = api.get(f"dialGroups/{spring['dialGroupId']}").json()
    assert group["dialGroupId"] == spring["dialGroupId"]
    assert group["dialMode"] == "PREDICTIVE"
    path = f"dialGroups/{spring['dialGroupId']}/campaigns"
    campaign = api.get(f"{path}/{spring['campaignId']}").json()
    assert campaign in api.get(path).json()
    assert campaign["campaignName"] == "Spring Renewals"
    assert campaign["dialGroup"]["id"] == spring["dialGroupId"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", campaign["startDate"])


def test_assigned_agents_are_active_agents(api: Any, spring: dict[str, Any]) -> None:
    groups = api.get("agentGroups").json()
    agents = [
        agent for group in groups for agent in api.get(f"agentGroups/{group['agentGroupId']}/agents").json()
    ]
    assert len(agents) == 8
    inactive = [agent["agentId"] for agent in agents if not agent["active"]]
    assigned = api.get(f"dialGroups/{spring['dialGroupId']}/assignedAgents").json()
    assert {agent["agentId"] for agent in assigned} == {agent["agentId"] for agent in agents} - set(inactive)
    assert len(inactive) == 1


def test_dial_groups_support_paging(api: Any) -> None:
    everything = api.get("dialGroups").json()
    assert api.get("dialGroups", page=1, maxRows=3).json() == everything[3:]


def test_legacy_root_returns_same_data(api: Any, sandbox: SandboxServer) -> None:
    url = f"{sandbox.url}/api/v1/admin/accounts/50810001/dialGroups"
    assert api.session.get(url, timeout=20).json() == api.get("dialGroups").json()


def test_is_active_is_int_for_campaigns_bool_for_groups(api: Any) -> None:
    campaigns = all_campaigns(api)
    assert all(type(row["isActive"]) is int for row in campaigns)
    assert all(row["group"]["isActive"] is True for row in campaigns)
    assert sum(row["isActive"] == 0 for row in campaigns) == 2
