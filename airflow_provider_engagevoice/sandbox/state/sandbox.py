"""Everything one running sandbox consists of, for the handlers of requests to work on."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_engagevoice.sandbox.seed.world import SeededWorld, World
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.clock import Clock
from airflow_provider_engagevoice.sandbox.state.fault_rules import Rules
from airflow_provider_engagevoice.sandbox.state.rate_limiter import RateLimits
from airflow_provider_engagevoice.sandbox.state.request_log import RequestLog
from airflow_provider_engagevoice.sandbox.state.store import Store
from airflow_provider_engagevoice.sandbox.state.tokens import Tokens


@dataclass(frozen=True)
class Service:
    """A sandbox without its HTTP side.

    :param settings: how it behaves.
    :param clock: its time.
    :param tokens: the tokens it has given out.
    :param rate_limits: who has asked how often.
    :param rules: what goes wrong.
    :param log: what was asked.
    :param store: its data.
    :param world: where its data comes from.
    :param stopping: set when it is to end, for those who wait in it.
    :param seen_at: the moment whose leads searches see, in seconds since 1970; None for now, less the
        visibility delay.
    """

    settings: Settings
    clock: Clock
    tokens: Tokens
    rate_limits: RateLimits
    rules: Rules
    log: RequestLog
    store: Store
    world: World
    stopping: threading.Event
    seen_at: float | None = None

    @classmethod
    def start(cls, settings: Settings, database: str, world: World | None = None) -> Service:
        """Make a sandbox.

        :param settings: how it behaves.
        :param database: a file name, or ``:memory:``; an empty one gets the world.
        :param world: where the data comes from; None for the seeded world of the settings.
        :return: the sandbox.
        :raises StateFileError: the file cannot be used.
        :raises WorldError: the world cannot be made.
        """
        clock = Clock()
        service = cls(
            settings=settings,
            clock=clock,
            tokens=Tokens(clock, settings),
            rate_limits=RateLimits(clock, settings.rate_penalty),
            rules=Rules(),
            log=RequestLog(),
            store=Store(database, clock),
            world=world or SeededWorld(settings.seed, settings.size),
            stopping=threading.Event(),
        )
        if service.store.is_new:
            try:
                service.seed()
            except BaseException:
                service.store.close()
                raise
        service._keep_shadows()
        return service

    def seed(self) -> None:
        """Put the world's data in the place of all data."""
        self.world.fill(self.store)

    def reset(self) -> None:
        """Return to the world as it was at the start and the real time: no request, mail, fault or use of
        limits; tokens stay good, except permanent ones that somebody has made.

        :raises WorldError: the world cannot be made any more; nothing has changed then.
        """
        self.seed()
        self.clock.reset()
        self.rate_limits.forget()
        self.rules.forget()
        self.log.forget()
        self.store.drop_shadows()
        self._keep_shadows()

    def _keep_shadows(self) -> None:
        """Keep what leads were, for as long as searches are behind."""
        if self.settings.visibility_delay:
            self.store.keep_shadows(self.settings.visibility_delay)

    def seen_moment(self) -> float | None:
        """Return the moment whose leads searches see, in seconds since 1970; None for now."""
        delay = self.settings.visibility_delay
        return self.clock.now() - delay if self.seen_at is None and delay else self.seen_at

    def behaving(self, **changes: Any) -> Service:
        """Return the same sandbox with other settings, for one request.

        :param changes: settings to change.
        """
        return replace(self, settings=replace(self.settings, **changes))
