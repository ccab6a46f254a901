"""Seed data from a CSV file of leads, in the generated accounts and campaigns."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import logging
import random
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TextIO

from airflow_provider_engagevoice.ringcx.spec.enums import LEAD_STATES
from airflow_provider_engagevoice.sandbox.api.leads.lead_fields import (
    TIME_ZONE_RESOLVERS,
    parse_phone,
    parse_phones,
)
from airflow_provider_engagevoice.sandbox.http.parsing import choice_parser, parse_boolean, parse_integer
from airflow_provider_engagevoice.sandbox.seed.generated_data import REFERENCE, Builder
from airflow_provider_engagevoice.sandbox.state import demo_data
from airflow_provider_engagevoice.sandbox.state.phones import digits_of
from airflow_provider_engagevoice.sandbox.state.seed_data import SeedDataError
from airflow_provider_engagevoice.sandbox.state.store import PERSON_COLUMNS, Store, create_tables

_ZIP_MAGIC = b"PK\x03\x04"

DEFAULT_NAME = "From CSV"
"""Campaign and list of leads that name none, and dial group of campaigns that are not generated."""

_FIRST_LEAD = 284_000_000
#: Number of leads per INSERT batch.
_BATCH_SIZE = 5000
_MAX_COUNT = 2**31 - 1
_COLUMNS = (
    "leadId", "accountId", "campaignId", "listId", "externId", "leadPhone", *PERSON_COLUMNS, "leadState",
    "leadTimezone", "leadPasses", "maxPasses", "leadPriority", "suppressed", "loadedDts", "stateDts",
    "nextDialTime",
)  # fmt: skip
_INSERT = f"INSERT INTO leads ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"

Lead = dict[str, object]

_logger = logging.getLogger(__name__)


def _parse_count(text: str) -> int:
    """Parse a non-negative 32-bit integer."""
    number = parse_integer(text)
    if not 0 <= number <= _MAX_COUNT:
        raise ValueError(f"must be between 0 and {_MAX_COUNT}")
    return number


def _parse_state(text: str) -> str:
    """Parse a lead state, case-insensitively, with hyphens or underscores."""
    return choice_parser(LEAD_STATES)(text.upper().replace("_", "-"))


def _parse_phones(text: str) -> str:
    """Parse phone numbers joined by pipes, with or without spaces and punctuation."""
    return parse_phones(text, "", parse_phone)


#: Parsers of the cells, by column; blank cells count as missing.
_PARSERS: Mapping[str, Callable[[str], object]] = {
    "leadPhone": _parse_phones,
    "leadState": _parse_state,
    "leadPasses": _parse_count,
    "maxPasses": _parse_count,
    "leadPriority": _parse_count,
    "suppressed": parse_boolean,
    **dict.fromkeys(("externId", "leadTimezone", "campaignName", "listDesc", *PERSON_COLUMNS), str),
}


def _normalize(name: str) -> str:
    """Return the normalized name of a column, so that ``leadPhone`` equals the loader's ``LEAD_PHONE``."""
    return name.strip().lower().replace("_", "").replace(" ", "")


_BY_NORMALIZED_NAME = {_normalize(name): name for name in _PARSERS}


@dataclass(frozen=True)
class CsvData:
    """Leads of a CSV file in the generated accounts; the file is read again at each reset.

    :param file: path of the file: UTF-8, with a header; or a ZIP file with one CSV file, such as one that
        EMAIL_LEADS offers. Column names are those of a lead's fields in RingCX or of RingCX's file loader,
        case-insensitive; ``campaignName``, ``listDesc``, ``leadState``, ``leadPasses``, ``maxPasses``,
        ``leadPriority``, ``leadTimezone`` and ``suppressed`` are accepted as well. Other columns are ignored,
        with a warning that names them.
    :param seed: seed of the generated accounts, agents, dial groups and campaigns.
    """

    file: str
    seed: int

    def fill(self, store: Store) -> None:
        """Replace the contents of a database by this data in one transaction.

        :param store: the database.
        :raises SeedDataError: if the file cannot be read; the message names line and column.
        :raises StateFileError: if the database cannot be written.
        """
        store.rebuild(self._build)

    def _build(self, connection: sqlite3.Connection) -> None:
        """Write this data to an empty database."""
        create_tables(connection)
        builder = Builder(connection, random.Random(self.seed))
        builder.build_accounts()
        resolver = _ListResolver(connection, builder)
        numbered = enumerate(_read_leads(self.file))
        while batch := [
            _complete_lead(lead, number, resolver) for number, lead in itertools.islice(numbered, _BATCH_SIZE)
        ]:
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


