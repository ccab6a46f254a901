"""The world of one's own leads: the seeded accounts and campaigns, and the leads of a CSV file."""

from __future__ import annotations

import csv
import itertools
import random
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airflow_provider_engagevoice.ringcx.spec.enums import LEAD_STATES
from airflow_provider_engagevoice.sandbox.api.leads.lead_fields import ZONES, any_number, read_phones
from airflow_provider_engagevoice.sandbox.http.parsing import read_boolean, read_choice, read_integer
from airflow_provider_engagevoice.sandbox.seed.leads import MAX_PASSES
from airflow_provider_engagevoice.sandbox.seed.world import REFERENCE, Builder, WorldError
from airflow_provider_engagevoice.sandbox.state import demo_data
from airflow_provider_engagevoice.sandbox.state.phones import digits_of
from airflow_provider_engagevoice.sandbox.state.store import PERSON_COLUMNS, Store, create_tables

DEFAULT_NAME = "From CSV"
"""The campaign and the list of leads that name none, and the dial group of campaigns that are not seeded."""

_FIRST_LEAD = 284_000_000
#: Lines read before they are written.
_BATCH = 5000
_LARGEST = 2**31 - 1
_COLUMNS = (
    "leadId", "accountId", "campaignId", "listId", "externId", "leadPhone", *PERSON_COLUMNS, "leadState",
    "leadTimezone", "leadPasses", "maxPasses", "leadPriority", "suppressed", "loadedDts", "stateDts",
    "nextDialTime",
)  # fmt: skip
_INSERT = f"INSERT INTO leads ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"

Lead = dict[str, object]


def _whole_number(text: str) -> int:
    """Read a number that is not negative."""
    number = read_integer(text)
    if not 0 <= number <= _LARGEST:
        raise ValueError(f"must lie between 0 and {_LARGEST}")
    return number


def _state(text: str) -> str:
    """Read a lead state, in any case, with hyphens or underscores."""
    return read_choice(LEAD_STATES)(text.upper().replace("_", "-"))


def _phone(text: str) -> str:
    """Read phone numbers joined by pipes, with blanks and signs or without."""
    return read_phones(text, "", any_number)


#: What a column may be, and what reads its cells; what is blank is as if it were not there.
_READERS: Mapping[str, Callable[[str], object]] = {
    "leadPhone": _phone,
    "leadState": _state,
    "leadPasses": _whole_number,
    "maxPasses": _whole_number,
    "leadPriority": _whole_number,
    "suppressed": read_boolean,
    **dict.fromkeys(("externId", "leadTimezone", "campaignName", "listDesc", *PERSON_COLUMNS), str),
}


def _plain(name: str) -> str:
    """Return what the spellings of a column share: ``leadPhone`` and the file loader's ``LEAD_PHONE``."""
    return name.strip().lower().replace("_", "").replace(" ", "")


_BY_PLAIN_NAME = {_plain(name): name for name in _READERS}


@dataclass(frozen=True)
class CsvWorld:
    """The leads of a CSV file in the seeded accounts; the file is read again at each reset.

    :param file: UTF-8, with a header. Columns are named like the fields of a lead in RingCX or like those
        of its file loader, in any case; ``campaignName``, ``listDesc``, ``leadState``, ``leadPasses``,
        ``maxPasses``, ``leadPriority``, ``leadTimezone`` and ``suppressed`` may be there, too.
    :param seed: which accounts, agents, dial groups and campaigns.
    """

    file: str
    seed: int

    def fill(self, store: Store) -> None:
        """Replace all that a database holds by this world, whole or not at all.

        :param store: the database.
        :raises WorldError: the file cannot be read; the message names line and column.
        :raises StateFileError: the database does not take it.
        """
        store.rebuild(self._build)

    def _build(self, connection: sqlite3.Connection) -> None:
        """Write this world into an empty database."""
        create_tables(connection)
        builder = Builder(connection, random.Random(self.seed))
        builder.build_tree()
        places = _Places(connection, builder)
        numbered = enumerate(_read(self.file))
        while batch := [_placed(lead, number, places) for number, lead in itertools.islice(numbered, _BATCH)]:
            connection.executemany(_INSERT, [[lead.get(name) for name in _COLUMNS] for lead in batch])
            connection.executemany(
                "INSERT INTO lead_phones (digits, leadId) VALUES (?, ?)",
                [
                    (digits, lead["leadId"])
                    for lead in batch
                    for digits in sorted(digits_of([str(lead["leadPhone"])]))
                ],
            )
        builder.finish()


def _placed(lead: Lead, number: int, places: _Places) -> Lead:
    """Complete a lead of the file: its id, its list, and what was not given."""
    campaign = str(lead.get("campaignName") or DEFAULT_NAME)
    account, campaign_id, list_id = places.find(campaign, str(lead.get("listDesc") or DEFAULT_NAME))
    return {
        "leadState": "READY",
        "leadPasses": 0,
        "maxPasses": MAX_PASSES,
        "suppressed": False,
        "leadTimezone": ZONES["NPA_NXX"]({}, str(lead["leadPhone"])),
        **lead,
        "leadId": _FIRST_LEAD + number,
        "accountId": account,
        "campaignId": campaign_id,
        "listId": list_id,
        "loadedDts": REFERENCE,
        "stateDts": REFERENCE,
        "nextDialTime": REFERENCE,
    }


