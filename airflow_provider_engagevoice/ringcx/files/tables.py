"""Rows of text, CSV, JSON Lines and Parquet files, each with the number of its line or row."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.leads.identifiers import remove_invisible
from airflow_provider_engagevoice.ringcx.leads.literals import distinct_keys

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
"""Names of the delimiters that a CSV file may have."""

_EXCEL_DELIMITER = re.compile(r"sep=([,;\t|])")
_BATCH_SIZE = 2_000

ChooseColumns = Callable[[list[str]], Sequence[int]]
"""Returns which columns of a header to read, by index; raises if the header is not valid."""


def read_lines(file: IO[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file, including blank ones.

    :param file: the file.
    :raises InvalidParameter: if it is not UTF-8 text, or not a complete ``.gz`` file.
    """
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


def read_csv(
    file: IO[str], choose: ChooseColumns, delimiter: str | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of a CSV file; blank rows are skipped.

    :param file: the file. Its first line is the header, after blank lines and Excel's ``sep=;``.
    :param choose: chooses the columns. Blanks and invisible characters are removed from their names.
    :param delimiter: what separates the cells; None for the one of ``, ; tab |`` that the header has most.
    :raises InvalidParameter: if it is not CSV, or a row has more or fewer cells than the header.
    """
    lines, skipped = (line for _, line in read_lines(file)), 0
    for first in lines:
        if announced := _EXCEL_DELIMITER.fullmatch(first.strip()):
            delimiter = delimiter or announced[1]
        elif remove_invisible(first)[0].strip("".join(DELIMITERS)):
            break
        skipped += 1
    else:
        return
    delimiter = delimiter or _find_delimiter(first)
    rows = csv.reader(itertools.chain([first], lines), delimiter=delimiter, strict=True)
    try:
        header = [remove_invisible(name)[0] for name in next(rows)]
        indexes = choose(header)
        for row in rows:
            if len(row) == len(header):
                yield rows.line_num + skipped, [row[index] for index in indexes]
            elif any(remove_invisible(cell)[0] for cell in row):
                raise InvalidParameter(
                    f"line {rows.line_num + skipped} of the source does not match its header ({len(row)} "
                    f"instead of {len(header)} cells); put cells that contain {DELIMITERS[delimiter]} in "
                    "quotation marks"
                )
    except csv.Error:
        raise InvalidParameter(f"line {rows.line_num + skipped} of the source is not valid CSV") from None


def _find_delimiter(header: str) -> str:
    """Return the delimiter that a header has most outside of quotation marks; a comma if it has none."""
    unquoted = re.sub(r'"[^"]*"?', "", header)
    return max(DELIMITERS, key=unquoted.count)


def read_json_lines(file: IO[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a JSON Lines file; blank lines are skipped.

    :param file: the file.
    :raises InvalidParameter: if a line is not a JSON object with distinct keys.
    """
    for number, line in read_lines(file):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=distinct_keys)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise InvalidParameter(f"line {number} of the source is not a JSON object with distinct keys")
        yield number, row


def read_parquet(file: IO[bytes], choose: ChooseColumns) -> Iterator[tuple[int, list[Any]]]:
    """Yield the values of the rows of a Parquet file, in batches.

    :param file: the file.
    :param choose: chooses the columns; only these are read.
    :raises InvalidParameter: if pyarrow is not installed, or the file is not a complete Parquet file.
    """
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
        names = table.schema_arrow.names
        chosen = [names[index] for index in choose(names)]
        # Threads would decode all columns at once, which needs more memory and saves no time.
        for batch in table.iter_batches(batch_size=_BATCH_SIZE, columns=chosen, use_threads=False):
            columns = [batch.column(name).to_pylist() for name in chosen]
            for values in zip(*columns, strict=True):
                number += 1
                yield number, list(values)
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
