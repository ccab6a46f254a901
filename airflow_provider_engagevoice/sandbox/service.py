"""Everything one running sandbox consists of, for the handlers of requests to work on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_engagevoice.sandbox import world
from airflow_provider_engagevoice.sandbox.clock import Clock
from airflow_provider_engagevoice.sandbox.limits import RateLimits
from airflow_provider_engagevoice.sandbox.requests_log import RequestLog
from airflow_provider_engagevoice.sandbox.rules import Rules
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.store import Store
from airflow_provider_engagevoice.sandbox.tokens import Tokens


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
    """

    settings: Settings
    clock: Clock
    tokens: Tokens
    rate_limits: RateLimits
    rules: Rules
    log: RequestLog
    store: Store

    @classmethod
    def start(cls, settings: Settings, database: str) -> Service:
        """Make a sandbox.

        :param settings: how it behaves.
        :param database: a file name, or ``:memory:``; an empty one gets the seeded world.
        :return: the sandbox.
        :raises StateFileError: the file cannot be used.
        """
        clock = Clock()
        service = cls(
            settings=settings,
            clock=clock,
            tokens=Tokens(clock, settings),
            rate_limits=RateLimits(clock, settings.rate_penalty),
            rules=Rules(),
            log=RequestLog(),
            store=Store(database),
        )
        if settings.visibility_delay:
            service.store.keep_shadows()
        if service.store.is_new:
            service.seed()
        return service

    def seed(self) -> None:
        """Put the seeded world in the place of all data."""
        world.fill(self.store, self.settings.seed, self.settings.size)

    def reset(self) -> None:
        """Return to the seeded world and the real time: no request, mail, fault or use of limits; tokens
        stay good."""
        self.seed()
        self.clock.reset()
        self.rate_limits.forget()
        self.rules.forget()
        self.log.forget()

    def behaving(self, **changes: Any) -> Service:
        """Return the same sandbox with other settings, for one request.

        :param changes: settings to change.
        """
        return replace(self, settings=replace(self.settings, **changes))
