"""Checks of a whole source before the first request: complete, not empty, and mostly valid."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import SourceRejected, counted
from airflow_provider_engagevoice.ringcx.files.manifest import Manifest, find_manifest, read_manifest
from airflow_provider_engagevoice.ringcx.loading.options import expected_rows, rejected_limit
from airflow_provider_engagevoice.ringcx.loading.row_spool import RowSpool
from airflow_provider_engagevoice.ringcx.loading.rows import Outcome

_ROWS_SHOWN = 5


@dataclass(frozen=True)
class SourceGuard:
    """Requirements for a source.

    :param path: path of the file; None if the rows are not in a file. A manifest in its folder must agree.
    :param expect_rows: number of rows: a number, ``">=1000"`` or the path of a manifest; None for any.
    :param allow_empty: a source without rows is valid.
    :param on_rejected: what to do about rejected rows.
    :param max_rejected: most rejected rows; None for none if ``on_rejected`` is ``"fail"``, else any.
    """

    path: Any = None
    expect_rows: Any = None
    allow_empty: bool = False
    on_rejected: str = "fail"
    max_rejected: Any = None

    def manifests(self) -> list[Manifest]:
        """Return the manifests of the source.

        :raises InvalidParameter: if one of them is not valid.
        """
        beside = find_manifest(self.path) if self.path is not None else None
        named = (
            read_manifest(self.expect_rows)
            if self.expect_rows is not None and expected_rows(self.expect_rows) is None
            else None
        )
        return [manifest for manifest in (beside, named) if manifest is not None]

    def check_file(self, manifests: Collection[Manifest]) -> None:
        """Raise if the file is not the one that its manifests describe.

        :param manifests: from :meth:`manifests`.
        :raises SourceRejected: if it differs.
        """
        if self.path is not None:
            for manifest in manifests:
                manifest.check_file(self.path)

    def check_rows(self, spool: RowSpool, columns: Collection[str], manifests: Collection[Manifest]) -> None:
        """Raise if the rows cannot be all that they should be.

        :param spool: the rows.
        :param columns: the columns that they have.
        :param manifests: from :meth:`manifests`.
        :raises SourceRejected: if there are none, not as many as expected, or too many rejected ones.
        """
        if not spool.rows and not self.allow_empty:
            raise SourceRejected(
                "Set allow_empty=True if the source may be empty: it has no rows. Nothing was sent"
            )
        for manifest in manifests:
            manifest.check_content(spool.rows, columns)
        expected = expected_rows(self.expect_rows) if self.expect_rows is not None else None
        if expected is not None:
            number, is_minimum = expected
            if spool.rows < number or (spool.rows > number and not is_minimum):
                raise SourceRejected(
                    f"Check what writes the source: it has {counted(spool.rows, 'row')}, and expect_rows is "
                    f"{self.expect_rows}. Nothing was sent"
                )
        self._check_rejected(spool)

    @property
    def _rejected_limit(self) -> Any:
        if self.max_rejected is None and self.on_rejected == "fail":
            return 0
        return self.max_rejected

    def _check_rejected(self, spool: RowSpool) -> None:
        most = rejected_limit(self._rejected_limit, spool.rows)
        if most is None:
            return
        rejected = sum(
            count for (outcome, _, _), count in spool.count_outcomes().items() if outcome is Outcome.REJECTED
        )
        if rejected > most:
            first = spool.first_rows(Outcome.REJECTED, _ROWS_SHOWN)
            examples = "".join(f"\nrow {number}: {message}" for number, message in first)
            more = f"\n{rejected - len(first):,} more" if rejected > len(first) else ""
            raise SourceRejected(
                f"Correct {counted(rejected, 'row')} of {spool.rows:,}, or set on_rejected or max_rejected. "
                f"Nothing was sent{examples}{more}"
            )
