"""Expiring access tokens, shared between tasks and refreshed by one of them ahead of expiry."""

from __future__ import annotations

import hashlib
import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from airflow_provider_engagevoice.ringcx import clock
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
"""Errors that mean that a sign-in was rejected."""

_INITIAL_POLL_INTERVAL = 0.02
_MAX_POLL_INTERVAL = 0.25
#: Seconds after which another task's sign-in is treated as stuck. A sign-in that waits for a slot within the
#: limit of five a minute takes up to 60.
_STUCK_AFTER = 90.0
_MAX_TURNS = 3


@dataclass
class _TokenSlot:
    """A credential's token in this process. Its lock lets one thread obtain a token while the others wait."""

    cipher: TokenCipher
    token: AccessToken | None = None
    lock: ForkSafeLock = field(default_factory=ForkSafeLock)


_TOKEN_SLOTS: dict[tuple[str, str], _TokenSlot] = {}


class RefreshingAuthenticator(Authenticator):
    """Base class for authentication schemes with expiring tokens, which are refreshed ahead of expiry.

    :param cipher: class of the cipher that encrypts shared tokens with the secret.
    """

    cipher: ClassVar[type[TokenCipher]] = ScryptCipher

    @abstractmethod
    def _identity(self) -> tuple[str, ...]:
        """Return what identifies the credential, without anything that could be guessed from its hash."""

    @abstractmethod
    def _secret(self) -> tuple[str, ...]:
        """Return what only a holder of the credential knows."""

    @abstractmethod
    def _sign_in(self, transport: HttpTransport) -> AccessToken:
        """Return a new token for the credential."""

    def _refresh(self, transport: HttpTransport, refresh_token: str) -> AccessToken:
        """Return a new token for a refresh token, if the scheme has any; else sign in."""
        return self._sign_in(transport)

    @abstractmethod
    def _as_headers(self, token: str) -> dict[str, str]:
        """Return the headers that carry a token."""

    def headers(self, transport: HttpTransport) -> Mapping[str, str]:
        slot = self._token_slot()
        with slot.lock.held(transport.cancel_token.raise_if_cancelled):
            cache = self._token_cache(slot)
            slot.token = self._newer(slot.token, cache.get())
            if slot.token is None or slot.token.needs_refresh:
                slot.token = self._refreshed(transport, cache, slot.token)
            return self._as_headers(slot.token.value)

    def refresh(self, transport: HttpTransport, rejected: Mapping[str, str]) -> None:
        slot = self._token_slot()
        with slot.lock.held(transport.cancel_token.raise_if_cancelled):
            if slot.token is not None and self._as_headers(slot.token.value) == rejected:
                slot.token = self._other_than(transport, self._token_cache(slot), slot.token)

    def _newer(self, local: AccessToken | None, cached: AccessToken | None) -> AccessToken | None:
        """Return the cached token if it is valid and newer than the local one, else the local one.

        So tasks detect that another task has replaced a revoked token before they get a 401 themselves.
        """
        if cached is None or not cached.is_valid:
            return local
        if local is not None and (local.value == cached.value or local.expires_at >= cached.expires_at):
            return local
        return self._with_mask(cached)

    def _refreshed(
        self, transport: HttpTransport, cache: TokenCache, current: AccessToken | None
    ) -> AccessToken:
        """Return a fresh token, or the current one while it is valid and cannot be refreshed."""
        release = cache.acquire_lock()
        if release is None and current is not None and current.is_valid:
            return current
        try:
            return self._obtain(transport, cache, release, lambda token: not token.needs_refresh)
        except (AuthenticationError, RateLimited, ServiceUnavailable) as error:
            if current is None or not current.is_valid:
                raise
            log.warning("Cannot refresh the token yet, using the current one: %s", error)
            return current

    def _other_than(self, transport: HttpTransport, cache: TokenCache, rejected: AccessToken) -> AccessToken:
        """Return a valid token other than the rejected one."""

        def is_acceptable(token: AccessToken) -> bool:
            return token.value != rejected.value and token.is_valid

        return self._obtain(transport, cache, cache.acquire_lock(), is_acceptable)

    def _obtain(
        self,
        transport: HttpTransport,
        cache: TokenCache,
        release: Callable[[], object] | None,
        is_acceptable: Callable[[AccessToken], bool],
    ) -> AccessToken:
        """Return a token of another task if it is acceptable, else refresh or sign in.

        :param release: releases the lock for signing in; None if another task holds it.
        :param is_acceptable: returns whether another task's token can be used.
        """
        if release is None:
            token, release = self._wait_for_other_task(transport, cache, is_acceptable)
            if token is not None:
                return token
        try:
            token = self._cached_token(cache, is_acceptable)
            if token is not None:
                return token
            # Without the lock, another task may be using the single-use refresh token.
            return self._new_token(transport, cache, cache.get() if release is not None else None)
        finally:
            if release is not None:
                release()

    def _wait_for_other_task(
        self, transport: HttpTransport, cache: TokenCache, is_acceptable: Callable[[AccessToken], bool]
    ) -> tuple[AccessToken | None, Callable[[], object] | None]:
        """Wait until another task has signed in or its lock is free.

        :return: its token, or the function that releases the lock; neither if it is stuck.
        """
        pause = _INITIAL_POLL_INTERVAL
        for turn in range(_MAX_TURNS):
            started_at, logged = clock.monotonic(), False
            while (waited := clock.monotonic() - started_at) < _STUCK_AFTER:
                if waited > LOG_WAIT_AFTER and not logged:
                    logged = True
                    log.info(
                        "Waiting for another task to sign in: at most %.0f s left", _STUCK_AFTER - waited
                    )
                transport.cancel_token.sleep(pause)
                pause = min(pause * 1.2, _MAX_POLL_INTERVAL)
                token = self._cached_token(cache, is_acceptable)
                release = cache.acquire_lock(turn) if token is None else None
                if token is not None or release is not None:
                    return token, release
            log.warning("Another task has been signing in for %.0f s; no longer waiting for it", _STUCK_AFTER)
        return None, None

    def _cached_token(
        self, cache: TokenCache, is_acceptable: Callable[[AccessToken], bool]
    ) -> AccessToken | None:
        """Return another task's token, if it is acceptable.

        :raises AuthenticationError: if another task's sign-in has just been rejected.
        """
        cached = cache.get()
        if cached is not None and is_acceptable(cached):
            return self._with_mask(cached)
        rejection = cache.cached_rejection()
        if rejection is not None:
            raise rejection
        return None

    def _new_token(
        self, transport: HttpTransport, cache: TokenCache, previous: AccessToken | None
    ) -> AccessToken:
        """Refresh or sign in, and cache the result for the other tasks."""
        try:
            token = self._refresh_or_sign_in(transport, cache, previous)
        except AuthenticationError as error:
            cache.cache_rejection(error)
            raise
        cache.set(token)
        return token

    def _refresh_or_sign_in(
        self, transport: HttpTransport, cache: TokenCache, previous: AccessToken | None
    ) -> AccessToken:
        if previous is not None and previous.refresh_token is not None:
            cache.drop_refresh_token(previous)
            try:
                return self._refresh(transport, previous.refresh_token)
            except (*REJECTION_ERRORS, UnexpectedResponse, ServiceUnavailable) as error:
                log.info("Token refresh failed (%s); signing in again", error)
        return self._sign_in(transport)

    def _token_slot(self) -> _TokenSlot:
        # Within the process, and only there, the secret is part of the key: a client with a wrong secret must
        # not get the token of the right one.
        secret = hashlib.sha256("\0".join(self._secret()).encode()).hexdigest()
        key = (self._cache_key(), secret)
        if key not in _TOKEN_SLOTS:
            _TOKEN_SLOTS.setdefault(key, _TokenSlot(self.cipher(self._secret())))
        return _TOKEN_SLOTS[key]

    def _token_cache(self, slot: _TokenSlot) -> TokenCache:
        return TokenCache(self.store, self._cache_key(), slot.cipher)

    def _cache_key(self) -> str:
        return hashlib.sha256("\0".join((type(self).__name__, *self._identity())).encode()).hexdigest()

    def _with_mask(self, token: AccessToken) -> AccessToken:
        """Mask another task's token in logs, and return it."""
        self.mask(token.value)
        if token.refresh_token is not None:
            self.mask(token.refresh_token)
        return token

    def _read_secret(self, body: Any, key: str) -> str:
        """Return a secret from the response of a sign-in, masked in logs.

        :raises UnexpectedResponse: if it is missing.
        """
        value = body.get(key) if isinstance(body, dict) else None
        if not isinstance(value, str) or not value:
            raise UnexpectedResponse(f"The response to the sign-in lacks {key}")
        self.mask(value)
        return value
