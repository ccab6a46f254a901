"""Do-not-call lists: tags and entries of an account. Source of the fields: guide, do-not-call lists.

An entry blocks a phone number, or the leads with an external id, for all campaigns of its account that scrub
loaded leads, and for the dialer. Leads that exist already keep their state (assumed).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from airflow_provider_engagevoice.sandbox.state.phones import phone_digits

GLOBAL_ID, GLOBAL_LABEL = 0, "GLOBAL"
"""Id and label of the tag that every account has. Source: guide of 2024."""

DEFAULT_COUNTRY = "USA"

#: SQL condition on ``leads``: no GLOBAL entry blocks one of the lead's numbers or its external id.
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
class EntryDefaults:
    """Values shared by new do-not-call entries.

    :param account: the sub-account.
    :param user: user who adds the entries.
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
        """Return the values of the first columns of ``_INSERT``."""
        return (self.account, self.tag, self.country, self.now, self.user)


@dataclass(frozen=True)
class Entry:
    """A do-not-call entry.

    :param phone: phone number; empty if the entry has none.
    :param extern_id: external id; empty if the entry has none.
    :param reason: reason for adding it; None if not given.
    """

    phone: str
    extern_id: str = ""
    reason: str | None = None


@dataclass(frozen=True)
class BlockedNumbers:
    """The requested numbers and external ids that are on a do-not-call list.

    :param digits: blocked phone numbers.
    :param extern_ids: blocked external ids.
    """

    digits: frozenset[str]
    extern_ids: frozenset[str]


def add_entries(connection: sqlite3.Connection, defaults: EntryDefaults, entries: Iterable[Entry]) -> int:
    """Add entries; existing ones are left unchanged (assumed).

    :param connection: the database, inside a transaction.
    :param defaults: values shared by the entries.
    :param entries: the entries.
    :return: number of new entries.
    """
    shared = defaults.values()
    rows = [
        (*shared, entry.phone, phone_digits(entry.phone), entry.extern_id, entry.reason) for entry in entries
    ]
    return connection.executemany(f"{_INSERT} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows).rowcount


def add_phones_of_matched(connection: sqlite3.Connection, defaults: EntryDefaults, reason: str) -> None:
    """Add all phone numbers of the leads in the table ``matched``."""
    connection.execute(
        f"{_INSERT} SELECT ?, ?, ?, ?, ?, digits, digits, '', ? FROM lead_phones JOIN matched USING (leadId)"
        " ORDER BY leadId, digits",
        (*defaults.values(), reason),
    )


def add_extern_ids_of_matched(connection: sqlite3.Connection, defaults: EntryDefaults, reason: str) -> None:
    """Add the external ids of the leads in the table ``matched``."""
    connection.execute(
        f"{_INSERT} SELECT ?, ?, ?, ?, ?, '', '', externId, ? FROM leads JOIN matched USING (leadId)"
        " WHERE externId <> '' ORDER BY leadId",
        (*defaults.values(), reason),
    )


def add_dnc_leads(connection: sqlite3.Connection) -> None:
    """Add the phone numbers of all leads in state DO-NOT-CALL, for seed data without entries."""
    connection.execute(
        f"{_INSERT} SELECT accountId, {GLOBAL_ID}, '{DEFAULT_COUNTRY}', stateDts, 'list.admin@example.com',"
        " digits, digits, '', 'Do not call' FROM leads JOIN lead_phones USING (leadId)"
        " WHERE leadState = 'DO-NOT-CALL' ORDER BY leadId, digits"
    )


def find_blocked(
    connection: sqlite3.Connection,
    account: str,
    tags: Iterable[str],
    digits: Iterable[str],
    extern_ids: Iterable[str],
) -> BlockedNumbers:
    """Return which numbers and external ids are on the do-not-call list.

    :param connection: the database.
    :param account: the sub-account.
    :param tags: ids or labels of tags to check in addition to GLOBAL; unknown ones are ignored (assumed).
    :param digits: phone numbers to check.
    :param extern_ids: external ids to check.
    :return: those that are listed.
    """
    known = list_tags(connection, account)
    checked = [
        tag for tag, label in known.items() if tag == GLOBAL_ID or not {str(tag), label}.isdisjoint(tags)
    ]
    found = []
    for column, values in (("digits", digits), ("externId", extern_ids)):
        rows = connection.execute(
            f"SELECT {column} FROM dnc_entries WHERE accountId = ?"
            f" AND {column} IN (SELECT value FROM json_each(?)) AND {column} <> ''"
            " AND dncTagId IN (SELECT value FROM json_each(?))",
            (account, json.dumps(list(values)), json.dumps(checked)),
        )
        found.append(frozenset(row[0] for row in rows))
    return BlockedNumbers(*found)


def list_tags(connection: sqlite3.Connection, account: str) -> dict[int, str]:
    """Return an account's tag labels by tag id; GLOBAL comes first."""
    rows = connection.execute(
        "SELECT dncTagId, dncTagLabel FROM dnc_tags WHERE accountId = ? ORDER BY dncTagId", (account,)
    )
    return {GLOBAL_ID: GLOBAL_LABEL, **{row["dncTagId"]: row["dncTagLabel"] for row in rows}}
