"""Parts of a selection that fit one page of a search, found by counting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_engagevoice.ringcx.defaults import CHUNK_SIZE
from airflow_provider_engagevoice.ringcx.leads.coercion import to_datetime, to_ringcx_datetime
from airflow_provider_engagevoice.ringcx.leads.search import PAGE_SIZE, LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.steps import Steps

#: No lead was loaded earlier.
_FIRST = datetime(2000, 1, 1, tzinfo=timezone.utc)
#: Loads of the same second cannot be separated: whether RingCX compares fractions is not known.
_SHORTEST = timedelta(seconds=1)
#: Times that the halves of a part are counted, if they have fewer leads than the part.
_RECOUNTS = 3


@dataclass(frozen=True)
class Part:
    """A part of a selection.

    :param body: its search criteria.
    :param count: number of its leads when it was counted; None if it was not.
    :param list_ids: the lists that it may be divided into; empty if they are not known.
    """

    body: Mapping[str, Any]
    count: int | None
    list_ids: Sequence[int] = ()

    @property
    def selection(self) -> Selection:
        """The leads of the part."""
        return Selection(self.body)

    @property
    def fits_a_page(self) -> bool:
        """Whether one request reads it, so that nothing can move between pages."""
        return self.count is not None and self.count <= PAGE_SIZE


@dataclass(frozen=True)
class Partitioner:
    """Divides a selection, by lists first, then by the time at which the leads were loaded.

    :param leads: counts leads.
    :param now: the present, with its zone.
    """

    leads: LeadSearch
    now: datetime

    def split(self, part: Part) -> list[Part]:
        """Return parts of about a page each, by lists. They are not counted.

        :param part: the part.
        :return: the parts; none if it cannot be divided by lists.
        """
        lists = list(part.list_ids)
        if len(lists) < 2 or not part.count:
            return []
        size = max(1, PAGE_SIZE * len(lists) // part.count)
        return [Part({**part.body, "listIds": each}, None, each) for each in _slices(lists, size)]

    def is_in_lists(self, part: Part) -> Steps[bool]:
        """Return whether all leads of a part are in its lists.

        :param part: the part.
        """
        if part.body.get("listIds"):
            return True
        bodies = [{**part.body, "listIds": each} for each in _slices(list(part.list_ids), CHUNK_SIZE)]
        return bool((yield from self._count_all(part, bodies)))

    def count(self, part: Part) -> Steps[Part]:
        """Return a part with the number of its leads.

        :param part: the part.
        """
        if part.count is not None:
            return part
        count = yield from self.leads.count_steps(part.selection)
        return replace(part, count=count)

    def halve(self, part: Part) -> Steps[list[Part]]:
        """Return two parts that together have all leads of a part.

        :param part: the part.
        :return: the parts; none if it cannot be divided.
        """
        halves = yield from self._halve_lists(part)
        return halves or (yield from self._halve_time(part))

    def _halve_lists(self, part: Part) -> Steps[list[Part]]:
        lists = list(part.list_ids)
        if len(lists) < 2 or not part.count:
            return []
        # So that each part has about as many leads as a page.
        pages = -(-part.count // PAGE_SIZE)
        middle = int(pages // 2 * PAGE_SIZE / part.count * len(lists))
        middle = min(max(middle, 1), len(lists) - 1)
        halves = lists[:middle], lists[middle:]
        bodies = [{**part.body, "listIds": half} for half in halves]
        # Fewer, if leads belong to no list.
        counts = yield from self._count_all(part, bodies)
        return [Part(*each) for each in zip(bodies, counts, halves, strict=True)] if counts else []

    def _halve_time(self, part: Part) -> Steps[list[Part]]:
        if len(part.list_ids) == 1:
            # The leads of a list have usually been loaded at the same time.
            return []
        start = to_datetime(part.body.get("loadedDtsStart", _FIRST))
        end = to_datetime(part.body.get("loadedDtsEnd", self.now + timedelta(days=1)))
        if end - start <= _SHORTEST:
            return []
        first, cut, last = map(to_ringcx_datetime, (start, start + (end - start) / 2, end))
        if not {"loadedDtsStart", "loadedDtsEnd"} <= part.body.keys():
            # Leads without a time are in neither half. Leads of the time of the cut, which are in both, would
            # make up for them in the sum below.
            between = {**part.body, "loadedDtsStart": first, "loadedDtsEnd": last}
            if not (yield from self._count_all(part, [between])):
                return []
        # Both halves have the leads of the time of the cut, if RingCX includes it: each is kept once.
        bodies = [
            {**part.body, "loadedDtsStart": first, "loadedDtsEnd": cut},
            {**part.body, "loadedDtsStart": cut, "loadedDtsEnd": last},
        ]
        counts = yield from self._count_all(part, bodies)
        return [Part(*each, part.list_ids) for each in zip(bodies, counts, strict=True)] if counts else []

    def _count_all(self, part: Part, bodies: Sequence[Mapping[str, Any]]) -> Steps[list[int]]:
        """Count parts of a part; none if they lack some of its leads, also if it is counted again."""
        expected = part.count or 0
        for _ in range(_RECOUNTS):
            counts = []
            for body in bodies:
                counts.append((yield from self.leads.count_steps(Selection(body))))
            if sum(counts) >= expected:
                return counts
            # Leads may have been deleted meanwhile.
            expected = yield from self.leads.count_steps(part.selection)
        return []


def _slices(lists: list[int], size: int) -> list[list[int]]:
    return [lists[start : start + size] for start in range(0, len(lists), size)]
