"""Counting the leads of a request while the one before it is under way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airflow_provider_engagevoice.ringcx.auth.base import Authenticator
from airflow_provider_engagevoice.ringcx.concurrency import POLL_INTERVAL, CancelToken
from airflow_provider_engagevoice.ringcx.exceptions import AuthenticationError, EngageVoiceError
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Chunks, Selection

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.transport.http import HttpTransport

#: A lead has one of these, so that it is in one request only, and none changes the count of another.
_ONE_PER_LEAD = frozenset({"leadIds", "externIds"})


@dataclass
class LeadCounter:
    """Counts the leads of each request; of the next one already while the present one is under way.

    Where requests may follow each other at once, this saves a third of their time.

    :param leads: counts.
    :param parts: the requests.
    :param stop: set where the task is to end.
    :param beside: makes what counts ahead; None to count nothing ahead.
    """

    leads: LeadSearch
    chunks: Chunks
    stop: CancelToken
    beside: Callable[[], CountPrefetcher] | None = None
    _beside: CountPrefetcher | None = field(default=None, init=False)
    _ahead: dict[int, Future[int]] = field(default_factory=dict, init=False)

    def of(self, index: int) -> int:
        """Count the leads of a request, or give what was counted ahead.

        :param index: the request.
        :return: how many match.
        """
        ahead = self._ahead.pop(index, None)
        if ahead is not None:
            while not wait((ahead,), POLL_INTERVAL).done:
                self.stop.check()
            with suppress(EngageVoiceError):
                return ahead.result()
        return self.leads.count(self.chunks[index])

    def begin(self, index: int | None) -> None:
        """Begin to count the leads of a request, if no other one changes their number.

        :param index: the request; None for none.
        """
        if index is None or index in self._ahead or self.beside is None:
            return
        if self.chunks.key not in _ONE_PER_LEAD:
            return
        # Counting ahead is no duty: what stands in its way is met, and told, where the number is needed.
        with suppress(EngageVoiceError, RuntimeError):
            self._beside = self._beside or self.beside()
            self._ahead = {index: self._beside.count(self.chunks[index])}

    def close(self) -> None:
        """Count nothing ahead any more."""
        if self._beside is not None:
            self._beside.close()


#: Most seconds for an answer: who waits longer for a count may as well ask again.
_TIMEOUT = 10.0


class BorrowedToken(Authenticator):
    """A token that somebody else has got, and renews.

    Masking a new one talks to Airflow's supervisor, which before Airflow 3.2 one thread only may do.
    """

    given: Mapping[str, str]

    def headers(self, transport: HttpTransport) -> Mapping[str, str]:
        return self.given

    def refresh(self, transport: HttpTransport, rejected: Mapping[str, str]) -> None:
        raise AuthenticationError("RingCX rejected the token")


def background_transport(transport: HttpTransport) -> HttpTransport:
    """Return a transport with a connection of its own that sends each request once."""
    connect, answer = transport.timeout
    timeout = (min(connect, _TIMEOUT), min(answer, _TIMEOUT))
    return replace(transport, timeout=timeout, patience=0.0, stop=CancelToken())


@dataclass(frozen=True)
class CountPrefetcher:
    """Counts leads on a connection of its own. Requests are not retried; the caller counts again instead.

    :param leads: counts leads, through ``transport``.
    :param transport: from :func:`background_transport`.
    :param borrow_token: called in the caller's thread before each count; gets the token of the client.
    """

    leads: LeadSearch
    transport: HttpTransport
    borrow_token: Callable[[], object]

    def count(self, selection: Selection) -> Future[int]:
        """Begin to count leads.

        :param selection: the leads.
        :return: their number, once it is known.
        :raises RuntimeError: where no thread can be started.
        :raises EngageVoiceError: where there is no token.
        """
        self.borrow_token()
        number = Future[int]()

        def work() -> None:
            try:
                number.set_result(self.leads.count(selection))
            except BaseException as error:  # raised where the number is asked for
                number.set_exception(error)

        # No pool: its threads would keep a process from ending.
        threading.Thread(target=work, name="ringcx-count", daemon=True).start()
        return number

    def close(self) -> None:
        """Send nothing more."""
        self.transport.stop.set()
        self.transport.close()
