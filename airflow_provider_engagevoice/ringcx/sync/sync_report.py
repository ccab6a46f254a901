"""Report of an applied plan: a private CSV file with one line for each change."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from airflow_provider_engagevoice.ringcx.loading.load_report import csv_line
from airflow_provider_engagevoice.ringcx.sync.planned_work import PlannedWork

COLUMNS = ("action", "row", "external_id", "outcome", "code", "message", "lead_id")
"""The columns of the report."""


def loads_path(report: Path) -> Path:
    """Return the path of the rows that are loaded, until they are added to the report.

    It is next to the report, so that the next attempt replaces the file of one that was killed.

    :param report: path of the report.
    """
    return report.with_name(f".{report.name}.loads")


def report_lines(work: PlannedWork, loads: Path | None) -> Iterator[str]:
    """Yield the lines of the report: first removals and updates, then the rows that are loaded.

    :param work: the changes, with their outcomes.
    :param loads: report of the load, which is deleted; None if there is none.
    """
    yield csv_line(COLUMNS)
    for action, lead_id, outcome, code in work.iter_outcomes():
        yield csv_line((action, "", "", outcome, code, "", lead_id))
    if loads is not None and loads.exists():
        with loads.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            next(rows, None)
            for row in rows:
                yield csv_line(("load", *row))
        loads.unlink()
