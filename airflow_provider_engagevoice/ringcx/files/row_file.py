"""Rows of a file with named columns, streamed in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.files.header import check_column_names
from airflow_provider_engagevoice.ringcx.files.source_file import SourceFile
from airflow_provider_engagevoice.ringcx.files.tables import (
    DELIMITERS,
    read_csv,
    read_json_lines,
    read_parquet,
)
from airflow_provider_engagevoice.ringcx.leads.identifiers import remove_invisible

Row = Mapping[str, Any]
"""One row: values by column name. All values of a CSV file are text, as in the file."""


@dataclass
class RowFile:
    """Rows of a file, streamed. Each iteration reads the file from the start.

    :param path: a path, or any object with ``open(mode)`` whose text is a path, such as Airflow's
        ``ObjectStoragePath``: ``.csv``, ``.jsonl``, ``.ndjson`` (each also as ``.gz``) or ``.parquet``.
    :param delimiter: what separates the cells of a CSV file; None for the one of ``, ; tab |`` that its
        header has most.
    :raises InvalidParameter: if the path is not a path, its suffix is not that of a supported format, or the
        delimiter is not valid.
    """

    path: Any
    delimiter: str | None = None
    _header: list[str] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        self._file = SourceFile(self.path, "rows")
        if self.delimiter is not None and self.delimiter not in DELIMITERS:
            raise InvalidParameter('delimiter must be one of ",", ";", "\\t" and "|"')

    @property
    def unit(self) -> str:
        """Unit of the row numbers: ``line`` or ``row``."""
        return "row" if self._file.format == "parquet" else "line"

    @property
    def has_header(self) -> bool:
        """Whether all rows have the same columns, which the file names once."""
        return self._file.format != "json"

    def __iter__(self) -> Iterator[tuple[int, Row]]:
        """Yield each row with its number, as :attr:`unit` says.

        Rows of a CSV file without any value are skipped.

        :raises TransientError: if the file changed while it was read.
        :raises InvalidParameter: if the file does not exist, does not have the format of its suffix, or its
            columns are not valid; the message shows the number, never the content.
        """
        with self._file.open() as file:
            if self._file.format == "json":
                yield from read_json_lines(file)
                return
            rows: Iterator[tuple[int, list[Any]]] = (
                read_csv(file, self._choose_all, self.delimiter)
                if self._file.format == "csv"
                else read_parquet(file, self._choose_all)
            )
            is_text = self._file.format == "csv"
            for number, values in rows:
                # Spreadsheets write rows of empty cells below a table.
                if not is_text or any(remove_invisible(value)[0] for value in values):
                    yield number, dict(zip(self._header, values, strict=True))

    def _choose_all(self, header: list[str]) -> range:
        """Choose all columns."""
        check_column_names("source", header)
        self._header = header
        return range(len(header))
