"""Base class for authentication schemes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from airflow_provider_engagevoice.ringcx.storage.base import StateStore
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.ringcx.transport.http import HttpTransport


def _forget(secret: str) -> None:
    """Do nothing with a secret: outside Airflow there is no log to mask."""


class Authenticator(ABC):
    """A way to prove to RingCX who asks.

    :param mask: told every secret the moment it is known, so that logs can hide it.
    :param share: where tokens are shared; by default within the process.
    """

    mask: Callable[[str], None] = staticmethod(_forget)
    store: StateStore = MemoryStore()

    @abstractmethod
    def headers(self, transport: HttpTransport) -> Mapping[str, str]:
        """Give the headers that prove it, signing in where needed.

        :param transport: sends the sign-in.
        :return: header names and values.
        :raises AuthenticationError: where the credentials are refused.
        """

    @abstractmethod
    def refresh(self, transport: HttpTransport, rejected: Mapping[str, str]) -> None:
        """Replace headers that RingCX rejected, unless somebody else has done so.

        :param transport: sends the sign-in.
        :param rejected: the headers that were answered with 401.
        :raises AuthenticationError: where there is no way to replace them.
        """
