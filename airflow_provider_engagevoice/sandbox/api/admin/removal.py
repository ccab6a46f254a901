"""Cascading deletion of dial groups, campaigns and agents inside the caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

_LEADS = "leadId IN (SELECT leadId FROM matched)"
_AMONG = "IN (SELECT value FROM json_each(?))"


def remove_dial_groups(connection: sqlite3.Connection, groups: Sequence[object]) -> None:
    """Delete dial groups with their campaigns and assignments.

    :param connection: the database, inside a transaction.
    :param groups: their ids.
    """
    keys = json.dumps(list(groups))
    found = connection.execute(f"SELECT campaignId FROM campaigns WHERE dialGroupId {_AMONG}", (keys,))
    remove_campaigns(connection, [record["campaignId"] for record in found])
    for table in ("dial_group_agents", "dial_groups"):
        connection.execute(f"DELETE FROM {table} WHERE dialGroupId {_AMONG}", (keys,))


def remove_campaigns(connection: sqlite3.Connection, campaigns: Sequence[object]) -> None:
    """Delete campaigns with their leads, lists, dispositions and uploaded files not yet processed.

    :param connection: the database, inside a transaction.
    :param campaigns: their ids.
    """
    keys = json.dumps(list(campaigns))
    connection.execute("DELETE FROM matched")
    connection.execute(f"INSERT INTO matched SELECT leadId FROM leads WHERE campaignId {_AMONG}", (keys,))
    for table in ("redials", "lead_phones", "dialing", "leads"):
        connection.execute(f"DELETE FROM {table} WHERE {_LEADS}")
    for table in ("lists", "dispositions", "previews", "campaigns"):
        connection.execute(f"DELETE FROM {table} WHERE campaignId {_AMONG}", (keys,))


def remove_agents(connection: sqlite3.Connection, agents: Sequence[object]) -> None:
    """Delete agents with their assignments and reservations; their call history stays (assumed).

    :param connection: the database, inside a transaction.
    :param agents: their ids.
    """
    keys = json.dumps(list(agents))
    connection.execute(f"UPDATE leads SET pendingAgentId = NULL WHERE pendingAgentId {_AMONG}", (keys,))
    connection.execute(f"UPDATE redials SET agentId = NULL WHERE agentId {_AMONG}", (keys,))
    for table in ("dial_group_agents", "agents"):
        connection.execute(f"DELETE FROM {table} WHERE agentId {_AMONG}", (keys,))
