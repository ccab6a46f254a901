"""Simulation of the dialer, which changes lead states while a client works on the leads."""

from __future__ import annotations

import sqlite3

from airflow_provider_engagevoice.sandbox.state.dnc import NOT_LISTED

_DIALED_CAMPAIGNS = (
    "SELECT c.campaignId FROM campaigns c JOIN dial_groups g USING (dialGroupId)"
    " WHERE c.isActive AND g.isActive"
)


def run_dialer(connection: sqlite3.Connection, leads: int, now: int) -> None:
    """Run the dialer for one step: ACTIVE → COMPLETE, PENDING → ACTIVE, READY → PENDING.

    It dials active campaigns of active dial groups. Leads loaded IMMEDIATE come first, the latest of them
    before the others (guide), then the rest by lead id; hours of the day are ignored. It skips suppressed
    leads, leads without passes left, leads whose next call is due later (guide) and leads on do-not-call.
    The agent of a call is not set.

    :param connection: the database, inside a transaction.
    :param leads: maximum number of READY leads to set to PENDING.
    :param now: milliseconds since 1970.
    """
    dialed = "leadId IN (SELECT leadId FROM dialing)"
    connection.execute(
        "UPDATE leads SET leadState = 'COMPLETE', leadPasses = leadPasses + 1, lastPassDts = ?,"
        " lastPassDisposition = 'ANSWER', lastPassAgentId = NULL, stateDts = ?"
        f" WHERE leadState = 'ACTIVE' AND {dialed}",
        (now, now),
    )
    connection.execute(
        f"UPDATE leads SET leadState = 'ACTIVE', stateDts = ? WHERE leadState = 'PENDING' AND {dialed}",
        (now,),
    )
    # Release leads that are COMPLETE, and leads whose state another client has changed since.
    connection.execute(
        "DELETE FROM dialing WHERE NOT EXISTS"
        " (SELECT 1 FROM leads l WHERE l.leadId = dialing.leadId AND l.leadState = 'ACTIVE')"
    )
    immediate = _reserve(connection, leads, now, "dialPriority = 'IMMEDIATE'", "leadId DESC")
    _reserve(connection, leads - immediate, now, "dialPriority IS NOT 'IMMEDIATE'", "leadId")
    connection.execute(
        f"UPDATE leads SET leadState = 'PENDING', stateDts = ? WHERE leadState = 'READY' AND {dialed}",
        (now,),
    )


def _reserve(connection: sqlite3.Connection, leads: int, now: int, condition: str, order: str) -> int:
    """Reserve the next leads to dial; return how many were found."""
    return connection.execute(
        # The plus sign disables the campaign index: a scan in id order stops after a few leads.
        f"INSERT INTO dialing SELECT leadId FROM leads WHERE {condition} AND leadState = 'READY'"
        " AND suppressed = 0 AND coalesce(leadPasses < maxPasses, 1) AND coalesce(nextDialTime <= ?, 1)"
        f" AND +campaignId IN ({_DIALED_CAMPAIGNS}) AND {NOT_LISTED} ORDER BY {order} LIMIT ?",
        (now, leads),
    ).rowcount


def hold_leads(connection: sqlite3.Connection, leads: int, now: int) -> None:
    """Set matched READY leads to PENDING and remove them from the action's leads.

    Each lead is held at most once, so that repeating the action applies it.

    :param connection: the database, inside a transaction, with the action's leads in ``matched``.
    :param leads: maximum number of READY leads to hold.
    :param now: milliseconds since 1970.
    """
    rows = connection.execute(
        "SELECT leadId FROM leads JOIN matched USING (leadId) WHERE leadState = 'READY'"
        " AND leadId NOT IN (SELECT leadId FROM dialing) ORDER BY leadId LIMIT ?",
        (leads,),
    ).fetchall()
    ids = [(row["leadId"],) for row in rows]
    connection.executemany("INSERT INTO dialing VALUES (?)", ids)
    connection.executemany("DELETE FROM matched WHERE leadId = ?", ids)
    connection.executemany(
        "UPDATE leads SET leadState = 'PENDING', stateDts = ? WHERE leadId = ?",
        [(now, *each) for each in ids],
    )
