"""A token, and where it is kept for all tasks: sealed, in a share."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.auth.encryption import DecryptionError, TokenCipher
from airflow_provider_engagevoice.ringcx.exceptions import AuthenticationError
from airflow_provider_engagevoice.ringcx.storage.base import StateStore

#: A token that ends sooner than this is no good any more; who waits for another to renew it has so long.
_LAST_SECONDS = 20.0
#: A token that has ended is kept for so many seconds more, for what renews it.
_RENEWABLE = 1800.0
REFUSAL_LIFE = 30.0
"""How long a refusal is remembered, so that many tasks do not use up the five sign-ins a minute on it."""
#: Seconds that a lock outlives its holder in a share that cannot tell.
_LOCK_LIFE = 15.0


@dataclass(frozen=True, repr=False)
class AccessToken:
    """A token that ends.

    :param access: what requests carry.
    :param ends: when it ends, on the monotonic clock.
    :param renew_ahead: seconds before its end when it is best replaced.
    :param refresh: what replaces it, once; None where only a new sign-in does.
    """

    access: str
    ends: float
    renew_ahead: float
    refresh: str | None = None

    @property
    def left(self) -> float:
        """Seconds until it ends."""
        return self.ends - time.monotonic()

    @property
    def is_fresh(self) -> bool:
        """It need not be replaced yet."""
        return self.left > self.renew_ahead

    @property
    def is_good(self) -> bool:
        """It outlives a request."""
        return self.left > min(_LAST_SECONDS, self.renew_ahead)


@dataclass(frozen=True, repr=False)
class TokenCache:
    """A credential's token in a share.

    :param share: the share.
    :param key: what it is called there; tells nothing of the secret.
    :param seal: opens and closes it.
    """

    store: StateStore
    key: str
    seal: TokenCipher

    def load(self) -> AccessToken | None:
        """Read the token.

        :return: the token, which may have ended; None where there is none that can be read.
        """
        found = self._open(self.key)
        if found is None:
            return None
        kept, left = found
        try:
            # Whatever became of the share's clock, no token lives longer than when it was new.
            left = min(left - kept["after"], kept["life"])
            return AccessToken(kept["access"], time.monotonic() + left, kept["renew_ahead"], kept["refresh"])
        except (KeyError, TypeError):  # another version of this package wrote it
            return None

    def save(self, token: AccessToken) -> None:
        """Keep a token for the others."""
        life = max(token.left, 0.0)
        after = _RENEWABLE if token.refresh is not None else 0.0
        kept = {
            "access": token.access,
            "life": life,
            "after": after,
            "renew_ahead": token.renew_ahead,
            "refresh": token.refresh,
        }
        self._save(self.key, kept, life + after)

    def spend(self, token: AccessToken) -> None:
        """Take out what renews a token, so that nobody uses it twice, even if this process is killed."""
        if token.left > 0:
            self.save(AccessToken(token.access, token.ends, token.renew_ahead))
        else:
            self.store.delete(self.key)

    def refusal(self) -> AuthenticationError | None:
        """Tell whether somebody has just been refused with this very credential."""
        found = self._open(f"{self.key} refused")
        if found is None:
            return None
        kept, left = found
        return AuthenticationError(
            f"{kept.get('refused')} (not tried again for {left:.0f} s)", status=kept.get("status")
        )

    def save_refusal(self, error: AuthenticationError) -> None:
        """Let the others know that the credential is refused."""
        self._save(f"{self.key} refused", {"refused": str(error), "status": error.status}, REFUSAL_LIFE)

    def lock(self, turn: int = 0) -> Callable[[], object] | None:
        """Be the one who signs in.

        :param turn: how many holders before have kept the lock for too long.
        :return: what ends it; None where somebody else is the one.
        """
        return self.store.acquire_lock(f"{self.key} {turn}", _LOCK_LIFE)

    def _open(self, key: str) -> tuple[dict[str, Any], float] | None:
        found = self.store.get(key)
        if found is None:
            return None
        try:
            kept = json.loads(self.seal.open(found[0]))
        except (DecryptionError, ValueError):
            return None
        return (kept, found[1]) if isinstance(kept, dict) else None

    def _save(self, key: str, kept: Mapping[str, Any], lifetime: float) -> None:
        # Where it cannot be sealed, it is kept within this process only.
        with contextlib.suppress(DecryptionError):
            self.store.set(key, self.seal.close(json.dumps(kept).encode()), lifetime)
