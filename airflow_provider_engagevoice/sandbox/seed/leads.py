"""Makes the leads of the seeded world.

Python makes up a few thousand people and what the dialer may have done with somebody; SQL spreads them over
all leads by arithmetic, which is fast enough for a million.
"""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from airflow_provider_engagevoice.sandbox.state import demo_data

MAX_PASSES = 8
"""How often a campaign of the seeded world calls a lead."""

CALLBACKS = ("CALLBACK", "AGENT-CALLBACK", "PENDING-CALLBACK")
"""States of a lead that somebody is to call back."""

#: Both are primes, so that the same two meet again only after two million leads.
_PEOPLE, _HISTORIES = 2003, 1009

_HOUR = 3_600_000
_DAY = 24 * _HOUR
#: States of a lead the dialer is busy with; a campaign that does not dial has none.
_BUSY = ("ACTIVE", "PENDING", "PENDING-HCI", "PENDING-ERR")
#: The last call's result that explains a state; other states may have any of the common ones.
_EXPLAINED = {
    "DISCONNECTED": "DISCONNECT",
    "INTERCEPT": "INTERCEPT",
    **dict.fromkeys((*CALLBACKS, "COMPLETE"), "ANSWER"),
}
_COMMON = ("NOANSWER", "NOANSWER", "MACHINE", "MACHINE", "BUSY", "ANSWER", "CONGESTION", "ABANDON")

#: What the making of leads needs besides; only the connection sees these tables. ``spot`` counts from 0.
_POOLS = """
CREATE TEMP TABLE people (
    spot INTEGER PRIMARY KEY, firstName TEXT, lastName TEXT, address1 TEXT, city TEXT, state TEXT, zip TEXT,
    mailbox TEXT, domain TEXT, auxData1 TEXT, auxData2 TEXT, auxData3 TEXT, area TEXT, shift INTEGER,
    zone TEXT
);
CREATE TEMP TABLE histories (
    spot INTEGER PRIMARY KEY, leadState TEXT, called INTEGER, passes INTEGER, progress REAL, result TEXT,
    disposition TEXT, lastAgent INTEGER, callback INTEGER, nextAgent INTEGER, suppressed INTEGER
);
CREATE TEMP TABLE uploads (spot INTEGER PRIMARY KEY, listId INTEGER, uploaded INTEGER);
CREATE TEMP TABLE staff (spot INTEGER PRIMARY KEY, agentId INTEGER);
CREATE TEMP TABLE repeats (number INTEGER PRIMARY KEY);
"""
_POOL_NAMES = ("people", "histories", "uploads", "staff", "repeats")

#: Lead n of the world. Its ids grow with n and leave gaps; some share the external id of the lead before.
_INSERT = f"""
INSERT INTO leads (
    leadId, accountId, campaignId, listId, externId, leadPhone, firstName, lastName, address1, city, state,
    zip, email, auxData1, auxData2, auxData3, leadState, leadTimezone, leadPasses, maxPasses, nextDialTime,
    suppressed, pendingAgentId, lastPassDts, lastPassDisposition, agentDisposition, lastPassAgentId,
    loadedDts, stateDts
)
WITH RECURSIVE
numbers (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last),
facts AS (
    SELECT *, (n * 7919 + shift) % 10000 AS line, n - (n IN (SELECT number FROM repeats)) AS own,
        CASE WHEN called THEN uploaded + CAST(progress * (:now - {_DAY // 2} - uploaded) AS INTEGER) END
        AS last
    FROM numbers
    CROSS JOIN people ON people.spot = n % {_PEOPLE}
    CROSS JOIN histories ON histories.spot = n % {_HISTORIES}
    CROSS JOIN uploads ON uploads.spot = n * 31 / 7 % :lists
)
SELECT
    :leads + n * 5 + n * n / 3 % 4, :account, :campaign, listId,
    printf('CRM-%07d', :externs + own * 2 + own * own / 3 % 2),
    CASE line % 40 WHEN 0 THEN printf('%s555%04d|%s555%04d', area, line, area, (line + 4321) % 10000)
        ELSE printf('%s555%04d', area, line) END,
    firstName, lastName, address1, city, state, zip, mailbox || (line % 1000) || '@' || domain, auxData1,
    auxData2, auxData3, CASE WHEN NOT :active AND leadState IN {_BUSY} THEN 'READY' ELSE leadState END, zone,
    passes, {MAX_PASSES}, coalesce(:now + callback, last + {4 * _HOUR}, uploaded), suppressed,
    (SELECT agentId FROM staff WHERE spot = nextAgent), last, result, disposition,
    (SELECT agentId FROM staff WHERE spot = lastAgent), uploaded, coalesce(last, uploaded)
FROM facts
"""

