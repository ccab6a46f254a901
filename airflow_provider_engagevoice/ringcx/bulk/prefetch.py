"""Counting the leads of a request while the one before it is under way."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field

from airflow_provider_engagevoice.ringcx.bulk.prefetch_thread import Beside
from airflow_provider_engagevoice.ringcx.concurrency import LOOK, Stop
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError
from airflow_provider_engagevoice.ringcx.leads.search import Leads
from airflow_provider_engagevoice.ringcx.leads.selection import Parts

#: A lead has one of these, so that it is in one request only, and none changes the count of another.
_ONE_PER_LEAD = frozenset({"leadIds", "externIds"})


@dataclass
class Counting:
    """Counts the leads of each request; of the next one already while the present one is under way.

    Where requests may follow each other at once, this saves a third of their time.

    :param leads: counts.
    :param parts: the requests.
    :param stop: set where the task is to end.
    :param beside: makes what counts ahead; None to count nothing ahead.
    """

    leads: Leads
    parts: Parts
    stop: Stop
    beside: Callable[[], Beside] | None = None
    _beside: Beside | None = field(default=None, init=False)
    _ahead: dict[int, Future[int]] = field(default_factory=dict, init=False)

    def of(self, index: int) -> int:
        """Count the leads of a request, or give what was counted ahead.

        :param index: the request.
        :return: how many match.
        """
        ahead = self._ahead.pop(index, None)
        if ahead is not None:
            while not wait((ahead,), LOOK).done:
                self.stop.check()
            with suppress(EngageVoiceError):
                return ahead.result()
        return self.leads.count(self.parts[index])

    def begin(self, index: int | None) -> None:
        """Begin to count the leads of a request, if no other one changes their number.

        :param index: the request; None for none.
        """
        if index is None or index in self._ahead or self.beside is None:
            return
        if self.parts.key not in _ONE_PER_LEAD:
            return
        # Counting ahead is no duty: what stands in its way is met, and told, where the number is needed.
        with suppress(EngageVoiceError, RuntimeError):
            self._beside = self._beside or self.beside()
            self._ahead = {index: self._beside.count(self.parts[index])}

    def close(self) -> None:
        """Count nothing ahead any more."""
        if self._beside is not None:
            self._beside.close()
