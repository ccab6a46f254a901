"""State of a sandbox, which request handlers read and change."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.clock import Clock
from airflow_provider_engagevoice.sandbox.state.fault_rules import FaultRules
from airflow_provider_engagevoice.sandbox.state.rate_limiter import RateLimiter
from airflow_provider_engagevoice.sandbox.state.request_log import RequestLog
from airflow_provider_engagevoice.sandbox.state.seed_data import SeedData
from airflow_provider_engagevoice.sandbox.state.store import Store
from airflow_provider_engagevoice.sandbox.state.tokens import Tokens


@dataclass(frozen=True)
class SandboxState:
    """State of a sandbox, independent of HTTP.

    :param settings: the configuration.
    :param clock: the clock.
    :param tokens: issued tokens.
    :param rate_limiter: counted requests.
    :param fault_rules: active fault rules.
    :param log: request log.
    :param store: the database.
    :param seed_data: source of the initial data.
    :param shutdown_event: set when the sandbox stops; interrupts delayed responses.
    :param as_of: timestamp that searches read, in seconds since 1970; None for the present minus the
        visibility delay.
    """

    settings: Settings
    clock: Clock
    tokens: Tokens
    rate_limiter: RateLimiter
    fault_rules: FaultRules
    log: RequestLog
    store: Store
    seed_data: SeedData
    shutdown_event: threading.Event
    as_of: float | None = None

    @classmethod
    def create(cls, settings: Settings, database: str, seed_data: SeedData) -> SandboxState:
        """Create the state of a sandbox.

        :param settings: the configuration.
        :param database: file name or ``:memory:``; an empty database is filled with the seed data.
        :param seed_data: source of the initial data.
        :return: the state.
        :raises StateFileError: if the file cannot be used.
        :raises SeedDataError: if the seed data cannot be read or generated.
        """
        clock = Clock()
        sandbox = cls(
            settings=settings,
            clock=clock,
            tokens=Tokens(clock, settings),
            rate_limiter=RateLimiter(clock, settings.rate_penalty),
            fault_rules=FaultRules(),
            log=RequestLog(),
            store=Store(database, clock),
            seed_data=seed_data,
            shutdown_event=threading.Event(),
        )
        if sandbox.store.is_new:
            try:
                sandbox.seed()
            except BaseException:
                sandbox.store.close()
                raise
        sandbox._keep_history()
        return sandbox

    def seed(self) -> None:
        """Replace all data with the seed data."""
        self.seed_data.fill(self.store)

    def reset(self) -> None:
        """Restore the seed data and the real time; clear the request log, mails, faults and rate limits.

        Issued tokens stay valid, except permanent tokens created through the API.

        :raises SeedDataError: if the seed data cannot be read or generated; nothing has changed then.
        """
        self.seed()
        self.clock.reset()
        self.rate_limiter.clear()
        self.fault_rules.clear()
        self.log.clear()
        self.store.drop_history()
        self._keep_history()

    def _keep_history(self) -> None:
        """Record row history if searches are delayed."""
        if self.settings.visibility_delay:
            self.store.keep_history(self.settings.visibility_delay)

    def search_time(self) -> float | None:
        """Return the timestamp that searches read, in seconds since 1970; None for the present."""
        delay = self.settings.visibility_delay
        return self.clock.now() - delay if self.as_of is None and delay else self.as_of

    def with_settings(self, **changes: Any) -> SandboxState:
        """Return the same sandbox with changed settings, for one request.

        :param changes: new values by setting.
        """
        return replace(self, settings=replace(self.settings, **changes))
