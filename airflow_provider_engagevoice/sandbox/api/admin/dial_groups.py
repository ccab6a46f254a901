"""Handlers for dial groups and their agents. Sources: contract; defaults: guide, dial groups."""

from __future__ import annotations

import sqlite3
from collections import defaultdict

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.api.admin.agents import parse_agent_id, serialize_agent
from airflow_provider_engagevoice.sandbox.api.admin.campaigns import select_campaigns
from airflow_provider_engagevoice.sandbox.api.admin.records import (
    Field,
    ResourceType,
    Row,
    fields,
    fields_with_defaults,
    first_or_404,
    parse_flag,
    parse_int32,
    parse_objects,
    path_id,
    permissions,
    select,
)
from airflow_provider_engagevoice.sandbox.api.admin.removal import remove_dial_groups
from airflow_provider_engagevoice.sandbox.http.endpoint import json_response
from airflow_provider_engagevoice.sandbox.http.errors import parse_field
from airflow_provider_engagevoice.sandbox.http.pagination import ALL_ROWS, Page, parse_page
from airflow_provider_engagevoice.sandbox.http.parsing import choice_parser, parse_boolean, parse_text
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState

_MODES = ("PREVIEW", "CLICK_TO_TALK", "PREDICTIVE", "POWER", "TCPA_SAFE_MODE")
_HCI = ("DISABLED", "HCI_FETCH", "HCI_PACING")

#: ``isActive`` is a boolean here, and a number on campaigns (guide). A default dial mode is assumed.
DIAL_GROUP = ResourceType(
    table="dial_groups",
    key="dialGroupId",
    fields=(
        Field("dialGroupName", parse_text, column=True, required=True),
        Field("dialGroupDesc", parse_text, column=True),
        Field("dialMode", choice_parser(_MODES), "PREVIEW", column=True),
        Field("isActive", parse_flag, 1, column=True, serialize=bool),
        Field("enableAgentFilter", parse_flag, 0, column=True, serialize=bool),
        Field("allowLeadSearch", parse_text, "NO", column=True),
        Field("maxLeadsReturned", parse_int32, 1, column=True),
        Field("hciEnabled", choice_parser(_HCI), "DISABLED"),
        *fields_with_defaults(
            parse_boolean,
            {
                "enableAbsolutePriority": False,
                "requireFetchedLeadsCalled": False,
                "progressiveEnabled": False,
                "allowPreviewLeadFilters": False,
                "enableListPriority": False,
                "enableCallbacksAfterMaxpass": True,
                "enableCallbacksAfterMaxDailyPass": False,
                "realTimeAgentData": False,
            },
        ),
        *fields_with_defaults(
            parse_int32,
            {
                "progressiveCallDelay": 0,
                "minPredictiveAgents": 1,
                "maxPorts": 1,
                "agentsReady": 0,
                "outdialServerGroupId": 0,
            },
        ),
        *fields(parse_text, "billingKey"),
        *fields(parse_int32, "groupId"),
    ),
    read_only=frozenset({"permissions", "campaigns", "agentDialGroupMembers"}),
)


