"""Accounts, dial groups, campaigns, lists and agents. Sources: guide and contract."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.calls import Call, answer
from airflow_provider_engagevoice.sandbox.dates import print_moment
from airflow_provider_engagevoice.sandbox.errors import Refusal
from airflow_provider_engagevoice.sandbox.paging import Page, page_of
from airflow_provider_engagevoice.sandbox.service import Service
from airflow_provider_engagevoice.sandbox.values import read_integer

Row = dict[str, object]

_CAMPAIGNS = (
    "SELECT c.*, d.dialGroupName, d.accountId FROM campaigns c JOIN dial_groups d USING (dialGroupId)"
    " WHERE {where} ORDER BY d.accountId, c.campaignId LIMIT ? OFFSET ?"
)
_ALL = Page(-1, 0)


def accounts(service: Service, call: Call) -> Response:
    """``GET accounts``: the sub-accounts of the user."""
    return answer(_select(service, dict, "SELECT * FROM accounts ORDER BY accountId"))


def dial_groups(service: Service, call: Call) -> Response:
    """``GET dialGroups``."""
    return answer(_dial_groups(service, call))


def dial_groups_with_children(service: Service, call: Call) -> Response:
    """``GET dialGroups/withChildren``: each dial group with its campaigns."""
    return answer(
        [
            {**group, "campaigns": campaigns_where(service, "c.dialGroupId = ?", group["dialGroupId"])}
            for group in _dial_groups(service, call)
        ]
    )


def dial_group(service: Service, call: Call) -> Response:
    """``GET dialGroups/{group}``."""
    return answer(_existing_group(service, call))


def campaigns(service: Service, call: Call) -> Response:
    """``GET dialGroups/{group}/campaigns``."""
    group = _existing_group(service, call)
    page = page_of(call, service.settings)
    return answer(campaigns_where(service, "c.dialGroupId = ?", group["dialGroupId"], page=page))


def campaign(service: Service, call: Call) -> Response:
    """``GET dialGroups/{group}/campaigns/{campaign}``."""
    return answer(_existing_campaign(service, call))


def lists(service: Service, call: Call) -> Response:
    """``GET .../campaigns/{campaign}/lists``. Source: guide; the contract lacks the path."""
    found = _existing_campaign(service, call)
    return answer(
        _select(
            service, _list, "SELECT * FROM lists WHERE campaignId = ? ORDER BY listId", found["campaignId"]
        )
    )


def dispositions(service: Service, call: Call) -> Response:
    """``GET .../campaigns/{campaign}/campaignDispositions``. The fields are assumed."""
    found = _existing_campaign(service, call)
    statement = "SELECT * FROM dispositions WHERE campaignId = ? ORDER BY dispositionId"
    return answer(_select(service, _disposition, statement, found["campaignId"]))


def clear_cache(service: Service, call: Call) -> Response:
    """``POST .../campaigns/{campaign}/clearCache``: 201 and true. Source: contract."""
    _existing_campaign(service, call)
    return answer(True, 201)


def assigned_agents(service: Service, call: Call) -> Response:
    """``GET dialGroups/{group}/assignedAgents``."""
    group = _existing_group(service, call)
    page = page_of(call, service.settings)
    statement = (
        "SELECT a.* FROM agents a JOIN dial_group_agents USING (agentId) WHERE dialGroupId = ?"
        " ORDER BY agentId LIMIT ? OFFSET ?"
    )
    return answer(_select(service, _agent, statement, group["dialGroupId"], page.limit, page.offset))


def agent_groups(service: Service, call: Call) -> Response:
    """``GET agentGroups``."""
    page = page_of(call, service.settings)
    statement = "SELECT * FROM agent_groups WHERE accountId = ? ORDER BY agentGroupId LIMIT ? OFFSET ?"
    return answer(
        _select(service, _agent_group, statement, call.captured["account"], page.limit, page.offset)
    )


def agents(service: Service, call: Call) -> Response:
    """``GET agentGroups/{group}/agents``."""
    statement = "SELECT * FROM agent_groups WHERE agentGroupId = ? AND accountId = ?"
    if not _select(service, _agent_group, statement, _id(call, "group"), call.captured["account"]):
        raise Refusal(404)
    return answer(
        _select(
            service,
            _agent,
            "SELECT * FROM agents WHERE agentGroupId = ? ORDER BY agentId",
            _id(call, "group"),
        )
    )


def campaigns_where(service: Service, where: str, *values: object, page: Page = _ALL) -> list[Row]:
    """Read campaigns.

    :param service: the sandbox.
    :param where: a constant condition over the campaign ``c`` and its dial group ``d``.
    :param values: what is bound to it.
    :param page: which part of them.
    :return: campaigns as RingCX writes them.
    """
    return _select(service, _campaign, _CAMPAIGNS.format(where=where), *values, page.limit, page.offset)


def _select(
    service: Service, write: Callable[[sqlite3.Row], Row], statement: str, *values: object
) -> list[Row]:
    """Read records and write each of them."""
    with service.store.reading() as connection:
        return [write(record) for record in connection.execute(statement, values)]


def _id(call: Call, name: str) -> int:
    """Read an id of the path; a text that is no id is as unknown as a wrong id (assumed)."""
    try:
        return read_integer(call.captured[name])
    except ValueError as error:
        raise Refusal(404) from error


def _dial_groups(service: Service, call: Call) -> list[Row]:
    """Read a page of the account's dial groups."""
    page = page_of(call, service.settings)
    statement = "SELECT * FROM dial_groups WHERE accountId = ? ORDER BY dialGroupId LIMIT ? OFFSET ?"
    return _select(service, _dial_group, statement, call.captured["account"], page.limit, page.offset)


