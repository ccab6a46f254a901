"""The connection's extras for sharing: what they take, what is refused, and what stays secret."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.get_provider_info import EXTRA_FIELDS
from airflow_provider_engagevoice.hooks import client_factory
from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, PermanentError
from airflow_provider_engagevoice.ringcx.storage.base import StateStore
from airflow_provider_engagevoice.ringcx.storage.fallback import FallbackStore
from airflow_provider_engagevoice.ringcx.storage.file import FileStore
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.ringcx.storage.redis import RedisStore
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.processes import RedisServer, redis_server

Make = Callable[..., RingCXClient]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a client of a connection with these extras."""

    def client_of(**extra: Any) -> RingCXClient:
        given = {"conn_type": "engagevoice", "host": "http://127.0.0.1:1", "password": "a-token"}
        text = json.dumps({**given, "extra": {"auth_method": "api_token", **extra}})
        monkeypatch.setenv("AIRFLOW_CONN_RINGCX_TEST", text)
        return EngageVoiceHook("ringcx_test").get_conn()

    return client_of


def first_of(store: StateStore) -> StateStore:
    return store._stores[0] if isinstance(store, FallbackStore) else store


@pytest.mark.parametrize(
    ("store", "kind"),
    [
        (None, FileStore),
        ("", FileStore),
        (" host ", FileStore),
        ("process", MemoryStore),
        ("file:/tmp/engagevoice", FileStore),
        ("redis://localhost:6379/0", RedisStore),
        ("rediss://user:word@redis.example:6380/1", RedisStore),
        ("unix:///run/redis.sock?db=1", RedisStore),
    ],
)
def test_a_store_is_chosen_by_name(make: Make, store: str | None, kind: type[StateStore]) -> None:
    client = make(rate_limit_store=store)
    assert isinstance(first_of(client.authenticator.store), kind)
    assert client.transport.limiter is not None
    assert client.transport.limiter.store is client.authenticator.store
    assert make(rate_limit_store=store).authenticator.store is client.authenticator.store


@pytest.mark.parametrize(
    "store",
    [
        "hosts",
        "redis",
        "redis:/localhost",
        "file:",
        "file:ours",
        "file://elsewhere/x",
        "http://x",
        7,
        ["host"],
    ],
    ids=str,
)
def test_a_store_that_is_none_is_refused(make: Make, store: Any) -> None:
    with pytest.raises(InvalidParameter) as caught:
        make(rate_limit_store=store)
    assert "rate_limit_store must be host, process, file:/folder or redis://host:6379/0" in str(caught.value)
    assert isinstance(caught.value, PermanentError)


REDIS_URLS = [
    "redis://user:geheim-word@host:port/0",
    "redis://user:geheim-word@host:99999/0",
    "redis://user:geheim-word@[::1/0",
    "redis://host/0?password=geheim-word&no_such_option=1",
    "redis://:geheim-word@host/0?socket_timeout=soon",
]


@pytest.mark.parametrize("url", REDIS_URLS)
def test_an_address_of_redis_that_is_none_is_refused_without_its_password(
    make: Make, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    masked: list[str] = []
    monkeypatch.setattr("airflow_provider_engagevoice.hooks.client_factory.mask_secret", masked.append)
    with pytest.raises(InvalidParameter) as caught:
        make(rate_limit_store=url)
    assert str(caught.value) == "The connection's rate_limit_store is no address of Redis"
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    assert "geheim-word" in masked


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("redis://:geheim%2Fword@host/0", ["geheim%2Fword", "geheim/word"]),
        ("redis://user:geheim@word@host/0", ["geheim@word"]),
        ("redis://host/0?db=1&password=geheim%20word", ["geheim word", "geheim%20word"]),
        ("redis://host/0", []),
        ("host", []),
    ],
)
def test_the_password_of_redis_is_masked_in_every_form(
    make: Make, monkeypatch: pytest.MonkeyPatch, url: str, secrets: list[str]
) -> None:
    masked: list[str] = []
    monkeypatch.setattr("airflow_provider_engagevoice.hooks.client_factory.mask_secret", masked.append)
    make(rate_limit_store=url)
    assert sorted(masked) == sorted(secrets)


