"""Reads the cells of .xlsx files, which are ZIP archives of XML, with nothing but the standard library."""

from __future__ import annotations

import io
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

#: What a file may grow to: bytes of XML; letters and cells of all pages (empty cells between others count);
#: columns. Cells may share a text, so that few bytes of XML can stand for very many letters.
_MOST_BYTES = 16 * 1024 * 1024
_MOST_LETTERS = 16 * 1024 * 1024
_MOST_CELLS = 1_000_000
_MOST_COLUMNS = 512
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_COLUMN = re.compile(r"([A-Z]{1,3})\d+", re.ASCII)


#: What :mod:`zipfile` raises for files that are no ZIP archives, are encrypted, or lack a part.
_NOT_A_WORKBOOK = (
    zipfile.BadZipFile, zlib.error, struct.error, KeyError, EOFError, OSError, RuntimeError,
)  # fmt: skip


@dataclass(frozen=True)
class Page:
    """One page of a table.

    :param name: its name.
    :param rows: its rows, each as texts.
    """

    name: str
    rows: list[list[str]]


def read_workbook(content: bytes) -> list[Page]:
    """Read all pages of an Excel file. Dates stay the numbers that Excel keeps.

    :param content: the file.
    :return: the pages, in the order of the file.
    :raises ValueError: it is no such file, or too large.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _pages(_Archive(archive))
    except _NOT_A_WORKBOOK as error:
        raise ValueError("is not an Excel file of the kind .xlsx") from error
    except ElementTree.ParseError as error:
        raise ValueError("is an Excel file with broken content") from error


class _Archive:
    """The parts of a file, read with a limit on all of them together."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._left = _MOST_BYTES

    def has(self, name: str) -> bool:
        """Tell whether there is such a part."""
        return name in self._archive.namelist()

    def read(self, name: str) -> ElementTree.Element:
        """Read one part."""
        if self._archive.getinfo(name).compress_type not in _COMPRESSIONS:
            raise ValueError("is compressed in a way that Excel does not use")
        with self._archive.open(name) as part:
            content = part.read(self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise ValueError("is too large")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError("holds XML that is not UTF-8") from error
        # Entities are declared there, and some grow without end. Excel writes none.
        if "<!DOCTYPE" in text or "\0" in text:
            raise ValueError("holds XML that Excel does not write")
        return ElementTree.fromstring(text)


def _pages(archive: _Archive) -> list[Page]:
    """Read all pages."""
    targets = {
        each.get("Id"): each.get("Target", "") for each in archive.read("xl/_rels/workbook.xml.rels").iter()
    }
    shared: list[str] = []
    if archive.has("xl/sharedStrings.xml"):
        shared = [_text(item) for item in archive.read("xl/sharedStrings.xml").iterfind("{*}si")]
    pages, cells, letters = [], 0, 0
    for sheet in archive.read("xl/workbook.xml").iterfind("{*}sheets/{*}sheet"):
        relation = next((value for name, value in sheet.items() if name.endswith("}id")), None)
        # A target is named from the folder of the workbook, or with a slash from the top.
        path = posixpath.join("/xl", targets[relation]).lstrip("/")
        rows = []
        for row in archive.read(path).iterfind("{*}sheetData/{*}row"):
            values = _row(row, shared)
            cells += len(values)
            letters += sum(map(len, values))
            if cells > _MOST_CELLS:
                raise ValueError(f"has more than {_MOST_CELLS} cells")
            if letters > _MOST_LETTERS:
                raise ValueError("is too large")
            if any(values):
                rows.append(values)
        pages.append(Page(sheet.get("name", ""), rows))
    return pages


def _row(row: ElementTree.Element, shared: Sequence[str]) -> list[str]:
    """Read one row; a cell says where it stands, so that empty ones can be missing."""
    values: list[str] = []
    for cell in row.iterfind("{*}c"):
        place = _COLUMN.fullmatch(cell.get("r", ""))
        column = _number_of(place[1]) if place else len(values)
        if not len(values) <= column < _MOST_COLUMNS:
            raise ValueError(f"has cells out of order, or more than {_MOST_COLUMNS} columns")
        values += [""] * (column - len(values))
        values.append(_value(cell, shared))
    return values


def _number_of(letters: str) -> int:
    """Return the number of a column, 0 for A."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _value(cell: ElementTree.Element, shared: Sequence[str]) -> str:
    """Read one cell as text."""
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        inline = cell.find("{*}is")
        return "" if inline is None else _text(inline)
    written = cell.findtext("{*}v", "")
    if kind == "s":
        if not written.isdecimal() or len(written) > 9 or int(written) >= len(shared):
            raise ValueError("names a text that it does not hold")
        return shared[int(written)]
    return _plain_number(written) if kind == "n" else written


def _plain_number(written: str) -> str:
    """Write a number as people do: phone numbers come as 6.175550123E9."""
    try:
        number = float(written)
    except ValueError:
        return written
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else written


def _text(holder: ElementTree.Element) -> str:
    """Read a text, which may be in pieces of several fonts; how to pronounce it is left out."""
    pieces = [*holder.iterfind("{*}t"), *holder.iterfind("{*}r/{*}t")]
    return "".join(piece.text or "" for piece in pieces)
