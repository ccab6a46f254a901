"""Handlers for accounts, lookup tables and outbound statistics. Sources: guide and contract."""

from __future__ import annotations

import sqlite3

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.api.admin.records import Row, query_flag, select
from airflow_provider_engagevoice.sandbox.http.endpoint import json_response
from airflow_provider_engagevoice.sandbox.http.errors import ApiError
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.http.timestamps import format_datetime
from airflow_provider_engagevoice.sandbox.state import demo_data
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState

_DAY = 86_400_000

#: Agent states: id, name, label, active. The id of AVAILABLE comes from the guide's samples.
_AUX_STATES = (
    (11786, "AVAILABLE", "Available", True),
    (11787, "LUNCH", "Lunch", True),
    (11788, "ON-BREAK", "On Break", True),
    (11789, "TRAINING", "Training", True),
    (11790, "AWAY", "Away", False),
)

_COUNTRIES = (("USA", "United States"), ("CAN", "Canada"))

_STATES = (
    ("AL", "Alabama"), ("AK", "Alaska"), ("AZ", "Arizona"), ("AR", "Arkansas"), ("CA", "California"),
    ("CO", "Colorado"), ("CT", "Connecticut"), ("DE", "Delaware"), ("DC", "District of Columbia"),
    ("FL", "Florida"), ("GA", "Georgia"), ("HI", "Hawaii"), ("ID", "Idaho"), ("IL", "Illinois"),
    ("IN", "Indiana"), ("IA", "Iowa"), ("KS", "Kansas"), ("KY", "Kentucky"), ("LA", "Louisiana"),
    ("ME", "Maine"), ("MD", "Maryland"), ("MA", "Massachusetts"), ("MI", "Michigan"), ("MN", "Minnesota"),
    ("MS", "Mississippi"), ("MO", "Missouri"), ("MT", "Montana"), ("NE", "Nebraska"), ("NV", "Nevada"),
    ("NH", "New Hampshire"), ("NJ", "New Jersey"), ("NM", "New Mexico"), ("NY", "New York"),
    ("NC", "North Carolina"), ("ND", "North Dakota"), ("OH", "Ohio"), ("OK", "Oklahoma"), ("OR", "Oregon"),
    ("PA", "Pennsylvania"), ("RI", "Rhode Island"), ("SC", "South Carolina"), ("SD", "South Dakota"),
    ("TN", "Tennessee"), ("TX", "Texas"), ("UT", "Utah"), ("VT", "Vermont"), ("VA", "Virginia"),
    ("WA", "Washington"), ("WV", "West Virginia"), ("WI", "Wisconsin"), ("WY", "Wyoming"),
)  # fmt: skip

#: Call results, with the response field that counts each.
_CALL_RESULT_FIELDS = {
    "ANSWER": "answer",
    "NOANSWER": "noanswer",
    "MACHINE": "machine",
    "BUSY": "busy",
    "INTERCEPT": "intercept",
    "ABANDON": "abandon",
    "APP_DNC": "dnc",
}
_TODAY = ",\n".join(
    f"sum(lastPassDts >= :day AND lastPassDisposition = '{result}') AS {name}"
    for result, name in _CALL_RESULT_FIELDS.items()
)

