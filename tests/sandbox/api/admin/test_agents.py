"""Agent groups and agents: create, replace, delete, assign; and the integration paths."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.admin import rejected_values, send

Row = dict[str, Any]


@pytest.fixture
def team(api: Any) -> Row:
    """Return a new agent group."""
    response = send(api, "POST", "agentGroups", {"groupName": "Trial"})
    assert response.status_code == 201
    created: Row = response.json()
    return created


@pytest.fixture
def ada(api: Any, team: Row) -> Row:
    """Return a new agent in a new group."""
    body = {"username": "ada.lovelace", "firstName": "Ada", "password": "secret-word", "agentRank": 12}
    response = send(api, "POST", f"agentGroups/{team['agentGroupId']}/agents", body)
    assert response.status_code == 201
    created: Row = response.json()
    return created


@pytest.fixture
def ada_path(team: Row, ada: Row) -> str:
    """Return the path of the new agent."""
    return f"agentGroups/{team['agentGroupId']}/agents/{ada['agentId']}"


def test_agent_group_create_replace_delete(api: Any, team: Row) -> None:
    path = f"agentGroups/{team['agentGroupId']}"
    assert team in api.get("agentGroups").json()
    assert api.get(path).json() == team
    changed = send(api, "PUT", path, {"groupName": "Evening", "isDefault": True})
    assert changed.status_code == 200
    assert changed.json() == {**team, "groupName": "Evening", "isDefault": True}
    removed = send(api, "DELETE", path)
    assert (removed.status_code, removed.json()) == (200, True)
    assert api.get(path).status_code == 404


def test_agent_groups_support_permissions_and_paging(api: Any) -> None:
    everything = api.get("agentGroups").json()
    assert api.get("agentGroups", page=1, maxRows=1).json() == everything[1:2]
    assert all(
        "READ" in group["permissions"] for group in api.get("agentGroups", includePermissions="true").json()
    )


def test_create_agent_returns_agent_with_defaults(api: Any, ada: Row, ada_path: str) -> None:
    assert (ada["username"], ada["firstName"], ada["agentRank"]) == ("ada.lovelace", "Ada", 12)
    assert (ada["agentType"], ada["active"], ada["isActive"]) == ("AGENT", True, True)
    assert api.get(ada_path).json() == ada


def test_agent_response_contains_no_password(api: Any, ada_path: str) -> None:
    assert "secret-word" not in api.get(ada_path).text
    changed = send(
        api, "PUT", ada_path, {"username": "a", "phoneLoginPin": "4711", "sipPassword": "secret-word"}
    )
    assert "4711" not in changed.text
    assert "secret-word" not in changed.text


def test_replace_agent_resets_missing_fields(api: Any, ada: Row, ada_path: str) -> None:
    changed = send(api, "PUT", ada_path, {"username": "countess", "agentType": "SUPERVISOR"}).json()
    assert (changed["agentId"], changed["username"], changed["firstName"]) == (
        ada["agentId"],
        "countess",
        None,
    )
    assert changed["agentType"] == "SUPERVISOR"
    assert "agentRank" not in changed
    assert api.get(ada_path).json() == changed


@pytest.mark.parametrize("name", ["active", "isActive"])
def test_replace_agent_accepts_active_and_is_active(api: Any, ada: Row, ada_path: str, name: str) -> None:
    off = send(api, "PUT", ada_path, {**ada, name: False}).json()
    assert (off["active"], off["isActive"]) == (False, False)
    on = send(api, "PUT", ada_path, {**off, name: True}).json()
    assert (on["active"], on["isActive"]) == (True, True)
    assert rejected_values(send(api, "PUT", ada_path, {**ada, name: 5})) == [name]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "username"),
        ({"username": "x", "agentType": "BOSS"}, "agentType"),
        ({"username": "x", "allowInbound": "perhaps"}, "allowInbound"),
        ({"username": "x", "rcUserId": "me"}, "rcUserId"),
        ({"username": "x", "createdOn": "yesterday"}, "createdOn"),
        ({"username": "x", "gateAssignments": [1, "x"]}, "gateAssignments"),
    ],
    ids=str,
)
def test_agent_invalid_value_returns_400(api: Any, ada: Row, ada_path: str, body: Row, name: str) -> None:
    assert rejected_values(send(api, "POST", ada_path.rpartition("/")[0], body)) == [name]
    assert rejected_values(send(api, "PUT", ada_path, body)) == [name]
    assert api.get(ada_path).json() == ada


def test_replace_agents_is_atomic(api: Any) -> None:
    path = f"agentGroups/{api.get('agentGroups').json()[0]['agentGroupId']}/agents"
    before = api.get(path).json()
    half = [{**before[0], "location": "Boston"}, {**before[1], "agentType": "BOSS"}]
    assert rejected_values(send(api, "PUT", path, half)) == ["agentType"]
    assert rejected_values(send(api, "PUT", path, [{**before[0], "agentId": 1}])) == ["agentId"]
    assert send(api, "PUT", path, before[0]).status_code == 400
    assert send(api, "PUT", path, ["x"]).status_code == 400
    assert api.get(path).json() == before
    moved = [{**agent, "location": "Boston"} for agent in before[:2]]
    response = send(api, "PUT", path, moved)
    assert (response.status_code, response.json()) == (200, moved)
    assert api.get(path).json() == moved + before[2:]


def test_assign_agents_replaces_assignments(api: Any, spring: Row, ada: Row) -> None:
    path = f"dialGroups/{spring['dialGroupId']}"
    first = api.get(f"{path}/assignedAgents").json()[0]
    body = [
        {"agentId": first["agentId"], "dialGroupId": spring["dialGroupId"], "hciClicker": True},
        {"agentId": str(ada["agentId"])},
    ]
    response = send(api, "PUT", f"{path}/assignAgents", body)
    assert response.status_code == 200
    assert [agent["agentId"] for agent in response.json()] == [first["agentId"], ada["agentId"]]
    assert api.get(f"{path}/assignedAgents").json() == response.json()
    members = api.get(path).json()["agentDialGroupMembers"]
    assert [(each["agentId"], each["hciClicker"]) for each in members] == [
        (first["agentId"], True),
        (ada["agentId"], False),
    ]
    assert send(api, "PUT", f"{path}/assignAgents", []).json() == []


@pytest.mark.parametrize(
    ("member", "name"),
    [
        ({}, "agentId"),
        ({"agentId": 1}, "agentId"),
        ({"agentId": True}, "agentId"),
        ({"agentId": None, "dialGroupId": 1}, "agentId"),
        ({"dialGroupId": 1}, "dialGroupId"),
        ({"dialGroupId": "x"}, "dialGroupId"),
        ({"hciClicker": 1}, "hciClicker"),
    ],
    ids=str,
)
def test_assign_agents_invalid_value_changes_nothing(api: Any, spring: Row, member: Row, name: str) -> None:
    path = f"dialGroups/{spring['dialGroupId']}"
    before = api.get(f"{path}/assignedAgents").json()
    agent = {} if name == "agentId" else {"agentId": before[0]["agentId"]}
    good = {"agentId": before[1]["agentId"]}
    assert rejected_values(send(api, "PUT", f"{path}/assignAgents", [good, {**agent, **member}])) == [name]
    assert api.get(f"{path}/assignedAgents").json() == before


def test_delete_agent_clears_reservations(api: Any, spring: Row, leads: list[Row], agent: Row) -> None:
    lead = leads[0]["leadId"]
    api.act("AGENT_RESERVATION", {"leadIds": [lead]}, RESERVATION_AGENT_ID=agent["agentId"])
    assert api.lead(lead)["pendingAgentName"] == f"{agent['firstName']} {agent['lastName']}"
    group = api.get("agentGroups").json()[0]["agentGroupId"]
    assert send(api, "DELETE", f"agentGroups/{group}/agents/{agent['agentId']}").json() is True
    assert api.lead(lead)["pendingAgentName"] is None
    assert api.count(pendingAgentId=agent["agentId"]) == 0
    assigned = api.get(f"dialGroups/{spring['dialGroupId']}/assignedAgents").json()
    assert agent["agentId"] not in {each["agentId"] for each in assigned}


def test_delete_agent_group_deletes_its_agents(api: Any, team: Row, ada: Row, spring: Row) -> None:
    path = f"dialGroups/{spring['dialGroupId']}"
    send(api, "PUT", f"{path}/assignAgents", [{"agentId": ada["agentId"]}])
    send(api, "DELETE", f"agentGroups/{team['agentGroupId']}")
    assert api.get(f"{path}/assignedAgents").json() == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "agentGroups/1"),
        ("DELETE", "agentGroups/{group}/agents/1"),
        ("GET", "agentGroups/1"),
        ("GET", "agentGroups/1/agents"),
        ("GET", "agentGroups/{group}/agents/x"),
        ("PUT", "agentGroups/1"),
        ("PUT", "agentGroups/{group}/agents/1"),
        ("PUT", "dialGroups/1/assignAgents"),
    ],
)
def test_agents_unknown_id_returns_404(api: Any, method: str, path: str) -> None:
    group = api.get("agentGroups").json()[0]["agentGroupId"]
    body: object = [] if path.endswith("assignAgents") else {"username": "x", "groupName": "x"}
    assert send(api, method, path.format(group=group), body).status_code == 404


def test_agent_of_other_group_returns_404(api: Any, team: Row, agent: Row) -> None:
    path = f"agentGroups/{team['agentGroupId']}/agents"
    assert api.get(f"{path}/{agent['agentId']}").status_code == 404
    assert send(api, "PUT", path, [agent]).status_code == 404


def get_integration(sandbox: SandboxServer, path: str, **headers: str) -> requests.Response:
    url = f"{sandbox.url}/voice/api/integration/v1/admin/accounts/{path}"
    return requests.get(url, headers=headers, timeout=20)


@pytest.fixture
def bearer(sandbox: SandboxServer) -> dict[str, str]:
    """Return the header of a new Bearer token."""
    user = {"username": "sandbox-user", "password": "sandbox-password", "platformId": "sandbox-platform"}
    response = requests.post(f"{sandbox.url}/api/auth/login/admin", data=user, timeout=20)
    return {"Authorization": f"Bearer {response.json()['accessToken']}"}


def test_sub_accounts_main_account_lists_sub_accounts(sandbox: SandboxServer, bearer: dict[str, str]) -> None:
    found = get_integration(sandbox, "50810000/subaccounts", **bearer).json()
    assert [row["subAccountId"] for row in found] == ["50810001", "50810002"]
    assert all(row["isActive"] is True and row["subAccountName"] for row in found)
    assert get_integration(sandbox, "50810001/subaccounts", **bearer).status_code == 403


def test_integration_paths_return_same_agents(
    sandbox: SandboxServer, api: Any, bearer: dict[str, str]
) -> None:
    groups = get_integration(sandbox, "50810001/agentGroups", **bearer).json()
    assert [group["agentGroupId"] for group in groups] == [
        group["agentGroupId"] for group in api.get("agentGroups").json()
    ]
    path = f"agentGroups/{groups[0]['agentGroupId']}/agents"
    rows = get_integration(sandbox, f"50810001/{path}", **bearer).json()
    for row, agent in zip(rows, api.get(path).json(), strict=True):
        assert (row["agentId"], row["userName"]) == (
            agent["agentId"],
            agent["username"],
        )
        assert row["agentGroupId"] == groups[0]["agentGroupId"]
    assert get_integration(sandbox, "50810009/agentGroups", **bearer).status_code == 403
    assert get_integration(sandbox, "50810001/agentGroups/1/agents", **bearer).status_code == 404


def test_integration_paths_require_bearer_token(sandbox: SandboxServer, bearer: dict[str, str]) -> None:
    for path in ("50810000/subaccounts", "50810001/agentGroups"):
        assert get_integration(sandbox, path).status_code == 401
        assert get_integration(sandbox, path, **{"X-Auth-Token": "sandbox-token"}).status_code == 401
    sandbox.advance(301)
    expired = get_integration(sandbox, "50810001/agentGroups", **bearer)
    assert (expired.status_code, expired.text) == (401, "Jwt is expired")
