"""Checkpoint stores of Airflow tasks: the task state store, or the shared store of the connection."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice.ringcx.bulk.checkpoint import CheckpointStore
from airflow_provider_engagevoice.ringcx.exceptions import ServiceUnavailable
from airflow_provider_engagevoice.ringcx.storage.base import StoreUnavailable
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.version_compat import conf

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.storage.base import StateStore
    from airflow_provider_engagevoice.version_compat import Context

log = logging.getLogger(__name__)

_KEY = "engagevoice_progress"
_WEEK = 7 * 86_400.0


class TaskStateCheckpointStore(CheckpointStore):
    """Checkpoint in Airflow's task state store, which all workers share. Airflow 3.3 and newer.

    If there is no checkpoint, no request was sent: a checkpoint is saved before each request.

    :param store: the task's state store.
    :param is_retry: as for :class:`CheckpointStore`.
    """

    def __init__(self, store: Any, is_retry: bool = False) -> None:
        super().__init__(is_retry)
        self._store = store

    def load(self) -> Mapping[str, Any] | None:
        saved = self._store.get(_KEY)
        return json.loads(saved) if saved else None

    def save(self, checkpoint: Mapping[str, Any]) -> None:
        try:
            self._store.set(_KEY, json.dumps(checkpoint))
        except Exception as error:
            raise ServiceUnavailable(
                f"Cannot save the checkpoint in Airflow's task state store ({type(error).__name__})"
            ) from error


class SharedCheckpointStore(CheckpointStore):
    """Checkpoint in the store of the connection: files of this host, or Redis. For Airflow before 3.3.

    A checkpoint may be missing although an earlier attempt sent requests: that attempt ran on another host
    without a shared Redis, the host was restarted, or a week has passed. Therefore each attempt first saves
    that it has started. The next attempt finds:

    - This mark only: the previous attempt failed before its first request, for example at sign-in. The
      action starts.
    - Nothing, or the checkpoint of an attempt before the previous one: the previous attempt ran elsewhere, or
      ended before it could save anything (a template that cannot be rendered, an unknown connection, a
      worker that died). An action that is not retry-safe is refused; a person can clear the task.
    - The first attempt after a person cleared the task is never refused, because clearing it means that it is
      to run. It resumes from an unfinished checkpoint and otherwise starts from the beginning.

    :param store: the store.
    :param task: identifies the task instance.
    :param attempt: number of the attempt.
    :param is_retry: as for :class:`CheckpointStore`.
    """

    absence_means_not_started = False

    def __init__(self, store: StateStore, task: str, attempt: int, is_retry: bool = False) -> None:
        super().__init__(is_retry)
        self._attempt = attempt
        self._saved_by = 0
        backends = [backend for backend in store.backends if not isinstance(backend, MemoryStore)]
        self._backends = dict(enumerate(backends))
        self._key = f"progress {hashlib.sha256(task.encode()).hexdigest()}"
        self._revision = 0
        self._holders: set[int] = set()

    @property
    def is_durable(self) -> bool:
        return bool(self._holders)

    def load(self) -> Mapping[str, Any] | None:
        newest: Mapping[str, Any] | None = None
        for index, backend in list(self._backends.items()):
            try:
                found = backend.get(self._key)
                saved = json.loads(found[0]) if found else None
            except StoreUnavailable:
                self._drop(index)
                continue
            except ValueError:
                continue
            if saved is None:
                continue
            self._holders.add(index)
            attempt, revision = saved.get("attempt", 0), saved.get("revision", 0)
            if (attempt, revision) >= (self._saved_by, self._revision):
                newest, self._saved_by, self._revision = saved["checkpoint"], attempt, revision
        stale = self.is_retry and self._saved_by < self._attempt - 1
        return None if stale else newest

    def save(self, checkpoint: Mapping[str, Any]) -> None:
        self._revision += 1
        self._saved_by = self._attempt
        content = json.dumps(
            {"attempt": self._attempt, "revision": self._revision, "checkpoint": checkpoint}
        ).encode()
        stale = []
        for index, backend in list(self._backends.items()):
            try:
                backend.set(self._key, content, _WEEK)
                self._holders.add(index)
            except StoreUnavailable as failure:
                if index in self._holders:
                    stale.append(f"{backend.name} ({failure})")
                self._drop(index)
        if stale:
            # A stale checkpoint would mislead the next attempt. The other backends have the new one, with the
            # last request, if the next attempt finds it there.
            raise ServiceUnavailable(f"Cannot save the checkpoint in {stale[0]}")

    def mark_started(self) -> None:
        saved = self.load()
        if (saved is None and not self.is_retry) or (saved is not None and self._is_superseded(saved)):
            self.save({})
            if not self._holders:
                log.warning("No writable checkpoint store; a retry of this task cannot resume")
        elif saved is not None and self._saved_by < self._attempt:
            # The next attempt must not take this one for an attempt that left no checkpoint.
            self.save(saved)

    def _drop(self, index: int) -> None:
        """Stop using a backend for this attempt: one that does not respond would delay every checkpoint."""
        if index not in self._holders:
            del self._backends[index]

    def _is_superseded(self, saved: Mapping[str, Any]) -> bool:
        return bool(saved.get("finished")) and not self.is_retry


def checkpoint_store_for(context: Context, state_store: StateStore) -> CheckpointStore:
    """Return the checkpoint store of a task.

    :param context: the task's context.
    :param state_store: the store of the task's connection.
    :return: Airflow's task state store if there is one, else the store of the connection.
    """
    ti: Any = context["ti"]
    is_retry = _is_retry(ti, context)
    task_state_store = context.get("task_state_store")
    if task_state_store is not None:
        return TaskStateCheckpointStore(task_state_store, is_retry)
    # Several Airflow deployments can share a Redis server and have DAGs, tasks and runs of the same names.
    deployment = conf.get("api", "base_url", fallback="") or conf.get("webserver", "base_url", fallback="")
    task = "\0".join([deployment, ti.dag_id, ti.task_id, ti.run_id, str(ti.map_index)])
    return SharedCheckpointStore(state_store, task, int(ti.try_number), is_retry)


def _is_retry(ti: Any, context: Context) -> bool:
    """Return whether Airflow runs the task again after a failure; clearing it starts a new series."""
    task: Any = context.get("task") or ti.task
    last = getattr(ti, "max_tries", None)
    first = 1 if last is None or last < 0 else last - (task.retries or 0) + 1
    return bool(ti.try_number > max(first, 1))
