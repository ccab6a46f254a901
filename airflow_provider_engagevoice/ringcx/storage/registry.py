"""Where limits and tokens are shared, by the name that a connection gives it."""

from __future__ import annotations

from pathlib import Path

from airflow_provider_engagevoice.ringcx.concurrency import ForkSafeLock
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.storage.base import StateStore
from airflow_provider_engagevoice.ringcx.storage.fallback import FallbackStore
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore

HOST = "host"
"""Private files of this host: the default."""

REDIS = ("redis://", "rediss://", "unix://")
"""How addresses of Redis begin."""

_PROCESS = "process"

_open: dict[str, StateStore] = {}
_lock = ForkSafeLock()


def open_store(store: str = HOST) -> StateStore:
    """Open a store; all clients of a process that name the same one share it.

    :param store: ``host`` (default) for private files of this host; ``file:/folder`` for files in that
        folder; ``redis://...``, ``rediss://...`` or ``unix://...`` for a Redis server; ``process`` for this
        process alone.
    :return: the share. Where it does not work, the next narrower one takes its place.
    :raises InvalidParameter: on any other name, and where Redis's client is not installed.
    """
    with _lock.held():
        if store not in _open:
            _open[store] = _make(store)
        return _open[store]


def _make(store: str) -> StateStore:
    memory = MemoryStore()
    if store == _PROCESS:
        return memory
    if store == HOST:
        return FallbackStore([_files(), memory])
    if store.startswith("file:/"):
        path = store.removeprefix("file://" if store.startswith("file:///") else "file:")
        if not path.startswith("//") and "\0" not in path:
            return FallbackStore([_files(Path(path)), memory])
    if store.startswith(REDIS):
        from airflow_provider_engagevoice.ringcx.storage.redis import RedisStore

        return FallbackStore([RedisStore(store), _files(), memory])
    raise InvalidParameter(
        "The connection's rate_limit_store must be host, process, file:/folder or redis://host:6379/0"
    )


def _files(folder: Path | None = None) -> StateStore:
    from airflow_provider_engagevoice.ringcx.storage.file import FileStore

    return FileStore(folder)
