"""Tries of tasks that keep their progress in a :class:`SharedCheckpointStore`, in processes that are really killed.

``python -m tests.support.attempts`` loads all modules, then forks a process for each try that it is told of on
standard input. It needs no Airflow.
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
from typing import Any

from airflow_provider_engagevoice.operators.checkpoints import SharedCheckpointStore
from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.storage.base import StateStore
from airflow_provider_engagevoice.ringcx.storage.file import FOLDER_VARIABLE
from tests.support import workers
from tests.support.processes import ROOT


@dataclass(frozen=True)
class Ended:
    """How a try ended.

    :param killed: its process was killed.
    :param error: the name of what it raised; empty where it did all.
    :param text: what the error says.
    :param summary: what was done, where it did all.
    """

    killed: bool = False
    error: str = ""
    text: str = ""
    summary: dict[str, Any] = field(default_factory=dict)


class Tries:
    """Runs one try at a time."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.attempts"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._pids: queue.Queue[int] = queue.Queue()

    def run(self, **order: Any) -> Ended:
        """Run a try to its end.

        :param order: what :func:`execute` is told.
        :return: how it ended.
        """
        assert self._server.stdin is not None
        self._pids = queue.Queue()
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        self._pids.put(self._answer()["pid"])
        return Ended(**self._answer())

    def kill(self) -> None:
        """Kill the try that is running; from another thread."""
        os.kill(self._pids.get(timeout=20), signal.SIGKILL)

    def close(self) -> None:
        self._server.communicate(timeout=20)

    def _answer(self) -> Any:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the processes of tries have ended"
        return json.loads(line)


class MortalJournal(SharedCheckpointStore):
    """A journal that kills its process just before, or just after, something is noted.

    :param order: as for :func:`execute`; ``dies`` is ``before`` or ``after``, and what is noted, as in
        :func:`_what`; None for never.
    """

    def __init__(self, store: StateStore, order: dict[str, Any]) -> None:
        super().__init__(store, order["task"], order["number"], order["retried"])
        self._dies = order["dies"]

    def write(self, record: Mapping[str, Any]) -> None:
        self._die(f"before {_what(record)}")
        super().write(record)
        self._die(f"after {_what(record)}")

    def _die(self, moment: str) -> None:
        if moment == self._dies:
            os.kill(os.getpid(), signal.SIGKILL)


def _what(record: Mapping[str, Any]) -> str:
    """Say what a record notes: ``begun 2`` and ``done 2`` around the second request, ``finished`` at last.

    ``told 2`` is noted where nobody knows what the second one did.
    """
    if record.get("finished"):
        return "finished"
    if (begun := record.get("begun")) is not None:
        return f"{'told' if record['told'] else 'begun'} {begun + 1}"
    return f"done {record.get('next', 0)}"


def execute(order: dict[str, Any]) -> Ended:
    """Do an action as an operator does; give how it ended.

    :param order: ``url`` of RingCX, ``store``, ``folder`` of the host's own files, ``task``, ``number`` of
        the try, ``retried``, ``action``, ``criteria``, ``params``, ``chunk_size``, and ``dies`` as for
        :class:`MortalJournal`.
    """
    os.environ[FOLDER_VARIABLE] = order["folder"]
    client = workers.make_client({**order, "method": "api_token"})
    journal = MortalJournal(client.authenticator.store, order)
    selection = Selection(order["criteria"])
    act = BulkAction.of(order["action"], selection, order["params"], chunk_size=order["chunk_size"])
    try:
        journal.open()
        return Ended(summary=dict(client.lead_actions().execute(act, journal)))
    except EngageVoiceError as error:
        return Ended(error=type(error).__name__, text=str(error))


def _in_child(order: dict[str, Any], result: int) -> None:
    try:
        ended = execute(order)
    except BaseException:
        ended = Ended(error="unexpected", text=traceback.format_exc())
    os.write(result, json.dumps(vars(ended)).encode())
    os._exit(0)


def main() -> None:
    import redis  # noqa: F401

    channel = os.fdopen(os.dup(1), "w", buffering=1)
    # Airflow, of which a constant is used, may log to standard output.
    os.dup2(2, 1)
    for line in sys.stdin:
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            _in_child(json.loads(line), write)
        os.close(write)
        channel.write(json.dumps({"pid": pid}) + "\n")
        _, status = os.waitpid(pid, 0)
        with os.fdopen(read) as said:
            killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            channel.write((said.read() or json.dumps({"killed": killed})) + "\n")
    # Without what Airflow does at the end of a process.
    os._exit(0)


if __name__ == "__main__":
    main()
