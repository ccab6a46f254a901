"""Ids from text, CSV, JSON Lines and Parquet files, streamed in bounded memory."""

from __future__ import annotations

import csv
import errno
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
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, TransientError, did_you_mean
from airflow_provider_engagevoice.ringcx.leads.coercion import type_name
from airflow_provider_engagevoice.ringcx.leads.identifiers import remove_invisible
from airflow_provider_engagevoice.ringcx.leads.literals import distinct_keys

_TEXT_FORMATS = {"": "lines", ".txt": "lines", ".csv": "csv", ".jsonl": "json", ".ndjson": "json"}
_PARQUET = ".parquet"
_SUPPORTED = "one id per line (.txt or no suffix), .csv, .jsonl, .ndjson, each also as .gz, or .parquet"
_BATCH_SIZE = 10_000
_DIGIT, _LETTER = re.compile(r"\d"), re.compile(r"[^\W\d]")

#: Errors of the path itself; others, such as those of a network, may pass.
_PERMANENT_ERRNOS = frozenset(
    {errno.ENOENT, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
)
_LONGEST_NAME = 255
_PATH_START = re.compile(r"\.{0,2}/|~[^/]*/|[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_FILE_SUFFIX = re.compile(r"\.(txt|csv|jsonl|ndjson|parquet|gz)", re.IGNORECASE)

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
        self._format = _format_of(self.path)
        if isinstance(self.path, str):
            self.path = Path(self.path)
        if self._format == "lines" and self.column is not None:
            raise InvalidParameter("Remove source_column: a file with one id per line has no columns")

    def __iter__(self) -> Iterator[Any]:
        """Yield the ids as they are in the file, including blank ones.

        :raises TransientError: if the file changed while it was read.
        :raises InvalidParameter: if the file does not exist, does not have the format of its suffix, or has
            no such column; the message shows the line number, never the line's content.
        """
        with ExitStack() as stack:
            before = self._version()
            file = self._open(stack)
            for number, value in _PARSERS[self._format](file, self.column):
                self._position = number
                yield value
            if self._version() != before:
                raise TransientError(
                    "source changed while it was read, so its last id may be incomplete; write it under "
                    "another name and rename it when it is complete"
                )

    def location(self, index: int) -> str:
        """Return the position of the id that was yielded last, for an error message."""
        return f"{'row' if self._format == 'parquet' else 'line'} {self._position} of the source"

    def _version(self) -> tuple[object, ...] | None:
        """Return the size and the time of the last change; None if the storage does not have them."""
        try:
            status = self.path.stat()
            return status.st_size, status.st_mtime
        except Exception:
            # Each kind of storage raises its own errors; opening the file shows those that matter.
            return None

    def _open(self, stack: ExitStack) -> Any:
        try:
            file: Any = stack.enter_context(self.path.open("rb"))
        except UnicodeEncodeError:
            raise InvalidParameter(
                f"source {safe_path(self.path)} cannot be read: the name contains half of a character"
            ) from None
        except OSError as error:
            # Storage other than local files raises these classes without a number.
            permanent = (FileNotFoundError, IsADirectoryError, PermissionError)
            if error.errno not in _PERMANENT_ERRNOS and not isinstance(error, permanent):
                raise
            reason = type(error).__name__ if type(error) is not OSError else error.strerror
            shown = safe_path(self.path)
            if shown == "***":
                raise InvalidParameter(
                    f"source cannot be read ({reason}) and may be ids instead of a path; pass ids in "
                    "search_criteria"
                ) from None
            raise InvalidParameter(f"source {shown} cannot be read: {reason}") from None
        if self._format == "parquet":
            return file
        if _file_name(self.path).lower().endswith(".gz"):
            file = stack.enter_context(gzip.GzipFile(fileobj=file))
        return stack.enter_context(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))


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


def safe_path(value: object) -> str:
    """Return the path of a source or a report for display, redacted if it may be ids instead.

    :param value: the argument ``source`` or ``report``.
    :return: the path if it starts as one or ends with the suffix of a file, and contains no separator of a
        list; otherwise ``***``.
    """
    text = _path_text(value)
    is_path = _PATH_START.match(text) or _FILE_SUFFIX.fullmatch(PurePosixPath(text).suffix)
    if not is_path or _is_list(text) or max(map(len, text.split("/"))) > _LONGEST_NAME:
        return "***"
    return text


def _path_text(path: object) -> str:
    """Return a path as text; an empty text if it is neither a text nor an object that can be opened."""
    return path if isinstance(path, str) else str(path) if hasattr(path, "open") else ""


def _is_list(text: str) -> bool:
    """Return whether a text may be a list of ids."""
    return text.strip()[:1] in "[({" or any(character in ",;|" or ord(character) < 32 for character in text)


def _file_name(path: Any) -> str:
    return PurePosixPath(str(path)).name


def _format_of(path: Any) -> str:
    text = _path_text(path)
    if not text or text.strip()[:1] in "[({" or any(ord(character) < 32 for character in text):
        # The value is not shown: it may contain ids instead of a path.
        raise InvalidParameter(
            f"source must be the path of a file, not {type_name(path)}; pass ids in search_criteria"
        )
    suffixes = PurePosixPath(_file_name(text).lower())
    if suffixes.suffix == _PARQUET:
        return "parquet"
    known = _TEXT_FORMATS.get((PurePosixPath(suffixes.stem) if suffixes.suffix == ".gz" else suffixes).suffix)
    if known is None:
        raise InvalidParameter(f"source must have the suffix of a supported format: {_SUPPORTED}")
    return known


def _parse_lines(file: IO[str], column: str | None) -> NumberedValues:
    for number, line in _numbered_lines(file):
        yield number, line.strip()


def _parse_csv(file: IO[str], column: str | None) -> NumberedValues:
    rows = csv.reader((line for _, line in _numbered_lines(file)), strict=True)
    try:
        names = next((row for row in rows if not _is_header_space(row)), [])
        header = [remove_invisible(name)[0] for name in names]
        if not header:
            return
        _check_header(header, column)
        index = _column_index(header, column)
        for row in rows:
            if len(row) == len(header):
                yield rows.line_num, row[index].strip()
            elif not _is_blank(row):
                raise InvalidParameter(
                    f"line {rows.line_num} of the source does not match its header ({len(row)} instead of "
                    f"{len(header)} cells); put cells that contain a comma in quotation marks"
                )
    except csv.Error:
        raise InvalidParameter(f"line {rows.line_num} of the source is not valid CSV") from None


def _is_blank(row: list[str]) -> bool:
    return not any(remove_invisible(cell)[0] for cell in row)


def _is_header_space(row: list[str]) -> bool:
    """Return whether a row may be above the header: a blank one, or Excel's ``sep=,``."""
    return _is_blank(row) or row == ["sep=", ""]


def _check_header(header: list[str], column: str | None) -> None:
    """Raise if the first line is not a header, or not separated by commas."""
    if len(header) == 1 and any(separator in header[0] for separator in ";\t|"):
        raise InvalidParameter("source: the columns of a .csv file must be separated by commas")
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


def _parse_json_lines(file: IO[str], column: str | None) -> NumberedValues:
    column_found, number = False, 0
    for number, line in _numbered_lines(file):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=distinct_keys)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise InvalidParameter(f"line {number} of the source is not a JSON object with distinct keys")
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


