"""Access tokens and their encrypted cache, shared by all tasks of a credential."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx import clock
from airflow_provider_engagevoice.ringcx.auth.encryption import DecryptionError, TokenCipher
from airflow_provider_engagevoice.ringcx.exceptions import AuthenticationError
from airflow_provider_engagevoice.ringcx.storage.base import StateStore

#: Minimum remaining lifetime of a usable token, in seconds; also bounds the wait for another task's refresh.
_MIN_LIFETIME = 20.0
#: Seconds for which an expired token is kept because of its refresh token.
_REFRESHABLE_FOR = 1800.0
REJECTION_LIFETIME = 30.0
"""Seconds for which a rejection is cached, so that many tasks do not use up the five sign-ins a minute."""
#: Seconds until a lock expires after its holder died, in a store that cannot detect that.
_LOCK_LIFETIME = 15.0


@dataclass(frozen=True, repr=False)
class AccessToken:
    """An expiring access token.

    :param value: the token that requests carry.
    :param expires_at: when it expires, on the monotonic clock.
    :param refresh_ahead: seconds before the expiry from which it should be refreshed.
    :param refresh_token: single-use token to refresh it with; None if only a new sign-in can replace it.
    """

    value: str
    expires_at: float
    refresh_ahead: float
    refresh_token: str | None = None

    @property
    def seconds_left(self) -> float:
        """Seconds until it expires."""
        return self.expires_at - clock.monotonic()

    @property
    def needs_refresh(self) -> bool:
        """Whether it should be refreshed."""
        return self.seconds_left <= self.refresh_ahead

    @property
    def is_valid(self) -> bool:
        """Whether it is valid for long enough to send a request with it."""
        return self.seconds_left > min(_MIN_LIFETIME, self.refresh_ahead)


@dataclass(frozen=True, repr=False)
class TokenCache:
    """Cache of a credential's token in a store.

    :param store: the store.
    :param key: name of the token in the store; reveals nothing about the secret.
    :param cipher: encrypts the token.
    """

    store: StateStore
    key: str
    cipher: TokenCipher

    def get(self) -> AccessToken | None:
        """Return the token.

        :return: the token, which may have expired; None if there is none or it cannot be decrypted.
        """
        found = self._get(self.key)
        if found is None:
            return None
        fields, left = found
        try:
            # Limited to the initial lifetime, in case the store's clock has changed.
            left = min(left - fields["after"], fields["life"])
            return AccessToken(
                fields["access"], clock.monotonic() + left, fields["renew_ahead"], fields["refresh"]
            )
        except (KeyError, TypeError):  # written by another version of this package
            return None

    def set(self, token: AccessToken) -> None:
        """Store a token for all tasks."""
        life = max(token.seconds_left, 0.0)
        after = _REFRESHABLE_FOR if token.refresh_token is not None else 0.0
        fields = {
            "access": token.value,
            "life": life,
            "after": after,
            "renew_ahead": token.refresh_ahead,
            "refresh": token.refresh_token,
        }
        self._set(self.key, fields, life + after)

    def drop_refresh_token(self, token: AccessToken) -> None:
        """Remove a refresh token before its use, so that it is used once even if this task is killed."""
        if token.seconds_left > 0:
            self.set(AccessToken(token.value, token.expires_at, token.refresh_ahead))
        else:
            self.store.delete(self.key)

    def cached_rejection(self) -> AuthenticationError | None:
        """Return the error if this credential was rejected in the last ``REJECTION_LIFETIME`` seconds."""
        found = self._get(f"{self.key} refused")
        if found is None:
            return None
        fields, left = found
        return AuthenticationError(
            f"{fields.get('refused')} (not retried for {left:.0f} s)", status=fields.get("status")
        )

    def cache_rejection(self, error: AuthenticationError) -> None:
        """Store the error of a sign-in whose credential was rejected, for all tasks."""
        fields = {"refused": str(error), "status": error.status}
        self._set(f"{self.key} refused", fields, REJECTION_LIFETIME)

    def acquire_lock(self, turn: int = 0) -> Callable[[], object] | None:
        """Acquire the lock that allows one task to sign in.

        :param turn: how many earlier holders have exceeded the time limit; each turn has its own lock.
        :return: a function that releases the lock; None if another task holds it.
        """
        return self.store.acquire_lock(f"{self.key} {turn}", _LOCK_LIFETIME)

    def _get(self, key: str) -> tuple[dict[str, Any], float] | None:
        found = self.store.get(key)
        if found is None:
            return None
        try:
            fields = json.loads(self.cipher.decrypt(found[0]))
        except (DecryptionError, ValueError):
            return None
        return (fields, found[1]) if isinstance(fields, dict) else None

    def _set(self, key: str, fields: Mapping[str, Any], lifetime: float) -> None:
        # If it cannot be encrypted, the token is used within this process only.
        with contextlib.suppress(DecryptionError):
            self.store.set(key, self.cipher.encrypt(json.dumps(fields).encode()), lifetime)
