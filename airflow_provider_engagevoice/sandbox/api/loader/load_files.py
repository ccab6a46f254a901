"""Preview and processing of lead files. Source: contract; guide, "File Preview and Process"."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.sandbox.api.uploads.spreadsheets import Page
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
"""Mapping columns of a file, with the matching property of a direct load (assumed)."""

FIRST_PAGE = 1
"""Number of a file's first page. Source: guide's sample."""

#: Rows in a preview, lifetime of a preview in milliseconds, and maximum number of previews. Assumed.
_PREVIEW_ROWS = 10
_PREVIEW_LIFETIME = 3_600_000
_MAX_PREVIEWS = 20


def store_file(
    connection: sqlite3.Connection, account: str, campaign: int, pages: Sequence[Page], now: int
) -> str:
    """Store a file until it is processed; delete expired files and the oldest of too many.

    :param connection: the database, inside a transaction.
    :param account: the sub-account.
    :param campaign: id of the target campaign.
    :param pages: the pages of the file.
    :param now: milliseconds since 1970.
    :return: the transaction id.
    """
    transaction = str(uuid.uuid4())
    connection.execute("DELETE FROM previews WHERE uploaded <= ?", (now - _PREVIEW_LIFETIME,))
    connection.execute(
        "DELETE FROM previews WHERE rowid NOT IN (SELECT rowid FROM previews ORDER BY rowid DESC LIMIT ?)",
        (_MAX_PREVIEWS - 1,),
    )
    connection.execute(
        "INSERT INTO previews (transactionId, accountId, campaignId, pages, uploaded) VALUES (?, ?, ?, ?, ?)",
        (transaction, account, campaign, json.dumps([[page.name, page.rows] for page in pages]), now),
    )
    return transaction


def pop_file(
    connection: sqlite3.Connection, account: str, campaign: int, transaction: str, now: int
) -> list[Page]:
    """Remove and return a stored file; it can be processed once (assumed).

    :param connection: the database, inside a transaction.
    :param account: the sub-account.
    :param campaign: id of the target campaign.
    :param transaction: the id that :func:`store_file` returned.
    :param now: milliseconds since 1970.
    :return: the pages of the file.
    :raises ApiError: with status 404, if the id is unknown, expired or of another campaign (assumed).
    """
    found = connection.execute(
        "SELECT pages FROM previews WHERE transactionId = ? AND accountId = ? AND campaignId = ?"
        " AND uploaded > ?",
        (transaction, account, campaign, now - _PREVIEW_LIFETIME),
    ).fetchone()
    if found is None:
        raise ApiError(404, "The transactionId is unknown or has expired")
    connection.execute("DELETE FROM previews WHERE transactionId = ?", (transaction,))
    return [Page(name, rows) for name, rows in json.loads(found["pages"])]


def preview_body(transaction: str, pages: Sequence[Page]) -> dict[str, object]:
    """Return the response body of a preview. Source: contract, LeadListPreviewResponse."""
    return {
        "transactionId": transaction,
        "mappingColumns": list(MAPPING_COLUMNS),
        "pagePreviews": [
            {"pageNumber": number, "pageName": page.name, "rowData": page.rows[:_PREVIEW_ROWS]}
            for number, page in enumerate(pages, FIRST_PAGE)
        ],
        "personaPhoneConfig": [],
    }


@dataclass(frozen=True)
class ColumnMapping:
    """Mapping of a file's columns to fields of a lead.

    :param transaction: the transaction id of the file.
    :param page: number of the page.
    :param has_headers: whether the first row is a header.
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


def parse_columns(body: Mapping[str, object], base: int) -> ColumnMapping:
    """Parse the column mapping of a request; null counts as missing.

    :param body: the untrusted request.
    :param base: number of a file's first column.
    :return: the mapping, with columns counted from 0. Without ``fileContainsHeaders`` the first row is a lead
        (assumed; the guide's samples always send it).
    :raises ApiError: with status 400, naming every invalid value.
    """
    columns = _column_parser(base)
    parsers: Mapping[str, tuple[Callable[[object], Any], Any]] = {
        "transactionId": (parse_text, ""),
        "pageNumber": (parse_integer, FIRST_PAGE),
        "fileContainsHeaders": (parse_boolean, False),
        "pageColumnMappings": (columns, {}),
        "extendedLeadDataMappings": (columns, {}),
        "additionalPhoneMappings": (columns, {}),
    }
    values, invalid = {}, []
    for name, (parse, default) in parsers.items():
        value = body.get(name)
        try:
            values[name] = default if value is None else parse(value)
        except ValueError as error:
            invalid.append(InvalidValue.of(name, error, value))
    unknown = sorted(values.get("pageColumnMappings", {}).keys() - MAPPING_COLUMNS.keys())
    if unknown:
        invalid.append(InvalidValue.of("pageColumnMappings", "has unknown columns", unknown))
    if not values.get("transactionId", "-"):
        invalid.append(InvalidValue("transactionId", "is missing"))
    if invalid:
        raise validation_error(invalid)
    return ColumnMapping(
        values["transactionId"],
        values["pageNumber"],
        values["fileContainsHeaders"],
        {MAPPING_COLUMNS[name]: column for name, column in values["pageColumnMappings"].items()},
        values["extendedLeadDataMappings"],
        values["additionalPhoneMappings"],
    )


def _column_parser(base: int) -> Callable[[object], dict[str, int]]:
    """Return a parser of column numbers by name."""

    def parse(value: object) -> dict[str, int]:
        columns = {name: parse_integer(column) - base for name, column in parse_object(value).items()}
        if any(column < 0 for column in columns.values()):
            raise ValueError(f"must be column numbers; the first column is {base}")
        return columns

    return parse


def file_leads(pages: Sequence[Page], columns: ColumnMapping) -> list[object]:
    """Convert the rows of a file to the leads of a direct load.

    :param pages: the pages of the file.
    :param columns: the column mapping; a column that a row does not have is empty.
    :return: the leads.
    :raises ApiError: with status 400, if the page does not exist.
    """
    index = columns.page - FIRST_PAGE
    if not 0 <= index < len(pages):
        raise validation_error([InvalidValue.of("pageNumber", "is not a page of the file", columns.page)])
    rows = pages[index].rows[1:] if columns.has_headers else pages[index].rows
    return [_row_lead(row, columns) for row in rows]


def _row_lead(row: Sequence[str], columns: ColumnMapping) -> object:
    """Convert one row to a lead."""
    lead: dict[str, object] = dict(_pick(row, columns.leads))
    if columns.extended:
        lead["extendedLeadData"] = _pick(row, columns.extended)
    if columns.personas:
        lead["personaPhoneConfig"] = _pick(row, columns.personas)
    return lead


def _pick(row: Sequence[str], columns: Mapping[str, int]) -> dict[str, str]:
    """Return the mapped values that a row has."""
    return {name: row[column] for name, column in columns.items() if column < len(row)}
