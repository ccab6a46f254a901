"""Campaigns, with their lists and dispositions. Sources: contract; defaults from the guide, campaigns."""

from __future__ import annotations

import sqlite3
from typing import Any

from starlette.responses import PlainTextResponse, Response

from airflow_provider_engagevoice.sandbox.api.admin.records import (
    Field,
    Kind,
    Row,
    defaulted,
    fields,
    id_in_path,
    only,
    read_count,
    read_nested,
    select,
)
from airflow_provider_engagevoice.sandbox.api.admin.removal import remove_campaigns
from airflow_provider_engagevoice.sandbox.http.endpoint import Call, answer
from airflow_provider_engagevoice.sandbox.http.errors import Invalid, refused_values
from airflow_provider_engagevoice.sandbox.http.pagination import EVERYTHING, Page, page_of
from airflow_provider_engagevoice.sandbox.http.parsing import (
    read_boolean,
    read_choice,
    read_list,
    read_moment,
    read_number,
    read_object,
    read_text,
)
from airflow_provider_engagevoice.sandbox.http.timestamps import print_moment
from airflow_provider_engagevoice.sandbox.state.sandbox import Service

_SCRUBBING = (
    "DO_NOT_SCRUB",
    "INTERNAL_AND_NATIONAL",
    "INTERNAL_ONLY",
    "CELLULAR_AND_INTERNAL",
    "CELLULAR_ONLY",
)
_CONFIGURATIONS = ("SIMPLE", "STRATEGIC")
_RECORDING = (
    "RECORD_FULL_CALL", "AGENT_FULL_CONTROL_DEFAULT_ON", "AGENT_FULL_CONTROL_DEFAULT_OFF", "AGENT_PAUSE",
)  # fmt: skip
_SELECT = (
    "SELECT c.*, d.dialGroupName, d.accountId FROM campaigns c JOIN dial_groups d USING (dialGroupId)"
    " WHERE {where} ORDER BY d.accountId, c.campaignId LIMIT ? OFFSET ?"
)


def _read_activity(value: object) -> int:
    """Read ``isActive``: 0, 1, or 2 for callbacks of agents only. Source: guide."""
    number = read_count(value)
    if number not in (0, 1, 2):
        raise ValueError("must be 0, 1 or 2")
    return number


def _read_byte(value: object) -> object:
    """Read what the contract calls a text of bytes, and the guide's sample shows as a number."""
    return value if isinstance(value, str) else read_count(value)


#: The calling hours of each day, ``HHMMHHMM``, as the guide's sample has them.
_HOURS = {
    **dict.fromkeys(("monSched", "tueSched", "wedSched", "thuSched", "friSched"), "08002100"),
    "satSched": "00000000",
    "sunSched": "00000000",
}

