"""The waiting half of the campaign sensor."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, PermanentError

if TYPE_CHECKING:
    from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
    from airflow_provider_engagevoice.ringcx.campaigns import Campaign

#: Seconds that the pause grows to after failures.
LONGEST_PAUSE = 600.0

#: Threads of our own: in the event loop's few, slow answers would hold up other triggers' look-ups.
_THREADS = ThreadPoolExecutor(16, "ringcx-look-up")


class CampaignLookupTrigger(BaseTrigger):
    """Look for a campaign until it is there or the time is up. Only reads.

    Requests run in threads, so that the triggerer's event loop never waits for one.

    :param campaign_name: exact name.
    :param account_id: look in this sub-account only; None for the connection's, else all.
    :param dial_group_name: look in dial groups of this exact name only; None for all.
    :param active_only: wait until the campaign is active, too.
    :param engagevoice_conn_id: connection.
    :param poke_interval: seconds between two looks.
    :param end_time: when to give up, in seconds since 1970.
    :param tolerated_failures: failures in a row that may pass before the wait is given up.
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

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give Airflow what it needs to make this trigger again.

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
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait.

        :return: one event with ``status``: ``found`` (with ``campaign``), ``timeout``, ``permanent_error`` or
            ``failed`` (both with ``message``).
        """
        from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook

        hook = EngageVoiceHook(self.engagevoice_conn_id)
        try:
            async for event in self._events(hook):
                yield event
        finally:
            # A look-up that waits for RingCX's limits must not outlive the trigger.
            hook.stop()

    async def _events(self, hook: EngageVoiceHook) -> AsyncIterator[TriggerEvent]:
        failures = 0
        while True:
            # The campaign may have come in the last interval, so look before the clock does.
            await asyncio.sleep(min(self._pause(failures), max(self.end_time - time.time(), 0.0)))
            try:
                campaign = await self._look(hook)
                failures = 0
            except EngageVoiceError as error:
                failures += 1
                if isinstance(error, PermanentError) or failures > self.tolerated_failures:
                    status = "permanent_error" if isinstance(error, PermanentError) else "failed"
                    yield TriggerEvent({"status": status, "message": f"{type(error).__name__}: {error}"})
                    return
                self.log.warning("Look-up %d in a row failed: %s", failures, error)
                campaign = None
            if campaign is not None:
                yield TriggerEvent({"status": "found", "campaign": dict(campaign)})
                return
            if time.time() >= self.end_time:
                yield TriggerEvent({"status": "timeout"})
                return

    async def _look(self, hook: EngageVoiceHook) -> Campaign | None:
        # asgiref's threads can read an Airflow connection while this loop runs; asyncio's cannot.
        from asgiref.sync import sync_to_async

        return await sync_to_async(self._look_now, thread_sensitive=False, executor=_THREADS)(hook)

    def _look_now(self, hook: EngageVoiceHook) -> Campaign | None:
        return hook.get_conn().campaigns.find_if_exists(
            self.campaign_name,
            account_id=self.account_id,
            dial_group_name=self.dial_group_name,
            active_only=self.active_only,
        )

    def _pause(self, failures: int) -> float:
        if not failures:
            return self.poke_interval
        longest = max(LONGEST_PAUSE, self.poke_interval)
        return min(self.poke_interval * 2**failures, longest) * random.uniform(0.75, 1.25)
