"""Task attempts with checkpoints in a record that attempts share, in processes that can be killed.

``python -m tests.support.attempts`` imports all modules, then forks a process for each attempt specification
that it reads from standard input. It does not need a running Airflow.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_provider_engagevoice.hooks.checkpoints import SharedRecord, TaskStateRecord
from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.bulk.attempts import Attempt, AttemptCheckpoints, TaskRecord
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.loading import load_reconciler, load_verification
from airflow_provider_engagevoice.ringcx.loading.lead_rows import LeadRows
from airflow_provider_engagevoice.ringcx.loading.options import LoadOptions
from airflow_provider_engagevoice.ringcx.ratelimit import operations
from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS, RateWindow
from airflow_provider_engagevoice.ringcx.storage.base import StateStore
from airflow_provider_engagevoice.ringcx.storage.file import FOLDER_VARIABLE
from tests.support import workers
from tests.support.processes import ROOT


@dataclass(frozen=True)
class AttemptResult:
    """Result of an attempt.

    :param killed: its process was killed.
    :param error: class name of the error; empty if the attempt succeeded.
    :param message: message of the error.
    :param summary: result of the action or the load if the attempt succeeded.
    """

    killed: bool = False
    error: str = ""
    message: str = ""
    summary: dict[str, Any] = field(default_factory=dict)


class AttemptRunner:
    """Runs one attempt at a time in a forked process."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.attempts"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._pids: queue.Queue[int] = queue.Queue()

    def run(self, **spec: Any) -> AttemptResult:
        """Run an attempt until it ends.

        :param spec: as for :func:`run_attempt`, or for :func:`run_load_attempt` if it has ``rows``.
        :return: its result.
        """
        assert self._server.stdin is not None
        self._pids = queue.Queue()
        self._server.stdin.write(json.dumps(spec) + "\n")
        self._server.stdin.flush()
        self._pids.put(self._read_message()["pid"])
        return AttemptResult(**self._read_message())

    def kill(self) -> None:
        """Kill the running attempt; called from another thread."""
        os.kill(self._pids.get(timeout=20), signal.SIGKILL)

    def close(self) -> None:
        self._server.communicate(timeout=20)

    def _read_message(self) -> Any:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the server process of the attempts has exited"
        return json.loads(line)


