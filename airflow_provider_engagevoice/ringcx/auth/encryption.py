"""Encryption of shared values with a key derived from the credential."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence

_SALT_SIZE = 16
#: Number of derived keys to cache: deriving one from a password takes a quarter of a second.
_CACHED_KEYS = 8


class DecryptionError(Exception):
    """A value cannot be decrypted or encrypted.

    The ciphertext is truncated, tampered with or from another credential, or no key derivation function is
    available in this Python.
    """


class TokenCipher(ABC):
    """Encrypts values with a key derived from a secret; each value has its own salt.

    :param secret: the parts of the secret.
    """

    def __init__(self, secret: Sequence[str]) -> None:
        self._secret = "\0".join(secret).encode()
        self._key = functools.lru_cache(_CACHED_KEYS)(self._derive_key)

    def encrypt(self, value: bytes) -> bytes:
        """Encrypt a value.

        :param value: the value.
        :return: salt and ciphertext.
        :raises DecryptionError: if no key can be derived.
        """
        from cryptography.fernet import Fernet

        salt = os.urandom(_SALT_SIZE)
        return salt + Fernet(self._key(salt)).encrypt(value)

    def decrypt(self, encrypted: bytes) -> bytes:
        """Decrypt a value.

        :param encrypted: what :meth:`encrypt` returned.
        :return: the value.
        :raises DecryptionError: if it cannot be decrypted.
        """
        from cryptography.fernet import Fernet, InvalidToken

        try:
            return Fernet(self._key(encrypted[:_SALT_SIZE])).decrypt(encrypted[_SALT_SIZE:])
        except InvalidToken:
            raise DecryptionError from None

    @abstractmethod
    def _derive_key(self, salt: bytes) -> bytes:
        """Derive the key for a salt: 32 bytes, in URL-safe base 64."""


class HkdfCipher(TokenCipher):
    """Cipher for machine-generated secrets, which cannot be guessed."""

    def _derive_key(self, salt: bytes) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        derivation = HKDF(SHA256(), length=32, salt=salt, info=b"airflow-engagevoice token")
        return base64.urlsafe_b64encode(derivation.derive(self._secret))


class ScryptCipher(TokenCipher):
    """Cipher for passwords chosen by people: each guess costs a quarter of a second and 16 MiB."""

    def _derive_key(self, salt: bytes) -> bytes:
        try:
            # OWASP's parameters for this amount of memory.
            key = hashlib.scrypt(self._secret, salt=salt, n=2**14, r=8, p=5, dklen=32)
        except (AttributeError, ValueError):  # a Python build or a policy without scrypt
            raise DecryptionError from None
        return base64.urlsafe_b64encode(key)
