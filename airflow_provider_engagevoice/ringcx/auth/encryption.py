"""Seals what is shared, so that only a holder of the credential can read it."""

from __future__ import annotations

import base64
import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence

_SALT = 16
#: What this process has opened or closed lately: making a key from a password takes a quarter of a second.
_REMEMBERED = 8


class DecryptionError(Exception):
    """A value cannot be opened or sealed.

    It was torn, changed, or sealed by another credential; or this Python lacks what makes the key.
    """


class TokenCipher(ABC):
    """Seals values with a key made from a secret; each value has a salt of its own.

    :param secret: the parts of the secret.
    """

    def __init__(self, secret: Sequence[str]) -> None:
        self._secret = "\0".join(secret).encode()
        self._opened: dict[bytes, bytes | None] = {}

    def close(self, value: bytes) -> bytes:
        """Seal a value.

        :param value: the value.
        :return: salt and sealed value.
        :raises Broken: where no key can be made.
        """
        from cryptography.fernet import Fernet

        salt = os.urandom(_SALT)
        sealed = salt + Fernet(self._key(salt)).encrypt(value)
        self._remember(sealed, value)
        return sealed

    def open(self, sealed: bytes) -> bytes:
        """Open a sealed value.

        :param sealed: what :meth:`close` returned.
        :return: the value.
        :raises Broken: where it is not.
        """
        if sealed not in self._opened:
            self._remember(sealed, self._decrypt(sealed))
        value = self._opened[sealed]
        if value is None:
            raise DecryptionError
        return value

    def _decrypt(self, sealed: bytes) -> bytes | None:
        from cryptography.fernet import Fernet, InvalidToken

        try:
            return Fernet(self._key(sealed[:_SALT])).decrypt(sealed[_SALT:])
        except InvalidToken:
            return None

    def _remember(self, sealed: bytes, value: bytes | None) -> None:
        while len(self._opened) >= _REMEMBERED:
            del self._opened[next(iter(self._opened))]
        self._opened[sealed] = value

    @abstractmethod
    def _key(self, salt: bytes) -> bytes:
        """Make the key for a salt: 32 bytes, in URL-safe base 64."""


class HkdfCipher(TokenCipher):
    """For secrets that a machine made, which nobody can guess."""

    def _key(self, salt: bytes) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        derivation = HKDF(SHA256(), length=32, salt=salt, info=b"airflow-engagevoice token")
        return base64.urlsafe_b64encode(derivation.derive(self._secret))


class ScryptCipher(TokenCipher):
    """For passwords that a person made: each guess costs a quarter of a second and 16 MiB."""

    def _key(self, salt: bytes) -> bytes:
        try:
            # The parameters are OWASP's for this much memory.
            key = hashlib.scrypt(self._secret, salt=salt, n=2**14, r=8, p=5, dklen=32)
        except (AttributeError, ValueError):  # a Python or a policy without scrypt
            raise DecryptionError from None
        return base64.urlsafe_b64encode(key)
