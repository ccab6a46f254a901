"""A token that ends: shared by all tasks, and renewed in time by one of them."""

from __future__ import annotations

import hashlib
import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from airflow_provider_engagevoice.ringcx.auth.base import Authenticator
from airflow_provider_engagevoice.ringcx.auth.encryption import ScryptCipher, TokenCipher
from airflow_provider_engagevoice.ringcx.auth.token_cache import AccessToken, TokenCache
from airflow_provider_engagevoice.ringcx.concurrency import LOG_WAIT_AFTER, ForkSafeLock
from airflow_provider_engagevoice.ringcx.exceptions import (
    AccessDenied,
    AuthenticationError,
    InvalidRequest,
    NotFound,
    RateLimited,
    ServiceUnavailable,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.ringcx.transport.http import HttpTransport

log = logging.getLogger(__name__)

REJECTION_ERRORS = (AuthenticationError, AccessDenied, InvalidRequest, NotFound)
"""How a sign-in is refused."""

_FIRST_POLL = 0.02
_LONGEST_POLL = 0.25
#: Seconds after which somebody else's sign-in is taken for stuck. One that waits for its turn within the
#: limit of five a minute takes up to 60.
_STUCK_AFTER = 90.0
_TURNS = 3


@dataclass
class _TokenSlot:
    """One credential's token in this process; its lock lets one thread work on it and the others wait."""

    seal: TokenCipher
    token: AccessToken | None = None
    lock: ForkSafeLock = field(default_factory=ForkSafeLock)


_TOKEN_SLOTS: dict[tuple[str, str], _TokenSlot] = {}


class RefreshingAuthenticator(Authenticator):
    """A sign-in whose token ends and is replaced in time.

    :param seal: how its secret seals what is shared.
    """

    seal: ClassVar[type[TokenCipher]] = ScryptCipher

    @abstractmethod
    def _identity(self) -> tuple[str, ...]:
        """Name the credential, with nothing in it that could be guessed from its hash."""

    @abstractmethod
    def _secret(self) -> tuple[str, ...]:
        """Give what only a holder of the credential knows."""

    @abstractmethod
    def _sign_in(self, transport: HttpTransport) -> AccessToken:
        """Get a first token from the credential."""

    def _refresh(self, transport: HttpTransport, refresh: str) -> AccessToken:
        """Get the next token from the last one's refresh token, where the way to sign in has one."""
        return self._sign_in(transport)

    @abstractmethod
    def _as_headers(self, access: str) -> dict[str, str]:
        """Write a token as headers."""

    def headers(self, transport: HttpTransport) -> Mapping[str, str]:
        slot = self._slot()
        with slot.lock.held(transport.stop.check):
            vault = self._vault(slot)
            slot.token = self._newer(slot.token, vault.load())
            if slot.token is None or not slot.token.is_fresh:
                slot.token = self._current(transport, vault, slot.token)
            return self._as_headers(slot.token.access)

    def refresh(self, transport: HttpTransport, rejected: Mapping[str, str]) -> None:
        slot = self._slot()
        with slot.lock.held(transport.stop.check):
            if slot.token is not None and self._as_headers(slot.token.access) == rejected:
                slot.token = self._other_than(transport, self._vault(slot), slot.token)

    def _newer(self, mine: AccessToken | None, shared: AccessToken | None) -> AccessToken | None:
        """Choose the token of another task where it is newer than one's own.

        So a token that was revoked is noticed by those that are waiting without being refused themselves.
        """
        if shared is None or not shared.is_good:
            return mine
        if mine is not None and (mine.access == shared.access or mine.ends >= shared.ends):
            return mine
        return self._known(shared)

    def _current(self, transport: HttpTransport, vault: TokenCache, last: AccessToken | None) -> AccessToken:
        """Get a token that is fresh; or go on with one that is still good while it cannot be had."""
        release = vault.lock()
        if release is None and last is not None and last.is_good:
            return last
        try:
            return self._replace(transport, vault, release, lambda token: token.is_fresh)
        except (AuthenticationError, RateLimited, ServiceUnavailable) as error:
            if last is None or not last.is_good:
                raise
            log.warning("The token cannot be renewed yet: %s", error)
            return last

    def _other_than(self, transport: HttpTransport, vault: TokenCache, rejected: AccessToken) -> AccessToken:
        """Get a token other than the one that was rejected."""

        def will_do(token: AccessToken) -> bool:
            return token.access != rejected.access and token.is_good

        return self._replace(transport, vault, vault.lock(), will_do)

    def _replace(
        self,
        transport: HttpTransport,
        vault: TokenCache,
        release: Callable[[], object] | None,
        will_do: Callable[[AccessToken], bool],
    ) -> AccessToken:
        """Sign in, or wait for who does.

        :param release: ends this task's turn to sign in; None where it is somebody else's.
        :param will_do: tells whether somebody else's token is what is sought.
        """
        if release is None:
            found, release = self._watch(transport, vault, will_do)
            if found is not None:
                return found
        try:
            found = self._found(vault, will_do)
            # Without the lock somebody else may be using what renews the token, and it can be used once.
            return found or self._replaced(transport, vault, vault.load() if release is not None else None)
        finally:
            if release is not None:
                release()

    def _watch(
        self, transport: HttpTransport, vault: TokenCache, will_do: Callable[[AccessToken], bool]
    ) -> tuple[AccessToken | None, Callable[[], object] | None]:
        """Wait for the token of who is signing in, or to be the one who does."""
        pause = _FIRST_POLL
        for turn in range(_TURNS):
            begun, told = time.monotonic(), False
            while (waited := time.monotonic() - begun) < _STUCK_AFTER:
                if waited > LOG_WAIT_AFTER and not told:
                    told = True
                    log.info(
                        "Waiting for another task to sign in: %.0f s more at most", _STUCK_AFTER - waited
                    )
                transport.stop.sleep(pause)
                pause = min(pause * 1.2, _LONGEST_POLL)
                found = self._found(vault, will_do)
                release = vault.lock(turn) if found is None else None
                if found is not None or release is not None:
                    return found, release
            log.warning("Another task has been signing in for %.0f s; not waiting for it", _STUCK_AFTER)
        return None, None

    def _found(self, vault: TokenCache, will_do: Callable[[AccessToken], bool]) -> AccessToken | None:
        """Look for another task's token.

        :raises AuthenticationError: where another task has just been refused.
        """
        shared = vault.load()
        if shared is not None and will_do(shared):
            return self._known(shared)
        refusal = vault.refusal()
        if refusal is not None:
            raise refusal
        return None

    def _replaced(self, transport: HttpTransport, vault: TokenCache, last: AccessToken | None) -> AccessToken:
        """Sign in, and let the others know how it ended."""
        try:
            token = self._next(transport, vault, last)
        except AuthenticationError as error:
            vault.save_refusal(error)
            raise
        vault.save(token)
        return token

    def _next(self, transport: HttpTransport, vault: TokenCache, last: AccessToken | None) -> AccessToken:
        if last is not None and last.refresh is not None:
            vault.spend(last)
            try:
                return self._refresh(transport, last.refresh)
            except (*REJECTION_ERRORS, UnexpectedResponse, ServiceUnavailable) as error:
                log.info("The token cannot be renewed (%s); signing in anew", error)
        return self._sign_in(transport)

    def _slot(self) -> _TokenSlot:
        # Within the process, and only there, the secret is part of the name: with a wrong one nobody gets
        # the token of the right one.
        secret = hashlib.sha256("\0".join(self._secret()).encode()).hexdigest()
        name = (self._key(), secret)
        if name not in _TOKEN_SLOTS:
            _TOKEN_SLOTS.setdefault(name, _TokenSlot(self.seal(self._secret())))
        return _TOKEN_SLOTS[name]

    def _vault(self, slot: _TokenSlot) -> TokenCache:
        return TokenCache(self.store, self._key(), slot.seal)

    def _key(self) -> str:
        return hashlib.sha256("\0".join((type(self).__name__, *self._identity())).encode()).hexdigest()

    def _known(self, token: AccessToken) -> AccessToken:
        """Let logs hide a token that another task has got."""
        self.mask(token.access)
        if token.refresh is not None:
            self.mask(token.refresh)
        return token

    def _masked(self, body: Any, key: str) -> str:
        value = body.get(key) if isinstance(body, dict) else None
        if not isinstance(value, str) or not value:
            raise UnexpectedResponse(f"The sign-in was answered without {key}")
        self.mask(value)
        return value
