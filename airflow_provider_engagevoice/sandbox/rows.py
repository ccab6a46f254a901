"""Reads leads and writes them as ``CampaignLeadSearchResultsView``. Source of the fields: contract."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping

from airflow_provider_engagevoice.sandbox.dates import print_moment
from airflow_provider_engagevoice.sandbox.search import Condition
from airflow_provider_engagevoice.sandbox.store import PERSON_COLUMNS

Row = dict[str, object]

_SELECT = """
SELECT l.*, c.campaignName, c.dialGroupId, s.listDesc, s.uploadDate, s.uploadedBy,
       p.firstName || ' ' || p.lastName AS pendingAgentName,
       a.firstName || ' ' || a.lastName AS lastPassAgentName
FROM leads l
LEFT JOIN campaigns c ON c.campaignId = l.campaignId
LEFT JOIN lists s ON s.listId = l.listId
LEFT JOIN agents p ON p.agentId = l.pendingAgentId
LEFT JOIN agents a ON a.agentId = l.lastPassAgentId
WHERE {where}
ORDER BY l.leadId LIMIT ? OFFSET ?
"""

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


def count_leads(connection: sqlite3.Connection, condition: Condition) -> int:
    """Count the leads that match."""
    found = connection.execute(f"SELECT count(*) FROM leads l WHERE {condition.sql}", condition.values)
    return int(found.fetchone()[0])


def find_leads(connection: sqlite3.Connection, condition: Condition, limit: int, offset: int) -> list[Row]:
    """Read the leads that match, by ascending id (assumed order).

    :param connection: the database.
    :param condition: which leads.
    :param limit: most rows to return; -1 for all.
    :param offset: how many to leave out first.
    :return: the rows, as RingCX writes them.
    """
    statement = _SELECT.format(where=condition.sql)
    records = connection.execute(statement, (*condition.values, limit, offset)).fetchall()
    redials = _redials(connection, [record["leadId"] for record in records])
    return [_row(record, redials.get(record["leadId"], [])) for record in records]


def _redials(connection: sqlite3.Connection, lead_ids: Iterable[int]) -> Mapping[int, list[Row]]:
    """Read the callbacks of leads. Source of the fields: contract, CampaignRedial."""
    found: dict[int, list[Row]] = defaultdict(list)
    statement = "SELECT * FROM redials WHERE leadId IN (SELECT value FROM json_each(?)) ORDER BY redialId"
    for record in connection.execute(statement, (json.dumps(list(lead_ids)),)):
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
        dupeKeyOverride=None,
        sortCol=None,
    )
    return {
        **shared,
        **{name: record[name] for name in _ROW_ONLY},
        "uploadDate": print_moment(record["uploadDate"]),
        "lastPassDate": moments["lastPassDts"],
        "lastPassDispo": record["lastPassDisposition"],
        # Misspelt on the wire. Source: contract.
        "agentDispostion": record["agentDisposition"],
        "lastPassAgentName": record["lastPassAgentName"],
        "extraData": None,
        "speedToLeadFirstPass": None,
        "speedToLeadAgentConn": None,
        "campaignLead": {**shared, "campaignRedials": redials},
    }