_FIRST_PHONE = """
CASE instr(leadPhone, '|') WHEN 0 THEN leadPhone ELSE substr(leadPhone, 1, instr(leadPhone, '|') - 1) END
"""

_INSERT_FIRST_PHONES = f"INSERT INTO lead_phones (digits, leadId) SELECT {_FIRST_PHONE}, leadId FROM leads"
_INSERT_SECOND_PHONES = """
INSERT INTO lead_phones (digits, leadId)
SELECT substr(leadPhone, instr(leadPhone, '|') + 1), leadId FROM leads WHERE instr(leadPhone, '|')
"""

_INSERT_REDIALS = f"""
INSERT INTO redials (leadId, agentId, callBackDate, callBackPhone)
SELECT leadId, pendingAgentId, nextDialTime, {_FIRST_PHONE} FROM leads
WHERE leadState IN {CALLBACKS} ORDER BY leadId
"""


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
    """Write all leads of the seeded world, and their phone numbers.

    :param connection: the database, inside a transaction.
    :param rng: the source of chance.
    :param campaigns: the campaigns to share them out to; those of an account follow each other.
    :param size: how many leads.
    :param now: the moment the world shows.
    """
    counts = _shares(campaigns, size)
    bounds = {"leads": 284_000_000 + rng.randrange(1_000_000), "externs": rng.randrange(1000, 9000)}
    _make_pools(connection, rng, size, len(campaigns[0].agents))
    _choose_repeats(connection, rng, campaigns, counts)
    first = 0
    for campaign, count in zip(campaigns, counts, strict=True):
        if count:
            _add_leads_of(
                connection, campaign, {**bounds, "first": first, "last": first + count - 1, "now": now}
            )
        first += count
    for name in _POOL_NAMES:
        connection.execute(f"DROP TABLE temp.{name}")
    connection.execute(_INSERT_FIRST_PHONES)
    connection.execute(_INSERT_SECOND_PHONES)


def add_callbacks(connection: sqlite3.Connection) -> None:
    """Write the callbacks of all leads whose state says that there is one.

    :param connection: the database, which has no callbacks yet.
    """
    connection.execute(_INSERT_REDIALS)


def _add_leads_of(connection: sqlite3.Connection, campaign: Campaign, bounds: dict[str, int]) -> None:
    """Write the leads of one campaign."""
    _refill(connection, "uploads", ((*entry,) for entry in campaign.lists))
    _refill(connection, "staff", ((agent,) for agent in campaign.agents))
    values = {
        **bounds,
        "account": campaign.account,
        "campaign": campaign.id,
        "active": campaign.active,
        "lists": len(campaign.lists),
    }
    connection.execute(_INSERT, values)


def _refill(connection: sqlite3.Connection, pool: str, rows: Iterable[tuple[object, ...]]) -> None:
    """Put other rows into one of the pools, numbered from 0."""
    connection.execute(f"DELETE FROM temp.{pool}")
    numbered = [(spot, *row) for spot, row in enumerate(rows)]
    if numbered:
        places = ", ".join("?" * len(numbered[0]))
        connection.executemany(f"INSERT INTO temp.{pool} VALUES ({places})", numbered)


