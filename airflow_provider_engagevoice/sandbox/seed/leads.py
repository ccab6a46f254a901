"""Generates the leads of the seed data.

Python generates pools of a few thousand people and call histories; SQL combines them arithmetically into
leads, which is fast enough for a million leads.
"""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from airflow_provider_engagevoice.sandbox.state import demo_data

CALLBACKS = ("CALLBACK", "AGENT-CALLBACK", "PENDING-CALLBACK")
"""Lead states with a callback."""

#: Sizes of the pools. Both are prime, so that a pair shared_extern_ids only after two million leads.
_PEOPLE_COUNT, _HISTORY_COUNT = 2003, 1009

_HOUR = 3_600_000
_DAY = 24 * _HOUR
#: States of leads held by the dialer; inactive campaigns have no such leads.
_DIALER_STATES = ("ACTIVE", "PENDING", "PENDING-HCI", "PENDING-ERR")
#: Result of the last call that leads to a state; other states get any of the common results.
_RESULT_OF_STATE = {
    "DISCONNECTED": "DISCONNECT",
    "INTERCEPT": "INTERCEPT",
    **dict.fromkeys((*CALLBACKS, "COMPLETE"), "ANSWER"),
}
_COMMON_RESULTS = ("NOANSWER", "NOANSWER", "MACHINE", "MACHINE", "BUSY", "ANSWER", "CONGESTION", "ABANDON")

#: Temporary tables of the pools that leads are generated from. ``position`` counts from 0.
_POOLS = """
CREATE TEMP TABLE people (
    position INTEGER PRIMARY KEY, firstName TEXT, lastName TEXT, address1 TEXT, city TEXT, state TEXT,
    zip TEXT, mailbox TEXT, domain TEXT, auxData1 TEXT, auxData2 TEXT, auxData3 TEXT, area TEXT,
    shift INTEGER, zone TEXT
);
CREATE TEMP TABLE histories (
    position INTEGER PRIMARY KEY, leadState TEXT, called INTEGER, passes INTEGER, progress REAL, result TEXT,
    disposition TEXT, lastAgent INTEGER, callback INTEGER, nextAgent INTEGER, suppressed INTEGER
);
CREATE TEMP TABLE uploads (position INTEGER PRIMARY KEY, listId INTEGER, uploaded INTEGER);
CREATE TEMP TABLE staff (position INTEGER PRIMARY KEY, agentId INTEGER);
CREATE TEMP TABLE shared_extern_ids (number INTEGER PRIMARY KEY);
"""
_POOL_NAMES = ("people", "histories", "uploads", "staff", "shared_extern_ids")