#: Only the name is needed (guide of 2026; that of 2020 asked for dates and caller id, too). What is scrubbed
#: by default is assumed.
CAMPAIGN = Kind(
    table="campaigns",
    key="campaignId",
    fields=(
        Field("campaignName", read_text, column=True, needed=True),
        Field("campaignDesc", read_text, column=True),
        Field("isActive", _read_activity, 0, column=True),
        Field("startDate", read_moment, column=True, write=print_moment),
        Field("endDate", read_moment, column=True, write=print_moment),
        Field("callerId", read_text, column=True),
        Field("maxPasses", read_count, 3, column=True),
        Field("passDelayMin", read_count, 60, column=True),
        Field("dncScrubOption", read_choice(_SCRUBBING), "INTERNAL_ONLY", column=True),
        Field("callingConfiguration", read_choice(_CONFIGURATIONS), "SIMPLE", column=True),
        Field("requeueType", read_choice(("ADVANCED", "RESTRICTED")), "ADVANCED"),
        Field("recordingSettings", read_choice(_RECORDING)),
        Field("perspectiveRecordingMode", read_choice(("DISABLED", "ALL_AGENT_LEGS"))),
        *defaulted(
            read_text,
            {
                **_HOURS,
                "countryId": "USA",
                "billingCode": "",
                "transferCallerId": "",
                "whisperMsg": "PLAY-AUDIO:beep",
                "abandonMsg": "",
                "onHoldMsg": "PLAY-AUDIO-LOOP:holdmusic",
                "endCallMsg": "PLAY-AUDIO:dialer.endofcalltone",
                "afterCallBaseState": "AVAILABLE",
            },
        ),
        *fields(
            read_text,
            "agentPopMessage appUrl aux1Label aux2Label aux3Label aux4Label aux5Label filterType"
            " genericKeyValuePairs liveAnswerMsg machAnswerMsg maxDailyPassesInclude maxPassesExclude"
            " realtimeDncUrl surveyPopType",
        ),
        *defaulted(
            read_count,
            {
                "campaignPriority": 1,
                "dialLoadedOrder": 0,
                "dispositionTimeout": 60,
                "hangupOnDisposition": 0,
                "maxDailyPasses": -1,
                "maxDialLimit": -1,
                "maxRingTime": 30,
                "maxRingTimeTransfer": 60,
                "minPredictiveCallsHistory": 500,
                "pauseRecordingSec": 30,
                "recordCall": 0,
                "rescrubInterval": 30,
                "showLeadInfo": 0,
            },
        ),
        *fields(
            _read_byte,
            "allowLeadInserts allowLeadUpdates filterEnabled scrubDisconnectNoanswer trackSpeedToLead",
        ),
        *defaulted(read_number, {"seedAbandonRate": 3.0, "seedSuccessRate": 75.0, "targetAbandonRate": 3.0}),
        *defaulted(
            read_boolean,
            {
                "enableGlobalPhoneBook": False,
                "exportFlag": True,
                "machineDetect": False,
                "recordingInConference": True,
                "showLeadPasses": True,
                "showListName": True,
                "stopRecordingOnTransfer": False,
                "useGlobalWhitelist": False,
            },
        ),
        *fields(read_boolean, "singleChannelEnabled"),
        *fields(
            read_object,
            "afterCallState agentConnectSoapService agentTermSoapService amdProfileId callerIdBucket"
            " campaignResultDest campaignUnlimitedFieldGroup customDialZoneGroup postCallSoapService"
            " postDispSoapService quotaGroup script survey transferTermSoapService",
        ),
        *fields(
            read_nested,
            "campaignDispositions campaignFilterStates campaignFilterTimezones campaignRequeueShortcuts"
            " campaignWhitelistTagMembers",
        ),
        *fields(read_list(read_object), "personaCallSchedules"),
    ),
    owned=frozenset({"permissions", "dialGroup", "groupId", "lastPassDts"}),
)  # fmt: skip


def campaigns(service: Service, call: Call) -> Response:
    """``GET dialGroups/{group}/campaigns``."""
    group = _group(service, call)
    page = page_of(call, service.settings)
    return answer(campaigns_where(service, "c.dialGroupId = ?", group, page=page))


def campaign(service: Service, call: Call) -> Response:
    """``GET dialGroups/{group}/campaigns/{campaign}``."""
    return answer(existing_campaign(service, call))


def create_campaign(service: Service, call: Call) -> Response:
    """``POST dialGroups/{group}/campaigns``: 201 and the new campaign, which has no dispositions yet."""
    values = CAMPAIGN.read(call.json_object())
    with service.store.changing() as connection:
        key = CAMPAIGN.insert(connection, {"dialGroupId": _group(service, call), **values})
        return answer(campaigns_where(service, "c.campaignId = ?", key)[0], 201)


