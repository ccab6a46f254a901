"""Common part of loads and updates: read and check the rows, and write the report at the end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from airflow_provider_engagevoice.ringcx.exceptions import counted
from airflow_provider_engagevoice.ringcx.files.private_file import PrivateFile
from airflow_provider_engagevoice.ringcx.loading.lead_load import RowInput
from airflow_provider_engagevoice.ringcx.loading.load_report import report_lines
from airflow_provider_engagevoice.ringcx.loading.row_reader import CheckLead, read_rows
from airflow_provider_engagevoice.ringcx.loading.row_spool import RowSpool
from airflow_provider_engagevoice.ringcx.loading.rows import Outcome

log = logging.getLogger(__name__)

_NEAR_MISSES_SHOWN = 10


@dataclass(frozen=True)
class RowRun:
    """Rows of one attempt and their report.

    :param input: the rows.
    :param name: part of the name of the report's temporary file; differs for each load.
    """

    input: RowInput
    name: str

    @contextmanager
    def rows(self, check: CheckLead) -> Iterator[RowSpool]:
        """Read and check all rows, and write the report when the ``with`` block ends.

        :param check: checks each lead.
        :return: the rows; those without an outcome at the end are reported as not sent.
        :raises SourceRejected: if the rows as a whole are not what they must be.
        """
        report = None if self.input.report is None else PrivateFile(self.input.report, "report", self.name)
        spool = None
        try:
            manifests = self.input.guard.manifests()
            spool, columns = read_rows(self.input.rows, self.input.mapper, check)
            # Not before: the file could be replaced between the check and the reading.
            self.input.guard.check_file(manifests)
            self._warn_near_misses(spool)
            self.input.guard.check_rows(spool, columns, manifests)
            yield spool
        finally:
            if report is not None and spool is not None:
                report.finish(report_lines(spool.iter_outcomes(), Outcome.NOT_SENT))
            elif report is not None:
                report.discard()
            if spool is not None:
                spool.close()

    def _warn_near_misses(self, spool: RowSpool) -> None:
        count, numbers = spool.near_misses(_NEAR_MISSES_SHOWN)
        if count:
            log.warning(
                "%s differ from another one only in case, blanks, leading zeros, a trailing .0, or in having "
                "15 or 18 letters, as Salesforce ids have; they count as different leads. First %ss: %s",
                counted(count, "external id"),
                self.input.rows.unit,
                ", ".join(map(str, numbers)),
            )
