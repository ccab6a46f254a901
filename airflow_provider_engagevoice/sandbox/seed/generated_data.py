"""Generated seed data. The same seed and size always generate the same data."""

from __future__ import annotations

import functools
import random
import sqlite3
import threading
from dataclasses import dataclass

from airflow_provider_engagevoice.sandbox.http.timestamps import parse_datetime
from airflow_provider_engagevoice.sandbox.seed.leads import Campaign, add_callbacks, add_leads
from airflow_provider_engagevoice.sandbox.state import demo_data
from airflow_provider_engagevoice.sandbox.state.dnc import add_dnc_leads
from airflow_provider_engagevoice.sandbox.state.store import (
    MEMORY,
    Store,
    connect,
    create_indexes,
    create_tables,
)

REFERENCE = parse_datetime("2026-07-01T17:00:00.000+0000")
"""Reference time of the seed data: calls are before it, callbacks mostly after it."""

_DAY = 86_400_000
#: Largest number of leads for which a template database is cached in memory.
_MAX_TEMPLATE_SIZE = 50_000
_template_lock = threading.Lock()


@dataclass(frozen=True)
class GeneratedData:
    """Generated data.

    :param seed: seed of the random generator.
    :param size: number of leads.
    """

    seed: int
    size: int

    def fill(self, store: Store) -> None:
        """Replace the contents of a database by this data."""
        if self.size > _MAX_TEMPLATE_SIZE:
            store.rebuild(self.build)
            return
        with _template_lock:
            store.replace_with(_template(self))

    def build(self, connection: sqlite3.Connection) -> None:
        """Write this data to an empty database, inside a transaction."""
        create_tables(connection)
        Builder(connection, random.Random(self.seed)).build(self.size)


@functools.lru_cache(maxsize=2)
def _template(seed_data: GeneratedData) -> sqlite3.Connection:
    """Build a template database, cached for tests that reset often."""
    connection = connect(MEMORY)
    connection.execute("BEGIN")
    seed_data.build(connection)
    connection.execute("COMMIT")
    return connection


