"""Preview of a file with leads, and its load. Source: contract; guide, "File Preview and Process"."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.sandbox.api.loader.spreadsheets import Page
from airflow_provider_engagevoice.sandbox.http.errors import ApiError, InvalidValue, validation_error
from airflow_provider_engagevoice.sandbox.http.parsing import (
    parse_boolean,
    parse_integer,
    parse_object,
    parse_text,
)

MAPPING_COLUMNS: Mapping[str, str] = {
    "LEAD_PHONE": "leadPhone",
    "EXTERN_ID": "externId",
    "STATE": "state",
    "LEAD_TIMEZONE": "leadTimezone",
    "PENDING_AGENT_ID": "reserveAgent",
    "TITLE": "title",
    "FIRST_NAME": "firstName",
    "MID_NAME": "midName",
    "LAST_NAME": "lastName",
    "SUFFIX": "suffix",
    "EMAIL": "email",
    "ADDRESS1": "address1",
    "ADDRESS2": "address2",
    "CITY": "city",
    "ZIP": "zip",
    "GATE_KEEPER": "gateKeeper",
    **{f"AUX_DATA{number}": f"auxData{number}" for number in range(1, 6)},
    "AUX_PHONE": "auxPhone",
    "AUX_EXTERNAL_URL": "auxExternalUrl",
    "AUX_GREETING": "auxGreeting",
    "LIVE_ANSWER_MESSAGE": "liveAnswerMessage",
    "MACH_ANSWER_MESSAGE": "machAnswerMessage",
    "CALLER_ID": "callerId",
    "LEAD_PRIORITY": "leadPriority",
    "COUNTRY": "country",
}
"""What a column of a file can be, and the property of a direct load that it stands for (assumed)."""

FIRST_PAGE = 1
"""Number of a file's first page. Source: guide's sample."""

#: How much of a file a preview shows, and how long it can be processed. Assumed.
_ROWS_SHOWN = 10
_MILLISECONDS_KEPT = 3_600_000
_MOST_KEPT = 20


def keep(connection: sqlite3.Connection, account: str, campaign: int, pages: Sequence[Page], now: int) -> str:
    """Keep a file until it is processed; the oldest files are forgotten.

    :param connection: the database, inside a transaction.
    :param account: the sub-account.
    :param campaign: id of the campaign it is for.
    :param pages: what the file holds.
    :param now: milliseconds since 1970.
    :return: the id of the transaction.
    """
    transaction = str(uuid.uuid4())
    connection.execute("DELETE FROM previews WHERE uploaded <= ?", (now - _MILLISECONDS_KEPT,))
    connection.execute(
        "DELETE FROM previews WHERE rowid NOT IN (SELECT rowid FROM previews ORDER BY rowid DESC LIMIT ?)",
        (_MOST_KEPT - 1,),
    )
    connection.execute(
        "INSERT INTO previews (transactionId, accountId, campaignId, pages, uploaded) VALUES (?, ?, ?, ?, ?)",
        (transaction, account, campaign, json.dumps([[page.name, page.rows] for page in pages]), now),
    )
    return transaction


def take(
    connection: sqlite3.Connection, account: str, campaign: int, transaction: str, now: int
) -> list[Page]:
    """Take a file that has been kept; it can be taken once (assumed).

    :param connection: the database, inside a transaction.
    :param account: the sub-account.
    :param campaign: id of the campaign it is for.
    :param transaction: the id that :func:`keep` gave.
    :param now: milliseconds since 1970.
    :return: the file.
    :raises ApiError: with status 404, where there is none of this id for this campaign any more (assumed).
    """
    found = connection.execute(
        "SELECT pages FROM previews WHERE transactionId = ? AND accountId = ? AND campaignId = ?"
        " AND uploaded > ?",
        (transaction, account, campaign, now - _MILLISECONDS_KEPT),
    ).fetchone()
    if found is None:
        raise ApiError(404, "There is no such transactionId")
    connection.execute("DELETE FROM previews WHERE transactionId = ?", (transaction,))
    return [Page(name, rows) for name, rows in json.loads(found["pages"])]


def preview_of(transaction: str, pages: Sequence[Page]) -> dict[str, object]:
    """Write the answer to a preview. Source: contract, LeadListPreviewResponse."""
    return {
        "transactionId": transaction,
        "mappingColumns": list(MAPPING_COLUMNS),
        "pagePreviews": [
            {"pageNumber": number, "pageName": page.name, "rowData": page.rows[:_ROWS_SHOWN]}
            for number, page in enumerate(pages, FIRST_PAGE)
        ],
        "personaPhoneConfig": [],
    }


@dataclass(frozen=True)
class Columns:
    """Which columns of a file are what.

    :param transaction: the id of the file.
    :param page: number of the page.
    :param has_headers: its first row is no lead.
    :param leads: columns by property of a lead.
    :param extended: columns by name within ``extendedLeadData``.
    :param personas: columns by id of a persona phone.
    """

    transaction: str
    page: int
    has_headers: bool
    leads: Mapping[str, int]
    extended: Mapping[str, int]
    personas: Mapping[str, int]


def read_columns(body: Mapping[str, object], base: int) -> Columns:
    """Read which columns of a file are what; null counts as missing.

    :param body: the untrusted request.
    :param base: number of a file's first column.
    :return: the columns, counted from 0. Without ``fileContainsHeaders`` the first row is a lead (guide's
        samples always send it; assumed).
    :raises ApiError: with status 400, naming every bad value.
    """
    columns = _columns_from(base)
    readers: Mapping[str, tuple[Callable[[object], Any], Any]] = {
        "transactionId": (parse_text, ""),
        "pageNumber": (parse_integer, FIRST_PAGE),
        "fileContainsHeaders": (parse_boolean, False),
        "pageColumnMappings": (columns, {}),
        "extendedLeadDataMappings": (columns, {}),
        "additionalPhoneMappings": (columns, {}),
    }
    values, invalid = {}, []
    for name, (read, default) in readers.items():
        value = body.get(name)
        try:
            values[name] = default if value is None else read(value)
        except ValueError as error:
            invalid.append(InvalidValue.of(name, error, value))
    unknown = sorted(values.get("pageColumnMappings", {}).keys() - MAPPING_COLUMNS.keys())
    if unknown:
        invalid.append(InvalidValue.of("pageColumnMappings", "has unknown columns", unknown))
    if not values.get("transactionId", "-"):
        invalid.append(InvalidValue("transactionId", "is missing"))
    if invalid:
        raise validation_error(invalid)
    return Columns(
        values["transactionId"],
        values["pageNumber"],
        values["fileContainsHeaders"],
        {MAPPING_COLUMNS[name]: column for name, column in values["pageColumnMappings"].items()},
        values["extendedLeadDataMappings"],
        values["additionalPhoneMappings"],
    )


def _columns_from(base: int) -> Callable[[object], dict[str, int]]:
    """Make a reader of columns by name."""

    def read(value: object) -> dict[str, int]:
        columns = {name: parse_integer(column) - base for name, column in parse_object(value).items()}
        if any(column < 0 for column in columns.values()):
            raise ValueError(f"must be numbers of columns, {base} for the first one")
        return columns

    return read


def leads_of(pages: Sequence[Page], columns: Columns) -> list[object]:
    """Write the rows of a file as a direct load would bring them.

    :param pages: the file.
    :param columns: which of its columns are what; one that a row lacks is empty.
    :return: the leads.
    :raises ApiError: with status 400, where there is no such page.
    """
    place = columns.page - FIRST_PAGE
    if not 0 <= place < len(pages):
        raise validation_error([InvalidValue.of("pageNumber", "is no page of the file", columns.page)])
    rows = pages[place].rows[1:] if columns.has_headers else pages[place].rows
    return [_lead_of(row, columns) for row in rows]


def _lead_of(row: Sequence[str], columns: Columns) -> object:
    """Write one row as a lead."""
    lead: dict[str, object] = dict(_pick(row, columns.leads))
    if columns.extended:
        lead["extendedLeadData"] = _pick(row, columns.extended)
    if columns.personas:
        lead["personaPhoneConfig"] = _pick(row, columns.personas)
    return lead


def _pick(row: Sequence[str], columns: Mapping[str, int]) -> dict[str, str]:
    """Pick the columns a row has."""
    return {name: row[column] for name, column in columns.items() if column < len(row)}
