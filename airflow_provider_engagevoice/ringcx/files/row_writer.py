"""Writes rows to a CSV, JSON Lines or Parquet file."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import IO, Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, UnexpectedResponse
from airflow_provider_engagevoice.ringcx.files.paths import file_format, is_compressed

_BATCH_SIZE = 2_000
#: Batches in one row group of a Parquet file: the file's footer, which its writer keeps in memory, grows with
#: their number.
_BATCHES_IN_GROUP = 5
_INTEGER = re.compile(r"-?[0-9]{1,18}")
#: Functions of pyarrow that make a type.
_PARQUET_TYPES = {"string": "string", "int64": "int64", "bool": "bool_"}


def output_format(path: Any) -> str:
    """Return the format of an output file, by its suffix.

    :param path: its path.
    :return: ``csv``, ``json`` (JSON Lines) or ``parquet``.
    :raises InvalidParameter: if it is none of them.
    """
    try:
        found = file_format(path)
    except InvalidParameter:
        found = "lines"
    if found == "lines":
        raise InvalidParameter("output must be a .csv, .jsonl, .ndjson (each also as .gz) or .parquet file")
    return found


def check_library(path: Any) -> None:
    """Raise if the library that writes the format of a path is not installed.

    :param path: the path.
    :raises InvalidParameter: if it is missing; the message names the extra.
    """
    if output_format(path) == "parquet":
        _pyarrow()


def write_rows(
    file: IO[bytes],
    path: Any,
    columns: Sequence[str],
    types: Mapping[str, str],
    rows: Iterable[Sequence[Any]],
) -> int:
    """Write rows in the format of a path.

    :param file: the file.
    :param path: path whose suffix names the format.
    :param columns: names of the columns.
    :param types: type of each column that is not text, for Parquet: ``int64`` or ``bool``.
    :param rows: values of each row, in the order of the columns.
    :return: number of rows.
    """
    if output_format(path) == "parquet":
        return _write_parquet(file, columns, types, rows)
    with _text(file, is_compressed(path)) as text:
        write = _csv_writer(text, columns) if output_format(path) == "csv" else _json_writer(text, columns)
        return sum(write(row) for row in rows)


@contextmanager
def _text(file: IO[bytes], compressed: bool) -> Iterator[IO[str]]:
    # Without the time and the name of the file, so that the same rows give the same bytes.
    binary: Any = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if compressed else file
    text = io.TextIOWrapper(binary, encoding="utf-8", newline="")
    yield text
    text.flush()
    text.detach()
    if compressed:
        binary.close()


def _csv_writer(text: IO[str], columns: Sequence[str]) -> Any:
    writer = csv.writer(text)
    writer.writerow(columns)

    def write(row: Sequence[Any]) -> int:
        writer.writerow([_cell(value) for value in row])
        return 1

    return write


def _json_writer(text: IO[str], columns: Sequence[str]) -> Any:
    def write(row: Sequence[Any]) -> int:
        # ASCII, since some readers treat other line separators of Unicode as the end of a line.
        text.write(json.dumps(dict(zip(columns, row, strict=True))) + "\n")
        return 1

    return write


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, (bool, dict, list)) else value


def _write_parquet(
    file: IO[bytes], columns: Sequence[str], types: Mapping[str, str], rows: Iterable[Sequence[Any]]
) -> int:
    pyarrow = _pyarrow()
    schema = pyarrow.schema(
        [(name, getattr(pyarrow, _PARQUET_TYPES[types.get(name, "string")])()) for name in columns]
    )
    count, source = 0, iter(rows)
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(_record_batches(pyarrow, schema, types, source), _BATCHES_IN_GROUP)):
            table = pyarrow.Table.from_batches(group)
            writer.write_table(table, row_group_size=len(table))
            count += len(table)
    return count


def _record_batches(
    pyarrow: Any, schema: Any, types: Mapping[str, str], rows: Iterator[Sequence[Any]]
) -> Iterator[Any]:
    while batch := list(islice(rows, _BATCH_SIZE)):
        values = [
            pyarrow.array(
                [_parquet_value(field.name, row[index], types.get(field.name)) for row in batch], field.type
            )
            for index, field in enumerate(schema)
        ]
        yield pyarrow.record_batch(values, schema=schema)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InvalidParameter(
            "A .parquet output needs pyarrow: pip install airflow-provider-engagevoice[parquet]"
        ) from None
    return pyarrow


def _parquet_value(name: str, value: Any, kind: str | None) -> Any:
    if value is None:
        return None
    if kind is None or kind == "string":
        return value if isinstance(value, str) else json.dumps(value)
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "int64" and not isinstance(value, bool):
        if isinstance(value, int) and -(2**63) <= value < 2**63:
            return value
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            return int(value)
    # pyarrow's own message would contain the value.
    raise UnexpectedResponse(
        f"Write another format than Parquet, or leave out the field {name}: a value of it is no {kind}"
    )
