"""Makes the leads of the seeded world."""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from airflow_provider_engagevoice.sandbox import names
from airflow_provider_engagevoice.sandbox.store import LEAD_COLUMNS

MAX_PASSES = 8
"""How often a campaign of the seeded world calls a lead."""

_HOUR = 3_600_000
_DAY = 24 * _HOUR
_CALLBACKS = frozenset({"CALLBACK", "AGENT-CALLBACK", "PENDING-CALLBACK"})
#: States of a lead the dialer is busy with; a campaign that does not dial has none.
_BUSY = frozenset({"ACTIVE", "PENDING", "PENDING-HCI", "PENDING-ERR"})
#: The last call's result that explains a state; other states may have any of the common ones.
_EXPLAINED = {
    "DISCONNECTED": "DISCONNECT",
    "INTERCEPT": "INTERCEPT",
    **dict.fromkeys(_CALLBACKS | {"COMPLETE"}, "ANSWER"),
}
_COMMON = ("NOANSWER", "NOANSWER", "MACHINE", "MACHINE", "BUSY", "ANSWER", "CONGESTION", "ABANDON")
_COLUMNS = ("leadId", *LEAD_COLUMNS)
_INSERT = f"INSERT INTO leads ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"

Row = dict[str, object]


@dataclass(frozen=True)
class Campaign:
    """What the making of leads needs to know of a campaign.

    :param account: its sub-account.
    :param id: its id.
    :param share: its weight among all campaigns.
    :param active: it dials.
    :param lists: id and upload time of its lists.
    :param agents: ids of the account's agents; the last of them has left.
    """

    account: str
    id: int
    share: float
    active: bool
    lists: list[tuple[int, int]]
    agents: list[int]


def add_leads(
    connection: sqlite3.Connection, rng: random.Random, campaigns: Sequence[Campaign], size: int, now: int
) -> None:
    """Write all leads, their phone numbers and their callbacks.

    :param connection: the database.
    :param rng: the source of chance.
    :param campaigns: the campaigns to share them out to.
    :param size: how many leads.
    :param now: the moment the world shows.
    """
    leads = list(_make(rng, campaigns, size, now))
    _repeat_extern_ids(rng, leads)
    connection.executemany(_INSERT, [[lead.get(name) for name in _COLUMNS] for lead in leads])
    connection.executemany(
        "INSERT OR IGNORE INTO lead_phones VALUES (?, ?)",
        [(part, lead["leadId"]) for lead in leads for part in str(lead["leadPhone"]).split("|")],
    )
    connection.executemany(
        "INSERT INTO redials (leadId, agentId, callBackDate, callBackPhone) VALUES (?, ?, ?, ?)",
        [
            (
                lead["leadId"],
                lead.get("pendingAgentId"),
                lead["nextDialTime"],
                str(lead["leadPhone"]).split("|")[0],
            )
            for lead in leads
            if lead["leadState"] in _CALLBACKS
        ],
    )


def _make(rng: random.Random, campaigns: Sequence[Campaign], size: int, now: int) -> Iterator[Row]:
    """Make the leads one after the other."""
    states, weights = zip(*names.STATES, strict=True)
    bounds = list(itertools.accumulate(weights))
    extern = rng.randrange(1000, 9000)
    lead_id = 284_000_000 + rng.randrange(1_000_000)
    for campaign, count in zip(campaigns, _shares(campaigns, size), strict=True):
        for state in rng.choices(states, cum_weights=bounds, k=count):
            lead_id += rng.randrange(1, 9)
            extern += rng.randrange(1, 4)
            lead = _person(rng)
            lead.update(leadId=lead_id, externId=f"CRM-{extern:07d}")
            settled = "READY" if state in _BUSY and not campaign.active else state
            lead.update(_dialling(rng, campaign, settled, now))
            yield lead