def _existing_group(service: Service, call: Call) -> Row:
    """Read the dial group of the path, or refuse with 404."""
    statement = "SELECT * FROM dial_groups WHERE dialGroupId = ? AND accountId = ?"
    found = _select(service, _dial_group, statement, _id(call, "group"), call.captured["account"])
    if not found:
        raise Refusal(404)
    return found[0]


def _existing_campaign(service: Service, call: Call) -> Row:
    """Read the campaign of the path, or refuse with 404."""
    where = "c.campaignId = ? AND c.dialGroupId = ? AND d.accountId = ?"
    found = campaigns_where(
        service, where, _id(call, "campaign"), _id(call, "group"), call.captured["account"]
    )
    if not found:
        raise Refusal(404)
    return found[0]


def _dial_group(record: sqlite3.Row) -> Row:
    """Write a dial group; ``isActive`` is a boolean here. Source: guide's sample."""
    return {
        "isActive": bool(record["isActive"]),
        "dialGroupId": record["dialGroupId"],
        "dialGroupName": record["dialGroupName"],
        "dialGroupDesc": record["dialGroupDesc"],
        "dialMode": record["dialMode"],
        "enableAbsolutePriority": False,
        "enableAgentFilter": bool(record["enableAgentFilter"]),
        "requireFetchedLeadsCalled": False,
        "progressiveEnabled": False,
        "progressiveCallDelay": 0,
        "allowPreviewLeadFilters": False,
        "maxLeadsReturned": record["maxLeadsReturned"],
        "enableListPriority": False,
        "allowLeadSearch": record["allowLeadSearch"],
        "enableCallbacksAfterMaxpass": True,
        "enableCallbacksAfterMaxDailyPass": False,
        "minPredictiveAgents": 1,
        "maxPorts": 1,
        "agentsReady": 0,
        "billingKey": None,
        "outdialServerGroupId": 0,
        "realTimeAgentData": False,
        "hciEnabled": "DISABLED",
        "agentDialGroupMembers": [],
        "permissions": [],
    }


def _campaign(record: sqlite3.Row) -> Row:
    """Write a campaign; ``isActive`` is 0 or 1 here. Source: guide's sample, contract."""
    return {
        "campaignId": record["campaignId"],
        "campaignName": record["campaignName"],
        "campaignDesc": record["campaignDesc"],
        "isActive": record["isActive"],
        "startDate": print_moment(record["startDate"]),
        "endDate": print_moment(record["endDate"]),
        **{f"{day}Sched": "09001900" for day in ("mon", "tue", "wed", "thu", "fri")},
        "satSched": "10001600",
        "sunSched": "00000000",
        "callerId": record["callerId"],
        "campaignPriority": 1,
        "maxPasses": record["maxPasses"],
        "passDelayMin": record["passDelayMin"],
        "maxDailyPasses": 3,
        "maxDialLimit": 0,
        "requeueType": "ADVANCED",
        "dncScrubOption": "INTERNAL_ONLY",
        "callingConfiguration": "SIMPLE",
        "dialGroup": {"id": record["dialGroupId"], "description": record["dialGroupName"]},
        "permissions": [],
    }


def _list(record: sqlite3.Row) -> Row:
    """Write a list. Source: contract, CampaignLeadList."""
    return {
        "listId": record["listId"],
        "listDesc": record["listDesc"],
        "listPriority": 0,
        "listState": record["listState"],
        "leadsSupplied": record["leadsSupplied"],
        "leadsAccepted": record["leadsAccepted"],
        "leadsConverted": record["leadsAccepted"],
        "leadsDoNotCall": 0,
        "leadsWhitelist": 0,
        "uploadDate": print_moment(record["uploadDate"]),
        "uploadedBy": record["uploadedBy"],
        "result": "OK",
        "message": None,
    }


def _disposition(record: sqlite3.Row) -> Row:
    """Write an agent disposition of a campaign."""
    return {
        "dispositionId": record["dispositionId"],
        "disposition": record["disposition"],
        "isComplete": bool(record["isComplete"]),
        "isSuccess": bool(record["isSuccess"]),
    }


def _agent_group(record: sqlite3.Row) -> Row:
    """Write an agent group."""
    return {
        "agentGroupId": record["agentGroupId"],
        "groupName": record["groupName"],
        "isDefault": bool(record["isDefault"]),
        "permissions": [],
    }


def _agent(record: sqlite3.Row) -> Row:
    """Write an agent. The contract has both ``active`` and ``isActive``."""
    return {
        "agentId": record["agentId"],
        "username": record["username"],
        "firstName": record["firstName"],
        "lastName": record["lastName"],
        "email": record["email"],
        "agentType": record["agentType"],
        "active": bool(record["active"]),
        "isActive": bool(record["active"]),
        "rcUserId": record["rcUserId"],
        "permissions": [],
    }