def replace_campaign(service: Service, call: Call) -> Response:
    """``PUT dialGroups/{group}/campaigns/{campaign}``: 200 and the whole campaign.

    What is not sent gets its default. A campaign is paused so: GET it, set ``isActive`` to 0, PUT it back.
    ``callingConfiguration`` is fixed once a campaign is there (guide): another one is 400 (assumed).
    """
    body = call.json_object()
    values = CAMPAIGN.read(body)
    with service.store.changing() as connection:
        before = existing_campaign(service, call)
        kept = before["callingConfiguration"]
        if body.get("callingConfiguration") is None:
            values["callingConfiguration"] = kept
        if values["callingConfiguration"] != kept:
            problem = f"must stay {kept}"
            raise refused_values(
                [Invalid.of("callingConfiguration", problem, values["callingConfiguration"])]
            )
        CAMPAIGN.replace(connection, before["campaignId"], values)
        return answer(existing_campaign(service, call))


def delete_campaign(service: Service, call: Call) -> Response:
    """``DELETE dialGroups/{group}/campaigns/{campaign}``: 200 and true; its leads go, too (assumed)."""
    with service.store.changing() as connection:
        remove_campaigns(connection, [existing_campaign(service, call)["campaignId"]])
    return answer(True)


def lists(service: Service, call: Call) -> Response:
    """``GET .../campaigns/{campaign}/lists``. Source: guide; the contract lacks the path."""
    found = existing_campaign(service, call)
    statement = "SELECT * FROM lists WHERE campaignId = ? ORDER BY listId"
    return answer(select(service, _list, statement, found["campaignId"]))


def dispositions(service: Service, call: Call) -> Response:
    """``GET .../campaigns/{campaign}/campaignDispositions``. The fields are assumed."""
    found = existing_campaign(service, call)
    statement = "SELECT * FROM dispositions WHERE campaignId = ? ORDER BY dispositionId"
    return answer(select(service, _disposition, statement, found["campaignId"]))


def clear_cache(service: Service, call: Call) -> Response:
    """``POST .../campaigns/{campaign}/clearCache``: 201 and true, as plain text. Source: contract."""
    existing_campaign(service, call)
    return PlainTextResponse("true", 201)


def campaigns_where(
    service: Service, where: str, *values: object, page: Page = EVERYTHING
) -> list[dict[str, Any]]:
    """Read campaigns.

    :param service: the sandbox.
    :param where: a constant condition over the campaign ``c`` and its dial group ``d``.
    :param values: what is bound to it.
    :param page: which part of them.
    :return: campaigns as RingCX writes them.
    """
    return select(service, _campaign, _SELECT.format(where=where), *values, page.limit, page.offset)


def existing_campaign(service: Service, call: Call) -> dict[str, Any]:
    """Read the campaign of the path, or refuse with 404."""
    where = "c.campaignId = ? AND c.dialGroupId = ? AND d.accountId = ?"
    keys = id_in_path(call, "campaign"), id_in_path(call, "group"), call.captured["account"]
    return only(campaigns_where(service, where, *keys))


def _group(service: Service, call: Call) -> int:
    """Return the dial group of the path, or refuse with 404."""
    group = id_in_path(call, "group")
    statement = "SELECT * FROM dial_groups WHERE dialGroupId = ? AND accountId = ?"
    only(select(service, dict, statement, group, call.captured["account"]))
    return group


def _campaign(record: sqlite3.Row) -> Row:
    """Write a campaign. Source: guide's sample, contract."""
    return {
        **CAMPAIGN.write(record),
        "dialGroup": {"id": record["dialGroupId"], "description": record["dialGroupName"]},
        "groupId": record["dialGroupId"],
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
        "leadsDoNotCall": record["leadsDoNotCall"],
        "leadsWhitelist": 0,
        "uploadDate": print_moment(record["uploadDate"]),
        "uploadedBy": record["uploadedBy"],
        "result": record["result"],
        "message": record["message"],
    }


def _disposition(record: sqlite3.Row) -> Row:
    """Write an agent disposition of a campaign."""
    return {
        "dispositionId": record["dispositionId"],
        "disposition": record["disposition"],
        "isComplete": bool(record["isComplete"]),
        "isSuccess": bool(record["isSuccess"]),
    }