def _shares(campaigns: Sequence[Campaign], size: int) -> list[int]:
    """Share the leads out by weight; the last crumbs go to the first campaigns."""
    total = sum(campaign.share for campaign in campaigns)
    counts = [int(size * campaign.share / total) for campaign in campaigns]
    for index in range(size - sum(counts)):
        counts[index % len(counts)] += 1
    return counts


def _choose_repeats(
    connection: sqlite3.Connection, rng: random.Random, campaigns: Sequence[Campaign], counts: Sequence[int]
) -> None:
    """Choose a few leads of each account to share their neighbour's external id, as in loads (observed)."""
    chosen: list[int] = []
    first = 0
    for _, members in itertools.groupby(zip(campaigns, counts, strict=True), lambda pair: pair[0].account):
        count = sum(of_campaign for _, of_campaign in members)
        odd = range(first + 1, first + count, 2)
        chosen += rng.sample(odd, min(len(odd), count // 1000 + 1))
        first += count
    connection.executemany("INSERT INTO temp.repeats VALUES (?)", [(number,) for number in chosen])


def _make_pools(connection: sqlite3.Connection, rng: random.Random, size: int, agents: int) -> None:
    """Make up the people and histories that the leads take turns in; a small world needs a few only."""
    for statement in filter(str.strip, _POOLS.split(";")):
        connection.execute(statement)
    states = [state for state, share in demo_data.STATES for _ in range(share)]
    states += rng.choices(*zip(*demo_data.STATES, strict=True), k=_HISTORIES - len(states))
    rng.shuffle(states)
    _refill(connection, "people", [_person(rng) for _ in range(min(size, _PEOPLE))])
    _refill(connection, "histories", [_history(rng, state, agents) for state in states[:size]])


def _person(rng: random.Random) -> tuple[object, ...]:
    """Make up somebody, a row of ``people``. The exchange 555 keeps the numbers out of real use."""
    first, last = rng.choice(demo_data.FIRST_NAMES), rng.choice(demo_data.LAST_NAMES)
    city, state, zip_start, area, zone = rng.choice(demo_data.PLACES)
    number = rng.randrange(100_000_000)
    return (
        first,
        last,
        f"{number // 7 % 9000 + 100} {demo_data.STREETS[number % len(demo_data.STREETS)]} Street",
        city,
        state,
        f"{zip_start}{number // 11 % 100:02d}",
        f"{first}.{last}".lower(),
        demo_data.MAIL_DOMAINS[number % 3],
        demo_data.PLANS[number // 13 % len(demo_data.PLANS)],
        f"2026-{number // 17 % 12 + 1:02d}",
        demo_data.SOURCES[number // 19 % len(demo_data.SOURCES)],
        area,
        number % 10_000,
        zone,
    )


def _history(rng: random.Random, state: str, agents: int) -> tuple[object, ...]:
    """Make up what the dialer has done with a lead so far, a row of ``histories``."""
    called = not (state in ("READY", "PAUSED", "CANCELLED", "WHITELIST") and rng.random() < 0.45)
    reserved = state in ("AGENT-CALLBACK", "PENDING-CALLBACK") or (
        state == "READY" and called and rng.random() < 0.02
    )
    result = (_EXPLAINED.get(state) or rng.choice(_COMMON)) if called else None
    answered = result == "ANSWER"
    return (
        state,
        called,
        0 if not called else MAX_PASSES if state == "MAX-DIAL-LIMIT" else rng.randrange(1, 7),
        rng.random(),
        result,
        rng.choice(demo_data.DISPOSITIONS)[0] if answered else None,
        rng.randrange(agents) if answered else None,
        rng.randrange(-6, 96) * _HOUR if state in CALLBACKS else None,
        rng.randrange(agents) if reserved else None,
        rng.random() < 0.03,
    )
