"""Dial groups, and the agents who dial in them. Sources: contract; defaults from the guide, dial groups."""

from __future__ import annotations

import sqlite3
from collections import defaultdict

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.api.admin.agents import existing_agent, write_agent
from airflow_provider_engagevoice.sandbox.api.admin.campaigns import campaigns_where
from airflow_provider_engagevoice.sandbox.api.admin.records import (
    Field,
    Kind,
    Row,
    defaulted,
    fields,
    id_in_path,
    only,
    permissions,
    read_count,
    read_flag,
    read_objects,
    select,
)
from airflow_provider_engagevoice.sandbox.api.admin.removal import remove_dial_groups
from airflow_provider_engagevoice.sandbox.http.endpoint import Call, answer
from airflow_provider_engagevoice.sandbox.http.errors import read_or_refuse
from airflow_provider_engagevoice.sandbox.http.pagination import EVERYTHING, Page, page_of
from airflow_provider_engagevoice.sandbox.http.parsing import read_boolean, read_choice, read_text
from airflow_provider_engagevoice.sandbox.state.sandbox import Service

_MODES = ("PREVIEW", "CLICK_TO_TALK", "PREDICTIVE", "POWER", "TCPA_SAFE_MODE")
_HCI = ("DISABLED", "HCI_FETCH", "HCI_PACING")

