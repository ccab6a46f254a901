"""The database of a sandbox: its tables, and one connection that all threads share in turn."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SCHEMA_VERSION = 2

#: What a person's record holds, spelt as RingCX does. Source: contract, CampaignLeadSearchResultsView.
PERSON_COLUMNS = (
    "title", "firstName", "midName", "lastName", "suffix", "address1", "address2", "city", "state", "zip",
    "email", "gateKeeper", "auxData1", "auxData2", "auxData3", "auxData4", "auxData5", "auxPhone",
    "auxGreeting", "auxExternalUrl", "liveAnswerMessage", "machAnswerMessage", "callerId",
)  # fmt: skip

#: Everything a copy of a lead takes over from it.
LEAD_COLUMNS = (
    "accountId", "campaignId", "listId", "externId", "leadPhone", *PERSON_COLUMNS, "leadState",
    "leadTimezone", "leadPasses", "maxPasses", "nextDialTime", "suppressed", "pendingAgentId",
    "lastPassDts", "lastPassDisposition", "agentDisposition", "lastPassAgentId", "loadedDts", "stateDts",
    "copiedFrom",
)  # fmt: skip

#: Moments are milliseconds since 1970. Ids that grow are never given twice.
_SCHEMA = f"""
CREATE TABLE accounts (
    accountId TEXT PRIMARY KEY, accountName TEXT, mainAccountId TEXT, mainAccountName TEXT
);
CREATE TABLE dial_groups (
    dialGroupId INTEGER PRIMARY KEY, accountId TEXT, dialGroupName TEXT, dialGroupDesc TEXT, dialMode TEXT,
    isActive INTEGER, enableAgentFilter INTEGER, allowLeadSearch TEXT, maxLeadsReturned INTEGER
);
CREATE TABLE campaigns (
    campaignId INTEGER PRIMARY KEY, dialGroupId INTEGER, campaignName TEXT, campaignDesc TEXT,
    isActive INTEGER, startDate INTEGER, endDate INTEGER, callerId TEXT, maxPasses INTEGER,
    passDelayMin INTEGER
);
CREATE INDEX campaigns_group ON campaigns (dialGroupId);
CREATE TABLE dispositions (
    dispositionId INTEGER PRIMARY KEY, campaignId INTEGER, disposition TEXT, isComplete INTEGER,
    isSuccess INTEGER
);
CREATE INDEX dispositions_campaign ON dispositions (campaignId);
CREATE TABLE lists (
    listId INTEGER PRIMARY KEY AUTOINCREMENT, campaignId INTEGER, listDesc TEXT, listState TEXT,
    leadsSupplied INTEGER, leadsAccepted INTEGER, uploadDate INTEGER, uploadedBy TEXT
);
CREATE INDEX lists_campaign ON lists (campaignId);
CREATE TABLE agent_groups (
    agentGroupId INTEGER PRIMARY KEY, accountId TEXT, groupName TEXT, isDefault INTEGER
);
CREATE TABLE agents (
    agentId INTEGER PRIMARY KEY, accountId TEXT, agentGroupId INTEGER, username TEXT, firstName TEXT,
    lastName TEXT, email TEXT, agentType TEXT, active INTEGER, rcUserId INTEGER
);
CREATE TABLE dial_group_agents (dialGroupId INTEGER, agentId INTEGER, PRIMARY KEY (dialGroupId, agentId));
CREATE TABLE leads (
    leadId INTEGER PRIMARY KEY AUTOINCREMENT, accountId TEXT, campaignId INTEGER, listId INTEGER,
    externId TEXT, leadPhone TEXT, {", ".join(f"{name} TEXT" for name in PERSON_COLUMNS)},
    leadState TEXT, leadTimezone TEXT, leadPasses INTEGER, maxPasses INTEGER, nextDialTime INTEGER,
    suppressed INTEGER, pendingAgentId INTEGER, lastPassDts INTEGER, lastPassDisposition TEXT,
    agentDisposition TEXT, lastPassAgentId INTEGER, loadedDts INTEGER, stateDts INTEGER, copiedFrom INTEGER
);
CREATE INDEX leads_campaign ON leads (campaignId, leadState);
CREATE INDEX leads_extern ON leads (externId);
CREATE INDEX leads_list ON leads (listId, leadPhone);
CREATE INDEX leads_state ON leads (leadState);
CREATE TABLE lead_phones (digits TEXT, leadId INTEGER, PRIMARY KEY (digits, leadId)) WITHOUT ROWID;
CREATE INDEX lead_phones_lead ON lead_phones (leadId);
CREATE TABLE redials (
    redialId INTEGER PRIMARY KEY AUTOINCREMENT, leadId INTEGER, agentId INTEGER, callBackDate INTEGER,
    callBackPhone TEXT
);
CREATE INDEX redials_lead ON redials (leadId);
CREATE TABLE dialing (leadId INTEGER PRIMARY KEY);
CREATE TABLE mails (mailId INTEGER PRIMARY KEY AUTOINCREMENT, recipients TEXT, leadIds TEXT, sent INTEGER);
"""


class StateFileError(Exception):
    """A file that cannot serve as the sandbox's database; the message is one sentence."""


class Store:
    """One SQLite database. A lock lets one thread at a time in, so that every action is whole.

    :param database: a file name, or ``:memory:``.
    :raises StateFileError: the file cannot be opened, or is no database of this sandbox.
    """

    def __init__(self, database: str) -> None:
        self._lock = threading.RLock()
        self._name = database
        try:
            self._connection = connect(database)
            self.is_new = self._check()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _check(self) -> bool:
        """Tell whether the database is still empty."""
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version != SCHEMA_VERSION and tables:
            raise sqlite3.DatabaseError("it was not written by this version of the sandbox")
        return not tables

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection to one thread, to read from."""
        with self._lock:
            yield self._connection

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection to one thread for one transaction; an exception undoes all of it."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def keep_shadows(self) -> None:
        """From now on keep what leads were before each change, for searches that are behind."""

    def replace_with(self, source: sqlite3.Connection) -> None:
        """Make this database a copy of another one."""
        with self._lock:
            try:
                source.backup(self._connection)
            except sqlite3.Error as error:
                raise self._unusable(error) from error

    def _unusable(self, error: sqlite3.Error) -> StateFileError:
        return StateFileError(f"{self._name} cannot be used as the sandbox's state: {error}.")

    def close(self) -> None:
        """Close the database; a file keeps its content."""
        with self._lock:
            self._connection.close()


def connect(database: str) -> sqlite3.Connection:
    """Open a database the way all code here expects it.

    :param database: a file name, or ``:memory:``.
    :return: the connection; threads must take turns with it.
    """
    connection = sqlite3.connect(database, check_same_thread=False, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.create_function("casefold", 1, _casefold, deterministic=True)
    # The leads an action works on; only the connection sees it, and it is never written to a file.
    connection.execute("CREATE TEMP TABLE matched (leadId INTEGER PRIMARY KEY)")
    return connection


def create_tables(connection: sqlite3.Connection) -> None:
    """Create all tables in an empty database."""
    connection.executescript(_SCHEMA)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION:d}")


def _casefold(value: str | int | None) -> str | int | None:
    """Lower a text for comparison; SQLite's own functions know ASCII only."""
    return value.casefold() if isinstance(value, str) else value
