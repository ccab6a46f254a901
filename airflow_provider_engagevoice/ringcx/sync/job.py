"""Job of a sync: a campaign, the rows that it should have, and how they are read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_engagevoice.ringcx.campaigns import Campaign
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.loading.lead_load import RowInput
from airflow_provider_engagevoice.ringcx.loading.lead_rows import LeadRows
from airflow_provider_engagevoice.ringcx.loading.options import expected_rows
from airflow_provider_engagevoice.ringcx.sync.options import SyncOptions
from airflow_provider_engagevoice.ringcx.sync.owner import owner_id

_KEPT = ("mapping", "unmapped", "delimiter", "expect_rows", "allow_empty")


@dataclass(frozen=True)
class SyncJob:
    """A campaign that is to be kept in step.

    :param campaign: the campaign.
    :param input: the rows that it should have.
    :param options: the options of the sync.
    :param owner: owner of the lists that the sync loads, from ``owner.owner_id``.
    :param list_name: name of the lists that applying a plan makes.
    :param source: how to read the rows again, as JSON values.
    :param run_id: identifies the run that makes the plan; empty if it is not known.
    """

    campaign: Campaign
    input: RowInput
    options: SyncOptions
    owner: str
    list_name: str
    source: Mapping[str, Any]
    run_id: str = ""

    @classmethod
    def create(
        cls,
        campaign: Campaign,
        rows: LeadRows,
        options: SyncOptions,
        *,
        name: str,
        list_name: str,
        max_rejected: int | str | None = None,
        run_id: str = "",
    ) -> SyncJob:
        """Return a job.

        :param campaign: the campaign.
        :param rows: the rows, and what is expected of them.
        :param options: the options of the sync.
        :param name: name of the sync, the same in all of its runs: it owns the leads that it has loaded.
        :param list_name: name of the lists that applying a plan makes.
        :param max_rejected: rejected rows that are accepted: a number, or a percentage such as ``"1%"``.
        :param run_id: identifies the run that makes the plan; empty if it is not known.
        :raises InvalidParameter: if an argument is not valid.
        """
        for argument, value in (("name", name), ("list_name", list_name)):
            if not isinstance(value, str) or not value.strip():
                raise InvalidParameter(f"{argument} must be text")
        source = {argument: getattr(rows, argument) for argument in _KEPT}
        # The path of a manifest counts for planning only: what is applied fits the plan.
        is_number = rows.expect_rows is not None and expected_rows(rows.expect_rows) is not None
        source["expect_rows"] = str(rows.expect_rows) if is_number else None
        source.update(path=None if rows.source is None else str(rows.source), max_rejected=max_rejected)
        return cls(
            campaign,
            _row_input(rows, max_rejected),
            options,
            owner_id(name),
            list_name.strip(),
            source,
            run_id,
        )


def planned_rows(source: Mapping[str, Any], rows: LeadRows) -> RowInput:
    """Return rows that are read as those of a plan.

    :param source: how the plan's rows were read, from ``SyncPlan.source``.
    :param rows: the rows; of their arguments only ``leads`` and ``source`` count.
    :raises InvalidParameter: if neither is given.
    """
    mapped = replace(rows, **{name: source[name] for name in _KEPT})
    return _row_input(mapped, source["max_rejected"])


def _row_input(rows: LeadRows, max_rejected: int | str | None) -> RowInput:
    return rows.to_input("fail" if max_rejected is None else "continue", max_rejected)
