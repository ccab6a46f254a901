"""Handlers for agent groups and agents. Sources: contract; guide, agents."""

from __future__ import annotations

import sqlite3
from typing import Any

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.api.admin.records import (
    Field,
    ResourceType,
    Row,
    fields,
    first_or_404,
    parse_collection,
    parse_flag,
    parse_int32,
    parse_objects,
    path_id,
    permissions,
    select,
)
from airflow_provider_engagevoice.sandbox.api.admin.removal import remove_agents
from airflow_provider_engagevoice.sandbox.http.endpoint import json_response
from airflow_provider_engagevoice.sandbox.http.errors import parse_field
from airflow_provider_engagevoice.sandbox.http.pagination import parse_page
from airflow_provider_engagevoice.sandbox.http.parsing import (
    choice_parser,
    list_parser,
    parse_boolean,
    parse_integer,
    parse_object,
    parse_text,
    parse_timestamp,
)
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.http.timestamps import format_datetime
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState

_TYPES = ("AGENT", "SUPERVISOR", "MULTI_USER", "MULTI_SUPERVISOR")
_TRANSFERS = (
    "DIRECT_TRANSFER_DISABLED", "ALLOW_DIRECT_TRANSFER_TO_SAME_GROUP", "ALLOW_DIRECT_TRANSFER_TO_ANY_GROUP",
)  # fmt: skip


def _parse_date(value: object) -> object:
    """Parse a timestamp; it is stored as text."""
    return format_datetime(parse_timestamp(value))


AGENT_GROUP = ResourceType(
    table="agent_groups",
    key="agentGroupId",
    fields=(
        Field("groupName", parse_text, column=True, required=True),
        Field("isDefault", parse_flag, 0, column=True, serialize=bool),
    ),
    read_only=frozenset({"permissions", "agents", "account"}),
)

#: Passwords and PINs are read-only fields: the sandbox does not store any.
AGENT = ResourceType(
    table="agents",
    key="agentId",
    fields=(
        Field("username", parse_text, column=True, required=True),
        Field("firstName", parse_text, column=True),
        Field("lastName", parse_text, column=True),
        Field("email", parse_text, column=True),
        Field("agentType", choice_parser(_TYPES), "AGENT", column=True),
        Field("active", parse_flag, 1, column=True, serialize=bool),
        Field("rcUserId", parse_integer, column=True),
        Field("allowDirectAgentTransfer", choice_parser(_TRANSFERS)),
        Field("initLoginBaseState", parse_text, "AVAILABLE"),
        *fields(
            parse_boolean,
            "allowAgentReports allowAgentStats allowAutoAnswer allowBlended allowCallControl allowCampStats"
            " allowChat allowChatStats allowChatVoiceConcurrent allowCrossGateRequeue allowEndcallforeveryone"
            " allowExternalChat allowGateStats allowHangup allowHistoricalDialing allowHold allowInbound"
            " allowInboundIntlTransfer allowLeadInserts allowLoginControl allowLoginUpdates allowManualCalls"
            " allowManualIntlCalls allowManualIntlTransfer allowManualOutboundGates allowManualPass"
            " allowOffHook allowOutbound allowRequeue allowSelfAgentStats allowTransfer defaultAutoAnswerOn"
            " disableSupervisorMonitoring enableSoftphone gatesControlAgentVisibility loadBalanceEnabled"
            " multiAccountAgent phoneNumbersI18nEnabled showLeadHistory transientAgent transientDelete"
            " userManagedByRC",
        ),
        *fields(
            parse_text,
            "allowFromIpAddresses altDefaultLoginDest defaultLoginDest directAgentExtension externalAgentId"
            " ghostRnaAction location manualOutboundDefaultCallerId manualOutboundDefaultCallerIdE164"
            " sipSafeUsername team",
        ),
        *fields(parse_int32, "agentRank initLoginBaseStateId maxChats parentAgentId softphoneId"),
        *fields(list_parser(parse_int32), "chatQueueAssignments dialGroupAssignments gateAssignments"),
        *fields(_parse_date, "createdOn lastLoginDate transientDeleteDate"),
        *fields(parse_object, "manualOutboundDefaultGate phoneLoginDialGroup regionalSettings"),
        *fields(
            parse_collection,
            "accountAccess agentChatQueueAccesses agentGateAccess agentLoadBalance agentLoadBalanceMembers"
            " agentSkillProfiles whereSupervisor",
        ),
        *fields(
            list_parser(parse_object),
            "agentAccountAccess agentChatGroupAccess agentGateGroupAccess whereSupervisee",
        ),
    ),
    read_only=frozenset(
        {
            "isActive", "permissions", "agentGroup", "groupId", "agentDialGroupMembers", "password",
            "phoneLoginPin", "sipPassword",
        }
    ),
)  # fmt: skip


