"""Triggers for campaigns."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_engagevoice.ringcx.exceptions import (
    CampaignNotFound,
    EngageVoiceError,
    PermanentError,
)

if TYPE_CHECKING:
    from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
    from airflow_provider_engagevoice.ringcx.campaigns import Campaign

__all__ = ["CampaignLookupTrigger"]

#: Maximum seconds between two checks after failures.
MAX_PAUSE = 600.0

#: Not the event loop's own few threads, in which slow responses would delay other triggers.
_THREADS = ThreadPoolExecutor(16, "ringcx-campaign-check")


class CampaignLookupTrigger(BaseTrigger):
    """Wait until a campaign exists. Only reads.

    Requests run in threads, so that they never block the triggerer's event loop.

    :param campaign_name: exact name.
    :param account_id: search this sub-account only; None for the connection's, else all.
    :param dial_group_name: search dial groups of this exact name only; None for all.
    :param active_only: wait until the campaign is also active.
    :param engagevoice_conn_id: connection.
    :param poke_interval: seconds between two checks.
    :param end_time: end of the wait, in seconds since 1970.
    :param tolerated_failures: number of consecutive transient failures that are tolerated.
    :param exponential_backoff: double the interval after each check, as the sensor does in poke mode.
    :param max_wait: maximum seconds between two checks without failures; None for no maximum.
    """

    def __init__(
        self,
        campaign_name: str,
        account_id: str | None = None,
        dial_group_name: str | None = None,
        active_only: bool = False,
        engagevoice_conn_id: str = "engagevoice_default",
        poke_interval: float = 60.0,
        end_time: float = float("inf"),
        tolerated_failures: int = 5,
        exponential_backoff: bool = False,
        max_wait: float | None = None,
    ) -> None:
        super().__init__()
        self.campaign_name = campaign_name
        self.account_id = account_id
        self.dial_group_name = dial_group_name
        self.active_only = active_only
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
            "airflow_provider_engagevoice.triggers.campaigns.CampaignLookupTrigger",
            {
                "campaign_name": self.campaign_name,
                "account_id": self.account_id,
                "dial_group_name": self.dial_group_name,
                "active_only": self.active_only,
                "engagevoice_conn_id": self.engagevoice_conn_id,
                "poke_interval": self.poke_interval,
                "end_time": self.end_time,
                "tolerated_failures": self.tolerated_failures,
                "exponential_backoff": self.exponential_backoff,
                "max_wait": self.max_wait,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the campaign.

        :return: one event with ``status``: ``found`` (with ``campaign``), ``timeout`` (with ``reason``, why
            the last check failed), ``permanent_error`` or ``failed`` (both with ``message``).
        """
        from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook

        hook = EngageVoiceHook(self.engagevoice_conn_id)
        try:
            async for event in self._events(hook):
                yield event
        finally:
            # A check that waits for a rate limit must not outlive the trigger.
            hook.cancel()

    async def _events(self, hook: EngageVoiceHook) -> AsyncIterator[TriggerEvent]:
        failures = checks = 0
        while True:
            # Check once more at the end: the campaign may have appeared during the last interval.
            await asyncio.sleep(min(self._pause(failures, checks), max(self.end_time - time.time(), 0.0)))
            checks += 1
            campaign, reason = None, ""
            try:
                campaign = await self._check(hook)
            except CampaignNotFound as error:
                failures, reason = 0, str(error)
                # The sensor has warned at its first look.
                self.log.info("%s", error)
            except EngageVoiceError as error:
                failures += 1
                if isinstance(error, PermanentError) or failures > self.tolerated_failures:
                    status = "permanent_error" if isinstance(error, PermanentError) else "failed"
                    yield TriggerEvent({"status": status, "message": f"{type(error).__name__}: {error}"})
                    return
                self.log.warning("Check failed (%d in a row): %s", failures, error)
                reason = str(error)
            if campaign is not None:
                yield TriggerEvent({"status": "found", "campaign": dict(campaign)})
                return
            if time.time() >= self.end_time:
                yield TriggerEvent({"status": "timeout", "reason": reason})
                return

    async def _check(self, hook: EngageVoiceHook) -> Campaign:
        # asgiref's threads can read an Airflow connection while the event loop runs; asyncio's cannot.
        from asgiref.sync import sync_to_async

        return await sync_to_async(self._find, thread_sensitive=False, executor=_THREADS)(hook)

    def _find(self, hook: EngageVoiceHook) -> Campaign:
        return hook.get_conn().campaigns.find(
            self.campaign_name,
            account_id=self.account_id,
            dial_group_name=self.dial_group_name,
            active_only=self.active_only,
            argument=None,
        )

    def _pause(self, failures: int, checks: int) -> float:
        if not failures:
            interval = (
                self.poke_interval * 2 ** min(checks, 30) if self.exponential_backoff else self.poke_interval
            )
            return interval if self.max_wait is None else min(interval, self.max_wait)
        maximum = max(MAX_PAUSE, self.poke_interval)
        return min(self.poke_interval * 2**failures, maximum) * random.uniform(0.75, 1.25)
