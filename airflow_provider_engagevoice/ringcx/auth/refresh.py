"""A token that ends: shared by all tasks, and renewed in time by one of them."""

from __future__ import annotations

import hashlib
import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from airflow_provider_engagevoice.ringcx.auth.base import SignIn
from airflow_provider_engagevoice.ringcx.auth.encryption import PasswordSeal, Seal
from airflow_provider_engagevoice.ringcx.auth.token_cache import Token, Vault
from airflow_provider_engagevoice.ringcx.concurrency import WORTH_TELLING, ThreadLock
from airflow_provider_engagevoice.ringcx.exceptions import (
    AccessDenied,
    AuthenticationError,
    InvalidRequest,
    NotFound,
    RateLimited,
    ServiceUnavailable,
    UnexpectedAnswer,
)
from airflow_provider_engagevoice.ringcx.transport.http import Transport

log = logging.getLogger(__name__)

REFUSALS = (AuthenticationError, AccessDenied, InvalidRequest, NotFound)
"""How a sign-in is refused."""

_FIRST_POLL = 0.02
_LONGEST_POLL = 0.25
#: Seconds after which somebody else's sign-in is taken for stuck. One that waits for its turn within the
#: limit of five a minute takes up to 60.
_STUCK_AFTER = 90.0
_TURNS = 3


@dataclass
class _Slot:
    """One credential's token in this process; its lock lets one thread work on it and the others wait."""

    seal: Seal
    token: Token | None = None
    lock: ThreadLock = field(default_factory=ThreadLock)


_SLOTS: dict[tuple[str, str], _Slot] = {}


class Renewed(SignIn):
    """A sign-in whose token ends and is replaced in time.

    :param seal: how its secret seals what is shared.
    """

    seal: ClassVar[type[Seal]] = PasswordSeal

    @abstractmethod
    def _identity(self) -> tuple[str, ...]:
        """Name the credential, with nothing in it that could be guessed from its hash."""

    @abstractmethod
    def _secret(self) -> tuple[str, ...]:
        """Give what only a holder of the credential knows."""

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
        with slot.lock.held(transport.stop.check):
            vault = self._vault(slot)
            slot.token = self._newer(slot.token, vault.load())
            if slot.token is None or not slot.token.is_fresh:
                slot.token = self._current(transport, vault, slot.token)
            return self._as_headers(slot.token.access)

    def renew(self, transport: Transport, rejected: Mapping[str, str]) -> None:
        slot = self._slot()
        with slot.lock.held(transport.stop.check):
            if slot.token is not None and self._as_headers(slot.token.access) == rejected:
                slot.token = self._other_than(transport, self._vault(slot), slot.token)

    def _newer(self, mine: Token | None, shared: Token | None) -> Token | None:
        """Choose the token of another task where it is newer than one's own.

        So a token that was revoked is noticed by those that are waiting without being refused themselves.
        """
        if shared is None or not shared.is_good:
            return mine
        if mine is not None and (mine.access == shared.access or mine.ends >= shared.ends):
            return mine
        return self._known(shared)

    def _current(self, transport: Transport, vault: Vault, last: Token | None) -> Token:
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

    def _other_than(self, transport: Transport, vault: Vault, rejected: Token) -> Token:
        """Get a token other than the one that was rejected."""

        def will_do(token: Token) -> bool:
            return token.access != rejected.access and token.is_good

        return self._replace(transport, vault, vault.lock(), will_do)

    def _replace(
        self,
        transport: Transport,
        vault: Vault,
        release: Callable[[], object] | None,
        will_do: Callable[[Token], bool],
    ) -> Token:
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
        self, transport: Transport, vault: Vault, will_do: Callable[[Token], bool]
    ) -> tuple[Token | None, Callable[[], object] | None]:
        """Wait for the token of who is signing in, or to be the one who does."""
        pause = _FIRST_POLL
        for turn in range(_TURNS):
            begun, told = time.monotonic(), False
            while (waited := time.monotonic() - begun) < _STUCK_AFTER:
                if waited > WORTH_TELLING and not told:
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

    def _found(self, vault: Vault, will_do: Callable[[Token], bool]) -> Token | None:
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

    def _replaced(self, transport: Transport, vault: Vault, last: Token | None) -> Token:
        """Sign in, and let the others know how it ended."""
        try:
            token = self._next(transport, vault, last)
        except AuthenticationError as error:
            vault.save_refusal(error)
            raise
        vault.save(token)
        return token

    def _next(self, transport: Transport, vault: Vault, last: Token | None) -> Token:
        if last is not None and last.refresh is not None:
            vault.spend(last)
            try:
                return self._refresh(transport, last.refresh)
            except (*REFUSALS, UnexpectedAnswer, ServiceUnavailable) as error:
                log.info("The token cannot be renewed (%s); signing in anew", error)
        return self._sign_in(transport)

    def _slot(self) -> _Slot:
        # Within the process, and only there, the secret is part of the name: with a wrong one nobody gets
        # the token of the right one.
        secret = hashlib.sha256("\0".join(self._secret()).encode()).hexdigest()
        name = (self._key(), secret)
        if name not in _SLOTS:
            _SLOTS.setdefault(name, _Slot(self.seal(self._secret())))
        return _SLOTS[name]

    def _vault(self, slot: _Slot) -> Vault:
        return Vault(self.share, self._key(), slot.seal)

    def _key(self) -> str:
        return hashlib.sha256("\0".join((type(self).__name__, *self._identity())).encode()).hexdigest()

    def _known(self, token: Token) -> Token:
        """Let logs hide a token that another task has got."""
        self.mask(token.access)
        if token.refresh is not None:
            self.mask(token.refresh)
        return token

    def _masked(self, body: Any, key: str) -> str:
        value = body.get(key) if isinstance(body, dict) else None
        if not isinstance(value, str) or not value:
            raise UnexpectedAnswer(f"The sign-in was answered without {key}")
        self.mask(value)
        return value
