"""Reads uploaded tables: text with separators, and Excel files."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_engagevoice.ringcx.spec.enums import FILE_TYPES
from airflow_provider_engagevoice.sandbox.api.loader.multipart import Upload
from airflow_provider_engagevoice.sandbox.api.loader.spreadsheets import Page, read_workbook
from airflow_provider_engagevoice.sandbox.http.errors import InvalidValue, validation_error
from airflow_provider_engagevoice.sandbox.http.parsing import choice_parser
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest

_SEPARATORS = {"PIPE": "|", "COMMA": ",", "TAB": "\t"}


@dataclass(frozen=True)
class Form:
    """How a table is written.

    :param file_type: ``EXCEL``, ``PIPE``, ``COMMA`` or ``TAB``.
    :param quote: what stands around values that hold a separator.
    """

    file_type: str
    quote: str


def read_form(request: ApiRequest, fields: Mapping[str, str], default: str = "") -> Form:
    """Read how the table of a request is written.

    :param request: the request, whose query may say it (contract).
    :param fields: the texts of its body, which may say it as well (observed).
    :param default: the ``fileType`` where nothing is said; empty where it must be said.
    :return: the form; without ``quoteCharacter`` the quote is ``"`` (assumed).
    :raises ApiError: with status 400, where a value is missing or wrong.
    """
    file_type = request.query.get("fileType") or fields.get("fileType") or default
    quote = request.query.get("quoteCharacter") or fields.get("quoteCharacter") or '"'
    invalid = []
    try:
        choice_parser(FILE_TYPES)(file_type)
    except ValueError as error:
        invalid.append(InvalidValue.of("fileType", error, file_type))
    if len(quote) != 1 or quote in f"\r\n {_SEPARATORS.get(file_type, '')}":
        invalid.append(
            InvalidValue.of("quoteCharacter", "must be one character that separates nothing", quote)
        )
    if invalid:
        raise validation_error(invalid)
    return Form(file_type, quote)


def read_table(upload: Upload, form: Form) -> list[Page]:
    """Read an uploaded table.

    :param upload: the file.
    :param form: how it is written.
    :return: its pages; only Excel files have more than one.
    :raises ApiError: with status 400, where the file is no such table.
    """
    try:
        if form.file_type == "EXCEL":
            return read_workbook(upload.content)
        return [Page(upload.name, _read_text(upload.content, _SEPARATORS[form.file_type], form.quote))]
    except ValueError as error:
        raise validation_error([InvalidValue.of("file", error, upload.name)]) from error


def _read_text(content: bytes, separator: str, quote: str) -> list[list[str]]:
    """Read text with separators; empty lines are left out."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("must be text in UTF-8") from error
    if "\0" in text:
        raise ValueError("must be text without NUL")
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quotechar=quote)
        return [row for row in rows if row]
    except csv.Error as error:
        raise ValueError(f"cannot be read: {error}") from error
