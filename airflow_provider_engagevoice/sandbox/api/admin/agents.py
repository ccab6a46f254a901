"""Agent groups and agents. Sources: contract; guide, agents."""

from __future__ import annotations

import sqlite3
from typing import Any

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.api.admin.records import (
    Field,
    Kind,
    Row,
    fields,
    id_in_path,
    only,
    permissions,
    read_count,
    read_flag,
    read_nested,
    read_objects,
    select,
)
from airflow_provider_engagevoice.sandbox.api.admin.removal import remove_agents
from airflow_provider_engagevoice.sandbox.http.endpoint import Call, answer
from airflow_provider_engagevoice.sandbox.http.errors import read_or_refuse
from airflow_provider_engagevoice.sandbox.http.pagination import page_of
from airflow_provider_engagevoice.sandbox.http.parsing import (
    read_boolean,
    read_choice,
    read_integer,
    read_list,
    read_moment,
    read_object,
    read_text,
)
from airflow_provider_engagevoice.sandbox.http.timestamps import print_moment
from airflow_provider_engagevoice.sandbox.state.sandbox import Service

_TYPES = ("AGENT", "SUPERVISOR", "MULTI_USER", "MULTI_SUPERVISOR")
_TRANSFERS = (
    "DIRECT_TRANSFER_DISABLED", "ALLOW_DIRECT_TRANSFER_TO_SAME_GROUP", "ALLOW_DIRECT_TRANSFER_TO_ANY_GROUP",
)  # fmt: skip


def _read_date(value: object) -> object:
    """Read a moment that is kept as text."""
    return print_moment(read_moment(value))


AGENT_GROUP = Kind(
    table="agent_groups",
    key="agentGroupId",
    fields=(
        Field("groupName", read_text, column=True, needed=True),
        Field("isDefault", read_flag, 0, column=True, write=bool),
    ),
    owned=frozenset({"permissions", "agents", "account"}),
)

#: Passwords and PINs are owned: the sandbox keeps none.
AGENT = Kind(
    table="agents",
    key="agentId",
    fields=(
        Field("username", read_text, column=True, needed=True),
        Field("firstName", read_text, column=True),
        Field("lastName", read_text, column=True),
        Field("email", read_text, column=True),
        Field("agentType", read_choice(_TYPES), "AGENT", column=True),
        Field("active", read_flag, 1, column=True, write=bool),
        Field("rcUserId", read_integer, column=True),
        Field("allowDirectAgentTransfer", read_choice(_TRANSFERS)),
        Field("initLoginBaseState", read_text, "AVAILABLE"),
        *fields(
            read_boolean,
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
            read_text,
            "allowFromIpAddresses altDefaultLoginDest defaultLoginDest directAgentExtension externalAgentId"
            " ghostRnaAction location manualOutboundDefaultCallerId manualOutboundDefaultCallerIdE164"
            " sipSafeUsername team",
        ),
        *fields(read_count, "agentRank initLoginBaseStateId maxChats parentAgentId softphoneId"),
        *fields(read_list(read_count), "chatQueueAssignments dialGroupAssignments gateAssignments"),
        *fields(_read_date, "createdOn lastLoginDate transientDeleteDate"),
        *fields(read_object, "manualOutboundDefaultGate phoneLoginDialGroup regionalSettings"),
        *fields(
            read_nested,
            "accountAccess agentChatQueueAccesses agentGateAccess agentLoadBalance agentLoadBalanceMembers"
            " agentSkillProfiles whereSupervisor",
        ),
        *fields(
            read_list(read_object),
            "agentAccountAccess agentChatGroupAccess agentGateGroupAccess whereSupervisee",
        ),
    ),
    owned=frozenset(
        {
            "isActive", "permissions", "agentGroup", "groupId", "agentDialGroupMembers", "password",
            "phoneLoginPin", "sipPassword",
        }
    ),
)  # fmt: skip


def agent_groups(service: Service, call: Call) -> Response:
    """``GET agentGroups``."""
    page = page_of(call, service.settings)
    where = "accountId = ? ORDER BY agentGroupId LIMIT ? OFFSET ?"
    return answer(_groups_where(service, call, where, call.captured["account"], page.limit, page.offset))


def agent_group(service: Service, call: Call) -> Response:
    """``GET agentGroups/{group}``."""
    return answer(_existing_group(service, call))


def create_agent_group(service: Service, call: Call) -> Response:
    """``POST agentGroups``: 201 and the new group; its name is needed (assumed)."""
    values = {"accountId": call.captured["account"], **AGENT_GROUP.read(call.json_object())}
    with service.store.changing() as connection:
        key = AGENT_GROUP.insert(connection, values)
        return answer(_groups_where(service, call, "agentGroupId = ?", key)[0], 201)


def replace_agent_group(service: Service, call: Call) -> Response:
    """``PUT agentGroups/{group}``: 200 and the whole group."""
    values = AGENT_GROUP.read(call.json_object())
    with service.store.changing() as connection:
        AGENT_GROUP.replace(connection, _existing_group(service, call)["agentGroupId"], values)
        return answer(_existing_group(service, call))


def delete_agent_group(service: Service, call: Call) -> Response:
    """``DELETE agentGroups/{group}``: 200 and true; its agents go, too (assumed)."""
    with service.store.changing() as connection:
        key = _existing_group(service, call)["agentGroupId"]
        remove_agents(connection, [agent["agentId"] for agent in _agents_of(service, key)])
        connection.execute("DELETE FROM agent_groups WHERE agentGroupId = ?", (key,))
    return answer(True)


def agents(service: Service, call: Call) -> Response:
    """``GET agentGroups/{group}/agents``."""
    return answer(_agents_of(service, _existing_group(service, call)["agentGroupId"]))


