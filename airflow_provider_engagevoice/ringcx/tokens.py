"""A token that ends: shared by all clients of a process, and renewed in time."""

from __future__ import annotations

import hashlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_engagevoice.ringcx.errors import (
    AccessDenied,
    AuthenticationError,
    InvalidRequest,
    NotFound,
    UnexpectedAnswer,
)
from airflow_provider_engagevoice.ringcx.http import Transport

REFUSALS = (AuthenticationError, AccessDenied, InvalidRequest, NotFound)
"""How a sign-in is refused."""


def _forget(secret: str) -> None:
    """Do nothing with a secret: outside Airflow there is no log to mask."""


class SignIn(ABC):
    """A way to prove to RingCX who asks.

    :param mask: told every secret the moment it is known, so that logs can hide it.
    """

    mask: Callable[[str], None] = staticmethod(_forget)

    @abstractmethod
    def headers(self, transport: Transport) -> Mapping[str, str]:
        """Give the headers that prove it, signing in where needed.

        :param transport: sends the sign-in.
        :return: header names and values.
        :raises AuthenticationError: where the credentials are refused.
        """

    @abstractmethod
    def renew(self, transport: Transport, rejected: Mapping[str, str]) -> None:
        """Replace headers that RingCX rejected, unless another thread has done so.

        :param transport: sends the sign-in.
        :param rejected: the headers that were answered with 401.
        :raises AuthenticationError: where there is no way to replace them.
        """


@dataclass(frozen=True, repr=False)
class Token:
    """A token that ends.

    :param access: what requests carry.
    :param renew_at: when to replace it, on the monotonic clock.
    :param refresh: what replaces it; None where only a new sign-in does.
    """

    access: str
    renew_at: float
    refresh: str | None = None


@dataclass
class _Slot:
    """One credential's token in this process; its lock lets one thread sign in and the others wait."""

    token: Token | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_SLOTS: dict[str, _Slot] = {}


class Renewed(SignIn):
    """A sign-in whose token ends and is replaced in time."""

    @abstractmethod
    def _identity(self) -> tuple[str, ...]:
        """Name the credential, secrets included; only its hash is kept."""

    @abstractmethod
    def _sign_in(self, transport: Transport) -> Token:
        """Get a first token from the credential."""

    def _refresh(self, transport: Transport, refresh: str) -> Token:
        """Get the next token from the last one's refresh token, where the way to sign in has one."""
        return self._sign_in(transport)

    @abstractmethod
    def _as_headers(self, access: str) -> dict[str, str]:
        """Write a token as headers."""

    def headers(self, transport: Transport) -> Mapping[str, str]:
        slot = self._slot()
        with slot.lock:
            if slot.token is None or time.monotonic() >= slot.token.renew_at:
                slot.token = self._next(transport, slot.token)
            return self._as_headers(slot.token.access)

    def renew(self, transport: Transport, rejected: Mapping[str, str]) -> None:
        slot = self._slot()
        with slot.lock:
            if slot.token is not None and self._as_headers(slot.token.access) == rejected:
                slot.token = self._next(transport, slot.token)

    def _slot(self) -> _Slot:
        key = hashlib.sha256("\0".join((type(self).__name__, *self._identity())).encode()).hexdigest()
        return _SLOTS.setdefault(key, _Slot())

    def _next(self, transport: Transport, last: Token | None) -> Token:
        if last is not None and last.refresh is not None:
            try:
                return self._refresh(transport, last.refresh)
            except (*REFUSALS, UnexpectedAnswer):
                pass
        return self._sign_in(transport)

    def _masked(self, body: Any, key: str) -> str:
        value = body.get(key) if isinstance(body, dict) else None
        if not isinstance(value, str) or not value:
            raise UnexpectedAnswer(f"The sign-in was answered without {key}")
        self.mask(value)
        return value
