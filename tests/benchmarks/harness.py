"""Benchmark harness: a sandbox in a separate process, an API client for it, timing and output."""

from __future__ import annotations

import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

COMMAND = [sys.executable, "-m", "airflow_provider_engagevoice.sandbox", "--port", "0", "--limits", "off"]
ACCOUNT_PATH = "/voice/api/v1/admin/accounts/50810001"


class ApiClient:
    """Client of one sub-account that keeps a single connection open.

    :param port: port of the sandbox.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Send a request; return the JSON of the response.

        :raises RuntimeError: if the status is not 200.
        """
        headers = {"X-Auth-Token": "sandbox-token", "Content-Type": "application/json"}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{method} {path} returned {response.status}: {content[:300]!r}")
        return json.loads(content)

    def search(self, query: str = "", **criteria: object) -> Any:
        """Search leads."""
        return self.request("POST", f"{ACCOUNT_PATH}/campaignLeads/leadSearch?{query}", criteria)

    def perform_action(self, action: str, lead_ids: list[int], **params: object) -> Any:
        """Perform an action on leads; return its result.

        :raises RuntimeError: if RingCX rejects the action.
        """
        result = self.request(
            "PUT",
            f"{ACCOUNT_PATH}/campaignLeads/actions?leadAction={action}",
            {
                "campaignLeadSearchCriteria": {"leadIds": lead_ids},
                "leadActionParams": {"paramMap": params},
            },
        )
        if not result["success"]:
            raise RuntimeError(f"{action} was rejected: {result['errorMessage']}")
        return result


@contextlib.contextmanager
def run_sandbox(*arguments: str) -> Iterator[ApiClient]:
    """Run ``engagevoice-sandbox``; return a client once the command has printed its address."""
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield ApiClient(int(process.stdout.readline().rpartition(":")[2]))
    finally:
        process.terminate()
        process.communicate()


def measure_seconds(function: Callable[[], object]) -> float:
    """Return the duration of a call in seconds."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def median_seconds(function: Callable[[], object], repetitions: int = 7) -> float:
    """Return the median duration of several calls in seconds."""
    return statistics.median(measure_seconds(function) for _ in range(repetitions))


def print_row(name: str, seconds: float, goal: str = "", note: str = "") -> None:
    """Print one row of the table."""
    print(f"  {name:<58}{seconds * 1000:>10,.1f} ms  {goal:<16}{note}", flush=True)


def run_measurements(measurements: Mapping[str, Callable[[bool], str]], arguments: Sequence[str]) -> int:
    """Run measurements and print their tables; return the exit code.

    :param measurements: each returns its table, from few leads if its argument is True.
    :param arguments: names of the measurements, none for all; ``--short`` for few leads, to try the code.
    """
    names = [each for each in arguments if each != "--short"]
    unknown = [name for name in names if name not in measurements]
    if unknown:
        print(f"Unknown: {', '.join(unknown)}; known: {', '.join(measurements)}", file=sys.stderr)
        return 2
    for name in names or measurements:
        print(measurements[name]("--short" in arguments), flush=True)
    return 0
