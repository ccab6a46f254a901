"""Where a task keeps its progress between its tries."""

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
    """Progress in Airflow's task state store, which every worker sees. Airflow 3.3 and newer.

    Nothing found there means that nothing has been begun: each request is noted before it is sent.

    :param store: the task's state store.
    :param retried: as for :class:`CheckpointStore`.
    """

    def __init__(self, store: Any, retried: bool = False) -> None:
        super().__init__(retried)
        self._store = store

    def read(self) -> Mapping[str, Any] | None:
        kept = self._store.get(_KEY)
        return json.loads(kept) if kept else None

    def write(self, record: Mapping[str, Any]) -> None:
        try:
            self._store.set(_KEY, json.dumps(record))
        except Exception as error:
            raise ServiceUnavailable(
                "The task's progress cannot be written to Airflow's task state store "
                f"({type(error).__name__})"
            ) from error


class SharedCheckpointStore(CheckpointStore):
    """Progress where limits and tokens are shared: on this host, or in Redis. For older Airflow.

    It may not be found again: another host runs the next try and no Redis is shared, or it is gone; the host
    was started anew; a week has passed. So a try notes first of all that it has begun nothing. What the next
    try finds:

    - That note: the try before it failed at sign-in, say. It starts.
    - Nothing, or what an older try than the one before it has noted: the try before it ran elsewhere, or
      ended before it could note anything (a template that cannot be rendered, an unknown connection, a
      worker that died). Nobody knows, so an action that must not be repeated is refused; a person may clear
      the task.
    - The first try after a person cleared the task is not refused: to clear it is to say that it is to
      run. Where it finds progress that is not finished, it goes on after it; otherwise it starts afresh.

    :param share: the share.
    :param task: names the task instance.
    :param number: of the try.
    :param retried: as for :class:`CheckpointStore`.
    """

    complete = False

    def __init__(self, store: StateStore, task: str, number: int, retried: bool = False) -> None:
        super().__init__(retried)
        self._number = number
        self._noted_by = 0
        steps = [step for step in store.backends if not isinstance(step, MemoryStore)]
        self._stores = dict(enumerate(steps))
        self._key = f"progress {hashlib.sha256(task.encode()).hexdigest()}"
        self._written = 0
        self._holders: set[int] = set()

    @property
    def keeps(self) -> bool:
        return bool(self._holders)

    def read(self) -> Mapping[str, Any] | None:
        newest: Mapping[str, Any] | None = None
        for index, store in list(self._stores.items()):
            try:
                found = store.get(self._key)
                kept = json.loads(found[0]) if found else None
            except StoreUnavailable:
                self._leave(index)
                continue
            except ValueError:
                continue
            if kept is None:
                continue
            self._holders.add(index)
            number, written = kept.get("try", 0), kept.get("written", 0)
            if (number, written) >= (self._noted_by, self._written):
                newest, self._noted_by, self._written = kept["record"], number, written
        outdated = self.retried and self._noted_by < self._number - 1
        return None if outdated else newest

    def write(self, record: Mapping[str, Any]) -> None:
        self._written += 1
        self._noted_by = self._number
        content = json.dumps({"try": self._number, "written": self._written, "record": record}).encode()
        outdated = []
        for index, store in list(self._stores.items()):
            try:
                store.set(self._key, content, _WEEK)
                self._holders.add(index)
            except StoreUnavailable as failure:
                if index in self._holders:
                    outdated.append(f"{store.name} any more ({failure})")
                self._leave(index)
        if outdated:
            # What stands there would be taken for the truth by the next try. But what could be written is
            # written, so that a next try which finds that knows of the last request.
            raise ServiceUnavailable(f"The task's progress cannot be written to {outdated[0]}")

    def open(self) -> None:
        kept = self.read()
        if (kept is None and not self.retried) or (kept is not None and self._is_over(kept)):
            self.write({})
            if not self._holders:
                log.warning("The task's progress cannot be kept for a retry: nothing here can be written")
        elif kept is not None and self._noted_by < self._number:
            # This try is here: the next one need not ask what it did.
            self.write(kept)

    def _leave(self, index: int) -> None:
        """Do without a share for the rest of the try: one that does not answer would hold up every note."""
        if index not in self._holders:
            del self._stores[index]

    def _is_over(self, kept: Mapping[str, Any]) -> bool:
        return bool(kept.get("finished")) and not self.retried


def checkpoint_store_for(context: Context, state_store: StateStore) -> CheckpointStore:
    """Choose where a task keeps its progress.

    :param context: the task's context.
    :param state_store: where its connection shares limits and tokens.
    :return: the journal.
    """
    ti: Any = context["ti"]
    retried = _is_retried(ti, context)
    store = context.get("task_state_store")
    if store is not None:
        return TaskStateCheckpointStore(store, retried)
    # Two installations of Airflow may share a Redis server, and have tasks and runs of the same names.
    home = conf.get("api", "base_url", fallback="") or conf.get("webserver", "base_url", fallback="")
    task = "\0".join([home, ti.dag_id, ti.task_id, ti.run_id, str(ti.map_index)])
    return SharedCheckpointStore(state_store, task, int(ti.try_number), retried)


def _is_retried(ti: Any, context: Context) -> bool:
    """Tell whether Airflow itself runs the task again; clearing it begins another series of tries."""
    task: Any = context.get("task") or ti.task
    most = getattr(ti, "max_tries", None)
    first = 1 if most is None or most < 0 else most - (task.retries or 0) + 1
    return bool(ti.try_number > max(first, 1))