@dataclass(frozen=True)
class Builder:
    """Builds the data of one database."""

    connection: sqlite3.Connection
    rng: random.Random

    def build(self, size: int) -> None:
        """Write all data, with ``size`` leads."""
        campaigns = self.build_accounts()
        add_leads(self.connection, self.rng, campaigns, size, REFERENCE)
        self.finish()

    def finish(self) -> None:
        """Write the data derived from the leads (callbacks, do-not-call, list counts) and the indexes."""
        add_callbacks(self.connection)
        create_indexes(self.connection)
        add_dnc_leads(self.connection)
        self.connection.execute(
            "UPDATE lists SET (leadsSupplied, leadsAccepted) ="
            " (SELECT count(*), count(*) FROM leads WHERE leads.listId = lists.listId)"
        )

    def build_accounts(self) -> list[Campaign]:
        """Write accounts, agents, dial groups, campaigns and lists; return the campaigns."""
        main = demo_data.MAIN_ACCOUNT
        self.connection.executemany(
            "INSERT INTO accounts (accountId, accountName, mainAccountId, mainAccountName)"
            " VALUES (?, ?, ?, ?)",
            [(*account, *main) for account in demo_data.ACCOUNTS],
        )
        agents = {account: self.add_agents(account) for account, _ in demo_data.ACCOUNTS}
        return self.add_dial_groups(agents)

    def add_agents(self, account: str) -> list[int]:
        """Write the agent groups and agents of an account; return the ids of all agents.

        The last agent of each account has left the company: it is inactive and in no dial group.
        """
        agents = []
        for index, group in enumerate(demo_data.AGENT_GROUPS):
            group_id = 20_000 + int(account) % 10 * 500 + index * 7 + self.rng.randrange(7)
            self.connection.execute(
                "INSERT INTO agent_groups (agentGroupId, accountId, groupName, isDefault)"
                " VALUES (?, ?, ?, ?)",
                (group_id, account, group, index == 0),
            )
            for position in range(4):
                agents.append(self.add_agent(account, group_id, index * 4 + position))
        return agents

    def add_agent(self, account: str, group_id: int, number: int) -> int:
        """Write one agent; return its id."""
        agent_id = 1_380_000 + int(account) % 10 * 4_000 + number * 173 + self.rng.randrange(150)
        first, last = self.rng.choice(demo_data.FIRST_NAMES), self.rng.choice(demo_data.LAST_NAMES)
        local = f"{first}.{last}".lower()
        # Generated user names contain the sub-account and a number. Observed in one public program.
        username = f"{local}+{account}_{number + 1}@example.com"
        self.connection.execute(
            "INSERT INTO agents (agentId, accountId, agentGroupId, username, firstName, lastName, email,"
            " agentType, active, rcUserId) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                agent_id, account, group_id, username, first, last, f"{local}@example.com",
                "SUPERVISOR" if number == 0 else "AGENT", number != 7, 400_000_000 + agent_id,
            ),
        )  # fmt: skip
        return agent_id

    def add_dial_groups(self, agents: dict[str, list[int]]) -> list[Campaign]:
        """Write dial groups and their campaigns; return the campaigns."""
        campaigns = []
        campaign_id = 248_000
        for account, name, mode, reserved_only, members in demo_data.DIAL_GROUPS:
            group_id = self.add_dial_group(account, name, mode, reserved_only)
            for campaign_name, weight in members:
                campaign_id += self.rng.randrange(30, 700)
                self.add_campaign(campaign_id, group_id, campaign_name)
                active = campaign_name not in demo_data.INACTIVE_CAMPAIGNS
                lists = self.add_lists(campaign_id)
                campaigns.append(Campaign(account, campaign_id, weight, active, lists, agents[account]))
        return campaigns

    def add_dial_group(self, account: str, name: str, mode: str, reserved_only: bool) -> int:
        """Write one dial group with the agents of its account; return its id."""
        newest = self.connection.execute("SELECT max(dialGroupId) FROM dial_groups").fetchone()[0]
        group_id: int = (newest or 115_000) + self.rng.randrange(40, 900)
        self.connection.execute(
            "INSERT INTO dial_groups (dialGroupId, accountId, dialGroupName, dialGroupDesc, dialMode,"
            " isActive, enableAgentFilter, allowLeadSearch, maxLeadsReturned)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (group_id, account, name, f"{name} team", mode, True, reserved_only, "NO", 10),
        )
        self.connection.execute(
            "INSERT INTO dial_group_agents (dialGroupId, agentId)"
            " SELECT ?, agentId FROM agents WHERE accountId = ? AND active ORDER BY agentId",
            (group_id, account),
        )
        return group_id

    def add_campaign(self, campaign_id: int, group_id: int, name: str) -> None:
        """Write one campaign and its agent dispositions."""
        start = REFERENCE - self.rng.randrange(30, 200) * _DAY
        self.connection.execute(
            "INSERT INTO campaigns (campaignId, dialGroupId, campaignName, campaignDesc, isActive, startDate,"
            " endDate, callerId, maxPasses, passDelayMin) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                campaign_id, group_id, name, f"{name} calls", name not in demo_data.INACTIVE_CAMPAIGNS,
                start, start + 730 * _DAY, f"617555{self.rng.randrange(10_000):04d}",
                demo_data.MAX_PASSES, self.rng.choice((60, 120, 240)),
            ),
        )  # fmt: skip
        self.connection.executemany(
            "INSERT INTO dispositions (dispositionId, campaignId, disposition, isComplete, isSuccess)"
            " VALUES (?, ?, ?, ?, ?)",
            [
                (campaign_id * 10 + index, campaign_id, disposition, ends, success)
                for index, (disposition, ends, success) in enumerate(demo_data.DISPOSITIONS)
            ],
        )

    def add_lists(self, campaign_id: int) -> list[tuple[int, int]]:
        """Write two or three lists of a campaign; return id and upload time of each."""
        lists: list[tuple[int, int]] = []
        for description in self.rng.sample(demo_data.LISTS, self.rng.choice((2, 3))):
            uploaded = REFERENCE - self.rng.randrange(12, 90) * _DAY - self.rng.randrange(_DAY)
            cursor = self.connection.execute(
                "INSERT INTO lists (listId, campaignId, listDesc, listState, leadsSupplied, leadsAccepted,"
                " uploadDate, uploadedBy) VALUES (?, ?, ?, 'ACTIVE', 0, 0, ?, 'list.admin@example.com')",
                (campaign_id * 13 + len(lists) * 4, campaign_id, description, uploaded),
            )
            lists.append((int(cursor.lastrowid or 0), uploaded))
        return lists
