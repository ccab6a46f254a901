"""Interface of seed data: the source of a sandbox's initial data."""

from __future__ import annotations

from typing import Protocol

from airflow_provider_engagevoice.sandbox.state.store import Store


class SeedData(Protocol):
    """Source of the initial data of a sandbox, loaded at its start and at each reset."""

    def fill(self, store: Store) -> None:
        """Replace the content of a database atomically with this data.

        :param store: the database.
        :raises SeedDataError: if the data cannot be read or generated.
        :raises StateFileError: if the database cannot be written.
        """


class SeedDataError(Exception):
    """Seed data cannot be read or generated; the message is one sentence."""