def _complete_lead(lead: Lead, number: int, resolver: _ListResolver) -> Lead:
    """Return a lead with id, account, campaign, list and defaults added."""
    campaign = str(lead.get("campaignName") or DEFAULT_NAME)
    account, campaign_id, list_id = resolver.find(campaign, str(lead.get("listDesc") or DEFAULT_NAME))
    return {
        "leadState": "READY",
        "leadPasses": 0,
        "maxPasses": demo_data.MAX_PASSES,
        "suppressed": False,
        "leadTimezone": TIME_ZONE_RESOLVERS["NPA_NXX"]({}, str(lead["leadPhone"])),
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
class _ListResolver:
    """Finds the campaigns and lists that leads name; creates missing ones."""

    connection: sqlite3.Connection
    builder: Builder
    campaigns: dict[str, tuple[str, int]] = field(default_factory=dict)
    lists: dict[tuple[str, str], tuple[str, int, int]] = field(default_factory=dict)

    def find(self, campaign: str, description: str) -> tuple[str, int, int]:
        """Return account, campaign id and list id of a lead."""
        key = (campaign, description)
        if key not in self.lists:
            account, campaign_id = self._find_campaign(campaign)
            self.lists[key] = (account, campaign_id, self._find_list(campaign_id, description))
        return self.lists[key]

    def _find_campaign(self, name: str) -> tuple[str, int]:
        """Find or create a campaign; if several have the name, return that of the first sub-account."""
        if name not in self.campaigns:
            found = self.connection.execute(
                "SELECT accountId, campaignId FROM campaigns JOIN dial_groups USING (dialGroupId)"
                " WHERE campaignName = ? ORDER BY accountId, campaignId LIMIT 1",
                (name,),
            ).fetchone()
            self.campaigns[name] = tuple(found) if found else self._create_campaign(name)
        return self.campaigns[name]

    def _create_campaign(self, name: str) -> tuple[str, int]:
        """Create a campaign in the dial group ``DEFAULT_NAME``."""
        account = demo_data.ACCOUNTS[0][0]
        found = self.connection.execute(
            "SELECT dialGroupId FROM dial_groups WHERE accountId = ? AND dialGroupName = ?",
            (account, DEFAULT_NAME),
        ).fetchone()
        group = found[0] if found else self.builder.add_dial_group(account, DEFAULT_NAME, "PREDICTIVE", False)
        newest = self.connection.execute("SELECT max(campaignId) FROM campaigns").fetchone()[0]
        self.builder.add_campaign(newest + 1, group, name)
        return account, newest + 1

    def _find_list(self, campaign: int, description: str) -> int:
        """Find or create a list of a campaign."""
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


def _read_leads(file: str) -> Iterator[Lead]:
    """Yield the leads of a file."""
    rows = None
    try:
        with _open_text(file) as text:
            rows = csv.reader(text, strict=True)
            header = _parse_header(file, next(rows, []))
            for cells in rows:
                if cells:
                    yield _parse_line(f"{file}, line {rows.line_num}", header, cells)
    except UnicodeDecodeError as error:
        raise SeedDataError(
            f"{file} is not valid UTF-8 after line {rows.line_num if rows else 0}."
        ) from error
    except csv.Error as error:
        raise SeedDataError(f"{file}, line {rows.line_num if rows else 1}: {error}.") from error
    except _BROKEN_ZIP as error:
        raise SeedDataError(f"{file} is a broken or encrypted ZIP file: {error}.") from error
    except (OSError, ValueError) as error:
        raise SeedDataError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


#: Errors of :mod:`zipfile` for damaged, encrypted and unsupported files.
_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)


@contextlib.contextmanager
def _open_text(file: str) -> Iterator[TextIO]:
    """Open a CSV file, or the only CSV file in a ZIP file."""
    with contextlib.ExitStack() as stack:
        content: IO[bytes] = stack.enter_context(Path(file).open("rb"))
        if content.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC:
            archive = stack.enter_context(zipfile.ZipFile(content))
            content = stack.enter_context(archive.open(_only_csv(file, archive)))
        else:
            content.seek(0)
        yield stack.enter_context(io.TextIOWrapper(content, encoding="utf-8-sig", newline=""))


def _only_csv(file: str, archive: zipfile.ZipFile) -> str:
    """Return the name of the only CSV file in a ZIP file; macOS adds copies in another folder."""
    names = [
        name
        for name in archive.namelist()
        if name.lower().endswith(".csv") and not name.startswith("__MACOSX/")
    ]
    if len(names) != 1:
        raise SeedDataError(f"{file} must contain exactly one CSV file, not {len(names)}.")
    return names[0]


def _parse_header(file: str, cells: Sequence[str]) -> list[tuple[str, str]]:
    """Parse the header; return the field name and the written name of each column.

    The field name of a column that no lead has is empty; such columns are named in a warning.
    """
    found = [(_BY_NORMALIZED_NAME.get(_normalize(cell), ""), cell.strip()) for cell in cells]
    taken = [name for name, _ in found]
    for name, written in found:
        if name and taken.count(name) > 1:
            raise SeedDataError(f"{file}, line 1, column {written!r}: {name} is given more than once.")
    if "leadPhone" not in taken:
        raise SeedDataError(
            f"{file}, line 1: the column leadPhone is missing. Columns found: "
            f"{', '.join(repr(written) for _, written in found) or 'none'}."
        )
    ignored = [repr(written) for name, written in found if not name]
    if ignored:
        _logger.warning(
            "Ignored %d column%s of %s that the sandbox does not import: %s.",
            len(ignored),
            "" if len(ignored) == 1 else "s",
            file,
            ", ".join(ignored),
        )
    return found


def _parse_line(where: str, header: Sequence[tuple[str, str]], cells: Sequence[str]) -> Lead:
    """Parse one line."""
    if len(cells) != len(header):
        raise SeedDataError(f"{where}: expected {len(header)} cells, found {len(cells)}.")
    lead: Lead = {}
    for (name, written), cell in zip(header, cells, strict=True):
        if not name:
            continue
        text = cell.strip()
        try:
            if "\0" in text:
                raise ValueError("must not contain a NUL character")
            value = _PARSERS[name](text) if text else ""
        except ValueError as error:
            raise SeedDataError(f"{where}, column {written}: {str(error).strip()}.") from error
        if value == "" and name == "leadPhone":
            raise SeedDataError(f"{where}, column {written}: the phone number is missing.")
        if value != "":
            lead[name] = value
    return lead
