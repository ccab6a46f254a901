"""Reads all leads of a selection, and proves that none is missing."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, Protocol

from airflow_provider_engagevoice.ringcx.bulk.pipeline import Pipeline
from airflow_provider_engagevoice.ringcx.bulk.progress import ProgressLogger
from airflow_provider_engagevoice.ringcx.campaigns import CampaignService
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.defaults import CHUNK_SIZE
from airflow_provider_engagevoice.ringcx.exceptions import LeadsChanged, counted
from airflow_provider_engagevoice.ringcx.export.parts import Part, Partitioner
from airflow_provider_engagevoice.ringcx.export.volatile import Test, split_criteria
from airflow_provider_engagevoice.ringcx.leads.search import (
    PAGE_SIZE,
    LeadSearch,
    PagesRead,
    check_campaign,
    lead_id_of,
)
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.steps import Steps, run

log = logging.getLogger(__name__)

#: Most requests in flight at once: enough to use RingCX's limit of searches at a latency of four seconds.
IN_FLIGHT = 8
#: Times that a part is read again if the number of its leads differs from RingCX's count.
_REREADS = 3
#: Page size of every second read of leads that do not fit one page: its pages end at other leads than those
#: of the read before.
_SECOND_PAGE_SIZE = 700


class LeadSink(Protocol):
    """Store that leads are read into."""

    def add(self, row: Mapping[str, Any], *, matches: bool = True) -> None:
        """Add a lead, or replace it if it was read before; it may not match all criteria."""

    def remove(self, lead_id: int) -> None:
        """Remove a lead that is no longer among those that RingCX finds, if it is there."""


@dataclass
class LeadReader:
    """Reads the leads of one selection into a store, each once.

    Filters on facts that the dialer changes are applied here, see ``export.volatile``. The others divide the
    leads into parts that fit one request. A part is complete if it has as many leads as RingCX counts
    afterwards, and, if it is in several responses, if two reads have found the same leads; otherwise it is
    read again.

    :param leads: searches and counts leads.
    :param campaigns: reads the lists of campaigns.
    :param cancel_token: cancels the work between two requests.
    :param continues: keep what was read if a part still differs after the last read.
    :param way_out: what a person can do about leads that change too fast, for the error.
    :param in_flight: most requests in flight at once. Each takes about six MB while its response is parsed.
    """

    leads: LeadSearch
    campaigns: CampaignService
    cancel_token: CancelToken = field(default_factory=CancelToken)
    continues: bool = False
    way_out: str = "Run the task again"
    in_flight: int = IN_FLIGHT
    #: Number of parts that still differed after the last read.
    incomplete: int = field(default=0, init=False)
    _parts: deque[Part] = field(default_factory=deque, init=False)

    def read(self, selection: Selection, store: LeadSink) -> None:
        """Read all leads.

        :param selection: the leads.
        :param store: the leads are added to it.
        :raises LeadsChanged: if a part still differs after the last read, unless ``continues``.
        :raises UnexpectedResponse: if RingCX returns leads of campaigns that were not asked for.
        """
        body, tests = split_criteria(selection.body)
        if tests:
            log.info(
                "Reading the leads without their volatile criteria, which are applied to the rows: %s",
                ", ".join(key for key in selection.body if key not in body),
            )
        for chunk in Selection(body).chunks(CHUNK_SIZE, disjoint=True):
            self._read_chunk(chunk, store, tests)

    def _read_chunk(self, selection: Selection, store: LeadSink, tests: Sequence[Test]) -> None:
        count = run(self.leads.count_steps(selection), self.cancel_token.sleep)
        whole = Part(selection.body, count, self._list_ids(selection.body) if count > PAGE_SIZE else ())
        partitioner = Partitioner(self.leads, datetime.now(timezone.utc))
        split = partitioner.split(whole)
        self._parts = deque([whole, *split])
        progress = ProgressLogger("Reading leads", count, 1, noun="lead")

        def process(part: Part) -> Steps[None]:
            if split and part is whole:
                # While the lists are read.
                if not (yield from partitioner.is_in_lists(whole)):
                    self._parts.append(replace(whole, list_ids=()))
                return
            part = yield from partitioner.count(part)
            if not part.count:
                return
            halves = [] if part.fits_a_page else (yield from partitioner.halve(part))
            if halves:
                # First, so that searches begin early.
                self._parts.extendleft(reversed(halves))
                return
            yield from self._read_part(part, store, tests)
            progress.add(part.count)

        Pipeline(self.cancel_token, 1, self.in_flight).run(_Remaining(self._parts, process))

    def _list_ids(self, body: Mapping[str, Any]) -> list[int]:
        """Return the lists that leads may be in; none if the criteria name no campaign."""
        if body.get("listIds"):
            return list(body["listIds"])
        index = self.campaigns.load_index(self.leads.account_id) if body.get("campaignIds") else None
        if index is None:
            return []
        found = [index.find(campaign_id) for campaign_id in body["campaignIds"]]
        return [each["list_id"] for campaign in found for each in self.campaigns.lists(campaign)]

    def _read_part(self, part: Part, store: LeadSink, tests: Sequence[Test]) -> Steps[None]:
        """Read a part until the number of its leads is RingCX's count.

        If it takes several responses, also until two reads in a row have found the same leads. A lead that
        another program deletes moves those behind it: if one of them moves to a page that was read before, it
        is missing, but the deleted lead that was read makes up for it in the number.
        """
        earlier: set[int] = set()
        page_size = PAGE_SIZE
        for attempt in range(2 + _REREADS):
            found: set[int] = set()
            read = yield from self._read_once(part, found, store, tests, page_size)
            for lead_id in earlier - found:
                store.remove(lead_id)
            is_counted, is_whole = len(found) == read.expected, read.pages <= 1
            if is_counted and (is_whole or earlier == found):
                break
            if attempt > _REREADS - is_whole:
                self._report_incomplete(len(found), read.expected)
                break
            if attempt or is_whole:
                log.info(
                    "%s read and %d counted: leads have changed; reading them again (%d of %d)",
                    counted(len(found), "lead"),
                    read.expected,
                    attempt + is_whole,
                    _REREADS,
                )
            earlier = found
            page_size = PAGE_SIZE if is_whole or page_size != PAGE_SIZE else _SECOND_PAGE_SIZE

    def _read_once(
        self, part: Part, found: set[int], store: LeadSink, tests: Sequence[Test], page_size: int
    ) -> Steps[PagesRead]:
        """Read a part into the store; add the ids to ``found``."""
        campaign_ids = part.body.get("campaignIds")

        def add(row: Mapping[str, Any]) -> None:
            if campaign_ids:
                check_campaign(row, campaign_ids)
            found.add(lead_id_of(row))
            store.add(row, matches=all(test(row) for test in tests))

        return (yield from self.leads.read_steps(part.selection, add, page_size))

    def _report_incomplete(self, found: int, expected: int) -> None:
        difference = f"RingCX counts {expected:,}" if found != expected else "other ones before"
        message = (
            f"Leads change faster than they can be read: {counted(found, 'lead')} of a part were read and "
            f"{difference}, after {_REREADS} more reads"
        )
        if not self.continues:
            raise LeadsChanged(f"{self.way_out}. {message}")
        log.warning("%s", message)
        self.incomplete += 1


@dataclass
class _Remaining:
    """Work for the parts that are left, to which running work adds more.

    :param parts: the parts.
    :param process: returns the work of a part.
    """

    parts: deque[Part]
    process: Callable[[Part], Steps[None]]

    def __iter__(self) -> Iterator[Steps[None]]:
        return self

    def __next__(self) -> Steps[None]:
        if not self.parts:
            raise StopIteration
        return self.process(self.parts.popleft())
