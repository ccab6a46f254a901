"""Queries leads and serializes them as ``CampaignLeadSearchResultsView``. Source of the fields: contract."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping

from airflow_provider_engagevoice.sandbox.api.leads.query import Condition
from airflow_provider_engagevoice.sandbox.http.timestamps import format_datetime
from airflow_provider_engagevoice.sandbox.state.store import MAIL_COLUMNS, PERSON_COLUMNS

Row = dict[str, object]

#: Joins for the fields of a row that come from other tables.
_JOINS = """
LEFT JOIN campaigns c ON c.campaignId = l.campaignId
LEFT JOIN lists s ON s.listId = l.listId
LEFT JOIN agents p ON p.agentId = l.pendingAgentId
LEFT JOIN agents a ON a.agentId = l.lastPassAgentId
"""
_PENDING_AGENT = "p.firstName || ' ' || p.lastName"
_LAST_AGENT = "a.firstName || ' ' || a.lastName"

#: The subquery selects the ids of the page, often from an index alone; only these rows are read in full.
_SELECT = f"""
{{with_clause}}SELECT l.*, c.campaignName, c.dialGroupId, s.listDesc, s.uploadDate, s.uploadedBy,
       {_PENDING_AGENT} AS pendingAgentName, {_LAST_AGENT} AS lastPassAgentName
FROM leads l {_JOINS}
WHERE l.leadId IN (SELECT l.leadId FROM leads l WHERE {{where}} ORDER BY l.leadId LIMIT ? OFFSET ?)
ORDER BY l.leadId
"""

#: Columns of a mail whose expression is not simply the column of ``leads``.
_MAIL_SOURCES = {
    "campaignName": "c.campaignName",
    "listDesc": "s.listDesc",
    "pendingAgentName": _PENDING_AGENT,
    "lastPassAgentName": _LAST_AGENT,
    "agentDispostion": "l.agentDisposition",
}

#: Fields that are both in the row and in its ``campaignLead``, unchanged from the database.
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


def count_leads(connection: sqlite3.Connection, condition: Condition, with_clause: str = "") -> int:
    """Return the number of matching leads.

    :param connection: the database.
    :param condition: the leads to count.
    :param with_clause: WITH clause that makes the statement read past values; empty for current values.
    :return: the number of leads.
    """
    statement = f"{with_clause}SELECT count(*) FROM leads l WHERE {condition.sql}"
    return int(connection.execute(statement, condition.values).fetchone()[0])


def find_leads(
    connection: sqlite3.Connection, condition: Condition, limit: int, offset: int, with_clause: str = ""
) -> list[Row]:
    """Return the matching leads in ascending order of id (assumed order).

    :param connection: the database.
    :param condition: the leads to return.
    :param limit: maximum number of rows; -1 for all.
    :param offset: number of rows to skip.
    :param with_clause: WITH clause that makes the statements read past values; empty for current values.
    :return: the rows, as RingCX writes them.
    """
    statement = _SELECT.format(with_clause=with_clause, where=condition.sql)
    records = connection.execute(statement, (*condition.values, limit, offset)).fetchall()
    redials = _redials(connection, [record["leadId"] for record in records], with_clause)
    return [_row(record, redials.get(record["leadId"], [])) for record in records]


def snapshot_for_mail(connection: sqlite3.Connection, mail: int) -> None:
    """Store a snapshot of the leads in the table ``matched``.

    :param connection: the database, inside a transaction.
    :param mail: id of the mail that the snapshot belongs to.
    """
    columns = ", ".join(_MAIL_SOURCES.get(name, f"l.{name}") for name in MAIL_COLUMNS)
    connection.execute(
        f"INSERT INTO mail_leads (mailId, leadId, {', '.join(MAIL_COLUMNS)})"
        f" SELECT ?, l.leadId, {columns} FROM matched JOIN leads l USING (leadId) {_JOINS} ORDER BY l.leadId",
        (mail,),
    )


def _redials(
    connection: sqlite3.Connection, lead_ids: Iterable[int], with_clause: str
) -> Mapping[int, list[Row]]:
    """Return the callbacks of leads, by lead id. Source of the fields: contract, CampaignRedial."""
    found: dict[int, list[Row]] = defaultdict(list)
    statement = f"{with_clause}SELECT * FROM redials WHERE leadId IN (SELECT value FROM json_each(?))"
    for record in connection.execute(f"{statement} ORDER BY redialId", (json.dumps(list(lead_ids)),)):
        found[record["leadId"]].append(
            {
                "redialId": record["redialId"],
                "agentId": record["agentId"],
                "callBackDate": format_datetime(record["callBackDate"]),
                "callBackPhone": record["callBackPhone"],
            }
        )
    return found


def _row(record: sqlite3.Row, redials: list[Row]) -> Row:
    """Serialize one lead; unknown values are null, never missing."""
    shared: Row = {name: record[name] for name in _SHARED}
    timestamps: Row = {
        name: format_datetime(record[name])
        for name in ("nextDialTime", "lastPassDts", "loadedDts", "stateDts")
    }
    shared.update(
        timestamps,
        suppressed=bool(record["suppressed"]),
        lastPassDisposition=record["lastPassDisposition"],
        # Undocumented.
        sortCol=None,
    )
    extra = json.loads(record["extraData"]) if record["extraData"] else None
    return {
        **shared,
        **{name: record[name] for name in _ROW_ONLY},
        "uploadDate": format_datetime(record["uploadDate"]),
        "lastPassDate": timestamps["lastPassDts"],
        "lastPassDispo": record["lastPassDisposition"],
        # Misspelled in the API. Source: contract.
        "agentDispostion": record["agentDisposition"],
        "lastPassAgentName": record["lastPassAgentName"],
        # The loaded extendedLeadData as JSON (assumed).
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
    """Return the seconds from load to the first pass and to the first agent connection (assumed meaning).

    Only the last pass is stored, so both are null if there are several passes.
    """
    seconds = None
    if record["leadPasses"] == 1 and record["lastPassDts"] is not None and record["loadedDts"] is not None:
        seconds = max(0, record["lastPassDts"] - record["loadedDts"]) // 1000
    reached_agent = record["lastPassAgentId"] is not None
    return {"speedToLeadFirstPass": seconds, "speedToLeadAgentConn": seconds if reached_agent else None}


def _as_text(value: object) -> str:
    """Return a value of extended data as text. Source: contract, where all values are texts."""
    return value if isinstance(value, str) else json.dumps(value)
