"""Parts of a selection that fit one page of a search, found by counting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_engagevoice.ringcx.leads.coercion import to_datetime, to_ringcx_datetime
from airflow_provider_engagevoice.ringcx.leads.search import PAGE_SIZE, LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.steps import Steps

#: No lead was loaded earlier.
_FIRST = datetime(2000, 1, 1, tzinfo=timezone.utc)
#: Loads of the same second cannot be separated: whether RingCX compares fractions is not known.
_SHORTEST = timedelta(seconds=1)


@dataclass(frozen=True)
class Part:
    """A part of a selection.

    :param body: its search criteria.
    :param count: number of its leads when it was counted.
    :param list_ids: the lists that it may be divided into; empty if they are not known.
    """

    body: Mapping[str, Any]
    count: int
    list_ids: Sequence[int] = ()

    @property
    def selection(self) -> Selection:
        """The leads of the part."""
        return Selection(self.body)

    @property
    def fits_a_page(self) -> bool:
        """Whether one request reads it, so that nothing can move between pages."""
        return self.count <= PAGE_SIZE


@dataclass(frozen=True)
class Partitioner:
    """Divides a selection, by lists first, then by the time at which the leads were loaded.

    :param leads: counts leads.
    :param now: the present, with its zone.
    """

    leads: LeadSearch
    now: datetime

    def halve(self, part: Part) -> Steps[list[Part]]:
        """Return two parts that together have all leads of a part.

        :param part: the part.
        :return: the parts; none if it cannot be divided.
        """
        for left_body, right_body, left_lists, right_lists in self._cuts(part):
            left = yield from self.leads.count_steps(Selection(left_body))
            right = yield from self.leads.count_steps(Selection(right_body))
            # Fewer, if leads belong to no list, or RingCX does not count those at the time of the cut.
            if left + right >= part.count:
                return [Part(left_body, left, left_lists), Part(right_body, right, right_lists)]
        return []

    def _cuts(
        self, part: Part
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any], Sequence[int], Sequence[int]]]:
        """Yield the ways to cut a part, the best one first: criteria and lists of both halves."""
        lists = part.list_ids
        if len(lists) > 1:
            # So that each part has about as many leads as a page.
            pages = -(-part.count // PAGE_SIZE)
            middle = int(pages // 2 * PAGE_SIZE / part.count * len(lists))
            middle = min(max(middle, 1), len(lists) - 1)
            left, right = list(lists[:middle]), list(lists[middle:])
            yield {**part.body, "listIds": left}, {**part.body, "listIds": right}, left, right
        if len(lists) == 1:
            # The leads of a list have usually been loaded at the same time.
            return
        start = to_datetime(part.body.get("loadedDtsStart", _FIRST))
        end = to_datetime(part.body.get("loadedDtsEnd", self.now + timedelta(days=1)))
        if end - start > _SHORTEST:
            cut = to_ringcx_datetime(start + (end - start) / 2)
            # Both halves have the leads of the time of the cut, if RingCX includes it: each is kept once.
            yield {**part.body, "loadedDtsEnd": cut}, {**part.body, "loadedDtsStart": cut}, lists, lists
