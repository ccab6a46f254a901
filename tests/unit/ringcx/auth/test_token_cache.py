"""Tests of the token cache: corrupt and foreign entries, and names without secrets."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest

from airflow_provider_engagevoice.ringcx.auth.encryption import HkdfCipher
from airflow_provider_engagevoice.ringcx.auth.token_cache import AccessToken, TokenCache
from airflow_provider_engagevoice.ringcx.exceptions import AuthenticationError
from airflow_provider_engagevoice.ringcx.storage.file import FileStore
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from tests.support.clients import make_authenticator


@pytest.fixture
def cache() -> TokenCache:
    return TokenCache(MemoryStore(), "key", HkdfCipher(["secret"]))


def make_token(seconds_left: float = 300.0, refresh_token: str | None = "refresh") -> AccessToken:
    return AccessToken("access", time.monotonic() + seconds_left, 60.0, refresh_token)


@pytest.mark.parametrize(
    ("seconds_left", "needs_refresh", "is_valid"),
    [(300.0, False, True), (50.0, True, True), (15.0, True, False), (-1.0, True, False)],
)
def test_token_needs_refresh_before_it_becomes_invalid(
    seconds_left: float, needs_refresh: bool, is_valid: bool
) -> None:
    token = make_token(seconds_left)
    assert (token.needs_refresh, token.is_valid) == (needs_refresh, is_valid)


def test_get_returns_the_token_that_was_set(cache: TokenCache) -> None:
    assert cache.get() is None
    token = make_token()
    cache.set(token)
    found = cache.get()
    assert found is not None
    assert (found.value, found.refresh_ahead, found.refresh_token) == ("access", 60.0, "refresh")
    assert found.expires_at == pytest.approx(token.expires_at, abs=1.0)


def test_get_expired_token_keeps_its_refresh_token(cache: TokenCache) -> None:
    cache.set(make_token(-5.0))
    found = cache.get()
    assert found is not None
    assert found.refresh_token == "refresh"
    assert not found.is_valid


def test_drop_refresh_token_keeps_a_valid_token(cache: TokenCache) -> None:
    token = make_token()
    cache.set(token)
    cache.drop_refresh_token(token)
    found = cache.get()
    assert found is not None
    assert (found.value, found.refresh_token) == ("access", None)


def test_drop_refresh_token_deletes_an_expired_token(cache: TokenCache) -> None:
    token = make_token(-5.0)
    cache.set(token)
    cache.drop_refresh_token(token)
    assert cache.get() is None


def test_cached_rejection_has_status_and_remaining_time(cache: TokenCache) -> None:
    assert cache.cached_rejection() is None
    cache.cache_rejection(AuthenticationError("Wrong password", status=401))
    rejection = cache.cached_rejection()
    assert rejection is not None
    assert str(rejection) == "Wrong password (not retried for 30 s)"
    assert rejection.status == 401


@pytest.mark.parametrize("content", [b"[]", b"{}", b"null", b'{"access": 1}', b'{"after": "x", "life": 1}'])
def test_get_entry_of_another_version_returns_none(cache: TokenCache, content: bytes) -> None:
    cache.store.set(cache.key, cache.cipher.encrypt(content), 1000.0)
    assert cache.get() is None


def test_get_with_another_secret_returns_none(cache: TokenCache) -> None:
    cache.set(make_token())
    assert TokenCache(cache.store, cache.key, HkdfCipher(["other"])).get() is None


def test_get_file_with_flipped_bit_returns_none(shared_folder: Path) -> None:
    cache = TokenCache(FileStore(), "key", HkdfCipher(["secret"]))
    token = make_token()
    cache.set(token)
    (path,) = shared_folder.glob("value-*")
    content = path.read_bytes()
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        if position >= _BASE64_START and _decoded(bytes(changed)) == _decoded(content):
            continue  # an unused bit of the last base64 character
        path.write_bytes(bytes(changed))
        found = cache.get()
        # The expiry is not encrypted, but it cannot extend the initial lifetime.
        assert found is None or (
            found.value == token.value and found.seconds_left <= token.seconds_left + 1.0
        )
        assert position < 8 or found is None


#: After the expiry of 8 bytes and the salt of 16.
_BASE64_START = 24


def _decoded(content: bytes) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(content[_BASE64_START:])
    except ValueError:
        return None


@pytest.mark.parametrize("method", ["engage", "legacy"])
def test_cache_key_does_not_depend_on_password(method: str) -> None:
    """Otherwise passwords could be guessed from the name of an entry, without the key derivation."""
    keys = {
        make_authenticator("https://ringcx.example", method, password=word)._cache_key()  # type: ignore[attr-defined]
        for word in ("one", "two")
    }
    assert len(keys) == 1
