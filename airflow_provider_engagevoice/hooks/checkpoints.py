"""Records of a task's checkpoints, in Airflow's task state store or in the store of the connection."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_engagevoice.ringcx.bulk.attempts import Attempt, AttemptCheckpoints, TaskRecord
from airflow_provider_engagevoice.ringcx.exceptions import Cancelled, ServiceUnavailable
from airflow_provider_engagevoice.ringcx.storage.base import StoreUnavailable
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.version_compat import conf

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.storage.base import StateStore
    from airflow_provider_engagevoice.version_compat import Context

_KEY = "engagevoice_progress"
_WEEK = 7 * 86_400.0


class TaskStateRecord(TaskRecord):
    """Record in Airflow's task state store, which all workers share. Airflow 3.3 and newer.

    If there is no record, no request was sent: a checkpoint is saved before each request. The store refuses
    an attempt once a newer one has started, because each attempt is another task instance for it.

    :param store: the task's state store.
    """

    def __init__(self, store: Any) -> None:
        self._store = store

    def load(self) -> Mapping[str, Any] | None:
        saved = self._store.get(_KEY)
        return _parse(saved) if saved else None

    def start(self, record: Mapping[str, Any]) -> bool:
        self.save(record)
        return True

    def save(self, record: Mapping[str, Any]) -> None:
        try:
            self._store.set(_KEY, json.dumps(record))
        except Exception as error:
            raise ServiceUnavailable(
                f"Cannot save the checkpoint in Airflow's task state store ({type(error).__name__})"
            ) from error


class SharedRecord(TaskRecord):
    """Record in the store of the connection: files of this host, or Redis. For Airflow before 3.3.

    A record may be missing although an earlier attempt sent requests: that attempt ran on another host
    without a shared Redis, the host was restarted, or a week has passed. Therefore each attempt first saves
    that it has started. The next attempt finds:

    - This mark only: the previous attempt failed before its first request, for example at sign-in. The
      action starts.
    - Nothing, or the record of an attempt before the previous one: the previous attempt ran elsewhere, or
      ended before it could save anything (a template that cannot be rendered, an unknown connection, a
      worker that died). An action that is not retry-safe is refused; a person can clear the task.
    - The first attempt after a person cleared the task is never refused, because clearing it means that it is
      to run. It resumes from an unfinished checkpoint and otherwise starts from the beginning.

    Each write replaces exactly the record that this attempt read or wrote last. An attempt whose worker lost
    its connection to Airflow therefore stops before its next request once a newer attempt has started.

    :param store: the store.
    :param task: identifies the task instance.
    """

    absence_means_not_started = False

    def __init__(self, store: StateStore, task: str) -> None:
        backends = [backend for backend in store.backends if not isinstance(backend, MemoryStore)]
        self._backends = dict(enumerate(backends))
        self._key = f"progress {hashlib.sha256(task.encode()).hexdigest()}"
        self._owner = os.urandom(8).hex()
        self._revision = 0
        #: What each backend that holds a record contains, as far as this attempt knows.
        self._contents: dict[int, bytes | None] = {}

    @property
    def is_durable(self) -> bool:
        return bool(self._contents)

    def load(self) -> Mapping[str, Any] | None:
        newest: Mapping[str, Any] | None = None
        latest = (0, 0)
        for index, backend in list(self._backends.items()):
            try:
                content = _read(backend, self._key)
            except StoreUnavailable:
                self._drop(index)
                continue
            if content is None:
                continue
            self._contents[index] = content
            saved = _parse(content)
            if saved and (version := (saved["attempt"], saved["revision"])) >= latest:
                newest, latest = saved, version
        self._revision = latest[1]
        return newest

    def start(self, record: Mapping[str, Any]) -> bool:
        return self._write(record)

    def save(self, record: Mapping[str, Any]) -> None:
        if not self._write(record):
            raise Cancelled(
                "Stopped before the next request: a newer attempt of this task has started; this one's "
                "worker has probably lost its connection to Airflow"
            )

    def _write(self, record: Mapping[str, Any]) -> bool:
        """Write the record to all backends; return False if another attempt has written to one of them."""
        self._revision += 1
        version = {"revision": self._revision, "owner": self._owner}
        content = json.dumps({**record, **version}).encode()
        stale = []
        for index, backend in list(self._backends.items()):
            try:
                if not self._replace(index, backend, content, record["attempt"]):
                    return False
            except StoreUnavailable as failure:
                if index in self._contents:
                    stale.append(f"{backend.name} ({failure})")
                self._drop(index)
        if stale:
            # A stale record would mislead the next attempt. The other backends have the new one, with the
            # last request, if the next attempt finds it there.
            raise ServiceUnavailable(f"Cannot save the checkpoint in {stale[0]}")
        return True

    def _replace(self, index: int, backend: StateStore, content: bytes, attempt: int) -> bool:
        """Replace the record of one backend, unless another attempt has replaced it meanwhile."""
        expected = self._contents.get(index)
        while not backend.compare_and_set(self._key, expected, content, _WEEK):
            expected = _read(backend, self._key)
            found = _parse(expected) if expected else None
            if found and found["owner"] != self._owner and found["attempt"] >= attempt:
                return False
            # The backend lost the latest record of this attempt, or its content was unknown.
        self._contents[index] = content
        return True

    def _drop(self, index: int) -> None:
        """Stop using a backend for this attempt: one that does not respond would delay every checkpoint."""
        if index not in self._contents:
            del self._backends[index]


def checkpoints_of(context: Context, state_store: StateStore) -> AttemptCheckpoints:
    """Return the checkpoints of the running attempt of a task; the first call records that it has started.

    :param context: the task's context.
    :param state_store: the store of the connection, for Airflow without a task state store.
    :return: the checkpoints, the same object for all calls of one attempt.
    :raises ServiceUnavailable: if Airflow's task state store cannot be used.
    """
    # Kept in the context, because it belongs to exactly one attempt.
    variables = cast("MutableMapping[str, Any]", context)
    opened: dict[int, AttemptCheckpoints] = variables.setdefault("engagevoice_checkpoints", {})
    task_state_store = context.get("task_state_store")
    key = 0 if task_state_store is not None else id(state_store)
    if key not in opened:
        record = (
            TaskStateRecord(task_state_store)
            if task_state_store is not None
            else SharedRecord(state_store, _task_key(context["ti"]))
        )
        opened[key] = AttemptCheckpoints(record, _attempt(context))
    return opened[key]


def _task_key(ti: Any) -> str:
    # Several Airflow deployments can share a Redis server and have DAGs, tasks and runs of the same names.
    deployment = conf.get("api", "base_url", fallback="") or conf.get("webserver", "base_url", fallback="")
    return "\0".join([deployment, ti.dag_id, ti.task_id, ti.run_id, str(ti.map_index)])


def _attempt(context: Context) -> Attempt:
    """Return which attempt is running.

    Airflow changes ``max_tries`` when a person clears the task, and at no other time. Whether an attempt is a
    retry is computed from it only if no attempt has saved a record: ``retries`` may have been edited.
    """
    ti: Any = context["ti"]
    task: Any = context.get("task") or ti.task
    last = getattr(ti, "max_tries", None)
    series = last if last is not None and last >= 0 else None
    first = 1 if series is None else series - (task.retries or 0) + 1
    number = int(ti.try_number)
    return Attempt(number, series, is_retry=number > max(first, 1))


def _read(backend: StateStore, key: str) -> bytes | None:
    found = backend.get(key)
    return found[0] if found else None


def _parse(content: str | bytes) -> Mapping[str, Any] | None:
    """Return a record; None if the content is not one, such as that of another version of the package."""
    try:
        saved = json.loads(content)
    except ValueError:
        return None
    return saved if isinstance(saved, dict) and "checkpoints" in saved else None
