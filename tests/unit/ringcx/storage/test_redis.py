"""Tests of the Redis store."""

from __future__ import annotations

from pytest_mock import MockerFixture
from redis.exceptions import ConnectionError
from redis.lock import Lock

from airflow_provider_engagevoice.ringcx.storage.redis import RedisStore
from tests.support.processes import RedisServer, redis_server, wait_for
from tests.support.stores import ONE_IN_TEN_SECONDS


def test_reserve_slot_after_clock_set_back_is_immediate(redis: RedisServer) -> None:
    store = RedisStore(redis.url)
    store.reserve_slot("key", ONE_IN_TEN_SECONDS, 0.0, 0.0)
    client = redis.client()
    (slots,), (seen,) = client.keys("*slots*"), client.keys("*seen*")
    ahead = int(client.get(seen)) + 3600 * 1_000_000
    client.set(seen, ahead)
    client.lset(slots, -1, ahead)
    assert store.reserve_slot("key", ONE_IN_TEN_SECONDS, 0.0, 0.0) == 0.0
    assert store.reserve_slot("key", ONE_IN_TEN_SECONDS, 0.0, 60.0) > 9.0


def test_every_key_has_prefix_and_expires(redis: RedisServer) -> None:
    store = RedisStore(redis.url)
    store.reserve_slot("key", ONE_IN_TEN_SECONDS, 0.5, 0.0)
    store.set("key", b"value", 30.0)
    assert store.acquire_lock("key", 15.0) is not None
    client = redis.client()
    assert sorted(client.keys()) == [
        b"airflow-engagevoice:lock:key",
        b"airflow-engagevoice:seen:{key}",
        b"airflow-engagevoice:slots:{key}",
        b"airflow-engagevoice:value:key",
    ]
    assert all(0 < client.ttl(key) <= 30 for key in client.scan_iter())


def test_lock_is_extended_until_it_is_released(redis: RedisServer) -> None:
    release = RedisStore(redis.url).acquire_lock("key", 3.0)
    assert release is not None
    client = redis.client()
    (key,) = client.keys("*lock*")
    lowest = client.pttl(key)

    def is_extended() -> bool:
        nonlocal lowest
        lowest = min(lowest, left := client.pttl(key))
        return bool(left > lowest)

    wait_for(is_extended)
    assert RedisStore(redis.url).acquire_lock("key", 3.0) is None
    release()
    assert client.keys("*lock*") == []
    assert RedisStore(redis.url).acquire_lock("key", 3.0) is not None


def test_lock_that_was_lost_is_neither_extended_nor_released(redis: RedisServer) -> None:
    release = RedisStore(redis.url).acquire_lock("key", 0.3)
    assert release is not None
    client = redis.client()
    client.set("airflow-engagevoice:lock:key", b"token of another task", px=60_000)
    wait_for(lambda: client.pttl("airflow-engagevoice:lock:key") < 59_000)
    release()
    assert client.get("airflow-engagevoice:lock:key") == b"token of another task"


def test_lock_is_released_silently_if_server_is_gone() -> None:
    with redis_server() as server:
        release = RedisStore(server.url).acquire_lock("key", 15.0)
    assert release is not None
    release()


def test_lock_is_extended_after_a_connection_error(redis: RedisServer, mocker: MockerFixture) -> None:
    attempts = 0

    def reacquire() -> bool:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise ConnectionError
        return True

    mocker.patch.object(Lock, "reacquire", side_effect=reacquire)
    release = RedisStore(redis.url).acquire_lock("key", 0.3)
    assert release is not None
    wait_for(lambda: attempts == 3)
    release()
