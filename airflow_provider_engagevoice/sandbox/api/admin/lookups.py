"""Accounts, and small tables to look things up in. Sources: guide and contract."""

from __future__ import annotations

import sqlite3

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.api.admin.records import Row, flag_in_query, select
from airflow_provider_engagevoice.sandbox.http.endpoint import Call, answer
from airflow_provider_engagevoice.sandbox.http.errors import Refusal
from airflow_provider_engagevoice.sandbox.http.timestamps import print_moment
from airflow_provider_engagevoice.sandbox.state import demo_data
from airflow_provider_engagevoice.sandbox.state.sandbox import Service

_DAY = 86_400_000

#: What agents can be doing: id, name, shown name, active. The id of AVAILABLE is that of the guide's samples.
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

#: Results of today's calls, and what the answer calls them.
_OUTCOMES = {
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
    for result, name in _OUTCOMES.items()
)

#: Leads and today's calls of each campaign. Indexes serve both counts: the first reads no lead, the second
#: those that changed today; the plus keeps it from the wrong index. Who is assigned counts as logged in
#: (assumed).
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


def accounts(service: Service, call: Call) -> Response:
    """``GET accounts``: the sub-accounts of the user."""
    return answer(select(service, dict, "SELECT * FROM accounts ORDER BY accountId"))


def sub_accounts(service: Service, call: Call) -> Response:
    """``GET accounts/{account}/subaccounts`` of the integration paths, for a main account.

    Any other main account is 403 (assumed).
    """
    if call.captured["account"] != demo_data.MAIN_ACCOUNT[0]:
        raise Refusal(403)
    return answer(select(service, _sub_account, "SELECT * FROM accounts ORDER BY accountId"))


def states(service: Service, call: Call) -> Response:
    """``GET states``: what ``physicalStates`` of a search may hold. The fields are assumed."""
    return answer([{"name": code, "description": name} for code, name in _STATES])


def countries(service: Service, call: Call) -> Response:
    """``GET countries/available``. The fields are assumed, those of a do-not-call entry's country."""
    return answer([{"id": code, "description": name} for code, name in _COUNTRIES])


def aux_states(service: Service, call: Call) -> Response:
    """``GET auxStates``: what agents can be doing; ``active=1`` or ``activeOnly=true`` for those in use."""
    only_active = call.query.get("active") == "1" or flag_in_query(call, "activeOnly")
    return answer(
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


def outbound_stats(service: Service, call: Call) -> Response:
    """``GET realTimeData/outbound``: what the leads of each campaign are at, and today's calls.

    Days end at midnight UTC (assumed). Source of the fields: guide, real-time campaign operations.
    """
    now = service.clock.milliseconds()
    values = {"day": now - now % _DAY, "account": call.captured["account"]}
    with service.store.reading() as connection:
        found = connection.execute(_STATS, values).fetchall()
    return answer([_stats(record, print_moment(now)) for record in found])


def _stats(record: sqlite3.Row, now: str | None) -> Row:
    """Write the counts of one campaign. Fax and talk time are 0: the sandbox makes no calls."""
    # Of a campaign without leads, or without calls today, there is nothing to join.
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


def _sub_account(record: sqlite3.Row) -> Row:
    """Write a sub-account. Source: contract, SubAccount."""
    return {
        "subAccountId": record["accountId"],
        "subAccountName": record["accountName"],
        "isActive": True,
    }
