"""Everything one running sandbox consists of, for the handlers of requests to work on."""

from __future__ import annotations

from airflow_provider_engagevoice.sandbox import world
from airflow_provider_engagevoice.sandbox.clock import Clock
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.store import Store
from airflow_provider_engagevoice.sandbox.tokens import Tokens


class Service:
    """A sandbox without its HTTP side.

    :param settings: how it behaves.
    :param database: a file name, or ``:memory:``; an empty one gets the seeded world.
    """

    def __init__(self, settings: Settings, database: str) -> None:
        self.settings = settings
        self.clock = Clock()
        self.tokens = Tokens(self.clock, settings.token_lifetime)
        self.store = Store(database)
        if self.store.is_new:
            self.seed()

    def seed(self) -> None:
        """Put the seeded world in the place of all data."""
        world.fill(self.store, self.settings.seed, self.settings.size)
