"""What the benchmarks share: a sandbox in a process of its own, a caller for it, and a table to print."""

from __future__ import annotations

import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

COMMAND = [sys.executable, "-m", "airflow_provider_engagevoice.sandbox", "--port", "0", "--limits", "off"]
ROOT = "/voice/api/v1/admin/accounts/50810001"


class Caller:
    """Calls the API of one sub-account over one connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send one request; return the answer's JSON."""
        headers = {"X-Auth-Token": "sandbox-token", "Content-Type": "application/json"}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{method} {path}: {response.status} {content[:300]!r}")
        return json.loads(content)

    def search(self, query: str = "", **criteria: object) -> Any:
        """Search leads."""
        return self.ask("POST", f"{ROOT}/campaignLeads/leadSearch?{query}", criteria)

    def act(self, action: str, lead_ids: list[int], **params: object) -> Any:
        """Carry out an action on leads; return its result."""
        result = self.ask(
            "PUT",
            f"{ROOT}/campaignLeads/actions?leadAction={action}",
            {
                "campaignLeadSearchCriteria": {"leadIds": lead_ids},
                "leadActionParams": {"paramMap": params},
            },
        )
        if not result["success"]:
            raise RuntimeError(f"{action}: {result['errorMessage']}")
        return result


@contextlib.contextmanager
def sandbox(*arguments: str) -> Iterator[Caller]:
    """Run the command ``engagevoice-sandbox``; give a caller once it has said where it is."""
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield Caller(int(process.stdout.readline().rpartition(":")[2]))
    finally:
        process.terminate()
        process.communicate()


def seconds_of(work: Callable[[], object]) -> float:
    """Measure how long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median_of(work: Callable[[], object], times: int = 7) -> float:
    """Measure something several times; return the median."""
    return statistics.median(seconds_of(work) for _ in range(times))


def show(what: str, seconds: float, goal: str = "", note: str = "") -> None:
    """Print one line of the table."""
    print(f"  {what:<58}{seconds * 1000:>10,.1f} ms  {goal:<16}{note}", flush=True)
