"""A load of leads: what to load, with validated options, and its result."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from airflow_provider_engagevoice.ringcx.campaigns import Campaign
from airflow_provider_engagevoice.ringcx.loading.mapping import RowMapper
from airflow_provider_engagevoice.ringcx.loading.options import LoadOptions
from airflow_provider_engagevoice.ringcx.loading.rows import RowSource
from airflow_provider_engagevoice.ringcx.loading.source_guard import SourceGuard

DEFAULT_IN_FLIGHT = 8
"""Most requests in flight at once: enough to use RingCX's limits at a latency of four seconds."""


class LoadResult(TypedDict):
    """Result of a load or an update, without any lead's data.

    ``rows`` is the number of rows of the source and the sum of ``leads_inserted``, ``leads_updated``,
    ``leads_skipped``, ``leads_rejected`` and ``leads_unknown``; in a dry run and in the result of an error,
    the remaining rows were not sent. ``leads_supplied`` are the rows that passed all checks.
    ``leads_skipped`` are rows that are in the source twice or in the campaign already, and those that RingCX
    left out as duplicates or because of do-not-call lists. ``requests`` counts the requests that changed
    leads or may have. ``list_name`` is the name of the lists that the load makes, up to the number of the
    request; None for an update.
    """

    campaign_id: int
    account_id: str
    dry_run: bool
    rows: int
    leads_supplied: int
    leads_inserted: int
    leads_updated: int
    leads_skipped: int
    leads_rejected: int
    leads_unknown: int
    requests: int
    report: str | None
    list_name: str | None


@dataclass(frozen=True)
class RowInput:
    """Rows to load or to update leads with, and what is expected of them.

    :param rows: the rows.
    :param mapper: turns rows into leads.
    :param guard: what the rows must be as a whole.
    :param report: path of the report; None for no report.
    """

    rows: RowSource
    mapper: RowMapper
    guard: SourceGuard = field(default_factory=SourceGuard)
    report: str | os.PathLike[str] | None = None


@dataclass(frozen=True)
class LeadLoad:
    """A load of rows into a campaign.

    :param campaign: the campaign.
    :param input: the rows.
    :param list_name: name of the lists that the load makes, before the token.
    :param token: identifies the load, the same in all attempts of it; see ``load_lists.load_token``.
    :param options: its options.
    :param dry_run: only check the rows, and look up those that exist.
    :param verify: look up afterwards whether the campaign has all leads that RingCX reported.
    :param not_before: time before which no attempt can have sent anything, by the clock of this host; None if
        it is not known.
    """

    campaign: Campaign
    input: RowInput
    list_name: str
    token: str
    options: LoadOptions = field(default_factory=LoadOptions)
    dry_run: bool = False
    verify: bool = True
    not_before: datetime | None = None

    #: Name and retry safety, for the checkpoint: an attempt finds out what an earlier one has loaded.
    name = "LOAD_LEADS"
    is_retry_safe = True

    @property
    def in_flight(self) -> int:
        """Most requests in flight at once."""
        return self.options.max_in_flight or DEFAULT_IN_FLIGHT
