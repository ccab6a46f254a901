"""Lead counts of chunks, prefetched while the previous request is in flight."""

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

#: A lead has only one of these, so it is in one chunk, and no chunk changes the count of another.
_ONE_PER_LEAD = frozenset({"leadIds", "externIds"})

#: Maximum seconds to wait for a prefetched count.
_TIMEOUT = 10.0


@dataclass
class LeadCounter:
    """Counts the leads of each chunk, of the next one while the current request is in flight.

    At full rate this saves a third of the time.

    :param leads: counts leads.
    :param chunks: the chunks.
    :param cancel_token: cancels the wait for a count.
    :param make_prefetcher: returns the prefetcher; None to prefetch nothing.
    """

    leads: LeadSearch
    chunks: Chunks
    cancel_token: CancelToken
    make_prefetcher: Callable[[], CountPrefetcher] | None = None
    _prefetcher: CountPrefetcher | None = field(default=None, init=False)
    _prefetched: dict[int, Future[int]] = field(default_factory=dict, init=False)

    def count(self, number: int) -> int:
        """Return the number of leads of a chunk, prefetched or counted now.

        :param number: number of the chunk.
        :return: how many leads match.
        """
        prefetched = self._prefetched.pop(number, None)
        if prefetched is not None:
            while not wait((prefetched,), POLL_INTERVAL).done:
                self.cancel_token.raise_if_cancelled()
            with suppress(EngageVoiceError):
                return prefetched.result()
        return self.leads.count(self.chunks[number])

    def prefetch(self, number: int | None) -> None:
        """Start to count the leads of a chunk, unless another chunk can change their number.

        :param number: number of the chunk; None for none.
        """
        if number is None or number in self._prefetched or self.make_prefetcher is None:
            return
        if self.chunks.key not in _ONE_PER_LEAD:
            return
        # Prefetching is best-effort: errors surface when the count is used.
        with suppress(EngageVoiceError, RuntimeError):
            self._prefetcher = self._prefetcher or self.make_prefetcher()
            self._prefetched = {number: self._prefetcher.count(self.chunks[number])}

    def close(self) -> None:
        """Cancel the prefetcher."""
        if self._prefetcher is not None:
            self._prefetcher.close()


class BorrowedToken(Authenticator):
    """Authenticator with headers that the client's own authenticator has made.

    A new token must be masked, which talks to Airflow's supervisor; before Airflow 3.2 only one thread may.
    """

    borrowed: Mapping[str, str]

    def headers(self, transport: HttpTransport) -> Mapping[str, str]:
        return self.borrowed

    def refresh(self, transport: HttpTransport, rejected: Mapping[str, str]) -> None:
        raise AuthenticationError("RingCX rejected the token")


def background_transport(transport: HttpTransport) -> HttpTransport:
    """Return a transport with a separate connection that sends each request once."""
    connect, read = transport.timeout
    timeout = (min(connect, _TIMEOUT), min(read, _TIMEOUT))
    return replace(transport, timeout=timeout, retry_timeout=0.0, cancel_token=CancelToken())


@dataclass(frozen=True)
class CountPrefetcher:
    """Counts leads in a thread, on a separate connection.

    Requests are not retried; if one fails, the caller counts synchronously.

    :param leads: counts leads, through ``transport``.
    :param transport: from :func:`background_transport`.
    :param borrow_token: called in the caller's thread before each count, to get the client's token.
    """

    leads: LeadSearch
    transport: HttpTransport
    borrow_token: Callable[[], object]

    def count(self, selection: Selection) -> Future[int]:
        """Start to count leads.

        :param selection: the leads.
        :return: a future of their number.
        :raises RuntimeError: if no thread can be started.
        :raises EngageVoiceError: if there is no token.
        """
        self.borrow_token()
        future = Future[int]()

        def work() -> None:
            try:
                future.set_result(self.leads.count(selection))
            except BaseException as error:  # raised again by the future
                future.set_exception(error)

        # Not a thread pool: its threads would keep the process from exiting.
        threading.Thread(target=work, name="ringcx-count", daemon=True).start()
        return future

    def close(self) -> None:
        """Cancel the requests in flight and close the connection."""
        self.transport.cancel_token.cancel()
        self.transport.close()