@pytest.mark.parametrize("url", ["redis://{}", "redis://default@{}", "redis://default:@{}"])
def test_the_password_of_redis_may_stand_where_airflow_masks_it(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    """Airflow hides an extra by its name, and shows any other to whoever may see connections."""
    masked: list[str] = []
    monkeypatch.setattr("airflow_provider_engagevoice.hooks.client_factory.mask_secret", masked.append)
    word = "ge/heim@wo:rd?"
    with redis_server(word) as server:
        store = make(
            rate_limit_store=url.format(f"127.0.0.1:{server.port}/0"), rate_limit_password=word
        ).authenticator.store
        store.set("key", b"value", 10.0)
        assert first_of(store).get("key") is not None
    assert masked == [word]
    assert "Redis" not in caplog.text


@pytest.mark.parametrize("store", ["", "host", "file:///{}/team@ringcx", "file:{}/team@ringcx"])
def test_a_password_without_a_redis_is_not_used(make: Make, tmp_path: Path, store: str) -> None:
    opened = make(
        rate_limit_store=store.format(str(tmp_path).lstrip("/") if "///" in store else tmp_path),
        rate_limit_password="geheim",
    ).authenticator.store
    assert isinstance(first_of(opened), FileStore)
    opened.set("key", b"value", 10.0)
    assert "geheim" not in opened.name + "".join(map(str, tmp_path.rglob("*")))
    assert not store.startswith("file") or list(tmp_path.iterdir()) == [tmp_path / "team@ringcx"]


@pytest.mark.parametrize(
    ("store", "whole"),
    [
        ("redis://h/0?client_name=me@host", "redis://:a%2Fb@h/0?client_name=me@host"),
        ("redis://me@h:6379/0", "redis://me:a%2Fb@h:6379/0"),
        ("rediss://[::1]:6380", "rediss://:a%2Fb@[::1]:6380"),
        ("unix:///tmp/re@dis.sock?db=1", "unix://:a%2Fb@/tmp/re@dis.sock?db=1"),
    ],
)
def test_the_password_is_put_where_the_address_has_it(store: str, whole: str) -> None:
    assert client_factory._with_password(store, "a/b") == whole


def test_two_passwords_for_redis_are_refused(make: Make) -> None:
    with pytest.raises(InvalidParameter, match="has a password already") as caught:
        make(rate_limit_store="redis://:geheim@host/0", rate_limit_password="word")
    assert "geheim" not in str(caught.value)


def test_the_password_of_redis_is_never_logged_nor_shown(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    away = RedisServer("geheim-word")
    client = make(rate_limit_store=away.url)
    client.authenticator.store.get("key")
    with redis_server("geheim-word") as server:
        make(rate_limit_store=server.url).authenticator.store.get("key")
    shown = " ".join(map(repr, (client, client.transport, client.authenticator, client.authenticator.store)))
    assert "through Redis" in caplog.text
    assert "geheim" not in caplog.text + shown


def test_without_redis_client_the_error_says_what_to_install(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(InvalidParameter, match=r'pip install "airflow-provider-engagevoice\[redis\]"'):
        make(rate_limit_store="redis://localhost:6379/0")
    make(rate_limit_store="host")


@pytest.mark.parametrize(
    ("extra", "pad", "timeout"),
    [
        ({}, 0.5, 900.0),
        ({"limit_pad": None, "limit_timeout": ""}, 0.5, 900.0),
        ({"limit_pad": 0, "limit_timeout": 0}, 0.0, 0.0),
        ({"limit_pad": "1.5", "limit_timeout": " 60 "}, 1.5, 60.0),
        ({"limit_pad": 60, "limit_timeout": 86400}, 60.0, 86400.0),
    ],
)
def test_pad_and_longest_wait_may_be_numbers_or_text(
    make: Make, extra: dict[str, Any], pad: float, timeout: float
) -> None:
    limiter = make(**extra).transport.limiter
    assert limiter is not None
    assert (limiter.pad, limiter.timeout) == (pad, timeout)


@pytest.mark.parametrize("value", [-1, 1e6, "soon", "nan", "inf", [5], {"s": 5}], ids=str)
@pytest.mark.parametrize("name", ["limit_pad", "limit_timeout"])
def test_a_pad_or_longest_wait_that_is_none_is_refused(make: Make, name: str, value: Any) -> None:
    with pytest.raises(InvalidParameter, match=f"extra {name} must be a number of seconds, up to "):
        make(**{name: value})


def test_the_form_offers_them_within_the_same_bounds(make: Make) -> None:
    assert {"rate_limit_store", "limit_pad", "limit_timeout"} <= set(EXTRA_FIELDS)
    assert EXTRA_FIELDS["rate_limit_store"]["schema"]["format"] == "password"
    for name in ("limit_pad", "limit_timeout", "timeout"):
        schema = EXTRA_FIELDS[name]["schema"]
        make(**{name: schema["minimum"]})
        make(**{name: schema["maximum"]})
        with pytest.raises(InvalidParameter):
            make(**{name: schema["maximum"] + 1})


def test_tests_leave_nothing_in_the_folder_of_the_host(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch, shared_folder: Path
) -> None:
    ours = Path(f"/dev/shm/airflow-engagevoice-{os.geteuid()}")
    before = {path.name: path.stat().st_mtime_ns for path in ours.iterdir()} if ours.is_dir() else {}
    monkeypatch.setenv("AIRFLOW_CONN_ENGAGEVOICE_DEFAULT", json.dumps(limited_ringcx.connection))
    EngageVoiceHook().find_campaign("Spring Renewals")
    assert len(list(shared_folder.iterdir())) >= 3
    now = {path.name: path.stat().st_mtime_ns for path in ours.iterdir()} if ours.is_dir() else {}
    assert now == before