#: Leads and today's calls of each campaign. Both counts use indexes: the first reads no lead row, the second
#: only leads changed today; the unary plus prevents SQLite from choosing the wrong index. Assigned agents
#: count as logged in (assumed).
_STATS = f"""
WITH mine AS (SELECT c.campaignId, c.campaignName, d.accountId, d.dialGroupId, d.dialGroupName
        FROM campaigns c JOIN dial_groups d USING (dialGroupId) WHERE d.accountId = :account),
    states AS (SELECT campaignId, leadState, count(*) AS number FROM leads
        WHERE campaignId IN (SELECT campaignId FROM mine) GROUP BY campaignId, leadState),
    counts AS (SELECT campaignId, sum(number) AS leads, sum(number * (leadState = 'READY')) AS ready,
        sum(number * (leadState LIKE 'PENDING%')) AS pending, sum(number * (leadState = 'ACTIVE')) AS active,
        sum(number * (leadState = 'COMPLETE')) AS completed FROM states GROUP BY campaignId),
    today AS (SELECT campaignId, sum(leadState = 'COMPLETE') AS complete,
        sum(lastPassDts >= :day AND EXISTS (SELECT 1 FROM dispositions s WHERE s.isSuccess
            AND s.campaignId = l.campaignId AND s.disposition = l.agentDisposition)) AS successDispositions,
        {_TODAY} FROM leads l WHERE stateDts >= :day GROUP BY +campaignId)
SELECT *, (SELECT count(*) FROM dial_group_agents m JOIN agents a USING (agentId)
    WHERE m.dialGroupId = mine.dialGroupId AND a.active) AS staffed
FROM mine LEFT JOIN counts USING (campaignId) LEFT JOIN today USING (campaignId) ORDER BY campaignId
"""


def accounts(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET accounts``: list the sub-accounts of the user."""
    return json_response(select(sandbox, dict, "SELECT * FROM accounts ORDER BY accountId"))


def sub_accounts(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET accounts/{account}/subaccounts`` of the integration paths: the sub-accounts of a main account.

    Any other main account is 403 (assumed).
    """
    if request.path_params["account"] != demo_data.MAIN_ACCOUNT[0]:
        raise ApiError(403)
    return json_response(select(sandbox, _serialize_sub_account, "SELECT * FROM accounts ORDER BY accountId"))


def states(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET states``: the valid values of ``physicalStates`` in a search. The fields are assumed."""
    return json_response([{"name": code, "description": name} for code, name in _STATES])


def countries(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET countries/available``. The fields are assumed to be those of a do-not-call entry's country."""
    return json_response([{"id": code, "description": name} for code, name in _COUNTRIES])


def aux_states(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET auxStates``: the agent states; ``active=1`` or ``activeOnly=true`` returns active states only."""
    only_active = request.query.get("active") == "1" or query_flag(request, "activeOnly")
    return json_response(
        [
            {
                "stateId": key,
                "agentAuxState": name,
                "description": label,
                "baseAgentState": {"colKey": name, "colLabel": label, "name": name},
                "isActive": active,
            }
            for key, name, label, active in _AUX_STATES
            if active or not only_active
        ]
    )


def outbound_stats(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET realTimeData/outbound``: lead counts by state and today's calls, by campaign.

    Days end at midnight UTC (assumed). Source of the fields: guide, real-time campaign operations.
    """
    now = sandbox.clock.milliseconds()
    values = {"day": now - now % _DAY, "account": request.path_params["account"]}
    with sandbox.store.reading() as connection:
        found = connection.execute(_STATS, values).fetchall()
    return json_response([_serialize_stats(record, format_datetime(now)) for record in found])


def _serialize_stats(record: sqlite3.Row, now: str | None) -> Row:
    """Serialize the counts of one campaign. Fax and talk time are 0: the sandbox makes no calls."""
    # The outer joins yield NULL for campaigns without leads or without calls today.
    stats = {name: 0 if record[name] is None else record[name] for name in record.keys()}  # noqa: SIM118
    leads, completed = stats.pop("leads"), stats.pop("completed")
    human, machines = stats["answer"] + stats["abandon"], stats["machine"] + stats["intercept"]
    return {
        **stats,
        "other": leads - completed - stats["ready"] - stats["pending"] - stats["active"],
        "available": max(0, stats["staffed"] - stats["active"]),
        "connects": human + stats["machine"],
        "notHumanAnswers": machines,
        "fax": 0,
        "totalTalkTime": 0,
        "lastUpdate": now,
    }


def _serialize_sub_account(record: sqlite3.Row) -> Row:
    """Serialize a sub-account. Source: contract, SubAccount."""
    return {
        "subAccountId": record["accountId"],
        "subAccountName": record["accountName"],
        "isActive": True,
    }
