"""Report of a load or an update: a private CSV file with one line for each row of the source."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from airflow_provider_engagevoice.ringcx.loading.row_spool import RowOutcome
from airflow_provider_engagevoice.ringcx.loading.rows import Outcome

COLUMNS = ("row", "external_id", "outcome", "code", "message", "lead_id")
"""The columns of the report."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def report_lines(outcomes: Iterable[RowOutcome], default: Outcome) -> Iterator[str]:
    """Yield the lines of a report.

    External ids are written exactly, so that the report can be joined with the source. A message that a
    spreadsheet would take for a formula begins with an apostrophe.

    :param outcomes: the rows with their outcomes.
    :param default: the outcome of rows that have none.
    """
    yield csv_line(COLUMNS)
    for row in outcomes:
        outcome = row.outcome or default
        message = f"'{row.message}" if row.message.startswith(_FORMULA_STARTS) else row.message
        yield csv_line((row.number, row.key or "", outcome.value, row.code, message, row.lead_id or ""))


def csv_line(values: Iterable[object]) -> str:
    """Return a line of a CSV file.

    :param values: the cells.
    """
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue()
