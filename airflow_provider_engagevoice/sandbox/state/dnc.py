"""The do-not-call list of an account: its tags and entries. Source of the fields: guide, do-not-call lists.

An entry forbids a phone number, or the leads of an external id, to all campaigns of its account that scrub
what they load, and to the dialer. Leads that are there already keep their state (assumed).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from airflow_provider_engagevoice.sandbox.state.phones import phone_digits

GLOBAL_ID, GLOBAL_LABEL = 0, "GLOBAL"
"""The tag that every account has. Source: guide of 2024."""

DEFAULT_COUNTRY = "USA"

#: Leads the dialer may call: no entry of GLOBAL is for one of their numbers, or for their external id.
NOT_LISTED = (
    "NOT EXISTS (SELECT 1 FROM lead_phones p CROSS JOIN dnc_entries e"
    " ON e.accountId = leads.accountId AND e.digits = p.digits"
    f" WHERE p.leadId = leads.leadId AND e.dncTagId = {GLOBAL_ID})"
    " AND NOT EXISTS (SELECT 1 FROM dnc_entries e WHERE e.externId = leads.externId AND e.externId <> ''"
    f" AND e.accountId = leads.accountId AND e.dncTagId = {GLOBAL_ID})"
)

_INSERT = (
    "INSERT OR IGNORE INTO dnc_entries"
    " (accountId, dncTagId, countryId, addedDate, addedBy, phone, digits, externId, reason)"
)


@dataclass(frozen=True)
class Addition:
    """What new entries have in common.

    :param account: the sub-account.
    :param user: who adds them.
    :param now: milliseconds since 1970.
    :param tag: id of the tag.
    :param country: id of the country.
    """

    account: str
    user: str
    now: int
    tag: int = GLOBAL_ID
    country: str = DEFAULT_COUNTRY

    def values(self) -> tuple[object, ...]:
        """Return the first columns of every entry."""
        return (self.account, self.tag, self.country, self.now, self.user)


@dataclass(frozen=True)
class Entry:
    """What one entry is about.

    :param phone: the number, empty for none.
    :param extern_id: the external id, empty for none.
    :param reason: why it is added; None for no word.
    """

    phone: str
    extern_id: str = ""
    reason: str | None = None


@dataclass(frozen=True)
class Listed:
    """What is on the list, of all that was asked for.

    :param digits: numbers.
    :param extern_ids: external ids.
    """

    digits: frozenset[str]
    extern_ids: frozenset[str]


def add_entries(connection: sqlite3.Connection, addition: Addition, entries: Iterable[Entry]) -> int:
    """Add entries; one that is there already stays as it is (assumed).

    :param connection: the database, inside a transaction.
    :param addition: what they have in common.
    :param entries: the entries.
    :return: how many are new.
    """
    common = addition.values()
    rows = [
        (*common, entry.phone, phone_digits(entry.phone), entry.extern_id, entry.reason) for entry in entries
    ]
    return connection.executemany(f"{_INSERT} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows).rowcount


def add_phones_of_matched(connection: sqlite3.Connection, addition: Addition, reason: str) -> None:
    """Add all numbers of the leads in the table ``matched``."""
    connection.execute(
        f"{_INSERT} SELECT ?, ?, ?, ?, ?, digits, digits, '', ? FROM lead_phones JOIN matched USING (leadId)"
        " ORDER BY leadId, digits",
        (*addition.values(), reason),
    )


def add_extern_ids_of_matched(connection: sqlite3.Connection, addition: Addition, reason: str) -> None:
    """Add the external ids of the leads in the table ``matched``."""
    connection.execute(
        f"{_INSERT} SELECT ?, ?, ?, ?, ?, '', '', externId, ? FROM leads JOIN matched USING (leadId)"
        " WHERE externId <> '' ORDER BY leadId",
        (*addition.values(), reason),
    )


def add_dnc(connection: sqlite3.Connection) -> None:
    """Add the numbers of all leads in state DO-NOT-CALL, for a world that has no entries yet."""
    connection.execute(
        f"{_INSERT} SELECT accountId, {GLOBAL_ID}, '{DEFAULT_COUNTRY}', stateDts, 'list.admin@example.com',"
        " digits, digits, '', 'Do not call' FROM leads JOIN lead_phones USING (leadId)"
        " WHERE leadState = 'DO-NOT-CALL' ORDER BY leadId, digits"
    )


def find_listed(
    connection: sqlite3.Connection,
    account: str,
    tags: Iterable[str],
    digits: Iterable[str],
    extern_ids: Iterable[str],
) -> Listed:
    """Look up which numbers and external ids must not be called.

    :param connection: the database.
    :param account: the sub-account.
    :param tags: ids or labels of tags that count besides GLOBAL; unknown ones are ignored (assumed).
    :param digits: the numbers in question.
    :param extern_ids: the external ids in question.
    :return: those that are listed.
    """
    known = tags_of(connection, account)
    wanted = [
        tag for tag, label in known.items() if tag == GLOBAL_ID or not {str(tag), label}.isdisjoint(tags)
    ]
    found = []
    for column, values in (("digits", digits), ("externId", extern_ids)):
        rows = connection.execute(
            f"SELECT {column} FROM dnc_entries WHERE accountId = ?"
            f" AND {column} IN (SELECT value FROM json_each(?)) AND {column} <> ''"
            " AND dncTagId IN (SELECT value FROM json_each(?))",
            (account, json.dumps(list(values)), json.dumps(wanted)),
        )
        found.append(frozenset(row[0] for row in rows))
    return Listed(*found)


def tags_of(connection: sqlite3.Connection, account: str) -> dict[int, str]:
    """Return the labels of an account's tags by their ids; GLOBAL comes first."""
    rows = connection.execute(
        "SELECT dncTagId, dncTagLabel FROM dnc_tags WHERE accountId = ? ORDER BY dncTagId", (account,)
    )
    return {GLOBAL_ID: GLOBAL_LABEL, **{row["dncTagId"]: row["dncTagLabel"] for row in rows}}