@dataclass(frozen=True)
class _Places:
    """The campaigns and lists that the leads name; what is not there is made."""

    connection: sqlite3.Connection
    builder: Builder
    campaigns: dict[str, tuple[str, int]] = field(default_factory=dict)
    lists: dict[tuple[str, str], tuple[str, int, int]] = field(default_factory=dict)

    def find(self, campaign: str, description: str) -> tuple[str, int, int]:
        """Return the account, the campaign and the list of a lead."""
        key = (campaign, description)
        if key not in self.lists:
            account, campaign_id = self._campaign(campaign)
            self.lists[key] = (account, campaign_id, self._list(campaign_id, description))
        return self.lists[key]

    def _campaign(self, name: str) -> tuple[str, int]:
        """Find a campaign; of several of a name that of the first sub-account."""
        if name not in self.campaigns:
            found = self.connection.execute(
                "SELECT accountId, campaignId FROM campaigns JOIN dial_groups USING (dialGroupId)"
                " WHERE campaignName = ? ORDER BY accountId, campaignId LIMIT 1",
                (name,),
            ).fetchone()
            self.campaigns[name] = tuple(found) if found else self._new_campaign(name)
        return self.campaigns[name]

    def _new_campaign(self, name: str) -> tuple[str, int]:
        """Make a campaign in the dial group of such campaigns."""
        account = demo_data.ACCOUNTS[0][0]
        found = self.connection.execute(
            "SELECT dialGroupId FROM dial_groups WHERE accountId = ? AND dialGroupName = ?",
            (account, DEFAULT_NAME),
        ).fetchone()
        group = found[0] if found else self.builder.add_dial_group(account, DEFAULT_NAME, "PREDICTIVE", False)
        newest = self.connection.execute("SELECT max(campaignId) FROM campaigns").fetchone()[0]
        self.builder.add_campaign(newest + 1, group, name)
        return account, newest + 1

    def _list(self, campaign: int, description: str) -> int:
        """Find a list of a campaign, or make it."""
        found = self.connection.execute(
            "SELECT listId FROM lists WHERE campaignId = ? AND listDesc = ?", (campaign, description)
        ).fetchone()
        if found:
            return int(found[0])
        cursor = self.connection.execute(
            "INSERT INTO lists (campaignId, listDesc, listState, leadsSupplied, leadsAccepted, uploadDate,"
            " uploadedBy) VALUES (?, ?, 'ACTIVE', 0, 0, ?, 'list.admin@example.com')",
            (campaign, description, REFERENCE),
        )
        return int(cursor.lastrowid or 0)


def _read(file: str) -> Iterator[Lead]:
    """Read the leads of a file one by one."""
    rows = None
    try:
        with Path(file).open(encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text, strict=True)
            header = _header(file, next(rows, []))
            for cells in rows:
                if cells:
                    yield _lead(f"{file}, line {rows.line_num}", header, cells)
    except UnicodeDecodeError as error:
        raise WorldError(f"{file} is not in UTF-8, after line {rows.line_num if rows else 0}.") from error
    except csv.Error as error:
        raise WorldError(f"{file}, line {rows.line_num if rows else 1}: {error}.") from error
    except (OSError, ValueError) as error:
        raise WorldError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def _header(file: str, cells: Sequence[str]) -> list[tuple[str, str]]:
    """Read the header; return each column's name in RingCX and as it is written."""
    found = [(_BY_PLAIN_NAME.get(_plain(cell), ""), cell.strip()) for cell in cells]
    taken = [name for name, _ in found]
    for name, written in found:
        if not name:
            raise WorldError(
                f"{file}, line 1, column {written!r}: unknown; a column may be {', '.join(_READERS)}."
            )
        if taken.count(name) > 1:
            raise WorldError(f"{file}, line 1, column {written!r}: {name} is there more than once.")
    if "leadPhone" not in taken:
        raise WorldError(f"{file}, line 1: there is no column leadPhone.")
    return found


def _lead(where: str, header: Sequence[tuple[str, str]], cells: Sequence[str]) -> Lead:
    """Read one line."""
    if len(cells) != len(header):
        raise WorldError(f"{where}: there are {len(cells)} cells, but {len(header)} columns.")
    lead: Lead = {}
    for (name, written), cell in zip(header, cells, strict=True):
        text = cell.strip()
        try:
            if "\0" in text:
                raise ValueError("must not hold the character NUL")
            value = _READERS[name](text) if text else ""
        except ValueError as error:
            raise WorldError(f"{where}, column {written}: {str(error).strip()}.") from error
        if value == "" and name == "leadPhone":
            raise WorldError(f"{where}, column {written}: the phone number is missing.")
        if value != "":
            lead[name] = value
    return lead
