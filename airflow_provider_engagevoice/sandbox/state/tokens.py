"""Issued tokens and their expiry."""

from __future__ import annotations

import hashlib
import secrets
import threading
from enum import Enum

from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.clock import Clock

PLATFORM_LIFETIME = 3600.0
"""Lifetime of a RingCentral platform token, in seconds. Observed."""

LEGACY_LIFETIME = 3600.0
"""Lifetime of a legacy token after its last use, in seconds. Guide: about an hour, sliding."""

STAY_LIFETIME = 14 * 86_400.0
"""Lifetime of a legacy token with ``stayLoggedIn`` after its last use, in seconds. Guide: about two weeks."""

PLATFORM_REFRESH_LIFETIME = 7 * 86_400.0
"""Lifetime of a platform refresh token, in seconds. Source: RingCentral's platform guide."""

_MAX_TOKENS = 50_000


class TokenStatus(Enum):
    """Status of a token."""

    VALID = "valid"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class TokenFamily:
    """Tokens of one kind. Only their hashes are stored.

    :param clock: the sandbox's clock.
    :param lifetime: seconds from issue to expiry.
    """

    def __init__(self, clock: Clock, lifetime: float) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._lock = threading.Lock()
        self._expiry: dict[str, float] = {}

    def issue(self) -> str:
        """Issue a new random token."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._expiry) >= _MAX_TOKENS:
                del self._expiry[next(iter(self._expiry))]
            self._expiry[_hash(token)] = self._clock.now() + self._lifetime
        return token

    def check(self, token: str) -> TokenStatus:
        """Return the status of a token."""
        with self._lock:
            expiry = self._expiry.get(_hash(token))
        if expiry is None:
            return TokenStatus.UNKNOWN
        return TokenStatus.VALID if self._clock.now() < expiry else TokenStatus.EXPIRED

    def expires_at(self, token: str) -> float | None:
        """Return the expiry of a token in seconds since 1970; None if the token is unknown."""
        with self._lock:
            return self._expiry.get(_hash(token))

    def extend(self, token: str) -> None:
        """Restart the lifetime of a token."""
        with self._lock:
            if _hash(token) in self._expiry:
                self._expiry[_hash(token)] = self._clock.now() + self._lifetime

    def consume(self, token: str) -> bool:
        """Invalidate a single-use token.

        :param token: the token.
        :return: whether it was valid; it is unknown from now on.
        """
        with self._lock:
            expiry = self._expiry.pop(_hash(token), None)
        return expiry is not None and self._clock.now() < expiry

    def expire_all(self) -> None:
        """Mark all issued tokens as expired."""
        with self._lock:
            self._expiry = dict.fromkeys(self._expiry, float("-inf"))

    def revoke_all(self) -> None:
        """Delete all issued tokens; they become unknown."""
        with self._lock:
            self._expiry.clear()


class Tokens:
    """All token families of a sandbox.

    :param clock: the sandbox's clock.
    :param settings: configured lifetimes.
    """

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self.platform = TokenFamily(clock, PLATFORM_LIFETIME)
        self.platform_refresh = TokenFamily(clock, PLATFORM_REFRESH_LIFETIME)
        self.bearer = TokenFamily(clock, settings.token_lifetime)
        self.refresh = TokenFamily(clock, settings.refresh_lifetime)
        self.legacy = TokenFamily(clock, LEGACY_LIFETIME)
        self.legacy_stay = TokenFamily(clock, STAY_LIFETIME)


def _hash(token: str) -> str:
    """Return the stored hash of a token; a lookup by hash leaks nothing of the token by timing."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