def dial_groups(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET dialGroups``."""
    return json_response(_select_page(sandbox, request))


def dial_groups_with_children(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET dialGroups/withChildren``: each dial group with its campaigns."""
    groups = _select_page(sandbox, request)
    children = defaultdict(list)
    allowed = permissions(request)
    for campaign in select_campaigns(sandbox, "d.accountId = ?", request.path_params["account"]):
        children[campaign["dialGroup"]["id"]].append({**campaign, "permissions": allowed})
    return json_response([{**group, "campaigns": children[group["dialGroupId"]]} for group in groups])


def dial_group(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET dialGroups/{group}``."""
    return json_response(_get_dial_group(sandbox, request))


def create_dial_group(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST dialGroups``: 201 and the new dial group; only its name is required (guide)."""
    values = {"accountId": request.path_params["account"], **DIAL_GROUP.parse(request.json_object())}
    with sandbox.store.changing() as connection:
        key = DIAL_GROUP.insert(connection, values)
    return json_response(_select_groups(sandbox, request, "dialGroupId = ?", key)[0], 201)


def replace_dial_group(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``PUT dialGroups/{group}``: 200 and the whole dial group; missing fields are reset to defaults."""
    values = DIAL_GROUP.parse(request.json_object())
    with sandbox.store.changing() as connection:
        _get_dial_group(sandbox, request)
        DIAL_GROUP.replace(connection, path_id(request, "group"), values)
        return json_response(_get_dial_group(sandbox, request))


def delete_dial_group(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``DELETE dialGroups/{group}``: 200 and true; deletes its campaigns and their leads (assumed)."""
    with sandbox.store.changing() as connection:
        group = _get_dial_group(sandbox, request)
        remove_dial_groups(connection, [group["dialGroupId"]])
    return json_response(True)


def assigned_agents(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET dialGroups/{group}/assignedAgents``."""
    _get_dial_group(sandbox, request)
    return json_response(_select_assigned(sandbox, request, parse_page(request, sandbox.settings)))


def assign_agents(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``PUT dialGroups/{group}/assignAgents``: replace the agents of the group with the array (assumed).

    The response is the array of these agents; the contract says object, as it does for all collections.
    """
    members = parse_objects(request)
    with sandbox.store.changing() as connection:
        group = _get_dial_group(sandbox, request)["dialGroupId"]
        connection.execute("DELETE FROM dial_group_agents WHERE dialGroupId = ?", (group,))
        for member in members:
            agent, clicker = _parse_assignment(connection, request.path_params["account"], group, member)
            statement = "INSERT OR REPLACE INTO dial_group_agents (dialGroupId, agentId, hciClicker)"
            connection.execute(f"{statement} VALUES (?, ?, ?)", (group, agent, clicker))
        return json_response(_select_assigned(sandbox, request, ALL_ROWS))


def _parse_assignment(
    connection: sqlite3.Connection, account: str, group: object, member: Row
) -> tuple[int, int]:
    """Parse the assignment of one agent; return the agent's id and ``hciClicker``."""

    def check_group(value: object) -> None:
        if value is not None and parse_int32(value) != group:
            raise ValueError("must be the dial group in the path")

    agent = parse_agent_id(connection, account, member.get("agentId"))
    parse_field("dialGroupId", member.get("dialGroupId"), check_group)
    clicker = member.get("hciClicker")
    return agent, 0 if clicker is None else parse_field("hciClicker", clicker, parse_flag)


def _select_assigned(sandbox: SandboxState, request: ApiRequest, page: Page) -> list[Row]:
    """Return the agents assigned to the dial group in the path."""
    statement = (
        "SELECT a.* FROM agents a JOIN dial_group_agents USING (agentId) WHERE dialGroupId = ?"
        " ORDER BY agentId LIMIT ? OFFSET ?"
    )
    return select(sandbox, serialize_agent, statement, path_id(request, "group"), page.limit, page.offset)


def _select_page(sandbox: SandboxState, request: ApiRequest) -> list[Row]:
    """Return a page of the account's dial groups."""
    page = parse_page(request, sandbox.settings)
    where = "accountId = ? ORDER BY dialGroupId LIMIT ? OFFSET ?"
    return _select_groups(sandbox, request, where, request.path_params["account"], page.limit, page.offset)


def _get_dial_group(sandbox: SandboxState, request: ApiRequest) -> Row:
    """Return the dial group in the path, or raise 404."""
    where = "dialGroupId = ? AND accountId = ?"
    return first_or_404(
        _select_groups(sandbox, request, where, path_id(request, "group"), request.path_params["account"])
    )


def _select_groups(sandbox: SandboxState, request: ApiRequest, where: str, *values: object) -> list[Row]:
    """Return the dial groups that match a constant SQL condition, with their members."""
    allowed = permissions(request)
    with sandbox.store.reading() as connection:
        records = connection.execute(f"SELECT * FROM dial_groups WHERE {where}", values).fetchall()
        members = connection.execute(
            "SELECT m.* FROM dial_group_agents m JOIN dial_groups USING (dialGroupId) WHERE accountId = ?"
            " ORDER BY dialGroupId, agentId",
            (request.path_params["account"],),
        ).fetchall()
    found = defaultdict(list)
    for member in members:
        found[member["dialGroupId"]].append({**dict(member), "hciClicker": bool(member["hciClicker"])})
    return [
        {
            "billingKey": None,
            **DIAL_GROUP.serialize(record),
            "agentDialGroupMembers": found[record["dialGroupId"]],
            "permissions": allowed,
        }
        for record in records
    ]
