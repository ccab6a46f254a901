"""A share on a Redis server, for all tasks of all hosts. Needs the extra ``redis``."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage.base import (
    LimitExceeded,
    StateStore,
    StoreUnavailable,
    history_length,
)

if TYPE_CHECKING:
    from redis import Redis

_PREFIX = "airflow-engagevoice:"
#: Seconds for Redis to answer; it is near, or of no use.
_TIMEOUT = 2.0

#: Books a moment on Redis's own clock, so that the hosts' clocks do not matter. Moments are microseconds.
#: Where that clock has been set back, the moments booked before tell nothing.
#: ARGV: longest wait, moments to keep, life of the key in ms after the moment, then calls and span of each
#: window.
_RESERVE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local seen = tonumber(redis.call('GET', KEYS[2])) or 0
if now < seen - 1000000 then redis.call('DEL', KEYS[1]) end
local booked = redis.call('LRANGE', KEYS[1], 0, -1)
local moment = math.max(now, tonumber(booked[#booked] or 0))
for i = 4, #ARGV, 2 do
  local earlier = booked[#booked - ARGV[i] + 1]
  if earlier then moment = math.max(moment, earlier + ARGV[i + 1]) end
end
local wait = string.format('%.0f', moment - now)
if moment - now > tonumber(ARGV[1]) then return {0, wait} end
redis.call('RPUSH', KEYS[1], string.format('%.0f', moment))
redis.call('LTRIM', KEYS[1], -ARGV[2], -1)
local life = string.format('%.0f', (moment - now) / 1000 + ARGV[3])
redis.call('PEXPIRE', KEYS[1], life)
redis.call('SET', KEYS[2], string.format('%.0f', now), 'PX', life)
return {1, wait}
"""

#: Deletes a lock that is still one's own.
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
#: Lets a lock that is still one's own live on.
_EXTEND = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"


class RedisStore(StateStore):
    """What the tasks of all hosts share through one Redis server.

    :param url: its address, such as ``redis://host:6379/0`` or ``rediss://...``.
    :raises InvalidParameter: where the package ``redis`` is missing, or the address is none.
    """

    name = "Redis"

    def __init__(self, url: str) -> None:
        try:
            import redis
        except ModuleNotFoundError:
            raise InvalidParameter(
                "The connection's rate_limit_store needs Redis's client: "
                'pip install "airflow-provider-engagevoice[redis]"'
            ) from None
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._errors = redis.RedisError
        try:
            self._redis: Redis = redis.Redis.from_url(
                url,
                socket_timeout=_TIMEOUT,
                socket_connect_timeout=_TIMEOUT,
                # What does not answer rests; repeats would only make the task wait.
                retry=Retry(NoBackoff(), 0),
            )
            pool = self._redis.connection_pool
            pool.connection_kwargs["decode_responses"] = False
            # Options that there are not are noticed only when a connection is made.
            pool.connection_class(**pool.connection_kwargs)
        except (ValueError, TypeError, AttributeError, redis.RedisError):
            # The cause is dropped: its text may hold the password.
            raise InvalidParameter("The connection's rate_limit_store is no address of Redis") from None
        self._reserve = self._redis.register_script(_RESERVE)
        self._release = self._redis.register_script(_RELEASE)
        self._extend = self._redis.register_script(_EXTEND)

    def reserve_slot(self, key: str, windows: Sequence[RateWindow], pad: float, longest: float) -> float:
        spans = [(window.max_requests, round((window.period + pad) * 1e6)) for window in windows]
        arguments = [
            round(longest * 1e6),
            history_length(windows),
            1000 + max(span for _, span in spans) // 1000,
            *(number for span in spans for number in span),
        ]
        with self._failures_named():
            booked, wait = self._reserve(
                # The braces keep both on one server of a cluster.
                [f"{_PREFIX}slots:{{{key}}}", f"{_PREFIX}seen:{{{key}}}"],
                arguments,
            )
        if not booked:
            raise LimitExceeded(int(wait) / 1e6)
        return int(wait) / 1e6

    def get(self, key: str) -> tuple[bytes, float] | None:
        with self._failures_named():
            pipeline: Any = self._redis.pipeline()
            value, left = pipeline.get(f"{_PREFIX}value:{key}").pttl(f"{_PREFIX}value:{key}").execute()
        return (value, left / 1000) if value and left > 0 else None

    def set(self, key: str, value: bytes, lifetime: float) -> None:
        with self._failures_named():
            self._redis.set(f"{_PREFIX}value:{key}", value, px=max(1, int(lifetime * 1000)))

    def delete(self, key: str) -> None:
        with self._failures_named():
            self._redis.delete(f"{_PREFIX}value:{key}")

    def acquire_lock(self, key: str, lifetime: float) -> Callable[[], object] | None:
        name, mine = f"{_PREFIX}lock:{key}", secrets.token_hex(8)
        milliseconds = int(lifetime * 1000)
        with self._failures_named():
            if not self._redis.set(name, mine, nx=True, px=milliseconds):
                return None
        done = threading.Event()

        def keep() -> None:
            """Let the lock live on while its holder does."""
            while not done.wait(lifetime / 3):
                with contextlib.suppress(self._errors, OSError):
                    self._extend([name], [mine, milliseconds])

        threading.Thread(target=keep, name="ringcx-lock", daemon=True).start()

        def release() -> None:
            done.set()
            # A lock that cannot be given back ends by itself.
            with contextlib.suppress(self._errors, OSError):
                self._release([name], [mine])

        return release

    @contextlib.contextmanager
    def _failures_named(self) -> Iterator[None]:
        """Tell what Redis refuses as a share that failed; its texts may hold the address."""
        try:
            yield
        except (self._errors, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from None
