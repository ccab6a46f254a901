"""Triggers for leads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_engagevoice.ringcx.exceptions import PermanentError
from airflow_provider_engagevoice.triggers.campaigns import MAX_PAUSE

if TYPE_CHECKING:
    from airflow_provider_engagevoice.triggers.shared_counts import Outcome, SharedCount

__all__ = ["LeadCountTrigger"]


class LeadCountTrigger(BaseTrigger):
    """Wait until the number of leads that match is within limits. Only reads.

    All triggers of a triggerer that have the same connection, sub-account and criteria share one count per
    interval. Requests run in threads, so that they never block the triggerer's event loop. Airflow stores
    and shows the arguments: the criteria must not contain personal data.

    :param criteria: RingCX's criteria, as a selection's body.
    :param account_id: sub-account.
    :param at_least: smallest number of leads; None for no limit.
    :param at_most: largest number of leads; None for no limit.
    :param max_passes: count only leads that can be dialled now and have fewer passes; None to count all.
    :param stable_for: seconds for which the condition must hold without a change of the number.
    :param first_count: number of leads that the worker counted; None if its count failed.
    :param first_counted_at: when it counted them, in seconds since 1970.
    :param facts: entries that are added to the result, such as the campaign.
    :param engagevoice_conn_id: connection.
    :param poke_interval: seconds between two checks.
    :param end_time: end of the wait, in seconds since 1970.
    :param tolerated_failures: number of consecutive transient failures that are tolerated.
    :param exponential_backoff: double the interval after each check, as the sensor does in poke mode.
    :param max_wait: maximum seconds between two checks without failures; None for no maximum.
    """

    def __init__(
        self,
        criteria: Mapping[str, Any],
        account_id: str,
        at_least: int | None = None,
        at_most: int | None = None,
        max_passes: int | None = None,
        stable_for: float = 0.0,
        first_count: int | None = None,
        first_counted_at: float = 0.0,
        facts: Mapping[str, Any] | None = None,
        engagevoice_conn_id: str = "engagevoice_default",
        poke_interval: float = 60.0,
        end_time: float = float("inf"),
        tolerated_failures: int = 5,
        exponential_backoff: bool = False,
        max_wait: float | None = None,
    ) -> None:
        super().__init__()
        self.criteria = criteria
        self.account_id = account_id
        self.at_least = at_least
        self.at_most = at_most
        self.max_passes = max_passes
        self.stable_for = stable_for
        self.first_count = first_count
        self.first_counted_at = first_counted_at
        self.facts = facts
        self.engagevoice_conn_id = engagevoice_conn_id
        self.poke_interval = poke_interval
        self.end_time = end_time
        self.tolerated_failures = tolerated_failures
        self.exponential_backoff = exponential_backoff
        self.max_wait = max_wait

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow needs to recreate the trigger.

        :return: path of the class, and its arguments.
        """
        return (
            "airflow_provider_engagevoice.triggers.leads.LeadCountTrigger",
            {
                "criteria": dict(self.criteria),
                "account_id": self.account_id,
                "at_least": self.at_least,
                "at_most": self.at_most,
                "max_passes": self.max_passes,
                "stable_for": self.stable_for,
                "first_count": self.first_count,
                "first_counted_at": self.first_counted_at,
                "facts": dict(self.facts or {}),
                "engagevoice_conn_id": self.engagevoice_conn_id,
                "poke_interval": self.poke_interval,
                "end_time": self.end_time,
                "tolerated_failures": self.tolerated_failures,
                "exponential_backoff": self.exponential_backoff,
                "max_wait": self.max_wait,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the number of leads.

        :return: one event with ``status``: ``reached`` (with ``result``, the XCom), ``timeout`` (with
            ``reason``, the latest count), ``permanent_error`` or ``failed`` (both with ``message``).
        """
        from airflow_provider_engagevoice.ringcx.leads.lead_count import CountQuery
        from airflow_provider_engagevoice.ringcx.leads.selection import Selection
        from airflow_provider_engagevoice.triggers.shared_counts import shared_count

        query = CountQuery(self.account_id, Selection(self.criteria), self.max_passes)
        with shared_count(self.engagevoice_conn_id, query) as shared:
            yield TriggerEvent(await self._wait(shared))

    async def _wait(self, shared: SharedCount) -> dict[str, Any]:
        """Check until the wait is over; return the payload of the event."""
        from airflow_provider_engagevoice.ringcx.leads.lead_count import CountCondition, CountHistory

        history = CountHistory(CountCondition(self.at_least, self.at_most, self.stable_for))
        # Later, the triggerer was restarted: the number may have changed since the worker's count.
        if self.first_count is not None and time.time() < self.first_counted_at + self._pause(0, 0):
            history.add(self.first_count, self.first_counted_at)
        failures = checks = 0
        while True:
            pause = self._pause(failures, checks)
            # Check once more at the end: the number may have changed during the last interval.
            await asyncio.sleep(min(shared.seconds_until_due(pause), self.end_time - time.time()))
            checks += 1
            outcome = await shared.check(pause / 2)
            if outcome.error is not None:
                failures += 1
                if (message := self._failure(outcome, failures)) is not None:
                    return message
                reason = str(outcome.error)
            elif outcome.count is not None:
                failures, previous = 0, history.count
                if history.add(outcome.count, outcome.counted_at):
                    result = {"count": outcome.count, "account_id": self.account_id, **(self.facts or {})}
                    return {"status": "reached", "result": result}
                reason = history.describe()
                if outcome.count != previous:
                    self.log.info("%s", reason)
            if time.time() >= self.end_time:
                return {"status": "timeout", "reason": reason}

    def _failure(self, outcome: Outcome, failures: int) -> dict[str, Any] | None:
        """Return the payload of the event that a failed count causes; None if it is tolerated."""
        error = outcome.error
        if isinstance(error, PermanentError) or failures > self.tolerated_failures:
            status = "permanent_error" if isinstance(error, PermanentError) else "failed"
            return {"status": status, "message": f"{type(error).__name__}: {error}"}
        self.log.warning("Check failed (%d in a row): %s", failures, error)
        return None

    def _pause(self, failures: int, checks: int) -> float:
        if failures:
            # Without jitter, so that the next attempt is one request for all triggers with the same leads.
            return min(self.poke_interval * 2**failures, max(MAX_PAUSE, self.poke_interval))
        interval = (
            self.poke_interval * 2 ** min(checks, 30) if self.exponential_backoff else self.poke_interval
        )
        return interval if self.max_wait is None else min(interval, self.max_wait)
