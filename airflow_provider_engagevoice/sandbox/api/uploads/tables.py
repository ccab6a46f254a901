"""Reader of uploaded tables: delimited text and Excel files."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_engagevoice.ringcx.spec.enums import FILE_TYPES
from airflow_provider_engagevoice.sandbox.api.uploads.multipart import Upload
from airflow_provider_engagevoice.sandbox.api.uploads.spreadsheets import Page, read_workbook
from airflow_provider_engagevoice.sandbox.http.errors import InvalidValue, validation_error
from airflow_provider_engagevoice.sandbox.http.parsing import choice_parser
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest

_DELIMITERS = {"PIPE": "|", "COMMA": ",", "TAB": "\t"}


@dataclass(frozen=True)
class TableFormat:
    """Format of a table.

    :param file_type: ``EXCEL``, ``PIPE``, ``COMMA`` or ``TAB``.
    :param quote: quote character of values that contain a delimiter.
    """

    file_type: str
    quote: str


def parse_format(request: ApiRequest, fields: Mapping[str, str], default: str = "") -> TableFormat:
    """Parse the format of the table in a request.

    :param request: the request; the format may be in its query (contract).
    :param fields: text fields of the body; the format may be there as well (observed).
    :param default: the default ``fileType``; empty if it is required.
    :return: the format; the default of ``quoteCharacter`` is ``"`` (assumed).
    :raises ApiError: with status 400, if a value is missing or invalid.
    """
    file_type = request.query.get("fileType") or fields.get("fileType") or default
    quote = request.query.get("quoteCharacter") or fields.get("quoteCharacter") or '"'
    invalid = []
    try:
        choice_parser(FILE_TYPES)(file_type)
    except ValueError as error:
        invalid.append(InvalidValue.of("fileType", error, file_type))
    if len(quote) != 1 or quote in f"\r\n {_DELIMITERS.get(file_type, '')}":
        invalid.append(InvalidValue.of("quoteCharacter", "must be one character and not a delimiter", quote))
    if invalid:
        raise validation_error(invalid)
    return TableFormat(file_type, quote)


def read_table(upload: Upload, table_format: TableFormat) -> list[Page]:
    """Read an uploaded table.

    :param upload: the file.
    :param table_format: its format.
    :return: its pages; only Excel files have more than one.
    :raises ApiError: with status 400, if the file does not have this format.
    """
    try:
        if table_format.file_type == "EXCEL":
            return read_workbook(upload.content)
        return [
            Page(
                upload.name,
                _read_text(upload.content, _DELIMITERS[table_format.file_type], table_format.quote),
            )
        ]
    except ValueError as error:
        raise validation_error([InvalidValue.of("file", error, upload.name)]) from error


def _read_text(content: bytes, delimiter: str, quote: str) -> list[list[str]]:
    """Parse delimited text; empty lines are skipped."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("must be UTF-8 text") from error
    if "\0" in text:
        raise ValueError("must not contain NUL characters")
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote)
        return [row for row in rows if row]
    except csv.Error as error:
        raise ValueError(f"cannot be parsed: {error}") from error