def _numbered_lines(file: IO[str]) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        for number, line in enumerate(file, start=1):
            yield number, line
    except UnicodeDecodeError:
        raise InvalidParameter(f"source is not UTF-8 text; error shortly after line {number}") from None
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise InvalidParameter(
            f"source is not a complete .gz file; error shortly after line {number}"
        ) from None


def _parse_parquet(file: IO[bytes], column: str | None) -> NumberedValues:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InvalidParameter(
            "A .parquet source needs pyarrow: pip install airflow-provider-engagevoice[parquet]"
        ) from None
    reader = _ErrorRecordingFile(file)
    number = 0
    try:
        table = pyarrow.parquet.ParquetFile(reader, page_checksum_verification=True)
        name = table.schema_arrow.names[_column_index(table.schema_arrow.names, column)]
        for batch in table.iter_batches(batch_size=_BATCH_SIZE, columns=[name]):
            for value in batch.column(0).to_pylist():
                number += 1
                yield number, value
    # pyarrow also raises an OSError for a corrupt page.
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, OSError, UnicodeDecodeError):
        if reader.failed:
            raise
        position = f"; error shortly after row {number}" if number else ""
        raise InvalidParameter(f"source is not a valid Parquet file, or is truncated{position}") from None


class _ErrorRecordingFile:
    """File wrapper that records whether a read failed, to distinguish I/O errors from invalid content."""

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


_PARSERS: Mapping[str, Callable[[Any, str | None], NumberedValues]] = {
    "lines": _parse_lines,
    "csv": _parse_csv,
    "json": _parse_json_lines,
    "parquet": _parse_parquet,
}
