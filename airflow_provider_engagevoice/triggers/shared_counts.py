"""Counts of leads that the triggers of one triggerer share."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.ringcx import clock
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError
from airflow_provider_engagevoice.ringcx.leads.lead_count import CountQuery

#: Not the event loop's own few threads, in which slow responses would delay other triggers.
_THREADS = ThreadPoolExecutor(16, "ringcx-lead-count")


@dataclass(frozen=True)
class Outcome:
    """Outcome of a count.

    :param finished: when it ended, by the monotonic clock.
    :param counted_at: when it ended, in seconds since 1970.
    :param count: the number of leads; None if the count failed.
    :param error: why it failed.
    """

    finished: float
    counted_at: float
    count: int | None = None
    error: EngageVoiceError | None = None


class SharedCount:
    """Count of the same leads for all triggers of an event loop; at most one request is in flight.

    The triggers plan their checks from the end of the latest count, which is the same for all of them. So
    their checks coincide, and the number of requests does not grow with the number of triggers.

    :param conn_id: the connection.
    :param query: the leads.
    """

    def __init__(self, conn_id: str, query: CountQuery) -> None:
        self._query = query
        self._hook = EngageVoiceHook(conn_id)
        self._created = clock.monotonic()
        self._outcome: Outcome | None = None
        self._task: asyncio.Task[Outcome] | None = None
        self.users = 0

    def seconds_until_due(self, pause: float) -> float:
        """Return the seconds until the next check of a trigger.

        :param pause: seconds after the end of the latest count; before the first one, after the beginning of
            the wait.
        :return: the seconds, at least 0.
        """
        return max(pause - self._age(), 0.0)

    def _age(self) -> float:
        return clock.monotonic() - (self._outcome.finished if self._outcome else self._created)

    async def check(self, max_age: float) -> Outcome:
        """Return the latest outcome, after another count if it is too old.

        :param max_age: seconds since the end of the latest count after which the leads are counted again.
        :return: the outcome.
        """
        if self._task is None:
            if self._outcome is not None and self._age() <= max_age:
                return self._outcome
            self._task = asyncio.create_task(self._count())
            self._task.add_done_callback(self._forget_task)
        # A trigger that is cancelled must not cancel the count of the others.
        return await asyncio.shield(self._task)

    def cancel(self) -> None:
        """Cancel the count in flight: no trigger waits for it any more."""
        self._hook.cancel()

    async def _count(self) -> Outcome:
        # asgiref's threads can read an Airflow connection while the event loop runs; asyncio's cannot.
        from asgiref.sync import sync_to_async

        count, error = None, None
        try:
            count = await sync_to_async(self._send, thread_sensitive=False, executor=_THREADS)()
        except EngageVoiceError as failure:
            error = failure
        self._outcome = Outcome(clock.monotonic(), time.time(), count, error)
        return self._outcome

    def _send(self) -> int:
        return self._query.count(self._hook.get_conn().leads(self._query.account_id))

    def _forget_task(self, task: asyncio.Task[Outcome]) -> None:
        self._task = None
        if not task.cancelled():
            # Otherwise asyncio logs an error that no trigger waits for any more.
            task.exception()


#: For each event loop, the counts by what they count.
_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SharedCount]] = WeakKeyDictionary()


@contextmanager
def shared_count(conn_id: str, query: CountQuery) -> Iterator[SharedCount]:
    """Share a count with the other triggers of this event loop that count the same leads.

    :param conn_id: the connection.
    :param query: the leads.
    :return: context manager of the count, which ends when its last user leaves the ``with`` block.
    """
    counts = _shared.setdefault(asyncio.get_running_loop(), {})
    key = json.dumps([conn_id, query.account_id, query.selection.body, query.max_passes], sort_keys=True)
    shared = counts.get(key)
    if shared is None:
        shared = counts[key] = SharedCount(conn_id, query)
    shared.users += 1
    try:
        yield shared
    finally:
        shared.users -= 1
        if not shared.users:
            del counts[key]
            shared.cancel()
