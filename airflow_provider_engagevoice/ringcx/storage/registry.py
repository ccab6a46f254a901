"""Registry of the state stores of this process, by the name that a connection gives."""

from __future__ import annotations

from pathlib import Path

from airflow_provider_engagevoice.ringcx.concurrency import ForkSafeLock
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.storage.base import StateStore
from airflow_provider_engagevoice.ringcx.storage.fallback import FallbackStore
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore

HOST = "host"
"""Name of the default store: private files of this host."""

REDIS = ("redis://", "rediss://", "unix://")
"""Prefixes of Redis URLs."""

_PROCESS = "process"

_open: dict[str, StateStore] = {}
_lock = ForkSafeLock()


def open_store(store: str = HOST) -> StateStore:
    """Return the store of a name; all clients of a process that use the same name share one store.

    :param store: ``host`` (default) for private files of this host; ``file:/folder`` for files in that
        folder; ``redis://...``, ``rediss://...`` or ``unix://...`` for a Redis server; ``process`` for the
        memory of this process.
    :return: the store. If it is unavailable, the store with the next narrower scope is used.
    :raises InvalidParameter: if the name is unknown or the Redis client is not installed.
    """
    with _lock.held():
        if store not in _open:
            _open[store] = _create_store(store)
        return _open[store]


def _create_store(store: str) -> StateStore:
    memory = MemoryStore()
    if store == _PROCESS:
        return memory
    if store == HOST:
        return FallbackStore([_file_store(), memory])
    if store.startswith("file:/"):
        path = store.removeprefix("file://" if store.startswith("file:///") else "file:")
        if not path.startswith("//") and "\0" not in path:
            return FallbackStore([_file_store(Path(path)), memory])
    if store.startswith(REDIS):
        from airflow_provider_engagevoice.ringcx.storage.redis import RedisStore

        return FallbackStore([RedisStore(store), _file_store(), memory])
    raise InvalidParameter(
        "The connection's rate_limit_store must be host, process, file:/folder or redis://host:6379/0"
    )


def _file_store(folder: Path | None = None) -> StateStore:
    from airflow_provider_engagevoice.ringcx.storage.file import FileStore

    return FileStore(folder)
