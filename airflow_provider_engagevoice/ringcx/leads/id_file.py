"""Ids out of a file: one a line, or a column of CSV, JSON lines or Parquet. Never all in memory."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from airflow_provider_engagevoice.ringcx.criteria import ROLES, Role
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, did_you_mean
from airflow_provider_engagevoice.ringcx.leads.coercion import type_name

_TEXTS = {"": "lines", ".txt": "lines", ".csv": "csv", ".jsonl": "json", ".ndjson": "json"}
_PARQUET = ".parquet"
_KNOWN = "one id a line (.txt or no suffix), .csv, .jsonl, .ndjson, each also as .gz, or .parquet"
_BATCH = 10_000
_DIGIT, _LETTER = re.compile(r"\d"), re.compile(r"[^\W\d]")

Places = Iterator[tuple[int, Any]]
"""Values, each with the number of its line or row."""


@dataclass
class IdFile:
    """The ids of a file, read as they are asked for; each time anew.

    :param path: a path, or anything that has ``open(mode)`` and a name, such as Airflow's
        ``ObjectStoragePath``.
    :param column: the column, where there are columns; None for the only one.
    :param key: the criterion that they are for: ``externIds``, ``leadIds`` or ``leadPhoneNumbers``.
    :raises InvalidParameter: where the path is none, or its suffix tells no format that can be read.
    """

    path: Any
    column: str | None = None
    key: str = "externIds"
    _at: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        self._format = _format_of(self.path)
        if isinstance(self.path, str):
            self.path = Path(self.path)
        if self._format == "lines" and self.column is not None:
            raise InvalidParameter("source_column names a column, and a file of one id a line has none")

    def __iter__(self) -> Iterator[Any]:
        """Give the ids as they stand in the file, blank ones too.

        :raises InvalidParameter: where there is no such file, or it is not what its suffix says, or has no
            such column; names the line, never what is in it.
        """
        with ExitStack() as stack:
            file = self._open(stack)
            for number, value in _READERS[self._format](file, self.column):
                self._at = number
                yield value

    def place(self, index: int) -> str:
        """Name the place of the id that was given last, for an error."""
        return f"{'row' if self._format == 'parquet' else 'line'} {self._at} of the source"

    def _open(self, stack: ExitStack) -> Any:
        try:
            file: Any = stack.enter_context(self.path.open("rb"))
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            raise InvalidParameter(f"source: {self.path} cannot be read ({type(error).__name__})") from None
        if self._format == "parquet":
            return file
        if _name(self.path).lower().endswith(".gz"):
            file = stack.enter_context(gzip.GzipFile(fileobj=file))
        return stack.enter_context(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))


def open_id_file(path: object, column: object, key: str) -> IdFile:
    """Make a source of arguments.

    :param path: the path.
    :param column: the column; None for the only one.
    :param key: the criterion that its ids are for.
    :return: the source.
    :raises InvalidParameter: where one is wrong.
    """
    check_source(key, column)
    return IdFile(path, column if isinstance(column, str) else None, key)


def check_source(key: object, column: object = None) -> None:
    """Refuse what a source cannot be for.

    :param key: the criterion that its ids are for.
    :param column: the column's name.
    :raises InvalidParameter: where the criterion takes no ids, or the column is no name.
    """
    known = [name for name, role in ROLES.items() if role is Role.IDENTITY]
    if key not in known:
        raise InvalidParameter(
            f"source_as must be one of {', '.join(known)}, not {key!r}{did_you_mean(key, known)}"
        )
    if column is not None and (not isinstance(column, str) or not column.strip()):
        raise InvalidParameter("source_column must be the name of a column")


def safe_path(value: object) -> str:
    """Write a source for a screen: the path, but never ids that were given in its place.

    :param value: what was given as source.
    :return: the path, or ``***``.
    """
    try:
        _format_of(value)
    except InvalidParameter:
        return "***"
    return str(value)


def _name(path: Any) -> str:
    return PurePosixPath(str(path)).name


def _format_of(path: Any) -> str:
    text = path if isinstance(path, str) else str(path) if hasattr(path, "open") else ""
    if not text or text.strip()[:1] in "[({" or any(ord(character) < 32 for character in text):
        # Not shown: ids may have been given in its place.
        raise InvalidParameter(
            f"source must be the path of a file, not {type_name(path)}; give ids in search_criteria"
        )
    suffixes = PurePosixPath(_name(text).lower())
    if suffixes.suffix == _PARQUET:
        return "parquet"
    known = _TEXTS.get((PurePosixPath(suffixes.stem) if suffixes.suffix == ".gz" else suffixes).suffix)
    if known is None:
        raise InvalidParameter(f"source has a suffix that tells no format; it may be {_KNOWN}")
    return known


def _lines(file: IO[str], column: str | None) -> Places:
    for number, line in _numbered(file):
        yield number, line.strip()


def _csv(file: IO[str], column: str | None) -> Places:
    rows = csv.reader((line for _, line in _numbered(file)), strict=True)
    header = [name.strip() for name in next(rows, [])]
    if not header:
        return
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        raise InvalidParameter("source: the columns of a .csv must be separated by commas")
    if column is None and _reads_as_id(header):
        raise InvalidParameter(
            "source: the first line of a .csv names its columns, and this one reads like an id; call a file "
            "without such a line .txt, or give the name of its column in source_column"
        )
    index = _index(header, column)
    try:
        for row in rows:
            if not row:
                continue
            if index >= len(row):
                raise InvalidParameter(f"line {rows.line_num} of the source has too few columns")
            yield rows.line_num, row[index].strip()
    except csv.Error:
        raise InvalidParameter(f"line {rows.line_num} of the source is no CSV") from None


def _reads_as_id(header: list[str]) -> bool:
    """Tell whether a header is an id or a phone number, which would be lost.

    An id with letters cannot be told from a name; and ``0`` is how pandas names a column that has none.
    """
    if len(header) != 1 or header[0] == "0":
        return False
    return bool(_DIGIT.search(header[0])) and not _LETTER.search(header[0])


def _index(header: list[str], column: str | None) -> int:
    """Find a column by its name. The header is not shown: a file without one begins with an id."""
    if column is None and len(header) == 1:
        return 0
    if column is None:
        raise InvalidParameter(f"source has {len(header)} columns; name one in source_column")
    found = [index for index, name in enumerate(header) if name == column]
    if len(found) != 1:
        many = f"{len(found)} columns" if found else "no column"
        raise InvalidParameter(
            f"source has {many} {column!r} among its {len(header)}{did_you_mean(column, header)}"
        )
    return found[0]


def _json(file: IO[str], column: str | None) -> Places:
    met, number = False, 0
    for number, line in _numbered(file):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise InvalidParameter(f"line {number} of the source is no JSON object")
        if column is None:
            if len(row) != 1:
                raise InvalidParameter(
                    f"line {number} of the source has {len(row)} columns; name one in source_column"
                )
            column = next(iter(row))
        met = met or column in row
        # A column that one line lacks is empty there; one that all lack is misspelt.
        yield number, row.get(column)
    if not met and number:
        raise InvalidParameter(f"no line of the source has a column {column!r}")


def _numbered(file: IO[str]) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        for number, line in enumerate(file, start=1):
            yield number, line
    except UnicodeDecodeError:
        raise InvalidParameter(f"the source is not UTF-8 text, soon after line {number}") from None
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise InvalidParameter(f"the source is a torn .gz, soon after line {number}") from None


def _parquet(file: IO[bytes], column: str | None) -> Places:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InvalidParameter(
            "A .parquet source needs pyarrow: pip install airflow-provider-engagevoice[parquet]"
        ) from None
    read = _Read(file)
    number = 0
    try:
        table = pyarrow.parquet.ParquetFile(read)
        name = table.schema_arrow.names[_index(table.schema_arrow.names, column)]
        for batch in table.iter_batches(batch_size=_BATCH, columns=[name]):
            for value in batch.column(0).to_pylist():
                number += 1
                yield number, value
    # pyarrow raises an OSError for a torn page, too.
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, OSError, UnicodeDecodeError):
        if read.failed:
            raise
        where = f", soon after row {number}" if number else ""
        raise InvalidParameter(f"the source is no Parquet file, or a torn one{where}") from None


class _Read:
    """A file that remembers whether reading it failed, as a network does, rather than what stands in it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.failed = False

    def read(self, size: int = -1) -> bytes:
        try:
            return self._file.read(size)
        except BaseException:
            self.failed = True
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


_READERS: Mapping[str, Callable[[Any, str | None], Places]] = {
    "lines": _lines,
    "csv": _csv,
    "json": _json,
    "parquet": _parquet,
}
