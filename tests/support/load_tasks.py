"""A load whose attempts are killed at a request, and what must be true once an attempt has succeeded."""

from __future__ import annotations

import collections
import csv
import itertools
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.attempts import AttemptResult, AttemptRunner
from tests.support.processes import wait_for

CAMPAIGN = "Spring Renewals"
KILLED = AttemptResult(killed=True)
#: Seconds between two look-ups, in place of the real 2, 5, 15 and 30.
SHORT_WAITS = (0.02, 0.02, 0.02, 0.02)
_ALWAYS = 10**9


@dataclass(frozen=True)
class KillPoint:
    """A request at which the process is killed.

    :param operation: the sandbox's name of the operation.
    :param number: number of the request among those of the operation, from 1.
    :param is_applied: RingCX processes the request all the same.
    """

    operation: str
    number: int
    is_applied: bool = True

    def __str__(self) -> str:
        return f"{self.operation}-{self.number}" + ("" if self.is_applied else "-lost")


@dataclass
class LoadTask:
    """A task that loads rows, and the hosts that it runs on.

    :param attempt_runner: runs its attempts.
    :param ringcx: the sandbox.
    :param folder: folder for the hosts' own files, the task state store and the report.
    :param new: number of rows that the campaign does not have.
    :param existing_rows: number of rows before them that it has.
    :param options: options of the load.
    :param store: where its connection keeps checkpoints.
    :param has_task_state: it keeps checkpoints in a task state store instead, as with Airflow 3.3.
    :param has_report: it writes a report.
    :param waits: seconds between two look-ups.
    """

    attempt_runner: AttemptRunner
    ringcx: SandboxServer
    folder: Path
    new: int = 10
    existing_rows: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    store: str = "host"
    has_task_state: bool = False
    has_report: bool = False
    waits: tuple[float, ...] = SHORT_WAITS
    name: str = "dag load run"
    _hosts: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _attempts: int = 0
    _series: int = 0

    def __post_init__(self) -> None:
        self._created = datetime.now(timezone.utc).isoformat()
        ready = [lead for lead in self.ringcx.leads(CAMPAIGN) if lead["leadState"] == "READY"]
        known = [str(lead["externId"]) for lead in ready[: self.existing_rows]]
        keys = [*known, *(f"NEW-{number}" for number in range(self.new))]
        self.rows = [
            {"externId": key, "leadPhone": f"303555{number:04d}", "city": "Denver"}
            for number, key in enumerate(keys)
        ]
        self.report = self.folder / "report" / "rows.csv"
        self.report.parent.mkdir()
        self._requests = _RequestCounter(self.ringcx)

    def run(self, is_retry: bool, host: str = "host", kill_at: str | None = None) -> AttemptResult:
        """Run the next attempt.

        :param is_retry: Airflow retries the task. False for the first attempt, and for the first one after a
            person cleared the task.
        :param host: name of the host.
        :param kill_at: the checkpoint at which its process is killed, as for ``SelfKillingCheckpoints``.
        :return: its result.
        """
        self._attempts += 1
        self._series += not is_retry
        return self.attempt_runner.run(
            url=self.ringcx.url,
            store=self.store,
            folder=str(self.folder / host),
            task_state=str(self.folder / "task_state.json") if self.has_task_state else None,
            task=self.name,
            attempt=self._attempts,
            series=self._series,
            is_retry=is_retry,
            kill_at=kill_at,
            rows=self.rows,
            campaign=CAMPAIGN,
            options=self.options,
            report=str(self.report) if self.has_report else None,
            waits=self.waits,
            not_before=self._created,
        )

    def run_killed(self, kill_point: KillPoint) -> None:
        """Run the first attempt, which is killed when RingCX has received one of its requests."""
        self.prepare_kill(kill_point)
        assert self.run(is_retry=False) == KILLED
        self.wait_until_idle()

    def prepare_kill(self, kill_point: KillPoint) -> None:
        """Let the next attempt be killed when RingCX has received one of its requests."""
        self.reset_requests()
        match: dict[str, Any] = {"operation": kill_point.operation, "at": [kill_point.number]}
        self.ringcx.fault("meanwhile", work=self.attempt_runner.kill, **match)
        if not kill_point.is_applied:
            self.ringcx.fault("drop", **match)

    def reset_requests(self) -> None:
        """Remove all faults, and count requests from now on."""
        self._requests.reset()

    def wait_until_idle(self) -> None:
        """Wait until RingCX has handled all requests of a killed attempt, and remove all faults."""
        self._requests.wait_until_idle()
        self.ringcx.clear_faults()

    def resume(self, place: str) -> AttemptResult:
        """Run the next attempt.

        :param place: ``same`` for a retry on the host of the first attempt, ``other`` for one on another
            host, ``cleared`` for the first attempt after a person cleared the task, on another host.
        """
        host = "host" if place == "same" else f"host {next(self._hosts)}"
        return self.run(place != "cleared", host)

    def assert_complete(self, result: AttemptResult) -> None:
        """Check that the attempt succeeded, that the campaign has each row once, and that all are counted."""
        assert not result.error, f"{result.error}: {result.message}"
        assert self.times_loaded() == [1] * len(self.rows)
        summary = result.summary
        left = self.existing_rows
        assert summary["leads_inserted"] == len(self.rows) - left
        assert summary["leads_skipped"] + summary["leads_updated"] == left
        assert (summary["leads_rejected"], summary["leads_unknown"]) == (0, 0)
        assert summary["rows"] == summary["leads_supplied"] == len(self.rows)
        if self.has_report:
            self._assert_report(left)

    def _assert_report(self, left: int) -> None:
        with self.report.open() as file:
            lines = list(csv.DictReader(file))
        ids = {str(lead["externId"]): str(lead["leadId"]) for lead in self.ringcx.leads(CAMPAIGN)}
        assert [line["external_id"] for line in lines] == [row["externId"] for row in self.rows]
        assert [line["lead_id"] for line in lines] == [ids[row["externId"]] for row in self.rows]
        outcomes = [line["outcome"] for line in lines]
        assert set(outcomes[:left]) <= {"skipped_existing", "updated"}
        assert outcomes[left:] == ["loaded"] * (len(self.rows) - left)
        # Nothing is left of the killed attempt.
        assert [path.name for path in self.report.parent.iterdir()] == [self.report.name]

    def times_loaded(self) -> list[int]:
        """Return how many leads of the campaign have the external id of each row."""
        found = collections.Counter(str(lead["externId"]) for lead in self.ringcx.leads(CAMPAIGN))
        return [found[row["externId"]] for row in self.rows]

    def load_requests(self) -> int:
        """Return the number of requests that load leads."""
        return sum(request.path.endswith("/leadLoader/direct") for request in self.ringcx.requests)


class _RequestCounter:
    """Counts requests that arrive, and waits until all of them have been handled."""

    def __init__(self, ringcx: SandboxServer) -> None:
        self._ringcx = ringcx
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self.arrived = 0
        self._ringcx.clear_faults()
        self._handled_before = len(self._ringcx.requests)
        self._ringcx.fault("meanwhile", times=_ALWAYS, work=self._count)

    def wait_until_idle(self) -> None:
        """Wait until RingCX has handled all requests of a killed process.

        It may read a request from a connection that the process has closed. So it is idle only after it has
        handled a later request of another connection as well.
        """
        for _ in range(2):
            wait_for(self._is_idle)
            _ping(self._ringcx)
        wait_for(self._is_idle)

    def _count(self) -> None:
        with self._lock:
            self.arrived += 1

    def _is_idle(self) -> bool:
        with self._lock:
            return len(self._ringcx.requests) - self._handled_before >= self.arrived


def _ping(ringcx: SandboxServer) -> None:
    """Send a request to the sandbox itself, which is not counted."""
    with urllib.request.urlopen(f"{ringcx.url}/sandbox/settings", timeout=20) as response:
        response.read()
