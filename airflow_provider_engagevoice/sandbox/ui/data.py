"""What the sandbox's page shows of the data, read so that a million leads do not slow it down."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from airflow_provider_engagevoice.sandbox.ui.lead_states import Segment, bar, by_group
from airflow_provider_engagevoice.sandbox.ui.view import View

ROWS = 50
"""How many leads the page shows."""

SEARCHED = 20_000
"""Of how many leads, those changed last, it shows the ones that fit a filter; of a small campaign, of all."""

_SMALL_CAMPAIGN = 50_000

Counts = Mapping[int | None, Mapping[str, int]]
"""Leads by campaign and state."""

_Condition = tuple[str, tuple[object, ...]]


class LeadCounts:
    """How many leads there are by campaign and state, counted anew only when something was written."""

    def __init__(self) -> None:
        self._version: tuple[int, int] | None = None
        self._counts: Counts = {}

    def read(self, connection: sqlite3.Connection) -> Counts:
        """Count; the connection must be one's own meanwhile."""
        # Whatever replaces the whole database changes the version of its schema.
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
    """One campaign in the table.

    :param id: its id; None for leads without a campaign.
    :param name: its name.
    :param active: it is being dialled.
    :param total: its leads.
    :param groups: its leads by group of states.
    :param states: its leads by state, most first.
    :param segments: its bar.
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
    """One dial group in the table, with its campaigns."""

    account: str
    account_id: str
    name: str
    mode: str
    campaigns: list[CampaignRow]


def dial_groups(connection: sqlite3.Connection, counts: Counts) -> list[DialGroupRows]:
    """Read all campaigns by sub-account and dial group; leads whose campaign is gone come last."""
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
        account, account_id, name, mode = (group[0][name] or "" for name in _HEAD)
        rows.append(DialGroupRows(account, account_id, name, mode, campaigns))
    gone = set(counts) - {row["campaignId"] for row in found}
    if gone:
        lost = [
            _campaign_row(id_, "(deleted campaign)", False, counts, longest)
            for id_ in sorted(gone, key=lambda id_: id_ or 0)
        ]
        rows.append(DialGroupRows("", "", "Leads without a campaign", "", lost))
    return rows


_HEAD = ("accountName", "accountId", "dialGroupName", "dialMode")


def _campaign_row(id_: int | None, name: str, active: bool, counts: Counts, longest: int) -> CampaignRow:
    """Put one campaign's numbers together."""
    states = counts.get(id_, {})
    groups = by_group(states)
    ordered = sorted(states.items(), key=lambda item: (-item[1], item[0]))
    return CampaignRow(id_, name or "", active, sum(states.values()), groups, ordered, bar(groups, longest))


def lists(connection: sqlite3.Connection, campaign: int) -> list[dict[str, Any]]:
    """Read the lists of a campaign, the newest first, with how many leads each holds now."""
    found = connection.execute(
        "SELECT s.listId, s.listDesc, s.listState, s.uploadDate, s.uploadedBy,"
        " (SELECT count(*) FROM leads l WHERE l.listId = s.listId) AS leads"
        " FROM lists s WHERE s.campaignId = ? ORDER BY s.uploadDate DESC, s.listId DESC LIMIT 200",
        (campaign,),
    )
    return [dict(row) for row in found]


@dataclass(frozen=True)
class RecentLeads:
    """Leads that fit the filter, the one changed last first.

    :param rows: at most :data:`ROWS` of them.
    :param searched: of how many leads these are all; None where all were looked at.
    """

    rows: list[dict[str, Any]]
    searched: int | None


def recent_leads(connection: sqlite3.Connection, view: View, counts: Counts) -> RecentLeads:
    """Find the leads changed last that fit the filter."""
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
        source = f"(SELECT {_COLUMNS} FROM leads ORDER BY {_LATEST} LIMIT {SEARCHED})"
        searched = SEARCHED
    else:
        source = "leads"
    where = " AND ".join(condition for condition, _ in conditions) or "1"
    # Made for the first who looks: at the start it would take a tenth of the time of a large world.
    connection.execute("CREATE INDEX IF NOT EXISTS leads_changed ON leads (stateDts)")
    found = connection.execute(
        f"SELECT l.*, c.campaignName FROM (SELECT {_COLUMNS} FROM {source} WHERE {where}"
        f" ORDER BY {_LATEST} LIMIT {ROWS}) l LEFT JOIN campaigns c USING (campaignId) ORDER BY {_LATEST}",
        [value for _, values in conditions for value in values],
    )
    everyone = sum(sum(states.values()) for states in counts.values())
    return RecentLeads([dict(row) for row in found], searched if everyone > SEARCHED else None)


_LATEST = "stateDts DESC, leadId DESC"
_COLUMNS = (
    "leadId, externId, firstName, lastName, leadPhone, leadState, leadPasses, maxPasses, suppressed,"
    " stateDts, campaignId"
)


def _text_condition(text: str) -> list[_Condition]:
    """Write the condition for the text; letters of ASCII match in either case."""
    text = text.strip()
    if not text:
        return []
    pattern = "".join(f"\\{letter}" if letter in "%_\\" else letter for letter in text)
    digits = "".join(letter for letter in text if letter.isdecimal())
    haystack = (
        "coalesce(firstName, '') || ' ' || coalesce(lastName, '') || char(10) || coalesce(externId, '')"
        " || char(10) || coalesce(leadPhone, '') || char(10) || leadId"
    )
    found = f"{haystack} LIKE ? ESCAPE '\\'"
    # A phone number may be typed with blanks and brackets that the data do not have.
    if len(digits) >= 3 and digits != text and not any(letter.isalpha() for letter in text):
        return [(f"({found} OR leadPhone LIKE ?)", (f"%{pattern}%", f"%{digits}%"))]
    return [(found, (f"%{pattern}%",))]
