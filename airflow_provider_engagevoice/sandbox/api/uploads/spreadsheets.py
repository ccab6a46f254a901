"""Reader of Excel files."""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.sandbox.api.uploads.archives import (
    NOT_AN_ARCHIVE,
    UnsupportedFile,
    copy_checked,
)

#: Limits of all pages together: characters and cells (including empty cells between others), and columns of a
#: row. Cells can share a text, so that a few bytes of XML can expand to many characters.
MAX_CHARACTERS = 16 * 1024 * 1024
MAX_CELLS = 1_000_000
MAX_COLUMNS = 512

#: Namespaces of "Strict Open XML", which openpyxl does not support, and their supported equivalents.
_NAMESPACES = {
    b"http://purl.oclc.org/ooxml/spreadsheetml/main": (
        b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    ),
    b"http://purl.oclc.org/ooxml/officeDocument/relationships": (
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    ),
}

#: Errors of openpyxl for malformed or unexpected XML.
_BROKEN_CONTENT = (SyntaxError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True)
class Page:
    """One page of a table.

    :param name: its name.
    :param rows: its rows, each as texts.
    """

    name: str
    rows: list[list[str]]


def read_workbook(content: bytes) -> list[Page]:
    """Read all pages of an Excel file. Dates remain the numbers that Excel stores.

    :param content: the file.
    :return: the pages, in the order of the file; rows without a value are skipped.
    :raises ValueError: if it is not an Excel file, is broken, or exceeds a limit.
    """
    try:
        return _read_pages(copy_checked(content, _NAMESPACES))
    except UnsupportedFile:
        raise
    except IndexError as error:
        raise ValueError("refers to a shared string that it does not contain") from error
    except NOT_AN_ARCHIVE as error:
        raise ValueError("is not an Excel file of the kind .xlsx") from error
    except _BROKEN_CONTENT as error:
        raise ValueError("is an Excel file with broken content") from error


def _read_pages(file: io.BytesIO) -> list[Page]:
    """Read all pages of a checked file."""
    # Imported here because it takes 0.1 s and only Excel files need it.
    from openpyxl.reader.excel import ExcelReader
    from openpyxl.worksheet._reader import WorkSheetParser

    # Only the steps that values require: without styles, dates remain numbers. load_workbook() would parse
    # the rest as well, and its rows silently lose cells that are out of order; the parser returns all cells.
    reader = ExcelReader(file, read_only=True, data_only=True, keep_links=False)
    reader.read_manifest()
    reader.read_strings()
    reader.read_workbook()
    limits = _Limits()
    pages: list[Page] = []
    targets: set[str] = set()
    for sheet, relation in reader.parser.find_sheets():
        if relation.target in targets:
            raise UnsupportedFile("has two pages with the same content")
        targets.add(relation.target)
        rows: list[list[str]] = []
        if relation.Type.endswith("/worksheet"):
            with reader.archive.open(relation.target) as part:
                parser = WorkSheetParser(part, reader.shared_strings, data_only=True)
                rows = list(_read_rows((cells for _, cells in parser.parse()), limits))
        pages.append(Page(sheet.name or "", rows))
    return pages


@dataclass
class _Limits:
    """Counts of the cells and characters read from all pages."""

    cells: int = 0
    characters: int = 0

    def count(self, row: Sequence[str]) -> None:
        """Add a row to the counts.

        :raises UnsupportedFile: if there are too many cells or characters.
        """
        self.cells += len(row)
        self.characters += sum(map(len, row))
        if self.cells > MAX_CELLS:
            raise UnsupportedFile(f"has more than {MAX_CELLS} cells")
        if self.characters > MAX_CHARACTERS:
            raise UnsupportedFile("is too large")


def _read_rows(rows: Iterator[Sequence[Mapping[str, Any]]], limits: _Limits) -> Iterator[list[str]]:
    """Yield the rows of a page that have a value."""
    for cells in rows:
        row = _read_row(cells)
        limits.count(row)
        if any(row):
            yield row


def _read_row(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a row as texts; cells carry their column number, since empty cells can be missing."""
    row: list[str] = []
    for cell in cells:
        column = cell["column"] - 1
        if not len(row) <= column < MAX_COLUMNS:
            raise UnsupportedFile(f"has cells out of order, or more than {MAX_COLUMNS} columns")
        row += [""] * (column - len(row))
        row.append(_text(cell["value"]))
    return row


def _text(value: object) -> str:
    """Return a value as text; a phone number such as 6.175550123E9 is written without an exponent."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)
