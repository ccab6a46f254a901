"""The dialer, as far as it matters to whoever works on leads: it takes them while you look."""

from __future__ import annotations

import sqlite3

from airflow_provider_engagevoice.sandbox.state.dnc import NOT_LISTED

_DIALLING = (
    "SELECT c.campaignId FROM campaigns c JOIN dial_groups g USING (dialGroupId)"
    " WHERE c.isActive AND g.isActive"
)


def work_on(connection: sqlite3.Connection, leads: int, now: int) -> None:
    """Let the dialer go one step on: calls end, leads it holds are called, and it takes new ones.

    It calls for active campaigns of active dial groups, what was loaded IMMEDIATE first and the latest of
    it before the rest (guide), the rest in the order of the lead ids, and without regard to the hours.
    Suppressed leads, those that have used up their passes, those whose next call is due later (guide) and
    those on do-not-call are not called. Which agent a call reaches is not told.

    :param connection: the database, inside a transaction.
    :param leads: how many READY leads it takes to PENDING.
    :param now: milliseconds since 1970.
    """
    mine = "leadId IN (SELECT leadId FROM dialing)"
    connection.execute(
        "UPDATE leads SET leadState = 'COMPLETE', leadPasses = leadPasses + 1, lastPassDts = ?,"
        " lastPassDisposition = 'ANSWER', lastPassAgentId = NULL, stateDts = ?"
        f" WHERE leadState = 'ACTIVE' AND {mine}",
        (now, now),
    )
    connection.execute(
        f"UPDATE leads SET leadState = 'ACTIVE', stateDts = ? WHERE leadState = 'PENDING' AND {mine}", (now,)
    )
    # What it has called is not its own any more; nor is what others have moved on meanwhile.
    connection.execute(
        "DELETE FROM dialing WHERE NOT EXISTS"
        " (SELECT 1 FROM leads l WHERE l.leadId = dialing.leadId AND l.leadState = 'ACTIVE')"
    )
    immediate = _take(connection, leads, now, "dialPriority = 'IMMEDIATE'", "leadId DESC")
    _take(connection, leads - immediate, now, "dialPriority IS NOT 'IMMEDIATE'", "leadId")
    connection.execute(
        f"UPDATE leads SET leadState = 'PENDING', stateDts = ? WHERE leadState = 'READY' AND {mine}", (now,)
    )


def _take(connection: sqlite3.Connection, leads: int, now: int, condition: str, order: str) -> int:
    """Note the next leads to call; return how many there were."""
    return connection.execute(
        # With the plus sign no index serves the campaigns: in the order of the ids few leads are looked at.
        f"INSERT INTO dialing SELECT leadId FROM leads WHERE {condition} AND leadState = 'READY'"
        " AND suppressed = 0 AND coalesce(leadPasses < maxPasses, 1) AND coalesce(nextDialTime <= ?, 1)"
        f" AND +campaignId IN ({_DIALLING}) AND {NOT_LISTED} ORDER BY {order} LIMIT ?",
        (now, leads),
    ).rowcount


def hold(connection: sqlite3.Connection, leads: int, now: int) -> None:
    """Let the dialer take leads out of those matched: they are PENDING, and the action passes them over.

    It takes each lead once only, so that whoever asks again gets it.

    :param connection: the database, inside a transaction, with the action's leads in ``matched``.
    :param leads: how many READY leads it takes.
    :param now: milliseconds since 1970.
    """
    taken = connection.execute(
        "SELECT leadId FROM leads JOIN matched USING (leadId) WHERE leadState = 'READY'"
        " AND leadId NOT IN (SELECT leadId FROM dialing) ORDER BY leadId LIMIT ?",
        (leads,),
    ).fetchall()
    ids = [(row["leadId"],) for row in taken]
    connection.executemany("INSERT INTO dialing VALUES (?)", ids)
    connection.executemany("DELETE FROM matched WHERE leadId = ?", ids)
    connection.executemany(
        "UPDATE leads SET leadState = 'PENDING', stateDts = ? WHERE leadId = ?",
        [(now, *each) for each in ids],
    )