def _shares(campaigns: Sequence[Campaign], size: int) -> list[int]:
    """Share the leads out by weight; the last crumbs go to the first campaigns."""
    total = sum(campaign.share for campaign in campaigns)
    counts = [int(size * campaign.share / total) for campaign in campaigns]
    for index in range(size - sum(counts)):
        counts[index % len(counts)] += 1
    return counts


def _person(rng: random.Random) -> Row:
    """Make up somebody. The exchange 555 keeps the numbers out of real use."""
    first, last = rng.choice(names.FIRST_NAMES), rng.choice(names.LAST_NAMES)
    city, state, zip_start, area, timezone = rng.choice(names.PLACES)
    number = rng.randrange(100_000_000)
    phone = f"{area}555{number % 10_000:04d}"
    if number % 40 == 0:
        phone += f"|{area}555{(number + 4321) % 10_000:04d}"
    return {
        "firstName": first,
        "lastName": last,
        "address1": f"{number // 7 % 9000 + 100} {names.STREETS[number % len(names.STREETS)]} Street",
        "city": city,
        "state": state,
        "zip": f"{zip_start}{number // 11 % 100:02d}",
        "email": f"{first}.{last}{number % 1000}@{names.MAIL_DOMAINS[number % 3]}".lower(),
        "auxData1": names.PLANS[number // 13 % len(names.PLANS)],
        "auxData2": f"2026-{number // 17 % 12 + 1:02d}",
        "auxData3": names.SOURCES[number // 19 % len(names.SOURCES)],
        "leadPhone": phone,
        "leadTimezone": timezone,
    }


def _dialling(rng: random.Random, campaign: Campaign, state: str, now: int) -> Row:
    """Make up what the dialer has done with a lead so far."""
    list_id, uploaded = rng.choice(campaign.lists)
    row: Row = {
        "accountId": campaign.account,
        "campaignId": campaign.id,
        "listId": list_id,
        "leadState": state,
        "leadPasses": 0,
        "maxPasses": MAX_PASSES,
        "suppressed": rng.random() < 0.03,
        "loadedDts": uploaded,
        "stateDts": uploaded,
        "nextDialTime": uploaded,
    }
    if state in ("READY", "PAUSED", "CANCELLED", "WHITELIST") and rng.random() < 0.45:
        return row
    row.update(_history(rng, campaign, state, uploaded, now))
    if state in _CALLBACKS:
        row["nextDialTime"] = now + rng.randrange(-6, 96) * _HOUR
    if state in ("AGENT-CALLBACK", "PENDING-CALLBACK") or (state == "READY" and rng.random() < 0.02):
        row["pendingAgentId"] = rng.choice(campaign.agents)
    return row


def _history(rng: random.Random, campaign: Campaign, state: str, uploaded: int, now: int) -> Row:
    """Make up the passes of a lead that has been called."""
    last = uploaded + int(rng.random() * (now - uploaded - _DAY // 2))
    result = _EXPLAINED.get(state) or rng.choice(_COMMON)
    row: Row = {
        "leadPasses": MAX_PASSES if state == "MAX-DIAL-LIMIT" else rng.randrange(1, 7),
        "lastPassDts": last,
        "stateDts": last,
        "nextDialTime": last + 4 * _HOUR,
        "lastPassDisposition": result,
    }
    if result == "ANSWER":
        row["agentDisposition"] = rng.choice(names.DISPOSITIONS)[0]
        row["lastPassAgentId"] = rng.choice(campaign.agents)
    return row


def _repeat_extern_ids(rng: random.Random, leads: list[Row]) -> None:
    """Give a few leads of each account the external id of their neighbour, as real loads do (observed)."""
    for _, group in itertools.groupby(leads, key=lambda lead: lead["accountId"]):
        members = list(group)
        for index in rng.sample(range(1, len(members), 2), min(len(members) // 2, len(members) // 1000 + 1)):
            members[index]["externId"] = members[index - 1]["externId"]
