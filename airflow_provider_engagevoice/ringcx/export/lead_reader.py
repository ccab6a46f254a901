"""Reads all leads of a selection, and proves that none is missing."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.pipeline import Pipeline
from airflow_provider_engagevoice.ringcx.bulk.progress import ProgressLogger
from airflow_provider_engagevoice.ringcx.campaigns import CampaignService
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.defaults import CHUNK_SIZE
from airflow_provider_engagevoice.ringcx.exceptions import LeadsChanged, UnexpectedResponse, counted
from airflow_provider_engagevoice.ringcx.export.parts import Part, Partitioner
from airflow_provider_engagevoice.ringcx.export.row_store import LeadStore
from airflow_provider_engagevoice.ringcx.export.volatile import Test, split_criteria
from airflow_provider_engagevoice.ringcx.leads.search import PAGE_SIZE, LeadSearch, lead_id_of
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.steps import Steps, run

log = logging.getLogger(__name__)

#: Most requests in flight at once: enough to use RingCX's limit of searches at a latency of four seconds.
IN_FLIGHT = 8
#: Times that a part is read again if the number of its leads differs from RingCX's count.
_REREADS = 3
#: Page size of the second read of leads that do not fit one page: its pages end at other leads than those
#: of the first, so that a lead that moves across the end of a page is in one of them.
_SECOND_PAGE_SIZE = 700


@dataclass
class LeadReader:
    """Reads the leads of one selection into a store, each once.

    Filters on facts that the dialer changes are applied here, see ``export.volatile``. The others divide the
    leads into parts that fit one request. A part is complete if it has as many leads as RingCX counts
    afterwards; otherwise it is read again.

    :param leads: searches and counts leads.
    :param campaigns: reads the lists of campaigns.
    :param cancel_token: cancels the work between two requests.
    :param continues: keep what was read if a part still differs after the last read.
    """

    leads: LeadSearch
    campaigns: CampaignService
    cancel_token: CancelToken = field(default_factory=CancelToken)
    continues: bool = False
    #: Number of leads that the filters applied here have left out.
    filtered_out: int = field(default=0, init=False)
    #: Number of parts that still differed after the last read.
    incomplete: int = field(default=0, init=False)
    _parts: deque[Part] = field(default_factory=deque, init=False)

    def read(self, selection: Selection, store: LeadStore) -> None:
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

    def _read_chunk(self, selection: Selection, store: LeadStore, tests: Sequence[Test]) -> None:
        count = run(self.leads.count_steps(selection), self.cancel_token.sleep)
        whole = Part(selection.body, count, self._list_ids(selection.body) if count > PAGE_SIZE else ())
        self._parts = deque([whole])
        partitioner = Partitioner(self.leads, datetime.now(timezone.utc))
        progress = ProgressLogger("Exporting", count, 1, noun="lead")

        def process(part: Part) -> Steps[None]:
            if not part.count:
                return
            halves = [] if part.fits_a_page else (yield from partitioner.halve(part))
            if halves:
                self._parts.extend(halves)
                return
            yield from self._read_part(part, store, tests)
            progress.add(part.count)

        Pipeline(self.cancel_token, 1, IN_FLIGHT).run(_Remaining(self._parts, process))

    def _list_ids(self, body: Mapping[str, Any]) -> list[int]:
        """Return the lists that leads may be in; none if the criteria name no campaign."""
        if body.get("listIds"):
            return list(body["listIds"])
        index = self.campaigns.load_index(self.leads.account_id) if body.get("campaignIds") else None
        if index is None:
            return []
        found = [index.find(campaign_id) for campaign_id in body["campaignIds"]]
        return [each["list_id"] for campaign in found for each in self.campaigns.lists(campaign)]

    def _read_part(self, part: Part, store: LeadStore, tests: Sequence[Test]) -> Steps[None]:
        """Read a part until the number of its leads is RingCX's count."""
        earlier: set[int] = set()
        for attempt in range(1 + _REREADS):
            found: dict[int, bool] = {}
            expected = yield from self._read_once(part, found, store, tests)
            for lead_id in earlier - found.keys():
                store.remove(lead_id)
            earlier = set(found)
            if len(found) == expected:
                break
            log.info(
                "%s read and %d counted: leads have changed; reading them again (%d of %d)",
                counted(len(found), "lead"),
                expected,
                attempt + 1,
                _REREADS,
            )
        else:
            self._report_incomplete(len(earlier), expected)
        self.filtered_out += sum(not matches for matches in found.values())

    def _read_once(
        self, part: Part, found: dict[int, bool], store: LeadStore, tests: Sequence[Test]
    ) -> Steps[int]:
        """Read a part; return RingCX's count of it."""
        campaign_ids = part.body.get("campaignIds")

        def add(row: Mapping[str, Any]) -> None:
            if campaign_ids and row.get("campaignId") not in campaign_ids:
                raise UnexpectedResponse("RingCX's response to a lead search has leads of other campaigns")
            matches = all(test(row) for test in tests)
            lead_id = lead_id_of(row)
            if matches:
                store.add(row)
            elif found.get(lead_id):
                store.remove(lead_id)
            found[lead_id] = matches

        _, expected = yield from self.leads.read_steps(part.selection, add)
        if not part.fits_a_page:
            _, expected = yield from self.leads.read_steps(part.selection, add, _SECOND_PAGE_SIZE)
        return expected

    def _report_incomplete(self, found: int, expected: int) -> None:
        message = (
            f"Leads change faster than they can be read: {counted(found, 'lead')} of a part were read and "
            f"RingCX counts {expected:,}, after {_REREADS} more reads"
        )
        if not self.continues:
            raise LeadsChanged(f'Run the task again, or set on_changed="continue". {message}')
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