class FileTaskStateStore:
    """A task state store as in Airflow 3.3: outlives all attempts and can be reached from all hosts.

    :param path: its file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str) -> str | None:
        return self._values().get(key)

    def set(self, key: str, value: str) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps({**self._values(), key: value}))
        new.replace(self._path)

    def _values(self) -> dict[str, str]:
        return dict(json.loads(self._path.read_text())) if self._path.exists() else {}


class SelfKillingCheckpoints(AttemptCheckpoints):
    """Checkpoints that kill their own process before or after a certain one is saved.

    :param store: the shared store.
    :param spec: as for :func:`run_attempt`. If it has ``task_state``, the record is in this file, and not in
        the shared store. Its ``kill_at`` is ``before`` or ``after``, followed by an event
        of :func:`_event` or by ``save`` and the number of the checkpoint; None for never.
    """

    def __init__(self, store: StateStore, spec: dict[str, Any]) -> None:
        attempt = Attempt(spec["attempt"], spec["series"], spec["is_retry"])
        path = spec.get("task_state")
        record: TaskRecord = (
            SharedRecord(store, spec["task"])
            if path is None
            else TaskStateRecord(FileTaskStateStore(Path(path)))
        )
        super().__init__(record, attempt)
        self._kill_at = spec["kill_at"]
        self._saves = 0
        self._kill_if_due("after done 0")

    def save(self, number: int, checkpoint: Mapping[str, Any]) -> None:
        self._saves += 1
        self._kill_if_due(f"before {_event(checkpoint)}", f"before save {self._saves}")
        super().save(number, checkpoint)
        self._kill_if_due(f"after {_event(checkpoint)}", f"after save {self._saves}")

    def _kill_if_due(self, *points: str) -> None:
        if self._kill_at in points:
            os.kill(os.getpid(), signal.SIGKILL)


def _event(checkpoint: Mapping[str, Any]) -> str:
    """Return what a checkpoint records, with the number of the chunk from 1.

    :return: ``in_flight 2`` before the second chunk is sent, ``done 2`` once it has an outcome,
        ``outcome_reported 2`` before ``OutcomeUnknown`` is raised for it, ``finished`` at the end.
    """
    if checkpoint.get("finished"):
        return "finished"
    if in_flight := checkpoint.get("in_flight"):
        kind = "outcome_reported" if checkpoint["outcome_reported"] else "in_flight"
        return f"{kind} {max(map(int, in_flight)) + 1}"
    return f"done {checkpoint.get('next', 0) - len(checkpoint.get('pending', ()))}"


def run_attempt(spec: dict[str, Any]) -> AttemptResult:
    """Perform an action as an operator does.

    :param spec: ``url`` of RingCX, ``store``, ``folder`` of the host's own files, ``task``, ``attempt`` (its
        number), ``series``, ``is_retry``, ``action``, ``criteria``, ``params``, ``chunk_size``,
        ``max_in_flight`` (None or absent for the default), and ``kill_at`` as for
        :class:`SelfKillingCheckpoints`.
    :return: its result.
    """
    os.environ[FOLDER_VARIABLE] = spec["folder"]
    client = workers.make_client({**spec, "method": "api_token"})
    selection = Selection(spec["criteria"])
    action = BulkAction.create(
        spec["action"],
        selection,
        spec["params"],
        chunk_size=spec["chunk_size"],
        max_in_flight=spec.get("max_in_flight"),
    )
    try:
        checkpoints = SelfKillingCheckpoints(client.authenticator.store, spec)
        return AttemptResult(summary=dict(client.lead_actions().execute(action, checkpoints.next_action())))
    except EngageVoiceError as error:
        return AttemptResult(error=type(error).__name__, message=str(error))


def run_load_attempt(spec: dict[str, Any]) -> AttemptResult:
    """Load rows as an operator does.

    :param spec: ``url``, ``store``, ``folder``, ``task``, ``attempt``, ``series``, ``is_retry`` and
        ``kill_at`` as for :func:`run_attempt`; ``rows``, ``campaign``, ``options`` of the load, ``report``
        (its path or None), ``waits``, the seconds between two look-ups, and ``not_before``, the start of the
        run.
    :return: its result.
    """
    os.environ[FOLDER_VARIABLE] = spec["folder"]
    vars(load_reconciler)["WAITS"] = vars(load_verification)["WAITS"] = spec["waits"]
    # The sandbox has no rate limits, either.
    vars(operations)["LIMITS"] = dict.fromkeys(LIMITS, (RateWindow(10_000, 1.0),))
    client = workers.make_client({**spec, "method": "api_token"})
    try:
        checkpoints = SelfKillingCheckpoints(client.authenticator.store, spec)
        load = client.prepare_load(
            spec["campaign"],
            LeadRows(spec["rows"], report=spec["report"]),
            LoadOptions(**spec["options"]),
            list_name="Loaded by a test",
            load_id=spec["task"],
            not_before=datetime.fromisoformat(spec["not_before"]),
        )
        loader = client.lead_loader(load.campaign["account_id"])
        return AttemptResult(summary=dict(loader.execute(load, checkpoints.next_action())))
    except EngageVoiceError as error:
        return AttemptResult(error=type(error).__name__, message=str(error))


def _run_in_child(spec: dict[str, Any], result_descriptor: int) -> None:
    try:
        result = run_load_attempt(spec) if "rows" in spec else run_attempt(spec)
    except BaseException:
        result = AttemptResult(error="unexpected", message=traceback.format_exc())
    os.write(result_descriptor, json.dumps(vars(result)).encode())
    os._exit(0)


def main() -> None:
    """Serve attempts until standard input ends: write the pid of each attempt, then its result."""
    import redis  # noqa: F401

    channel = os.fdopen(os.dup(1), "w", buffering=1)
    # Airflow, from which a constant is imported, may log to standard output.
    os.dup2(2, 1)
    for line in sys.stdin:
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            _run_in_child(json.loads(line), write)
        os.close(write)
        channel.write(json.dumps({"pid": pid}) + "\n")
        _, status = os.waitpid(pid, 0)
        with os.fdopen(read) as result:
            killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            channel.write((result.read() or json.dumps({"killed": killed})) + "\n")
    # Skips Airflow's exit handlers.
    os._exit(0)


if __name__ == "__main__":
    main()