def agent(service: Service, call: Call) -> Response:
    """``GET agentGroups/{group}/agents/{agent}``."""
    return answer(_existing_agent(service, call, id_in_path(call, "agent")))


def create_agent(service: Service, call: Call) -> Response:
    """``POST agentGroups/{group}/agents``: 201 and the new agent; only the user name is needed (guide)."""
    values = _read_agent(call.json_object(), True)
    with service.store.changing() as connection:
        group = _existing_group(service, call)["agentGroupId"]
        place = {"accountId": call.captured["account"], "agentGroupId": group}
        key = AGENT.insert(connection, {**place, **values})
        return answer(_existing_agent(service, call, key), 201)


def replace_agent(service: Service, call: Call) -> Response:
    """``PUT agentGroups/{group}/agents/{agent}``: 200 and the whole agent."""
    body = call.json_object()
    with service.store.changing() as connection:
        return answer(_replace(service, call, connection, id_in_path(call, "agent"), body))


def replace_agents(service: Service, call: Call) -> Response:
    """``PUT agentGroups/{group}/agents``: writes several agents of the group, all of them or none.

    Agents of the group that the array lacks stay as they are (assumed).
    """
    body = read_objects(call)
    with service.store.changing() as connection:
        _existing_group(service, call)
        return answer([_replace_member(service, call, connection, member) for member in body])


def delete_agent(service: Service, call: Call) -> Response:
    """``DELETE agentGroups/{group}/agents/{agent}``: 200 and true."""
    with service.store.changing() as connection:
        remove_agents(connection, [_existing_agent(service, call, id_in_path(call, "agent"))["agentId"]])
    return answer(True)


def integration_agent_groups(service: Service, call: Call) -> Response:
    """``GET agentGroups`` of the integration paths: ids and names. Source: contract's sample."""
    where = "accountId = ? ORDER BY agentGroupId"
    found = _groups_where(service, call, where, call.captured["account"])
    return answer([{name: group[name] for name in ("agentGroupId", "groupName")} for group in found])


def integration_agents(service: Service, call: Call) -> Response:
    """``GET agentGroups/{group}/agents`` of the integration paths. Source: contract's sample."""
    group = _existing_group(service, call)["agentGroupId"]
    names = ("rcUserId", "agentId", "firstName", "lastName", "email", "agentType", "isActive")
    return answer(
        [
            {
                **{name: found[name] for name in names},
                "agentGroupId": group,
                "userName": found["username"],
                "engageUserName": found["username"],
            }
            for found in _agents_of(service, group)
        ]
    )


def write_agent(record: sqlite3.Row) -> Row:
    """Write an agent. The contract has both ``active`` and ``isActive``."""
    return {**AGENT.write(record), "isActive": bool(record["active"]), "permissions": []}


def existing_agent(connection: sqlite3.Connection, account: str, value: object) -> int:
    """Read the id of an agent of an account.

    :param connection: the database.
    :param account: the sub-account.
    :param value: the untrusted id.
    :return: the id.
    :raises Refusal: with status 400, where there is no such agent.
    """

    def read(value: object) -> int:
        key = read_count(value)
        statement = "SELECT 1 FROM agents WHERE agentId = ? AND accountId = ?"
        if connection.execute(statement, (key, account)).fetchone() is None:
            raise ValueError("is no agent of this account")
        return key

    return read_or_refuse("agentId", value, read)


def _read_agent(body: dict[str, object], before: bool) -> Row:
    """Read an agent. Of ``active`` and ``isActive`` the one that changes something counts (assumed).

    :param body: the untrusted object.
    :param before: whether the agent is active so far.
    """
    values = AGENT.read(body)
    given = body.get("isActive")
    other = bool(values["active"]) if given is None else read_or_refuse("isActive", given, read_boolean)
    if body.get("active") is None or bool(values["active"]) == before:
        values["active"] = int(other)
    return values


def _replace(
    service: Service, call: Call, connection: sqlite3.Connection, key: int, body: dict[str, object]
) -> dict[str, Any]:
    """Write one agent of the group of the path anew; return it."""
    before = _existing_agent(service, call, key)
    AGENT.replace(connection, key, _read_agent(body, bool(before["active"])))
    return _existing_agent(service, call, key)


def _replace_member(
    service: Service, call: Call, connection: sqlite3.Connection, member: dict[str, object]
) -> dict[str, Any]:
    """Write one agent of an array; its id says which."""
    key = existing_agent(connection, call.captured["account"], member.get("agentId"))
    return _replace(service, call, connection, key, member)


def _agents_of(service: Service, group: object) -> list[dict[str, Any]]:
    """Read all agents of a group."""
    statement = "SELECT * FROM agents WHERE agentGroupId = ? ORDER BY agentId"
    return select(service, write_agent, statement, group)


def _existing_agent(service: Service, call: Call, key: int) -> dict[str, Any]:
    """Read an agent of the group of the path, or refuse with 404."""
    statement = "SELECT * FROM agents WHERE agentId = ? AND agentGroupId = ? AND accountId = ?"
    keys = key, id_in_path(call, "group"), call.captured["account"]
    return only(select(service, write_agent, statement, *keys))


def _existing_group(service: Service, call: Call) -> dict[str, Any]:
    """Read the agent group of the path, or refuse with 404."""
    where = "agentGroupId = ? AND accountId = ?"
    return only(_groups_where(service, call, where, id_in_path(call, "group"), call.captured["account"]))


def _groups_where(service: Service, call: Call, where: str, *values: object) -> list[dict[str, Any]]:
    """Read agent groups."""
    allowed = permissions(call)
    statement = f"SELECT * FROM agent_groups WHERE {where}"
    return [
        {**group, "permissions": allowed} for group in select(service, AGENT_GROUP.write, statement, *values)
    ]
