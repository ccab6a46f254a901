"""A load of leads: what to load, with validated options, and its result."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from airflow_provider_engagevoice.ringcx.campaigns import Campaign
from airflow_provider_engagevoice.ringcx.defaults import CHUNK_SIZE, MAX_UPDATES
from airflow_provider_engagevoice.ringcx.loading.mapping import RowMapper
from airflow_provider_engagevoice.ringcx.loading.options import (
    complete_load_options,
    validate_in_flight,
    validate_load,
    validate_rejections,
)
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
class LoadOptions:
    """Options of a load as the author gives them, checked on creation.

    :param existing: what to do about external ids that the campaign has already: ``"load"`` loads the row all
        the same, ``"skip"`` leaves it out, ``"update"`` updates the lead, ``"fail"`` raises before anything
        is sent.
    :param load_options: RingCX's own options by name; None for the defaults.
    :param chunk_size: number of rows in one request, at most 1,000.
    :param max_leads: most leads to load; None for no limit.
    :param max_updates: most leads that ``existing="update"`` may update; None for no limit.
    :param max_in_flight: most requests in flight at once, 1 to 16; None for the default.
    :param on_rejected: ``"fail"`` sends nothing if a row is wrong and stops when RingCX rejects one,
        ``"continue"`` loads the others and fails at the end, ``"ignore"`` loads the others.
    :param max_rejected: rejected rows that are accepted all the same: a number, or a percentage of the rows
        such as ``"1%"``; None for none, or with ``on_rejected="ignore"`` for any.
    :raises InvalidParameter: if one of them is not valid.
    """

    existing: str = "load"
    load_options: Mapping[str, Any] | None = None
    chunk_size: int = CHUNK_SIZE
    max_leads: int | None = None
    max_updates: int | None = MAX_UPDATES
    max_in_flight: int | None = None
    on_rejected: str = "fail"
    max_rejected: int | str | None = None

    def __post_init__(self) -> None:
        validate_load(self.existing, self.chunk_size, self.max_leads, self.max_updates)
        validate_rejections(self.on_rejected, self.max_rejected)
        validate_in_flight(self.max_in_flight)
        complete_load_options(self.load_options)

    @property
    def request_options(self) -> dict[str, Any]:
        """RingCX's options of each request."""
        return complete_load_options(self.load_options)


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
    """

    campaign: Campaign
    input: RowInput
    list_name: str
    token: str
    options: LoadOptions = field(default_factory=LoadOptions)
    dry_run: bool = False
    verify: bool = True

    #: Name and retry safety, for the checkpoint: an attempt finds out what an earlier one has loaded.
    name = "LOAD_LEADS"
    is_retry_safe = True

    @property
    def in_flight(self) -> int:
        """Most requests in flight at once."""
        return self.options.max_in_flight or DEFAULT_IN_FLIGHT
