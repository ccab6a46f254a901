"""State store on a Redis server, shared by all tasks of all hosts. Needs the extra ``redis``."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, without_context
from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage.base import (
    LimitExceeded,
    StateStore,
    StoreUnavailable,
    history_length,
)

if TYPE_CHECKING:
    from redis import Redis
    from redis.lock import Lock

_PREFIX = "airflow-engagevoice:"
#: Timeout of Redis commands, in seconds. A slower server would delay every request.
_TIMEOUT = 2.0

#: Reserves a slot by the server's clock, so that differences between the hosts' clocks do not matter.
#: Timestamps are in microseconds. If the clock was set back, earlier reservations are discarded.
#: ARGV: longest wait, slots to keep, lifetime of the key in ms after the slot, then requests and period of
#: each window.
_RESERVE_SLOT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local seen = tonumber(redis.call('GET', KEYS[2])) or 0
if now < seen - 1000000 then redis.call('DEL', KEYS[1]) end
local slots = redis.call('LRANGE', KEYS[1], 0, -1)
local slot = math.max(now, tonumber(slots[#slots] or 0))
for i = 4, #ARGV, 2 do
  local earlier = slots[#slots - ARGV[i] + 1]
  if earlier then slot = math.max(slot, earlier + ARGV[i + 1]) end
end
local wait = string.format('%.0f', slot - now)
if slot - now > tonumber(ARGV[1]) then return {0, wait} end
redis.call('RPUSH', KEYS[1], string.format('%.0f', slot))
redis.call('LTRIM', KEYS[1], -ARGV[2], -1)
local life = string.format('%.0f', (slot - now) / 1000 + ARGV[3])
redis.call('PEXPIRE', KEYS[1], life)
redis.call('SET', KEYS[2], string.format('%.0f', now), 'PX', life)
return {1, wait}
"""

#: Stores a value if the present one is ARGV[1], which is empty for none. ARGV[3]: lifetime in ms.
_COMPARE_AND_SET = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


class RedisStore(StateStore):
    """State shared by the tasks of all hosts through one Redis server.

    :param url: URL of the server, such as ``redis://host:6379/0`` or ``rediss://...``.
    :raises InvalidParameter: if the package ``redis`` is not installed or the URL is invalid.
    """

    name = "Redis"

    @without_context
    def __init__(self, url: str) -> None:
        try:
            import redis
        except ModuleNotFoundError:
            raise InvalidParameter(
                'rate_limit_store needs the Redis client: pip install "airflow-provider-engagevoice[redis]"'
            ) from None
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._errors = redis.RedisError
        self._lock_errors = redis.exceptions.LockError
        try:
            self._redis: Redis = redis.Redis.from_url(
                url,
                socket_timeout=_TIMEOUT,
                socket_connect_timeout=_TIMEOUT,
                # The fallback chain skips an unresponsive server; retries would only delay the task.
                retry=Retry(NoBackoff(), 0),
            )
            pool = self._redis.connection_pool
            pool.connection_kwargs["decode_responses"] = False
            # Unknown options are detected only when a connection is created.
            pool.connection_class(**pool.connection_kwargs)
        except (ValueError, TypeError, AttributeError, redis.RedisError):
            # The cause is suppressed: its message may contain the password.
            raise InvalidParameter(
                "The connection's rate_limit_store is not a valid Redis URL; use redis://host:6379/0"
            ) from None
        self._reserve_slot = self._redis.register_script(_RESERVE_SLOT)
        self._compare_and_set = self._redis.register_script(_COMPARE_AND_SET)

    def reserve_slot(self, key: str, windows: Sequence[RateWindow], margin: float, max_wait: float) -> float:
        periods = [(window.max_requests, round((window.period + margin) * 1e6)) for window in windows]
        arguments = [
            round(max_wait * 1e6),
            history_length(windows),
            1000 + max(period for _, period in periods) // 1000,
            *(number for pair in periods for number in pair),
        ]
        with self._as_store_errors():
            reserved, wait = self._reserve_slot(
                # The braces keep both keys on one server of a cluster.
                [f"{_PREFIX}slots:{{{key}}}", f"{_PREFIX}seen:{{{key}}}"],
                arguments,
            )
        if not reserved:
            raise LimitExceeded(int(wait) / 1e6)
        return int(wait) / 1e6

    def get(self, key: str) -> tuple[bytes, float] | None:
        with self._as_store_errors():
            pipeline: Any = self._redis.pipeline()
            value, left = pipeline.get(f"{_PREFIX}value:{key}").pttl(f"{_PREFIX}value:{key}").execute()
        return (value, left / 1000) if value and left > 0 else None

    def set(self, key: str, value: bytes, lifetime: float) -> None:
        with self._as_store_errors():
            self._redis.set(f"{_PREFIX}value:{key}", value, px=max(1, int(lifetime * 1000)))

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes, lifetime: float) -> bool:
        arguments: list[bytes | int] = [expected or b"", value, max(1, int(lifetime * 1000))]
        with self._as_store_errors():
            return bool(self._compare_and_set([f"{_PREFIX}value:{key}"], arguments))

    def delete(self, key: str) -> None:
        with self._as_store_errors():
            self._redis.delete(f"{_PREFIX}value:{key}")

    def acquire_lock(self, key: str, lifetime: float) -> Callable[[], object] | None:
        # thread_local=False: the thread below and the one that releases the lock need its token.
        lock = self._redis.lock(f"{_PREFIX}lock:{key}", timeout=lifetime, thread_local=False)
        with self._as_store_errors():
            if not lock.acquire(blocking=False):
                return None
        released = threading.Event()
        threading.Thread(
            target=self._extend_lock, args=(lock, lifetime, released), name="ringcx-lock", daemon=True
        ).start()

        def release() -> None:
            released.set()
            # A lock that cannot be released expires.
            with contextlib.suppress(self._errors, OSError):
                lock.release()

        return release

    def _extend_lock(self, lock: Lock, lifetime: float, released: threading.Event) -> None:
        """Reset the expiry of a lock repeatedly until it is released or lost."""
        while not released.wait(lifetime / 3):
            try:
                lock.reacquire()
            except self._lock_errors:
                return
            except (self._errors, OSError):
                continue

    @contextlib.contextmanager
    def _as_store_errors(self) -> Iterator[None]:
        """Raise errors of Redis as :class:`StoreUnavailable`, without messages that may contain the URL."""
        try:
            yield
        except (self._errors, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from None
