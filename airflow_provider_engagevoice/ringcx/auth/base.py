"""Base class for authentication schemes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from airflow_provider_engagevoice.ringcx.storage.base import StateStore
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.ringcx.transport.http import HttpTransport


def _ignore(secret: str) -> None:
    """Do nothing with a secret: outside Airflow there is no log to mask."""


class Authenticator(ABC):
    """Base class for authentication schemes.

    :param mask: called with each secret before it is used, so that logs can mask it.
    :param store: where tokens are shared; by default within the process.
    """

    mask: Callable[[str], None] = staticmethod(_ignore)
    store: StateStore = MemoryStore()

    @abstractmethod
    def headers(self, transport: HttpTransport) -> Mapping[str, str]:
        """Return the authentication headers; sign in if necessary.

        :param transport: sends the sign-in.
        :return: header names and values.
        :raises AuthenticationError: if the credentials are rejected.
        """

    @abstractmethod
    def refresh(self, transport: HttpTransport, rejected: Mapping[str, str]) -> None:
        """Replace headers that RingCX rejected, unless another thread or task has already replaced them.

        :param transport: sends the sign-in.
        :param rejected: the headers of the request that got a 401.
        :raises AuthenticationError: if they cannot be replaced.
        """
