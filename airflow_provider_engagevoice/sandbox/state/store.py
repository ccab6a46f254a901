"""SQLite database of a sandbox: schema, transactions and the connection that all threads share."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_engagevoice.sandbox.state.clock import Clock
from airflow_provider_engagevoice.sandbox.state.history import MAX_DELAY, RowHistory

SCHEMA_VERSION = 3

#: Personal data fields of a lead, by RingCX's names. Source: contract, CampaignLeadSearchResultsView.
PERSON_COLUMNS = (
    "title", "firstName", "midName", "lastName", "suffix", "address1", "address2", "city", "state", "zip",
    "email", "gateKeeper", "auxData1", "auxData2", "auxData3", "auxData4", "auxData5", "auxPhone",
    "auxGreeting", "auxExternalUrl", "liveAnswerMessage", "machAnswerMessage", "callerId",
)  # fmt: skip

#: Columns that a copy of a lead takes over from the original.
LEAD_COLUMNS = (
    "accountId", "campaignId", "listId", "externId", "leadPhone", *PERSON_COLUMNS, "leadState",
    "leadTimezone", "leadPasses", "maxPasses", "nextDialTime", "suppressed", "pendingAgentId",
    "lastPassDts", "lastPassDisposition", "agentDisposition", "lastPassAgentId", "loadedDts", "stateDts",
    "copiedFrom", "extraData", "dupeKeyOverride", "leadPriority", "dialPriority", "loadedWith",
    "leadPhoneE164", "personaPhones",
)  # fmt: skip

#: Columns stored for each lead of an EMAIL_LEADS mail in addition to its id (assumed), named as in rows of
#: search results.
MAIL_COLUMNS = (
    "externId", "campaignId", "campaignName", "listId", "listDesc", "leadPhone", *PERSON_COLUMNS, "leadState",
    "leadTimezone", "leadPasses", "maxPasses", "nextDialTime", "suppressed", "pendingAgentName",
    "lastPassDts", "lastPassDisposition", "agentDispostion", "lastPassAgentName", "loadedDts", "stateDts",
)  # fmt: skip

#: Timestamps are milliseconds since 1970. AUTOINCREMENT ids are never reused. ``more`` is a JSON object with
#: the RingCX fields that have no column.
_SCHEMA = f"""
CREATE TABLE accounts (
    accountId TEXT PRIMARY KEY, accountName TEXT, mainAccountId TEXT, mainAccountName TEXT
);
CREATE TABLE dial_groups (
    dialGroupId INTEGER PRIMARY KEY AUTOINCREMENT, accountId TEXT, dialGroupName TEXT, dialGroupDesc TEXT,
    dialMode TEXT, isActive INTEGER, enableAgentFilter INTEGER, allowLeadSearch TEXT,
    maxLeadsReturned INTEGER, more TEXT NOT NULL DEFAULT '{{}}'
);
CREATE INDEX dial_groups_account ON dial_groups (accountId);
CREATE TABLE campaigns (
    campaignId INTEGER PRIMARY KEY AUTOINCREMENT, dialGroupId INTEGER, campaignName TEXT, campaignDesc TEXT,
    isActive INTEGER, startDate INTEGER, endDate INTEGER, callerId TEXT, maxPasses INTEGER,
    passDelayMin INTEGER, dncScrubOption TEXT NOT NULL DEFAULT 'INTERNAL_ONLY',
    callingConfiguration TEXT NOT NULL DEFAULT 'SIMPLE', more TEXT NOT NULL DEFAULT '{{}}'
);
CREATE INDEX campaigns_group ON campaigns (dialGroupId);
CREATE TABLE dispositions (
    dispositionId INTEGER PRIMARY KEY, campaignId INTEGER, disposition TEXT, isComplete INTEGER,
    isSuccess INTEGER
);
CREATE INDEX dispositions_campaign ON dispositions (campaignId);
CREATE TABLE lists (
    listId INTEGER PRIMARY KEY AUTOINCREMENT, campaignId INTEGER, listDesc TEXT, listState TEXT,
    leadsSupplied INTEGER, leadsAccepted INTEGER, uploadDate INTEGER, uploadedBy TEXT,
    leadsDoNotCall INTEGER NOT NULL DEFAULT 0, result TEXT NOT NULL DEFAULT 'OK', message TEXT
);
CREATE INDEX lists_campaign ON lists (campaignId);
CREATE TABLE agent_groups (
    agentGroupId INTEGER PRIMARY KEY AUTOINCREMENT, accountId TEXT, groupName TEXT, isDefault INTEGER,
    more TEXT NOT NULL DEFAULT '{{}}'
);
CREATE TABLE agents (
    agentId INTEGER PRIMARY KEY AUTOINCREMENT, accountId TEXT, agentGroupId INTEGER, username TEXT,
    firstName TEXT, lastName TEXT, email TEXT, agentType TEXT, active INTEGER, rcUserId INTEGER,
    more TEXT NOT NULL DEFAULT '{{}}'
);
CREATE INDEX agents_group ON agents (agentGroupId);
CREATE TABLE dial_group_agents (
    dialGroupId INTEGER, agentId INTEGER, hciClicker INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (dialGroupId, agentId)
);
CREATE TABLE api_tokens (tokenId INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE);
CREATE TABLE leads (
    leadId INTEGER PRIMARY KEY AUTOINCREMENT, accountId TEXT, campaignId INTEGER, listId INTEGER,
    externId TEXT, leadPhone TEXT, {", ".join(f"{name} TEXT" for name in PERSON_COLUMNS)},
    leadState TEXT, leadTimezone TEXT, leadPasses INTEGER, maxPasses INTEGER, nextDialTime INTEGER,
    suppressed INTEGER, pendingAgentId INTEGER, lastPassDts INTEGER, lastPassDisposition TEXT,
    agentDisposition TEXT, lastPassAgentId INTEGER, loadedDts INTEGER, stateDts INTEGER, copiedFrom INTEGER,
    extraData TEXT, dupeKeyOverride INTEGER, leadPriority INTEGER, dialPriority TEXT, loadedWith TEXT,
    leadPhoneE164 TEXT, personaPhones TEXT
);
CREATE INDEX leads_campaign ON leads (campaignId, leadState, accountId);
CREATE INDEX leads_extern ON leads (externId);
CREATE INDEX leads_list ON leads (listId, leadPhone, accountId);
CREATE INDEX leads_immediate ON leads (leadId) WHERE dialPriority = 'IMMEDIATE';
CREATE TABLE lead_phones (digits TEXT, leadId INTEGER, PRIMARY KEY (leadId, digits)) WITHOUT ROWID;
CREATE INDEX lead_phones_digits ON lead_phones (digits);
CREATE TABLE redials (
    redialId INTEGER PRIMARY KEY AUTOINCREMENT, leadId INTEGER, agentId INTEGER, callBackDate INTEGER,
    callBackPhone TEXT
);
CREATE INDEX redials_lead ON redials (leadId);
CREATE TABLE previews (
    transactionId TEXT PRIMARY KEY, accountId TEXT, campaignId INTEGER, pages TEXT, uploaded INTEGER
);
CREATE TABLE dnc_tags (dncTagId INTEGER PRIMARY KEY AUTOINCREMENT, accountId TEXT, dncTagLabel TEXT);
CREATE TABLE dnc_entries (
    dncEntryId INTEGER PRIMARY KEY AUTOINCREMENT, accountId TEXT, dncTagId INTEGER, countryId TEXT,
    phone TEXT, digits TEXT NOT NULL, externId TEXT NOT NULL, reason TEXT, addedDate INTEGER, addedBy TEXT,
    UNIQUE (accountId, digits, externId, dncTagId, countryId)
);
CREATE INDEX dnc_entries_extern ON dnc_entries (accountId, externId, dncTagId);
CREATE TABLE dialing (leadId INTEGER PRIMARY KEY);
CREATE TABLE mails (
    mailId INTEGER PRIMARY KEY AUTOINCREMENT, recipients TEXT, leads INTEGER, sent INTEGER
);
CREATE TABLE mail_leads (
    mailId INTEGER, leadId INTEGER, {", ".join(MAIL_COLUMNS)}, PRIMARY KEY (mailId, leadId)
) WITHOUT ROWID;
"""


MEMORY = ":memory:"
"""Name of an in-memory database."""


class StateFileError(Exception):
    """The state file cannot be used as the sandbox's database; the message is one sentence."""


