"""Reads leads and writes them as ``CampaignLeadSearchResultsView``. Source of the fields: contract."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping

from airflow_provider_engagevoice.sandbox.api.leads.query import Condition
from airflow_provider_engagevoice.sandbox.http.timestamps import print_moment
from airflow_provider_engagevoice.sandbox.state.store import MAIL_COLUMNS, PERSON_COLUMNS

Row = dict[str, object]

#: What a row tells of other tables.
_JOINS = """
LEFT JOIN campaigns c ON c.campaignId = l.campaignId
LEFT JOIN lists s ON s.listId = l.listId
LEFT JOIN agents p ON p.agentId = l.pendingAgentId
LEFT JOIN agents a ON a.agentId = l.lastPassAgentId
"""
_PENDING_AGENT = "p.firstName || ' ' || p.lastName"
_LAST_AGENT = "a.firstName || ' ' || a.lastName"

#: The ids come first, which an index alone may give; only the rows of the page are read whole.
_SELECT = f"""
{{behind}}SELECT l.*, c.campaignName, c.dialGroupId, s.listDesc, s.uploadDate, s.uploadedBy,
       {_PENDING_AGENT} AS pendingAgentName, {_LAST_AGENT} AS lastPassAgentName
FROM leads l {_JOINS}
WHERE l.leadId IN (SELECT l.leadId FROM leads l WHERE {{where}} ORDER BY l.leadId LIMIT ? OFFSET ?)
ORDER BY l.leadId
"""

#: Where a mail's columns come from, other than the table of leads.
_MAIL_SOURCES = {
    "campaignName": "c.campaignName",
    "listDesc": "s.listDesc",
    "pendingAgentName": _PENDING_AGENT,
    "lastPassAgentName": _LAST_AGENT,
    "agentDispostion": "l.agentDisposition",
}

#: What the row and the ``campaignLead`` inside it both hold, as the database does.
_SHARED = (
    "leadId",
    "externId",
    "leadPhone",
    *PERSON_COLUMNS,
    "leadState",
    "leadTimezone",
    "leadPasses",
    "maxPasses",
    "dupeKeyOverride",
)
_ROW_ONLY = (
    "campaignId",
    "campaignName",
    "dialGroupId",
    "listId",
    "listDesc",
    "pendingAgentName",
    "uploadedBy",
)


def count_leads(connection: sqlite3.Connection, condition: Condition, behind: str = "") -> int:
    """Count the leads that match.

    :param connection: the database.
    :param condition: which leads.
    :param behind: what makes the statement read them as they were.
    :return: how many there are.
    """
    statement = f"{behind}SELECT count(*) FROM leads l WHERE {condition.sql}"
    return int(connection.execute(statement, condition.values).fetchone()[0])


def find_leads(
    connection: sqlite3.Connection, condition: Condition, limit: int, offset: int, behind: str = ""
) -> list[Row]:
    """Read the leads that match, by ascending id (assumed order).

    :param connection: the database.
    :param condition: which leads.
    :param limit: most rows to return; -1 for all.
    :param offset: how many to leave out first.
    :param behind: what makes the statements read them as they were.
    :return: the rows, as RingCX writes them.
    """
    statement = _SELECT.format(behind=behind, where=condition.sql)
    records = connection.execute(statement, (*condition.values, limit, offset)).fetchall()
    redials = _redials(connection, [record["leadId"] for record in records], behind)
    return [_row(record, redials.get(record["leadId"], [])) for record in records]


def keep_for_mail(connection: sqlite3.Connection, mail: int) -> None:
    """Keep the leads in the table ``matched`` as they are now.

    :param connection: the database, inside a transaction.
    :param mail: id of the mail that offers them.
    """
    columns = ", ".join(_MAIL_SOURCES.get(name, f"l.{name}") for name in MAIL_COLUMNS)
    connection.execute(
        f"INSERT INTO mail_leads (mailId, leadId, {', '.join(MAIL_COLUMNS)})"
        f" SELECT ?, l.leadId, {columns} FROM matched JOIN leads l USING (leadId) {_JOINS} ORDER BY l.leadId",
        (mail,),
    )


def _redials(connection: sqlite3.Connection, lead_ids: Iterable[int], behind: str) -> Mapping[int, list[Row]]:
    """Read the callbacks of leads. Source of the fields: contract, CampaignRedial."""
    found: dict[int, list[Row]] = defaultdict(list)
    statement = f"{behind}SELECT * FROM redials WHERE leadId IN (SELECT value FROM json_each(?))"
    for record in connection.execute(f"{statement} ORDER BY redialId", (json.dumps(list(lead_ids)),)):
        found[record["leadId"]].append(
            {
                "redialId": record["redialId"],
                "agentId": record["agentId"],
                "callBackDate": print_moment(record["callBackDate"]),
                "callBackPhone": record["callBackPhone"],
            }
        )
    return found


def _row(record: sqlite3.Row, redials: list[Row]) -> Row:
    """Write one lead; what is not known is null, never missing."""
    shared: Row = {name: record[name] for name in _SHARED}
    moments: Row = {
        name: print_moment(record[name]) for name in ("nextDialTime", "lastPassDts", "loadedDts", "stateDts")
    }
    shared.update(
        moments,
        suppressed=bool(record["suppressed"]),
        lastPassDisposition=record["lastPassDisposition"],
        # Nothing says what it holds.
        sortCol=None,
    )
    extra = json.loads(record["extraData"]) if record["extraData"] else None
    return {
        **shared,
        **{name: record[name] for name in _ROW_ONLY},
        "uploadDate": print_moment(record["uploadDate"]),
        "lastPassDate": moments["lastPassDts"],
        "lastPassDispo": record["lastPassDisposition"],
        # Misspelt on the wire. Source: contract.
        "agentDispostion": record["agentDisposition"],
        "lastPassAgentName": record["lastPassAgentName"],
        # What was loaded as extendedLeadData, as JSON (assumed).
        "extraData": record["extraData"],
        **_speed(record),
        "campaignLead": {
            **shared,
            "leadPhoneE164": record["leadPhoneE164"],
            "leadPriority": record["leadPriority"] or 0,
            "personaPhoneConfig": json.loads(record["personaPhones"]) if record["personaPhones"] else None,
            "extendedLeadData": extra and {name: _as_text(value) for name, value in extra.items()},
            "campaignRedials": redials,
        },
    }


def _speed(record: sqlite3.Row) -> Row:
    """Write the seconds from load to first pass, and to the first one with an agent (assumed meaning).

    Only the last pass is known, so they are null once there are several.
    """
    seconds = None
    if record["leadPasses"] == 1 and record["lastPassDts"] is not None and record["loadedDts"] is not None:
        seconds = max(0, record["lastPassDts"] - record["loadedDts"]) // 1000
    reached_agent = record["lastPassAgentId"] is not None
    return {"speedToLeadFirstPass": seconds, "speedToLeadAgentConn": seconds if reached_agent else None}


def _as_text(value: object) -> str:
    """Write a value of extended data. Source: contract, where all are texts."""
    return value if isinstance(value, str) else json.dumps(value)