#: Inserts lead n. Ids increase with n, with gaps; some leads share the external id of the previous lead.
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
    SELECT *, (n * 7919 + shift) % 10000 AS line, n - (n IN (SELECT number FROM shared_extern_ids)) AS own,
        CASE WHEN called THEN uploaded + CAST(progress * (:now - {_DAY // 2} - uploaded) AS INTEGER) END
        AS last
    FROM numbers
    CROSS JOIN people ON people.position = n % {_PEOPLE_COUNT}
    CROSS JOIN histories ON histories.position = n % {_HISTORY_COUNT}
    CROSS JOIN uploads ON uploads.position = n * 31 / 7 % :lists
)
SELECT
    :leads + n * 5 + n * n / 3 % 4, :account, :campaign, listId,
    printf('CRM-%07d', :externs + own * 2 + own * own / 3 % 2),
    CASE line % 40 WHEN 0 THEN printf('%s555%04d|%s555%04d', area, line, area, (line + 4321) % 10000)
        ELSE printf('%s555%04d', area, line) END,
    firstName, lastName, address1, city, state, zip, mailbox || (line % 1000) || '@' || domain, auxData1,
    auxData2, auxData3,
    CASE WHEN NOT :active AND leadState IN {_DIALER_STATES} THEN 'READY' ELSE leadState END, zone, passes,
    {demo_data.MAX_PASSES}, coalesce(:now + callback, last + {4 * _HOUR}, uploaded), suppressed,
    (SELECT agentId FROM staff WHERE position = nextAgent), last, result, disposition,
    (SELECT agentId FROM staff WHERE position = lastAgent), uploaded, coalesce(last, uploaded)
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
    """Properties of a campaign that the generation of leads needs.

    :param account: its sub-account.
    :param id: its id.
    :param weight: its relative weight in the distribution of leads.
    :param active: whether it is active.
    :param lists: id and upload time of its lists.
    :param agents: ids of the account's agents; the last one is inactive.
    """

    account: str
    id: int
    weight: float
    active: bool
    lists: list[tuple[int, int]]
    agents: list[int]


def add_leads(
    connection: sqlite3.Connection, rng: random.Random, campaigns: Sequence[Campaign], size: int, now: int
) -> None:
    """Write all leads and their phone numbers.

    :param connection: the database, inside a transaction.
    :param rng: the random generator.
    :param campaigns: the campaigns to distribute the leads over, grouped by account.
    :param size: number of leads.
    :param now: reference time of the data, in milliseconds since 1970.
    """
    counts = _distribute(campaigns, size)
    bounds = {"leads": 284_000_000 + rng.randrange(1_000_000), "externs": rng.randrange(1000, 9000)}
    _create_pools(connection, rng, size, len(campaigns[0].agents))
    _choose_shared_extern_ids(connection, rng, campaigns, counts)
    first = 0
    for campaign, count in zip(campaigns, counts, strict=True):
        if count:
            _add_campaign_leads(
                connection, campaign, {**bounds, "first": first, "last": first + count - 1, "now": now}
            )
        first += count
    for name in _POOL_NAMES:
        connection.execute(f"DROP TABLE temp.{name}")
    connection.execute(_INSERT_FIRST_PHONES)
    connection.execute(_INSERT_SECOND_PHONES)


def add_callbacks(connection: sqlite3.Connection) -> None:
    """Write the callbacks of all leads in a callback state.

    :param connection: the database, without callbacks.
    """
    connection.execute(_INSERT_REDIALS)


def _add_campaign_leads(connection: sqlite3.Connection, campaign: Campaign, bounds: dict[str, int]) -> None:
    """Write the leads of one campaign."""
    _replace_pool(connection, "uploads", ((*entry,) for entry in campaign.lists))
    _replace_pool(connection, "staff", ((agent,) for agent in campaign.agents))
    values = {
        **bounds,
        "account": campaign.account,
        "campaign": campaign.id,
        "active": campaign.active,
        "lists": len(campaign.lists),
    }
    connection.execute(_INSERT, values)


def _replace_pool(connection: sqlite3.Connection, pool: str, rows: Iterable[tuple[object, ...]]) -> None:
    """Replace the rows of a pool; rows are numbered from 0."""
    connection.execute(f"DELETE FROM temp.{pool}")
    numbered = [(position, *row) for position, row in enumerate(rows)]
    if numbered:
        places = ", ".join("?" * len(numbered[0]))
        connection.executemany(f"INSERT INTO temp.{pool} VALUES ({places})", numbered)


def _distribute(campaigns: Sequence[Campaign], size: int) -> list[int]:
    """Return the number of leads of each campaign; the first campaigns get the rounding remainder."""
    total = sum(campaign.weight for campaign in campaigns)
    counts = [int(size * campaign.weight / total) for campaign in campaigns]
    for index in range(size - sum(counts)):
        counts[index % len(counts)] += 1
    return counts


def _choose_shared_extern_ids(
    connection: sqlite3.Connection, rng: random.Random, campaigns: Sequence[Campaign], counts: Sequence[int]
) -> None:
    """Choose a few leads of each account that get the previous lead's external id (observed in loads)."""
    chosen: list[int] = []
    first = 0
    for _, members in itertools.groupby(zip(campaigns, counts, strict=True), lambda pair: pair[0].account):
        count = sum(of_campaign for _, of_campaign in members)
        odd = range(first + 1, first + count, 2)
        chosen += rng.sample(odd, min(len(odd), count // 1000 + 1))
        first += count
    connection.executemany("INSERT INTO temp.shared_extern_ids VALUES (?)", [(number,) for number in chosen])


def _create_pools(connection: sqlite3.Connection, rng: random.Random, size: int, agents: int) -> None:
    """Create the pools of people and histories, no larger than the number of leads."""
    for statement in filter(str.strip, _POOLS.split(";")):
        connection.execute(statement)
    states = [state for state, weight in demo_data.STATES for _ in range(weight)]
    states += rng.choices(*zip(*demo_data.STATES, strict=True), k=_HISTORY_COUNT - len(states))
    rng.shuffle(states)
    _replace_pool(connection, "people", [_person(rng) for _ in range(min(size, _PEOPLE_COUNT))])
    _replace_pool(connection, "histories", [_history(rng, state, agents) for state in states[:size]])


def _person(rng: random.Random) -> tuple[object, ...]:
    """Return a random row of ``people``. Phone numbers use the fictitious exchange 555."""
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
    """Return a random call history that fits a lead state, a row of ``histories``."""
    called = not (state in ("READY", "PAUSED", "CANCELLED", "WHITELIST") and rng.random() < 0.45)
    reserved = state in ("AGENT-CALLBACK", "PENDING-CALLBACK") or (
        state == "READY" and called and rng.random() < 0.02
    )
    result = (_RESULT_OF_STATE.get(state) or rng.choice(_COMMON_RESULTS)) if called else None
    answered = result == "ANSWER"
    return (
        state,
        called,
        0 if not called else demo_data.MAX_PASSES if state == "MAX-DIAL-LIMIT" else rng.randrange(1, 7),
        rng.random(),
        result,
        rng.choice(demo_data.DISPOSITIONS)[0] if answered else None,
        rng.randrange(agents) if answered else None,
        rng.randrange(-6, 96) * _HOUR if state in CALLBACKS else None,
        rng.randrange(agents) if reserved else None,
        rng.random() < 0.03,
    )
