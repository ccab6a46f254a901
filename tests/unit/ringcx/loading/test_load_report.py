"""Lines of a report."""

from __future__ import annotations

import csv

from airflow_provider_engagevoice.ringcx.loading.load_report import COLUMNS, report_lines
from airflow_provider_engagevoice.ringcx.loading.row_spool import RowOutcome
from airflow_provider_engagevoice.ringcx.loading.rows import Outcome


def test_external_ids_are_exact_and_messages_are_no_formulas() -> None:
    keys = ["=1+1", "007", "-5", "a,b"]
    rows = [RowOutcome(2, key, Outcome.REJECTED, "ringcx", "=1+1", None) for key in keys]
    header, *lines = csv.reader(report_lines(rows, Outcome.NOT_SENT))
    assert tuple(header) == COLUMNS
    assert [line[1] for line in lines] == keys
    assert {line[4] for line in lines} == {"'=1+1"}


def test_row_without_an_outcome_has_the_default() -> None:
    _, line = csv.reader(report_lines([RowOutcome(2, None, None, "", "", None)], Outcome.NOT_SENT))
    assert line == ["2", "", "not_sent", "", "", ""]
