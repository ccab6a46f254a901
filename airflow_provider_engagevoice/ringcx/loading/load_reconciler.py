"""Finds out which rows of a request RingCX has loaded, if its response does not show it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from airflow_provider_engagevoice.ringcx import clock
from airflow_provider_engagevoice.ringcx.loading.load_lists import LoadLists
from airflow_provider_engagevoice.ringcx.loading.lookup import FoundLead, LeadLookup, select_leads
from airflow_provider_engagevoice.ringcx.loading.rows import LeadRow
from airflow_provider_engagevoice.ringcx.steps import Sleep, Steps

log = logging.getLogger(__name__)

WAITS = (2.0, 5.0, 15.0, 30.0)
"""Seconds to wait before each look-up: RingCX may show a lead some time after it was loaded (observed)."""

#: Seconds that the lists may be old before the first look-up of a chunk: there may be thousands of chunks.
_LISTS_AGE = 1.0

RecordLoaded = Callable[[Sequence[LeadRow], Sequence[list[FoundLead]]], None]
"""Records that rows are loaded, with the leads of each."""


@dataclass
class LoadReconciler:
    """Looks up rows in the lists of the load until all are found or the waits are over.

    :param lists: the lists of the load.
    :param lookup: finds leads of the campaign.
    :param since: time of the first request of the load, by the clock of this host; None if it is not known.
    """

    lists: LoadLists
    lookup: LeadLookup
    since: datetime | None

    def is_loaded_here(self, lead: FoundLead, *, if_unknown: bool = True) -> bool:
        """Return whether a lead comes from this load, or may come from it.

        :param lead: a lead with the external id of a row.
        :param if_unknown: the result if nothing shows it: by default True, so that no row is loaded twice.
        :return: whether its list is one of the load. If RingCX shows no list of the load, whether it was
            loaded after the load began, if that time is known.
        """
        if self.lists.by_part:
            return lead.list_id in self.lists.list_ids
        return if_unknown if self.since is None else lead.is_loaded_since(self.since)

    def reconcile(self, rows: Sequence[LeadRow], record: RecordLoaded) -> Steps[list[LeadRow]]:
        """Find the rows of a request that has just been sent.

        :param rows: the rows.
        :param record: records the rows that are found.
        :return: the rows that are not found after the last wait.
        """
        times = _times(clock.monotonic())
        return (yield from self._look_up_at(times, rows, record))

    def reconcile_earlier(
        self, rows: Sequence[LeadRow], record: RecordLoaded, started: float, *, if_unknown: bool = True
    ) -> Steps[list[LeadRow]]:
        """Find the rows of a request that an earlier attempt may have sent.

        The look-ups end as long after the start of this attempt as :meth:`reconcile` would after a request.

        :param rows: the rows.
        :param record: records the rows that are found.
        :param started: when this attempt started, by the monotonic clock.
        :param if_unknown: as for :meth:`is_loaded_here`.
        :return: the rows that are not found after the last wait.
        """
        rest = yield from self.look_up(rows, record, if_unknown=if_unknown, lists_age=_LISTS_AGE)
        times = [time for time in _times(started) if time > clock.monotonic()]
        return (yield from self._look_up_at(times, rest, record, if_unknown=if_unknown)) if rest else rest

    def look_up(
        self,
        rows: Sequence[LeadRow],
        record: RecordLoaded,
        *,
        if_unknown: bool = True,
        lists_age: float = 0.0,
    ) -> Steps[list[LeadRow]]:
        """Find rows once, and record those that are found.

        :param rows: the rows.
        :param record: records the rows that are found.
        :param if_unknown: as for :meth:`is_loaded_here`.
        :param lists_age: seconds that the last reading of the lists may be old.
        :return: the others.
        """
        yield from self.lists.refresh(lists_age)
        found = yield from self.lookup.find(row.key for row in rows)
        is_ours = partial(self.is_loaded_here, if_unknown=if_unknown)
        ours = select_leads(found, is_ours)
        loaded = [row for row in rows if row.key in ours]
        if loaded:
            record(loaded, [ours[row.key] for row in loaded])
        return [row for row in rows if row.key not in ours]

    def has_hidden_leads(self, number: int) -> Steps[bool]:
        """Return whether a new list of a chunk has no leads: searches may not show them yet.

        :param number: the chunk.
        """
        for list_id in self.lists.recent(number):
            if not (yield from self.lookup.count_in_lists([list_id])):
                return True
        return False

    def _look_up_at(
        self,
        times: Iterable[float],
        rows: Sequence[LeadRow],
        record: RecordLoaded,
        *,
        if_unknown: bool = True,
    ) -> Steps[list[LeadRow]]:
        rest = list(rows)
        for time in times:
            yield Sleep(max(time - clock.monotonic(), 0.0))
            rest = yield from self.look_up(rest, record, if_unknown=if_unknown)
            if not rest:
                break
        return rest


def _times(start: float) -> list[float]:
    """Return the times of the look-ups."""
    times = []
    for wait in WAITS:
        start += wait
        times.append(start)
    return times
