"""Database queries of the dashboard, bounded so that they stay fast with a million leads."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from airflow_provider_engagevoice.sandbox.ui.lead_states import Segment, bar, by_group
from airflow_provider_engagevoice.sandbox.ui.view import View

MAX_ROWS = 50
"""Maximum number of leads shown."""

SEARCH_LIMIT = 20_000
"""Number of most recently changed leads that a filter searches; in a small campaign it searches all leads."""

_SMALL_CAMPAIGN = 50_000

Counts = Mapping[int | None, Mapping[str, int]]
"""Leads by campaign and state."""

_Condition = tuple[str, tuple[object, ...]]


class LeadCounts:
    """Lead counts by campaign and state, cached until the database changes."""

    def __init__(self) -> None:
        self._version: tuple[int, int] | None = None
        self._counts: Counts = {}

    def read(self, connection: sqlite3.Connection) -> Counts:
        """Return the counts; the caller must hold the connection exclusively."""
        # Replacing the whole database changes the schema version.
        version = (connection.total_changes, connection.execute("PRAGMA schema_version").fetchone()[0])
        if version != self._version:
            counts: dict[int | None, dict[str, int]] = defaultdict(dict)
            for campaign, state, count in connection.execute(
                "SELECT campaignId, leadState, count(*) FROM leads GROUP BY campaignId, leadState"
            ):
                counts[campaign][state or ""] = count
            self._version, self._counts = version, counts
        return self._counts


@dataclass(frozen=True)
class CampaignRow:
    """A row of the campaign table.

    :param id: its id; None for leads without a campaign.
    :param name: its name.
    :param active: whether it is active.
    :param total: number of its leads.
    :param groups: number of its leads by state group.
    :param states: number of its leads by state, largest first.
    :param segments: segments of its bar.
    """

    id: int | None
    name: str
    active: bool
    total: int
    groups: Mapping[str, int]
    states: list[tuple[str, int]]
    segments: list[Segment]


@dataclass(frozen=True)
class DialGroupRows:
    """A dial group in the campaign table, with its campaigns."""

    account: str
    account_id: str
    name: str
    mode: str
    campaigns: list[CampaignRow]


def dial_groups(connection: sqlite3.Connection, counts: Counts) -> list[DialGroupRows]:
    """Return all campaigns by sub-account and dial group; leads of deleted campaigns come last."""
    found = connection.execute(
        "SELECT a.accountId, a.accountName, d.dialGroupId, d.dialGroupName, d.dialMode, c.campaignId,"
        " c.campaignName, c.isActive FROM dial_groups d LEFT JOIN accounts a USING (accountId)"
        " LEFT JOIN campaigns c USING (dialGroupId) ORDER BY a.accountId, d.dialGroupId, c.campaignId"
    ).fetchall()
    longest = max((sum(states.values()) for states in counts.values()), default=0)
    rows = []
    for _, members in groupby(found, key=lambda row: row["dialGroupId"]):
        group = list(members)
        campaigns = [
            _campaign_row(row["campaignId"], row["campaignName"], bool(row["isActive"]), counts, longest)
            for row in group
            if row["campaignId"] is not None
        ]
        account, account_id, name, mode = (group[0][name] or "" for name in _GROUP_COLUMNS)
        rows.append(DialGroupRows(account, account_id, name, mode, campaigns))
    deleted = set(counts) - {row["campaignId"] for row in found}
    if deleted:
        orphaned = [
            _campaign_row(id_, "(deleted campaign)", False, counts, longest)
            for id_ in sorted(deleted, key=lambda id_: id_ or 0)
        ]
        rows.append(DialGroupRows("", "", "Leads without a campaign", "", orphaned))
    return rows


_GROUP_COLUMNS = ("accountName", "accountId", "dialGroupName", "dialMode")


def _campaign_row(id_: int | None, name: str, active: bool, counts: Counts, longest: int) -> CampaignRow:
    """Return the row of one campaign."""
    states = counts.get(id_, {})
    groups = by_group(states)
    ordered = sorted(states.items(), key=lambda item: (-item[1], item[0]))
    return CampaignRow(id_, name or "", active, sum(states.values()), groups, ordered, bar(groups, longest))


def lists(connection: sqlite3.Connection, campaign: int) -> list[dict[str, Any]]:
    """Return the lists of a campaign, newest first, with their current number of leads."""
    found = connection.execute(
        "SELECT s.listId, s.listDesc, s.listState, s.uploadDate, s.uploadedBy,"
        " (SELECT count(*) FROM leads l WHERE l.listId = s.listId) AS leads"
        " FROM lists s WHERE s.campaignId = ? ORDER BY s.uploadDate DESC, s.listId DESC LIMIT 200",
        (campaign,),
    )
    return [dict(row) for row in found]


@dataclass(frozen=True)
class RecentLeads:
    """Leads that match the filter, most recently changed first.

    :param rows: at most :data:`MAX_ROWS` of them.
    :param searched: number of leads searched; None if all were searched.
    """

    rows: list[dict[str, Any]]
    searched: int | None


def recent_leads(connection: sqlite3.Connection, view: View, counts: Counts) -> RecentLeads:
    """Return the most recently changed leads that match the filter."""
    in_campaign = sum(counts.get(view.campaign, {}).values())
    conditions = _text_condition(view.text)
    if view.state:
        conditions.append(("leadState = ?", (view.state,)))
    if view.campaign is not None:
        conditions.append(("campaignId = ?", (view.campaign,)))
    searched = None
    if view.campaign is not None and in_campaign <= _SMALL_CAMPAIGN:
        source = "leads INDEXED BY leads_campaign"
    elif conditions:
        source = f"(SELECT {_COLUMNS} FROM leads ORDER BY {_LATEST} LIMIT {SEARCH_LIMIT})"
        searched = SEARCH_LIMIT
    else:
        source = "leads"
    where = " AND ".join(condition for condition, _ in conditions) or "1"
    # Created on the first visit, since it would add a tenth to the startup time with large data.
    connection.execute("CREATE INDEX IF NOT EXISTS leads_changed ON leads (stateDts)")
    found = connection.execute(
        f"SELECT l.*, c.campaignName FROM (SELECT {_COLUMNS} FROM {source} WHERE {where}"
        f" ORDER BY {_LATEST} LIMIT {MAX_ROWS}) l LEFT JOIN campaigns c USING (campaignId)"
        f" ORDER BY {_LATEST}",
        [value for _, values in conditions for value in values],
    )
    total = sum(sum(states.values()) for states in counts.values())
    return RecentLeads([dict(row) for row in found], searched if total > SEARCH_LIMIT else None)


_LATEST = "stateDts DESC, leadId DESC"
_COLUMNS = (
    "leadId, externId, firstName, lastName, leadPhone, leadState, leadPasses, maxPasses, suppressed,"
    " stateDts, campaignId"
)


def _text_condition(text: str) -> list[_Condition]:
    """Return the SQL condition for a text filter; ASCII letters match case-insensitively."""
    text = text.strip()
    if not text:
        return []
    pattern = "".join(f"\\{letter}" if letter in "%_\\" else letter for letter in text)
    digits = "".join(letter for letter in text if letter.isdecimal())
    searched_text = (
        "coalesce(firstName, '') || ' ' || coalesce(lastName, '') || char(10) || coalesce(externId, '')"
        " || char(10) || coalesce(leadPhone, '') || char(10) || leadId"
    )
    found = f"{searched_text} LIKE ? ESCAPE '\\'"
    # A phone number may be entered with spaces and punctuation that the stored number does not have.
    if len(digits) >= 3 and digits != text and not any(letter.isalpha() for letter in text):
        return [(f"({found} OR leadPhone LIKE ?)", (f"%{pattern}%", f"%{digits}%"))]
    return [(found, (f"%{pattern}%",))]
