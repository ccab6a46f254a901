"""Tests of the connection's extras for shared stores: valid and invalid values, and masked secrets."""

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
from airflow_provider_engagevoice.ringcx.storage.file import FileStore
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.ringcx.storage.redis import RedisStore
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.processes import RedisServer, redis_server

MakeClient = Callable[..., RingCXClient]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> MakeClient:
    """Return a function that makes the client of a connection with the given extras."""

    def make_client(**extra: Any) -> RingCXClient:
        fields = {"conn_type": "engagevoice", "host": "http://127.0.0.1:1", "password": "a-token"}
        text = json.dumps({**fields, "extra": {"auth_method": "api_token", **extra}})
        monkeypatch.setenv("AIRFLOW_CONN_RINGCX_TEST", text)
        return EngageVoiceHook("ringcx_test").get_conn()

    return make_client


def first_backend(store: StateStore) -> StateStore:
    """Return the store with the widest scope in a fallback chain."""
    return store.backends[0]


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
def test_rate_limit_store_selects_store_by_name(
    make: MakeClient, store: str | None, kind: type[StateStore]
) -> None:
    client = make(rate_limit_store=store)
    assert isinstance(first_backend(client.authenticator.store), kind)
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
    ],
    ids=str,
)
def test_invalid_rate_limit_store_is_rejected(make: MakeClient, store: Any) -> None:
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
def test_invalid_redis_url_is_rejected_without_its_password(
    make: MakeClient, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    masked: list[str] = []
    monkeypatch.setattr("airflow_provider_engagevoice.hooks.client_factory.mask_secret", masked.append)
    with pytest.raises(InvalidParameter) as caught:
        make(rate_limit_store=url)
    assert str(caught.value) == (
        "Connection 'ringcx_test': The connection's rate_limit_store is not a valid Redis URL; use "
        "redis://host:6379/0"
    )
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
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
def test_redis_password_in_url_is_masked_in_each_encoding(
    make: MakeClient, monkeypatch: pytest.MonkeyPatch, url: str, secrets: list[str]
) -> None:
    masked: list[str] = []
    monkeypatch.setattr("airflow_provider_engagevoice.hooks.client_factory.mask_secret", masked.append)
    make(rate_limit_store=url)
    assert sorted(masked) == sorted(secrets)


@pytest.mark.parametrize("url", ["redis://{}", "redis://default@{}", "redis://default:@{}"])
def test_redis_password_in_rate_limit_password_is_used(
    make: MakeClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    """Airflow masks this extra by its name; it shows others to anyone who can view connections."""
    masked: list[str] = []
    monkeypatch.setattr("airflow_provider_engagevoice.hooks.client_factory.mask_secret", masked.append)
    word = "ge/heim@wo:rd?"
    with redis_server(word) as server:
        store = make(
            rate_limit_store=url.format(f"127.0.0.1:{server.port}/0"), rate_limit_password=word
        ).authenticator.store
        store.set("key", b"value", 10.0)
        assert first_backend(store).get("key") is not None
    assert masked == [word]
    assert "Redis" not in caplog.text


@pytest.mark.parametrize("store", ["", "host", "file:///{}/team@ringcx", "file:{}/team@ringcx"])
def test_rate_limit_password_without_redis_is_not_used(make: MakeClient, tmp_path: Path, store: str) -> None:
    opened = make(
        rate_limit_store=store.format(str(tmp_path).lstrip("/") if "///" in store else tmp_path),
        rate_limit_password="geheim",
    ).authenticator.store
    assert isinstance(first_backend(opened), FileStore)
    opened.set("key", b"value", 10.0)
    assert "geheim" not in opened.name + "".join(map(str, tmp_path.rglob("*")))
    assert not store.startswith("file") or list(tmp_path.iterdir()) == [tmp_path / "team@ringcx"]


@pytest.mark.parametrize(
    ("store", "url"),
    [
        ("redis://h/0?client_name=me@host", "redis://:a%2Fb@h/0?client_name=me@host"),
        ("redis://me@h:6379/0", "redis://me:a%2Fb@h:6379/0"),
        ("rediss://[::1]:6380", "rediss://:a%2Fb@[::1]:6380"),
        ("unix:///tmp/re@dis.sock?db=1", "unix://:a%2Fb@/tmp/re@dis.sock?db=1"),
    ],
)
def test_rate_limit_password_is_inserted_into_url(store: str, url: str) -> None:
    assert client_factory._with_password(store, "a/b") == url


def test_two_redis_passwords_are_rejected(make: MakeClient) -> None:
    with pytest.raises(InvalidParameter, match="already contains a password") as caught:
        make(rate_limit_store="redis://:geheim@host/0", rate_limit_password="word")
    assert "geheim" not in str(caught.value)


def test_redis_password_is_not_logged_and_not_in_repr(
    make: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stopped = RedisServer("geheim-word")
    client = make(rate_limit_store=stopped.url)
    client.authenticator.store.get("key")
    with redis_server("geheim-word") as server:
        make(rate_limit_store=server.url).authenticator.store.get("key")
    representations = " ".join(
        map(repr, (client, client.transport, client.authenticator, client.authenticator.store))
    )
    assert "Cannot use Redis" in caplog.text
    assert "geheim" not in caplog.text + representations


def test_missing_redis_client_names_extra_to_install(
    make: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(InvalidParameter, match=r'pip install "airflow-provider-engagevoice\[redis\]"'):
        make(rate_limit_store="redis://localhost:6379/0")
    make(rate_limit_store="host")


@pytest.mark.parametrize(
    ("extra", "margin", "timeout"),
    [
        ({}, 0.5, 900.0),
        ({"limit_pad": None, "limit_timeout": ""}, 0.5, 900.0),
        ({"limit_pad": 0, "limit_timeout": 0}, 0.0, 0.0),
        ({"limit_pad": "1.5", "limit_timeout": " 60 "}, 1.5, 60.0),
        ({"limit_pad": 60, "limit_timeout": 86400}, 60.0, 86400.0),
    ],
)
def test_limit_pad_and_timeout_may_be_numbers_or_text(
    make: MakeClient, extra: dict[str, Any], margin: float, timeout: float
) -> None:
    limiter = make(**extra).transport.limiter
    assert limiter is not None
    assert (limiter.margin, limiter.timeout) == (margin, timeout)


@pytest.mark.parametrize("value", [-1, 1e6, "soon", "nan", "inf"], ids=str)
@pytest.mark.parametrize("name", ["limit_pad", "limit_timeout"])
def test_invalid_limit_pad_or_timeout_is_rejected(make: MakeClient, name: str, value: Any) -> None:
    with pytest.raises(
        InvalidParameter, match=rf"\(seconds\) \({name}\) must be a number of seconds, up to "
    ):
        make(**{name: value})


def test_form_fields_have_the_same_bounds(make: MakeClient) -> None:
    assert {"rate_limit_store", "limit_pad", "limit_timeout"} <= set(EXTRA_FIELDS)
    assert EXTRA_FIELDS["rate_limit_store"]["schema"]["format"] == "password"
    for name in ("limit_pad", "limit_timeout", "timeout"):
        schema = EXTRA_FIELDS[name]["schema"]
        make(**{name: schema["minimum"]})
        make(**{name: schema["maximum"]})
        with pytest.raises(InvalidParameter):
            make(**{name: schema["maximum"] + 1})


def test_tests_do_not_use_the_default_folder(
    limited_ringcx: SandboxServer, monkeypatch: pytest.MonkeyPatch, shared_folder: Path
) -> None:
    default = Path(f"/dev/shm/airflow-engagevoice-{os.geteuid()}")
    before = {path.name: path.stat().st_mtime_ns for path in default.iterdir()} if default.is_dir() else {}
    monkeypatch.setenv("AIRFLOW_CONN_ENGAGEVOICE_DEFAULT", json.dumps(limited_ringcx.connection))
    EngageVoiceHook().find_campaign("Spring Renewals")
    assert len(list(shared_folder.iterdir())) >= 3
    now = {path.name: path.stat().st_mtime_ns for path in default.iterdir()} if default.is_dir() else {}
    assert now == before