def agent_groups(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET agentGroups``."""
    page = parse_page(request, sandbox.settings)
    where = "accountId = ? ORDER BY agentGroupId LIMIT ? OFFSET ?"
    return json_response(
        _select_groups(sandbox, request, where, request.path_params["account"], page.limit, page.offset)
    )


def agent_group(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET agentGroups/{group}``."""
    return json_response(_get_group(sandbox, request))


def create_agent_group(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST agentGroups``: 201 and the new group; its name is required (assumed)."""
    values = {"accountId": request.path_params["account"], **AGENT_GROUP.parse(request.json_object())}
    with sandbox.store.changing() as connection:
        key = AGENT_GROUP.insert(connection, values)
        return json_response(_select_groups(sandbox, request, "agentGroupId = ?", key)[0], 201)


def replace_agent_group(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``PUT agentGroups/{group}``: 200 and the whole group."""
    values = AGENT_GROUP.parse(request.json_object())
    with sandbox.store.changing() as connection:
        AGENT_GROUP.replace(connection, _get_group(sandbox, request)["agentGroupId"], values)
        return json_response(_get_group(sandbox, request))


def delete_agent_group(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``DELETE agentGroups/{group}``: 200 and true; its agents are deleted as well (assumed)."""
    with sandbox.store.changing() as connection:
        key = _get_group(sandbox, request)["agentGroupId"]
        remove_agents(connection, [agent["agentId"] for agent in _select_agents(sandbox, key)])
        connection.execute("DELETE FROM agent_groups WHERE agentGroupId = ?", (key,))
    return json_response(True)


def agents(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET agentGroups/{group}/agents``."""
    return json_response(_select_agents(sandbox, _get_group(sandbox, request)["agentGroupId"]))


def agent(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET agentGroups/{group}/agents/{agent}``."""
    return json_response(_get_agent(sandbox, request, path_id(request, "agent")))


def create_agent(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST agentGroups/{group}/agents``: 201 and the new agent; only the user name is required (guide)."""
    values = _parse_agent(request.json_object(), True)
    with sandbox.store.changing() as connection:
        group = _get_group(sandbox, request)["agentGroupId"]
        place = {"accountId": request.path_params["account"], "agentGroupId": group}
        key = AGENT.insert(connection, {**place, **values})
        return json_response(_get_agent(sandbox, request, key), 201)


def replace_agent(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``PUT agentGroups/{group}/agents/{agent}``: 200 and the whole agent."""
    body = request.json_object()
    with sandbox.store.changing() as connection:
        return json_response(_replace(sandbox, request, connection, path_id(request, "agent"), body))


def replace_agents(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``PUT agentGroups/{group}/agents``: replace several agents of the group in one transaction.

    Agents of the group that are not in the array are not changed (assumed).
    """
    body = parse_objects(request)
    with sandbox.store.changing() as connection:
        _get_group(sandbox, request)
        return json_response([_replace_member(sandbox, request, connection, member) for member in body])


def delete_agent(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``DELETE agentGroups/{group}/agents/{agent}``: 200 and true."""
    with sandbox.store.changing() as connection:
        remove_agents(connection, [_get_agent(sandbox, request, path_id(request, "agent"))["agentId"]])
    return json_response(True)


def integration_agent_groups(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET agentGroups`` of the integration paths: ids and names. Source: contract's sample."""
    where = "accountId = ? ORDER BY agentGroupId"
    found = _select_groups(sandbox, request, where, request.path_params["account"])
    return json_response([{name: group[name] for name in ("agentGroupId", "groupName")} for group in found])


def integration_agents(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET agentGroups/{group}/agents`` of the integration paths. Source: contract's sample."""
    group = _get_group(sandbox, request)["agentGroupId"]
    names = ("rcUserId", "agentId", "firstName", "lastName", "email", "agentType", "isActive")
    return json_response(
        [
            {
                **{name: found[name] for name in names},
                "agentGroupId": group,
                "userName": found["username"],
                "engageUserName": found["username"],
            }
            for found in _select_agents(sandbox, group)
        ]
    )


def serialize_agent(record: sqlite3.Row) -> Row:
    """Serialize an agent. The contract has both ``active`` and ``isActive``."""
    return {**AGENT.serialize(record), "isActive": bool(record["active"]), "permissions": []}


def parse_agent_id(connection: sqlite3.Connection, account: str, value: object) -> int:
    """Parse the id of an agent of an account.

    :param connection: the database.
    :param account: the sub-account.
    :param value: the untrusted id.
    :return: the id.
    :raises ApiError: with status 400, if the account has no such agent.
    """

    def parse(value: object) -> int:
        key = parse_int32(value)
        statement = "SELECT 1 FROM agents WHERE agentId = ? AND accountId = ?"
        if connection.execute(statement, (key, account)).fetchone() is None:
            raise ValueError("is not an agent of this account")
        return key

    return parse_field("agentId", value, parse)


def _parse_agent(body: dict[str, object], before: bool) -> Row:
    """Parse an agent. If ``active`` and ``isActive`` differ, the one that changes the agent wins (assumed).

    :param body: the untrusted object.
    :param before: whether the agent is currently active.
    """
    values = AGENT.parse(body)
    is_active = body.get("isActive")
    other = bool(values["active"]) if is_active is None else parse_field("isActive", is_active, parse_boolean)
    if body.get("active") is None or bool(values["active"]) == before:
        values["active"] = int(other)
    return values


def _replace(
    sandbox: SandboxState,
    request: ApiRequest,
    connection: sqlite3.Connection,
    key: int,
    body: dict[str, object],
) -> dict[str, Any]:
    """Replace one agent of the group in the path and return it."""
    before = _get_agent(sandbox, request, key)
    AGENT.replace(connection, key, _parse_agent(body, bool(before["active"])))
    return _get_agent(sandbox, request, key)


def _replace_member(
    sandbox: SandboxState, request: ApiRequest, connection: sqlite3.Connection, member: dict[str, object]
) -> dict[str, Any]:
    """Replace one agent of an array, identified by its ``agentId``."""
    key = parse_agent_id(connection, request.path_params["account"], member.get("agentId"))
    return _replace(sandbox, request, connection, key, member)


def _select_agents(sandbox: SandboxState, group: object) -> list[dict[str, Any]]:
    """Return all agents of a group."""
    statement = "SELECT * FROM agents WHERE agentGroupId = ? ORDER BY agentId"
    return select(sandbox, serialize_agent, statement, group)


def _get_agent(sandbox: SandboxState, request: ApiRequest, key: int) -> dict[str, Any]:
    """Return an agent of the group in the path, or raise 404."""
    statement = "SELECT * FROM agents WHERE agentId = ? AND agentGroupId = ? AND accountId = ?"
    keys = key, path_id(request, "group"), request.path_params["account"]
    return first_or_404(select(sandbox, serialize_agent, statement, *keys))


def _get_group(sandbox: SandboxState, request: ApiRequest) -> dict[str, Any]:
    """Return the agent group in the path, or raise 404."""
    where = "agentGroupId = ? AND accountId = ?"
    return first_or_404(
        _select_groups(sandbox, request, where, path_id(request, "group"), request.path_params["account"])
    )


def _select_groups(
    sandbox: SandboxState, request: ApiRequest, where: str, *values: object
) -> list[dict[str, Any]]:
    """Return the agent groups that match a constant SQL condition."""
    allowed = permissions(request)
    statement = f"SELECT * FROM agent_groups WHERE {where}"
    return [
        {**group, "permissions": allowed}
        for group in select(sandbox, AGENT_GROUP.serialize, statement, *values)
    ]
