"""The rows of a load or an update, as the author gives them: where they are, and what they must be."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, require_bool
from airflow_provider_engagevoice.ringcx.files.row_file import RowFile
from airflow_provider_engagevoice.ringcx.loading.lead_load import RowInput
from airflow_provider_engagevoice.ringcx.loading.mapping import RowMapper
from airflow_provider_engagevoice.ringcx.loading.options import validate_expect_rows
from airflow_provider_engagevoice.ringcx.loading.rows import MemoryRows, RowSource
from airflow_provider_engagevoice.ringcx.loading.source_guard import SourceGuard


@dataclass(frozen=True)
class LeadRows:
    """Rows to load or to update leads with.

    :param leads: the rows: an iterable of dicts, or any ``RowSource``.
    :param source: a file of rows instead: a path, or an object with ``open(mode)``.
    :param mapping: field of the lead by column; None if the columns have RingCX's names.
    :param unmapped: what to do about other columns: ``"fail"``, ``"ignore"`` or ``"extended"``.
    :param delimiter: what separates the cells of a CSV file; None to find it in the header.
    :param expect_rows: number of rows, ``">=1000"``, or the path of a manifest; None for any number.
    :param allow_empty: the source may have no rows.
    :param report: path of the report; None for no report.
    """

    leads: Iterable[Mapping[str, Any]] | RowSource | None = None
    source: Any = None
    mapping: Mapping[str, str] | None = None
    unmapped: str = "fail"
    delimiter: str | None = None
    expect_rows: Any = None
    allow_empty: bool = False
    report: str | os.PathLike[str] | None = None

    def to_input(self, on_rejected: str, max_rejected: int | str | None) -> RowInput:
        """Return the rows with what is expected of them.

        :param on_rejected: what to do about rejected rows.
        :param max_rejected: most rejected rows.
        :raises InvalidParameter: if an argument is not valid.
        """
        require_bool(allow_empty=self.allow_empty)
        validate_expect_rows(self.expect_rows)
        if (self.leads is None) == (self.source is None):
            raise InvalidParameter(
                "Pass either leads or source"
                if self.source is not None
                else "Pass leads or source; None means that the task that should return the rows was skipped"
            )
        rows: RowSource
        if self.source is not None:
            rows = RowFile(self.source, self.delimiter)
        elif hasattr(self.leads, "unit"):
            rows = self.leads  # type: ignore[assignment]
        else:
            rows = MemoryRows(self.leads)  # type: ignore[arg-type]
        guard = SourceGuard(self.source, self.expect_rows, self.allow_empty, on_rejected, max_rejected)
        return RowInput(rows, RowMapper(self.mapping, self.unmapped), guard, self.report)
