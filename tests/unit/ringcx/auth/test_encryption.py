"""Tests of the encryption of shared tokens."""

from __future__ import annotations

import hashlib
import time

import pytest
from pytest_mock import MockerFixture

from airflow_provider_engagevoice.ringcx.auth.encryption import (
    DecryptionError,
    HkdfCipher,
    ScryptCipher,
    TokenCipher,
)

CIPHERS = [HkdfCipher, ScryptCipher]


@pytest.mark.parametrize("cipher", CIPHERS)
def test_decrypt_with_same_secret_returns_value(cipher: type[TokenCipher]) -> None:
    encrypted = cipher(["id", "secret"]).encrypt(b"value")
    assert b"value" not in encrypted
    assert cipher(["id", "secret"]).decrypt(encrypted) == b"value"


@pytest.mark.parametrize("cipher", CIPHERS)
def test_encrypt_uses_a_new_salt_each_time(cipher: type[TokenCipher]) -> None:
    one = cipher(["secret"])
    assert one.encrypt(b"value")[:16] != one.encrypt(b"value")[:16]


@pytest.mark.parametrize("content", [b"", b"short", bytes(16), bytes(100)], ids=["none", "5", "16", "100"])
@pytest.mark.parametrize("cipher", CIPHERS)
def test_decrypt_corrupt_value_raises(cipher: type[TokenCipher], content: bytes) -> None:
    with pytest.raises(DecryptionError):
        cipher(["secret"]).decrypt(content)


@pytest.mark.parametrize("cipher", CIPHERS)
def test_decrypt_with_another_secret_raises(cipher: type[TokenCipher]) -> None:
    with pytest.raises(DecryptionError):
        cipher(["other"]).decrypt(cipher(["secret"]).encrypt(b"value"))


def test_decrypt_with_guessed_password_takes_time() -> None:
    encrypted = ScryptCipher(["word"]).encrypt(b"value")
    started_at = time.process_time()
    with pytest.raises(DecryptionError):
        ScryptCipher(["guess"]).decrypt(encrypted)
    assert time.process_time() - started_at > 0.03


def test_key_of_a_password_is_derived_once_per_value(mocker: MockerFixture) -> None:
    scrypt = mocker.spy(hashlib, "scrypt")
    cipher = ScryptCipher(["word"])
    encrypted = cipher.encrypt(b"value")
    assert [cipher.decrypt(encrypted) for _ in range(3)] == [b"value"] * 3
    assert scrypt.call_count == 1


@pytest.mark.parametrize("operation", ["encrypt", "decrypt"])
def test_python_without_scrypt_raises(monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    monkeypatch.delattr("hashlib.scrypt")
    with pytest.raises(DecryptionError):
        getattr(ScryptCipher(["word"]), operation)(bytes(100))
