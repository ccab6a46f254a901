"""The tokens a sandbox has given out, and how each of them ends."""

from __future__ import annotations

import hashlib
import secrets
import threading
from enum import Enum

from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.clock import Clock

PLATFORM_LIFETIME = 3600.0
"""Seconds a RingCentral platform token lives. Observed."""

LEGACY_LIFETIME = 3600.0
"""Seconds a legacy token lives after its last use. Guide: about an hour, sliding."""

STAY_LIFETIME = 14 * 86_400.0
"""Seconds a legacy token of ``stayLoggedIn`` lives after its last use. Guide: about two weeks."""

PLATFORM_REFRESH_LIFETIME = 7 * 86_400.0
"""Seconds a refresh token of the RingCentral platform lives. Source: RingCentral's platform guide."""

_KEPT = 50_000


class Verdict(Enum):
    """What is known of a token."""

    GOOD = "good"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class Family:
    """Tokens of one kind. Only their hashes are kept.

    :param clock: the sandbox's clock.
    :param lifetime: seconds from issue to expiry.
    """

    def __init__(self, clock: Clock, lifetime: float) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._lock = threading.Lock()
        self._ends: dict[str, float] = {}

    def issue(self) -> str:
        """Give out a new random token."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._ends) >= _KEPT:
                del self._ends[next(iter(self._ends))]
            self._ends[_hash(token)] = self._clock.now() + self._lifetime
        return token

    def judge(self, token: str) -> Verdict:
        """Tell what is known of a token."""
        with self._lock:
            end = self._ends.get(_hash(token))
        if end is None:
            return Verdict.UNKNOWN
        return Verdict.GOOD if self._clock.now() < end else Verdict.EXPIRED

    def end_of(self, token: str) -> float | None:
        """Return when a token ends, in seconds since 1970; None where it is unknown."""
        with self._lock:
            return self._ends.get(_hash(token))

    def slide(self, token: str) -> None:
        """Let a good token live its full lifetime again."""
        with self._lock:
            if _hash(token) in self._ends:
                self._ends[_hash(token)] = self._clock.now() + self._lifetime

    def take(self, token: str) -> bool:
        """Use up a token.

        :param token: the token.
        :return: True where it was good; it is unknown from now on.
        """
        with self._lock:
            end = self._ends.pop(_hash(token), None)
        return end is not None and self._clock.now() < end

    def expire(self) -> None:
        """Let all tokens that are out look expired."""
        with self._lock:
            self._ends = dict.fromkeys(self._ends, float("-inf"))

    def revoke(self) -> None:
        """Forget all tokens that are out."""
        with self._lock:
            self._ends.clear()


class Tokens:
    """All tokens of a sandbox.

    :param clock: the sandbox's clock.
    :param settings: how long they live.
    """

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self.platform = Family(clock, PLATFORM_LIFETIME)
        self.platform_refresh = Family(clock, PLATFORM_REFRESH_LIFETIME)
        self.bearer = Family(clock, settings.token_lifetime)
        self.refresh = Family(clock, settings.refresh_lifetime)
        self.legacy = Family(clock, LEGACY_LIFETIME)
        self.legacy_stay = Family(clock, STAY_LIFETIME)


def _hash(token: str) -> str:
    """Return what is kept of a token; looking up a hash tells nothing about the token by its timing."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