#: ``isActive`` is a boolean here, and a number on campaigns (guide). A default dial mode is assumed.
DIAL_GROUP = Kind(
    table="dial_groups",
    key="dialGroupId",
    fields=(
        Field("dialGroupName", read_text, column=True, needed=True),
        Field("dialGroupDesc", read_text, column=True),
        Field("dialMode", read_choice(_MODES), "PREVIEW", column=True),
        Field("isActive", read_flag, 1, column=True, write=bool),
        Field("enableAgentFilter", read_flag, 0, column=True, write=bool),
        Field("allowLeadSearch", read_text, "NO", column=True),
        Field("maxLeadsReturned", read_count, 1, column=True),
        Field("hciEnabled", read_choice(_HCI), "DISABLED"),
        *defaulted(
            read_boolean,
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
        *defaulted(
            read_count,
            {
                "progressiveCallDelay": 0,
                "minPredictiveAgents": 1,
                "maxPorts": 1,
                "agentsReady": 0,
                "outdialServerGroupId": 0,
            },
        ),
        *fields(read_text, "billingKey"),
        *fields(read_count, "groupId"),
    ),
    owned=frozenset({"permissions", "campaigns", "agentDialGroupMembers"}),
)


def dial_groups(service: Service, call: Call) -> Response:
    """``GET dialGroups``."""
    return answer(_page(service, call))


def dial_groups_with_children(service: Service, call: Call) -> Response:
    """``GET dialGroups/withChildren``: each dial group with its campaigns."""
    groups = _page(service, call)
    children = defaultdict(list)
    allowed = permissions(call)
    for campaign in campaigns_where(service, "d.accountId = ?", call.captured["account"]):
        children[campaign["dialGroup"]["id"]].append({**campaign, "permissions": allowed})
    return answer([{**group, "campaigns": children[group["dialGroupId"]]} for group in groups])


def dial_group(service: Service, call: Call) -> Response:
    """``GET dialGroups/{group}``."""
    return answer(_existing(service, call))


def create_dial_group(service: Service, call: Call) -> Response:
    """``POST dialGroups``: 201 and the new dial group; only its name is needed (guide)."""
    values = {"accountId": call.captured["account"], **DIAL_GROUP.read(call.json_object())}
    with service.store.changing() as connection:
        key = DIAL_GROUP.insert(connection, values)
    return answer(_groups_where(service, call, "dialGroupId = ?", key)[0], 201)


def replace_dial_group(service: Service, call: Call) -> Response:
    """``PUT dialGroups/{group}``: 200 and the whole dial group; what is not sent gets its default."""
    values = DIAL_GROUP.read(call.json_object())
    with service.store.changing() as connection:
        _existing(service, call)
        DIAL_GROUP.replace(connection, id_in_path(call, "group"), values)
        return answer(_existing(service, call))


def delete_dial_group(service: Service, call: Call) -> Response:
    """``DELETE dialGroups/{group}``: 200 and true; its campaigns and their leads go, too (assumed)."""
    with service.store.changing() as connection:
        group = _existing(service, call)
        remove_dial_groups(connection, [group["dialGroupId"]])
    return answer(True)


def assigned_agents(service: Service, call: Call) -> Response:
    """``GET dialGroups/{group}/assignedAgents``."""
    _existing(service, call)
    return answer(_assigned(service, call, page_of(call, service.settings)))


def assign_agents(service: Service, call: Call) -> Response:
    """``PUT dialGroups/{group}/assignAgents``: the array is who dials in the group from now on (assumed).

    The answer is the array of these agents; the contract says an object, as of all its collections.
    """
    members = read_objects(call)
    with service.store.changing() as connection:
        group = _existing(service, call)["dialGroupId"]
        connection.execute("DELETE FROM dial_group_agents WHERE dialGroupId = ?", (group,))
        for member in members:
            agent, clicker = _member(connection, call.captured["account"], group, member)
            statement = "INSERT OR REPLACE INTO dial_group_agents (dialGroupId, agentId, hciClicker)"
            connection.execute(f"{statement} VALUES (?, ?, ?)", (group, agent, clicker))
        return answer(_assigned(service, call, EVERYTHING))


def _member(connection: sqlite3.Connection, account: str, group: object, member: Row) -> tuple[int, int]:
    """Read an assignment of one agent: the agent's id, and whether it is a clicker."""

    def check_group(value: object) -> None:
        if value is not None and read_count(value) != group:
            raise ValueError("must be the dial group of the path")

    agent = existing_agent(connection, account, member.get("agentId"))
    read_or_refuse("dialGroupId", member.get("dialGroupId"), check_group)
    clicker = member.get("hciClicker")
    return agent, 0 if clicker is None else read_or_refuse("hciClicker", clicker, read_flag)


def _assigned(service: Service, call: Call, page: Page) -> list[Row]:
    """Read agents who dial in the group of the path."""
    statement = (
        "SELECT a.* FROM agents a JOIN dial_group_agents USING (agentId) WHERE dialGroupId = ?"
        " ORDER BY agentId LIMIT ? OFFSET ?"
    )
    return select(service, write_agent, statement, id_in_path(call, "group"), page.limit, page.offset)


def _page(service: Service, call: Call) -> list[Row]:
    """Read a page of the account's dial groups."""
    page = page_of(call, service.settings)
    where = "accountId = ? ORDER BY dialGroupId LIMIT ? OFFSET ?"
    return _groups_where(service, call, where, call.captured["account"], page.limit, page.offset)


def _existing(service: Service, call: Call) -> Row:
    """Read the dial group of the path, or refuse with 404."""
    where = "dialGroupId = ? AND accountId = ?"
    return only(_groups_where(service, call, where, id_in_path(call, "group"), call.captured["account"]))


def _groups_where(service: Service, call: Call, where: str, *values: object) -> list[Row]:
    """Read dial groups with their members."""
    allowed = permissions(call)
    with service.store.reading() as connection:
        records = connection.execute(f"SELECT * FROM dial_groups WHERE {where}", values).fetchall()
        members = connection.execute(
            "SELECT m.* FROM dial_group_agents m JOIN dial_groups USING (dialGroupId) WHERE accountId = ?"
            " ORDER BY dialGroupId, agentId",
            (call.captured["account"],),
        ).fetchall()
    found = defaultdict(list)
    for member in members:
        found[member["dialGroupId"]].append({**dict(member), "hciClicker": bool(member["hciClicker"])})
    return [
        {
            "billingKey": None,
            **DIAL_GROUP.write(record),
            "agentDialGroupMembers": found[record["dialGroupId"]],
            "permissions": allowed,
        }
        for record in records
    ]
