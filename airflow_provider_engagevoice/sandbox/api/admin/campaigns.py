"""Handlers for campaigns, their lists and dispositions. Sources: contract; defaults: guide, campaigns."""

from __future__ import annotations

import sqlite3
from typing import Any

from starlette.responses import PlainTextResponse, Response

from airflow_provider_engagevoice.sandbox.api.admin.records import (
    Field,
    ResourceType,
    Row,
    fields,
    fields_with_defaults,
    first_or_404,
    parse_collection,
    parse_int32,
    path_id,
    select,
)
from airflow_provider_engagevoice.sandbox.api.admin.removal import remove_campaigns
from airflow_provider_engagevoice.sandbox.http.endpoint import json_response
from airflow_provider_engagevoice.sandbox.http.errors import InvalidValue, validation_error
from airflow_provider_engagevoice.sandbox.http.pagination import ALL_ROWS, Page, parse_page
from airflow_provider_engagevoice.sandbox.http.parsing import (
    choice_parser,
    list_parser,
    parse_boolean,
    parse_number,
    parse_object,
    parse_text,
    parse_timestamp,
)
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.http.timestamps import format_datetime
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState

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


def _parse_activity(value: object) -> int:
    """Parse ``isActive``: 0, 1, or 2 for agent callbacks only. Source: guide."""
    number = parse_int32(value)
    if number not in (0, 1, 2):
        raise ValueError("must be 0, 1 or 2")
    return number


def _parse_byte(value: object) -> object:
    """Parse a byte field: a string in the contract, a number in the guide's sample."""
    return value if isinstance(value, str) else parse_int32(value)


#: Calling hours of each day, ``HHMMHHMM``. Source: guide's sample.
_HOURS = {
    **dict.fromkeys(("monSched", "tueSched", "wedSched", "thuSched", "friSched"), "08002100"),
    "satSched": "00000000",
    "sunSched": "00000000",
}