class Store:
    """A SQLite database with one connection; a lock serializes access, so that every action is atomic.

    The file is readable by its owner only, and locked exclusively while it is open. Transactions that were
    open when the process was killed are rolled back when the file is opened again.

    :param database: a file name, or ``:memory:``.
    :param clock: the sandbox's clock; None for the real time.
    :raises StateFileError: if the file cannot be opened, is in use, or is not a database of this sandbox.
    """

    def __init__(self, database: str, clock: Clock | None = None) -> None:
        self._lock = threading.RLock()
        self._name = database
        self._clock = clock or Clock()
        self._history: RowHistory | None = None
        if not database:
            raise StateFileError("The name of the state file is empty.")
        try:
            if database != MEMORY:
                _make_private(Path(database))
            self._connection = connect(database)
        except (sqlite3.Error, OSError, ValueError) as error:
            raise self._state_file_error(error) from error
        try:
            self._lock_database()
            self.is_new = self._check_schema()
            if not self.is_new:
                self._make_durable()
        except sqlite3.Error as error:
            self._connection.close()
            raise self._state_file_error(error) from error

    def _lock_database(self) -> None:
        """Lock the database exclusively, and roll back transactions of a killed process."""
        # Not synchronous until the seed data is complete: before that a crash cannot lose anything.
        for setting in ("locking_mode = EXCLUSIVE", "synchronous = OFF"):
            self._connection.execute(f"PRAGMA {setting}")
        self._connection.execute("BEGIN EXCLUSIVE")
        self._connection.execute("COMMIT")

    def _make_durable(self) -> None:
        """Switch to write-ahead logging with durable commits."""
        for setting in ("journal_mode = WAL", "synchronous = NORMAL", "journal_size_limit = 67108864"):
            self._connection.execute(f"PRAGMA {setting}")

    def _check_schema(self) -> bool:
        """Return whether the database is empty; raise if it has another schema."""
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version != SCHEMA_VERSION and tables:
            raise sqlite3.DatabaseError("it was not written by this version of the sandbox")
        return not tables

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection for reading, with the lock held."""
        with self._lock:
            yield self._connection

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection for one transaction, with the lock held; an exception rolls it back."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                if self._history:
                    self._history.purge()
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite rolls back by itself if the disk is full.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def keep_history(self, seconds: float = MAX_DELAY) -> None:
        """Record row history from now on, for delayed searches.

        :param seconds: minimum retention time.
        """
        with self._lock:
            if self._history:
                self._history.extend(seconds)
            else:
                self._history = RowHistory(self._connection, self._clock.now, seconds)

    def drop_history(self) -> None:
        """Stop recording row history, and delete it."""
        with self._lock:
            if self._history:
                self._history.drop()
            self._history = None

    @contextmanager
    def reading_at(self, timestamp: float | None) -> Iterator[tuple[sqlite3.Connection, str]]:
        """Yield the connection for reading data as of a timestamp, with the lock held.

        :param timestamp: seconds since 1970, not before history was recorded; None for the present.
        :return: the connection, and a WITH clause to put before each SELECT, possibly empty.
        """
        with self._lock:
            prefix = (
                "" if self._history is None or timestamp is None else self._history.with_clause(timestamp)
            )
            yield self._connection, prefix

    def replace_with(self, source: sqlite3.Connection) -> None:
        """Replace the content of this database atomically with a copy of another one."""
        with self._lock:
            try:
                source.backup(self._connection)
                self._make_durable()
            except sqlite3.Error as error:
                raise self._state_file_error(error) from error
            if self._history:
                self._history.clear()

    def rebuild(self, build: Callable[[sqlite3.Connection], object]) -> None:
        """Replace all data atomically; row history is no longer recorded then.

        :param build: creates tables, data and indexes in an empty database, inside a transaction.
        :raises StateFileError: if the database cannot be written.
        """
        with self._lock:
            history, self._history = self._history, None
            try:
                with self.changing() as connection:
                    if history:
                        history.drop()
                    _drop_tables(connection)
                    build(connection)
                self._make_durable()
            except BaseException as error:
                self._history = history
                if isinstance(error, sqlite3.Error):
                    raise self._state_file_error(error) from error
                raise

    def _state_file_error(self, error: Exception) -> StateFileError:
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            return StateFileError(f"{self._name} is in use by another sandbox or program.")
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        return StateFileError(f"{self._name} cannot be used as the sandbox's state: {reason}.")

    def close(self) -> None:
        """Close the database; the file keeps its content."""
        with self._lock:
            self._connection.close()


def connect(database: str) -> sqlite3.Connection:
    """Open a database with the row factory, functions and temporary tables that the sandbox uses.

    :param database: a file name, or ``:memory:``.
    :return: the connection; not safe for concurrent use by several threads.
    """
    connection = sqlite3.connect(database, timeout=1.0, check_same_thread=False, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.create_function("casefold", 1, _casefold, deterministic=True)
    for setting in ("cache_size = -16384", "temp.cache_size = -65536", "threads = 2"):
        connection.execute(f"PRAGMA {setting}")
    # Leads that the current action applies to.
    connection.execute("CREATE TEMP TABLE matched (leadId INTEGER PRIMARY KEY)")
    return connection


def create_tables(connection: sqlite3.Connection) -> None:
    """Create all tables in an empty database, without their indexes."""
    for statement in _statements("CREATE TABLE"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION:d}")


def create_indexes(connection: sqlite3.Connection) -> None:
    """Create all indexes; faster after the rows have been inserted."""
    for statement in _statements("CREATE INDEX"):
        connection.execute(statement)


def _statements(start: str) -> Iterator[str]:
    """Yield the statements of the schema that start with this text."""
    return (statement for statement in map(str.strip, _SCHEMA.split(";")) if statement.startswith(start))


def _drop_tables(connection: sqlite3.Connection) -> None:
    """Drop all tables with their indexes and triggers."""
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    ).fetchall()
    for table in tables:
        connection.execute(f"DROP TABLE main.{table['name']}")


def _make_private(file: Path) -> None:
    """Create a file with mode 0600, or set this mode on an empty one."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        # Not opened: closing it would release the POSIX locks of another sandbox in this process.
        if file.stat().st_size == 0:
            file.chmod(0o600)


def _casefold(value: str | int | None) -> str | int | None:
    """Case-fold a text for comparison; SQLite's own functions support ASCII only."""
    return value.casefold() if isinstance(value, str) else value
