"""Ids of one column of a file, streamed in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from airflow_provider_engagevoice.ringcx.criteria import ROLES, Role
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, did_you_mean
from airflow_provider_engagevoice.ringcx.files.source_file import SourceFile
from airflow_provider_engagevoice.ringcx.files.tables import (
    read_csv,
    read_json_lines,
    read_lines,
    read_parquet,
)

_DIGIT, _LETTER = re.compile(r"\d"), re.compile(r"[^\W\d]")

NumberedValues = Iterator[tuple[int, Any]]
"""Values, each with the number of its line or row."""


@dataclass
class IdFile:
    """Ids of a file, streamed. Each iteration reads the file from the start.

    :param path: a path, or any object with ``open(mode)`` whose text is a path, such as Airflow's
        ``ObjectStoragePath``.
    :param column: the column, if the format has columns; None for the only one.
    :param key: the criterion that the ids are for: ``externIds``, ``leadIds`` or ``leadPhoneNumbers``.
    :raises InvalidParameter: if the path is not a path, or its suffix is not that of a supported format.
    """

    path: Any
    column: str | None = None
    key: str = "externIds"
    _position: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        self._file = SourceFile(self.path)
        if self._file.format == "lines" and self.column is not None:
            raise InvalidParameter("Remove source_column: a file with one id per line has no columns")

    def __iter__(self) -> Iterator[Any]:
        """Yield the ids as they are in the file, including blank ones.

        :raises TransientError: if the file changed while it was read.
        :raises InvalidParameter: if the file does not exist, does not have the format of its suffix, or has
            no such column; the message shows the line number, never the line's content.
        """
        with self._file.open() as file:
            for number, value in self._read(file):
                self._position = number
                yield value

    def location(self, index: int) -> str:
        """Return the position of the id that was yielded last, for an error message."""
        return f"{'row' if self._file.format == 'parquet' else 'line'} {self._position} of the source"

    def _read(self, file: Any) -> NumberedValues:
        if self._file.format == "lines":
            return ((number, line.strip()) for number, line in read_lines(file))
        if self._file.format == "csv":
            return ((number, cell.strip()) for number, (cell,) in read_csv(file, self._choose_csv_column))
        if self._file.format == "json":
            return _json_values(file, self.column)
        return ((number, value) for number, (value,) in read_parquet(file, self._choose_column))

    def _choose_csv_column(self, header: list[str]) -> list[int]:
        _check_header(header, self.column)
        return self._choose_column(header)

    def _choose_column(self, header: list[str]) -> list[int]:
        return [_column_index(header, self.column)]


def open_id_file(path: object, column: object, key: str) -> IdFile:
    """Return an id file with validated options.

    :param path: the path.
    :param column: the column; None for the only one.
    :param key: the criterion that its ids are for.
    :return: the id file; nothing has been read yet.
    :raises InvalidParameter: if an argument is wrong.
    """
    validate_source_options(key, column)
    return IdFile(path, column if isinstance(column, str) else None, key)


def validate_source_options(key: object, column: object = None) -> None:
    """Validate the arguments ``source_as`` and ``source_column``.

    :param key: the criterion that the ids are for.
    :param column: the column's name; None for the only column.
    :raises InvalidParameter: if the criterion does not take ids, or the column is not a name.
    """
    known = [name for name, role in ROLES.items() if role is Role.IDENTITY]
    if key not in known:
        raise InvalidParameter(
            f"source_as must be one of {', '.join(known)}, not {key!r}{did_you_mean(key, known)}"
        )
    if column is not None and (not isinstance(column, str) or not column.strip()):
        raise InvalidParameter("source_column must be the name of a column")


def _check_header(header: list[str], column: str | None) -> None:
    """Raise if the first line is not a header."""
    if column is None and _looks_like_id(header):
        raise InvalidParameter(
            "source: the first line of a .csv file must be its header, and this one looks like an id; rename "
            "a file without a header to .txt, or set source_column to the name of the column"
        )


def _looks_like_id(header: list[str]) -> bool:
    """Return whether a header is an id or a phone number, which would be skipped.

    An id with letters cannot be distinguished from a name. ``0`` is pandas' name for an unnamed column.
    """
    if len(header) != 1 or header[0] == "0":
        return False
    return bool(_DIGIT.search(header[0])) and not _LETTER.search(header[0])


def _column_index(header: list[str], column: str | None) -> int:
    """Return the index of a column. The header is never shown, since it may be an id."""
    if column is None and len(header) == 1:
        return 0
    if column is None:
        raise InvalidParameter(f"source has {len(header)} columns; set source_column to one of them")
    found = [index for index, name in enumerate(header) if name == column]
    if len(found) != 1:
        count = f"{len(found)} columns" if found else "no column"
        raise InvalidParameter(
            f"source has {count} {column!r} among its {len(header)}{did_you_mean(column, header)}"
        )
    return found[0]


def _json_values(file: IO[str], column: str | None) -> NumberedValues:
    column_found, number = False, 0
    for number, row in read_json_lines(file):
        if column is None:
            if len(row) != 1:
                raise InvalidParameter(
                    f"line {number} of the source has {len(row)} columns; set source_column to one of them"
                )
            column = next(iter(row))
        column_found = column_found or column in row
        # A column that is missing in one line is empty there; one that is missing in all is misspelled.
        yield number, row.get(column)
    if not column_found and number:
        raise InvalidParameter(f"no line of the source has a column {column!r}")