#: Only the name is required (guide of 2026; the guide of 2020 also required dates and caller id). The default
#: of ``dncScrubOption`` is assumed.
CAMPAIGN = ResourceType(
    table="campaigns",
    key="campaignId",
    fields=(
        Field("campaignName", parse_text, column=True, required=True),
        Field("campaignDesc", parse_text, column=True),
        Field("isActive", _parse_activity, 0, column=True),
        Field("startDate", parse_timestamp, column=True, serialize=format_datetime),
        Field("endDate", parse_timestamp, column=True, serialize=format_datetime),
        Field("callerId", parse_text, column=True),
        Field("maxPasses", parse_int32, 3, column=True),
        Field("passDelayMin", parse_int32, 60, column=True),
        Field("dncScrubOption", choice_parser(_SCRUBBING), "INTERNAL_ONLY", column=True),
        Field("callingConfiguration", choice_parser(_CONFIGURATIONS), "SIMPLE", column=True),
        Field("requeueType", choice_parser(("ADVANCED", "RESTRICTED")), "ADVANCED"),
        Field("recordingSettings", choice_parser(_RECORDING)),
        Field("perspectiveRecordingMode", choice_parser(("DISABLED", "ALL_AGENT_LEGS"))),
        *fields_with_defaults(
            parse_text,
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
            parse_text,
            "agentPopMessage appUrl aux1Label aux2Label aux3Label aux4Label aux5Label filterType"
            " genericKeyValuePairs liveAnswerMsg machAnswerMsg maxDailyPassesInclude maxPassesExclude"
            " realtimeDncUrl surveyPopType",
        ),
        *fields_with_defaults(
            parse_int32,
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
            _parse_byte,
            "allowLeadInserts allowLeadUpdates filterEnabled scrubDisconnectNoanswer trackSpeedToLead",
        ),
        *fields_with_defaults(
            parse_number, {"seedAbandonRate": 3.0, "seedSuccessRate": 75.0, "targetAbandonRate": 3.0}
        ),
        *fields_with_defaults(
            parse_boolean,
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
        *fields(parse_boolean, "singleChannelEnabled"),
        *fields(
            parse_object,
            "afterCallState agentConnectSoapService agentTermSoapService amdProfileId callerIdBucket"
            " campaignResultDest campaignUnlimitedFieldGroup customDialZoneGroup postCallSoapService"
            " postDispSoapService quotaGroup script survey transferTermSoapService",
        ),
        *fields(
            parse_collection,
            "campaignDispositions campaignFilterStates campaignFilterTimezones campaignRequeueShortcuts"
            " campaignWhitelistTagMembers",
        ),
        *fields(list_parser(parse_object), "personaCallSchedules"),
    ),
    read_only=frozenset({"permissions", "dialGroup", "groupId", "lastPassDts"}),
)  # fmt: skip


def campaigns(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET dialGroups/{group}/campaigns``."""
    group = _get_group_id(sandbox, request)
    page = parse_page(request, sandbox.settings)
    return json_response(select_campaigns(sandbox, "c.dialGroupId = ?", group, page=page))


def campaign(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET dialGroups/{group}/campaigns/{campaign}``."""
    return json_response(get_campaign(sandbox, request))


def create_campaign(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST dialGroups/{group}/campaigns``: 201 and the new campaign, without dispositions."""
    values = CAMPAIGN.parse(request.json_object())
    with sandbox.store.changing() as connection:
        key = CAMPAIGN.insert(connection, {"dialGroupId": _get_group_id(sandbox, request), **values})
        return json_response(select_campaigns(sandbox, "c.campaignId = ?", key)[0], 201)


def replace_campaign(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``PUT dialGroups/{group}/campaigns/{campaign}``: 200 and the whole campaign.

    Missing fields are reset to their defaults. To pause a campaign, GET it, set ``isActive`` to 0 and PUT it
    back. ``callingConfiguration`` cannot change after creation (guide): another value is 400 (assumed).
    """
    body = request.json_object()
    values = CAMPAIGN.parse(body)
    with sandbox.store.changing() as connection:
        before = get_campaign(sandbox, request)
        current = before["callingConfiguration"]
        if body.get("callingConfiguration") is None:
            values["callingConfiguration"] = current
        if values["callingConfiguration"] != current:
            problem = f"must stay {current}"
            raise validation_error(
                [InvalidValue.of("callingConfiguration", problem, values["callingConfiguration"])]
            )
        CAMPAIGN.replace(connection, before["campaignId"], values)
        return json_response(get_campaign(sandbox, request))


def delete_campaign(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``DELETE dialGroups/{group}/campaigns/{campaign}``: 200 and true; deletes its leads (assumed)."""
    with sandbox.store.changing() as connection:
        remove_campaigns(connection, [get_campaign(sandbox, request)["campaignId"]])
    return json_response(True)


def lists(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET .../campaigns/{campaign}/lists``. Source: guide; the contract lacks the path."""
    found = get_campaign(sandbox, request)
    statement = "SELECT * FROM lists WHERE campaignId = ? ORDER BY listId"
    return json_response(select(sandbox, _serialize_list, statement, found["campaignId"]))


def dispositions(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET .../campaigns/{campaign}/campaignDispositions``. The fields are assumed."""
    found = get_campaign(sandbox, request)
    statement = "SELECT * FROM dispositions WHERE campaignId = ? ORDER BY dispositionId"
    return json_response(select(sandbox, _serialize_disposition, statement, found["campaignId"]))


def clear_cache(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST .../campaigns/{campaign}/clearCache``: 201 and true, as plain text. Source: contract."""
    get_campaign(sandbox, request)
    return PlainTextResponse("true", 201)


def select_campaigns(
    sandbox: SandboxState, where: str, *values: object, page: Page = ALL_ROWS
) -> list[dict[str, Any]]:
    """Return the campaigns that match a condition.

    :param sandbox: the sandbox.
    :param where: a constant SQL condition over the campaign ``c`` and its dial group ``d``.
    :param values: the parameters of the condition.
    :param page: the page to return.
    :return: campaigns as RingCX writes them.
    """
    return select(sandbox, _serialize_campaign, _SELECT.format(where=where), *values, page.limit, page.offset)


def get_campaign(sandbox: SandboxState, request: ApiRequest) -> dict[str, Any]:
    """Return the campaign in the path, or raise 404."""
    where = "c.campaignId = ? AND c.dialGroupId = ? AND d.accountId = ?"
    keys = path_id(request, "campaign"), path_id(request, "group"), request.path_params["account"]
    return first_or_404(select_campaigns(sandbox, where, *keys))


def _get_group_id(sandbox: SandboxState, request: ApiRequest) -> int:
    """Return the id of the dial group in the path, or raise 404."""
    group = path_id(request, "group")
    statement = "SELECT * FROM dial_groups WHERE dialGroupId = ? AND accountId = ?"
    first_or_404(select(sandbox, dict, statement, group, request.path_params["account"]))
    return group


def _serialize_campaign(record: sqlite3.Row) -> Row:
    """Serialize a campaign. Source: guide's sample, contract."""
    return {
        **CAMPAIGN.serialize(record),
        "dialGroup": {"id": record["dialGroupId"], "description": record["dialGroupName"]},
        "groupId": record["dialGroupId"],
        "permissions": [],
    }


def _serialize_list(record: sqlite3.Row) -> Row:
    """Serialize a list. Source: contract, CampaignLeadList."""
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
        "uploadDate": format_datetime(record["uploadDate"]),
        "uploadedBy": record["uploadedBy"],
        "result": record["result"],
        "message": record["message"],
    }


def _serialize_disposition(record: sqlite3.Row) -> Row:
    """Serialize an agent disposition of a campaign."""
    return {
        "dispositionId": record["dispositionId"],
        "disposition": record["disposition"],
        "isComplete": bool(record["isComplete"]),
        "isSuccess": bool(record["isSuccess"]),
    }
