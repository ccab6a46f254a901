"""The database of a sandbox: its tables, and one connection that all threads share in turn."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_engagevoice.sandbox.state.clock import Clock
from airflow_provider_engagevoice.sandbox.state.history import LONGEST, Shadows

SCHEMA_VERSION = 3

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
    "copiedFrom", "extraData", "dupeKeyOverride", "leadPriority", "dialPriority", "loadedWith",
    "leadPhoneE164", "personaPhones",
)  # fmt: skip

#: What a mail of EMAIL_LEADS keeps of each lead, besides its id (assumed); named as in a search's rows.
MAIL_COLUMNS = (
    "externId", "campaignId", "campaignName", "listId", "listDesc", "leadPhone", *PERSON_COLUMNS, "leadState",
    "leadTimezone", "leadPasses", "maxPasses", "nextDialTime", "suppressed", "pendingAgentName",
    "lastPassDts", "lastPassDisposition", "agentDispostion", "lastPassAgentName", "loadedDts", "stateDts",
)  # fmt: skip

#: Moments are milliseconds since 1970. Ids that grow are never given twice. ``more`` holds, as JSON, fields
#: of RingCX that have no column.
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
"""The name of a database that is kept in memory."""


class StateFileError(Exception):
    """A file that cannot serve as the sandbox's database; the message is one sentence."""


class Store:
    """One SQLite database. A lock lets one thread at a time in, so that every action is whole.

    A file is readable by its owner only, and locked against everybody else while it is open. What a process
    that is killed had not finished is undone when the file is opened again.

    :param database: a file name, or ``:memory:``.
    :param clock: the sandbox's time; None for the real one.
    :raises StateFileError: the file cannot be opened, is in use, or is no database of this sandbox.
    """

    def __init__(self, database: str, clock: Clock | None = None) -> None:
        self._lock = threading.RLock()
        self._name = database
        self._clock = clock or Clock()
        self._shadows: Shadows | None = None
        if not database:
            raise StateFileError("The name of the state file is empty.")
        try:
            if database != MEMORY:
                _make_private(Path(database))
            self._connection = connect(database)
        except (sqlite3.Error, OSError, ValueError) as error:
            raise self._unusable(error) from error
        try:
            self._claim()
            self.is_new = self._check()
            if not self.is_new:
                self._settle()
        except sqlite3.Error as error:
            self._connection.close()
            raise self._unusable(error) from error

    def _claim(self) -> None:
        """Keep others out; what a killed sandbox left unfinished is undone by this."""
        # Until there is a world, a crash of the machine has nothing to spoil: it is built without waiting
        # for the disk.
        for setting in ("locking_mode = EXCLUSIVE", "synchronous = OFF"):
            self._connection.execute(f"PRAGMA {setting}")
        self._connection.execute("BEGIN EXCLUSIVE")
        self._connection.execute("COMMIT")

    def _settle(self) -> None:
        """From now on keep what is committed, with as little waiting for the disk as that takes."""
        for setting in ("journal_mode = WAL", "synchronous = NORMAL", "journal_size_limit = 67108864"):
            self._connection.execute(f"PRAGMA {setting}")

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
                if self._shadows:
                    self._shadows.purge()
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk has rolled back already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def keep_shadows(self, seconds: float = LONGEST) -> None:
        """From now on keep what leads were before each change, for searches that are behind.

        :param seconds: for how long, at the least.
        """
        with self._lock:
            if self._shadows:
                self._shadows.keep(seconds)
            else:
                self._shadows = Shadows(self._connection, self._clock.now, seconds)

    def drop_shadows(self) -> None:
        """Keep no older versions of leads any more, and forget those there are."""
        with self._lock:
            if self._shadows:
                self._shadows.stop()
            self._shadows = None

    @contextmanager
    def looking_back(self, moment: float | None) -> Iterator[tuple[sqlite3.Connection, str]]:
        """Lend the connection to one thread, to read from as it was.

        :param moment: when, in seconds since 1970, but not before versions were kept; None for now.
        :return: the connection, and what to put before each SELECT: a WITH clause, or nothing.
        """
        with self._lock:
            before = "" if self._shadows is None or moment is None else self._shadows.behind(moment)
            yield self._connection, before

    def replace_with(self, source: sqlite3.Connection) -> None:
        """Make this database a copy of another one, whole or not at all."""
        with self._lock:
            try:
                source.backup(self._connection)
                self._settle()
            except sqlite3.Error as error:
                raise self._unusable(error) from error
            if self._shadows:
                self._shadows.forget()

    def rebuild(self, build: Callable[[sqlite3.Connection], object]) -> None:
        """Put something else in the place of all data, whole or not at all; no older versions are kept then.

        :param build: makes tables, data and indexes in an empty database, inside a transaction.
        :raises StateFileError: the database does not take it.
        """
        with self._lock:
            shadows, self._shadows = self._shadows, None
            try:
                with self.changing() as connection:
                    if shadows:
                        shadows.stop()
                    _drop_tables(connection)
                    build(connection)
                self._settle()
            except BaseException as error:
                self._shadows = shadows
                if isinstance(error, sqlite3.Error):
                    raise self._unusable(error) from error
                raise

    def _unusable(self, error: Exception) -> StateFileError:
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            return StateFileError(f"{self._name} is in use by another sandbox or program.")
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        return StateFileError(f"{self._name} cannot be used as the sandbox's state: {reason}.")

    def close(self) -> None:
        """Close the database; a file keeps its content."""
        with self._lock:
            self._connection.close()


def connect(database: str) -> sqlite3.Connection:
    """Open a database the way all code here expects it.

    :param database: a file name, or ``:memory:``.
    :return: the connection; threads must take turns with it.
    """
    connection = sqlite3.connect(database, timeout=1.0, check_same_thread=False, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.create_function("casefold", 1, _casefold, deterministic=True)
    for setting in ("cache_size = -16384", "temp.cache_size = -65536", "threads = 2"):
        connection.execute(f"PRAGMA {setting}")
    # The leads an action works on; only the connection sees it, and it is never written to a file.
    connection.execute("CREATE TEMP TABLE matched (leadId INTEGER PRIMARY KEY)")
    return connection


def create_tables(connection: sqlite3.Connection) -> None:
    """Create all tables in an empty database, without their indexes."""
    for statement in _statements("CREATE TABLE"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION:d}")


def create_indexes(connection: sqlite3.Connection) -> None:
    """Create all indexes, which is faster once the rows are there."""
    for statement in _statements("CREATE INDEX"):
        connection.execute(statement)


def _statements(start: str) -> Iterator[str]:
    """Return the statements of the schema that start so."""
    return (statement for statement in map(str.strip, _SCHEMA.split(";")) if statement.startswith(start))


def _drop_tables(connection: sqlite3.Connection) -> None:
    """Remove all tables with what belongs to them."""
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    ).fetchall()
    for table in tables:
        connection.execute(f"DROP TABLE main.{table['name']}")


def _make_private(file: Path) -> None:
    """Create a file, or take over an empty one, so that its owner alone may read it."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        # Not by opening it: closing it again would give up the locks of a sandbox in the same process.
        if file.stat().st_size == 0:
            file.chmod(0o600)


def _casefold(value: str | int | None) -> str | int | None:
    """Lower a text for comparison; SQLite's own functions know ASCII only."""
    return value.casefold() if isinstance(value, str) else value
