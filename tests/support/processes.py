"""Worker processes, Redis servers and waiting threads in tests."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.steps import run

ROOT = Path(__file__).parents[2]


@dataclass
class WorkerProcesses:
    """One or more worker processes that start together.

    :param job: name of a function of ``workers``.
    :param number: number of processes.
    :param spec: arguments of the function.
    """

    job: str
    number: int
    spec: dict[str, Any]
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="engagevoice-workers-")))

    def __enter__(self) -> WorkerProcesses:
        spec = {**self.spec, "job": self.job, "processes": self.number, "out": str(self.folder)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.workers", json.dumps(spec)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.send(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait_for_line(self, expected: str) -> None:
        """Wait until a process prints a line."""
        assert self._process.stdout is not None
        printed = []
        for line in self._process.stdout:
            printed.append(line.strip())
            if printed[-1] == expected:
                return
        raise AssertionError(f"{self.job} did not print {expected}, but {printed}: {self.errors()}")

    def send(self, which: signal.Signals) -> None:
        """Send a signal to all processes."""
        os.killpg(self._process.pid, which)

    def wait(self, seconds: float = 60.0) -> None:
        """Wait until all processes have exited."""
        self._process.wait(seconds)

    def results(self) -> list[Any]:
        """Wait for all processes; return their results."""
        self.wait()
        assert not self.errors(), self.errors()
        return [json.loads((self.folder / f"{n}.json").read_text())["result"] for n in range(self.number)]

    def errors(self) -> str:
        """Return the tracebacks of the processes that failed."""
        written = [json.loads(path.read_text()) for path in sorted(self.folder.glob("*.json"))]
        return "\n".join(one["error"] for one in written if "error" in one)

    def logs(self) -> list[str]:
        """Return the log of each process."""
        return [path.read_text() for path in sorted(self.folder.glob("*.log"))]


def run_workers(job: str, number: int = 1, **spec: Any) -> list[Any]:
    """Run processes until they exit; return their results."""
    with WorkerProcesses(job, number, spec) as processes:
        return processes.results()


def fits_windows(timestamps: Sequence[float], windows: Sequence[RateWindow]) -> bool:
    """Return whether no window ever contains more timestamps than it allows."""
    ordered = sorted(timestamps)
    return all(
        later - earlier >= window.period
        for window in windows
        for earlier, later in zip(ordered, ordered[window.max_requests :], strict=False)
    )


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until a condition holds.

    :raises AssertionError: if it does not hold within the given time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition did not hold within {seconds:g} s"
        time.sleep(0.01)


class RedisServer:
    """A Redis server on a free port.

    :param password: its password; None for none.
    """

    def __init__(self, password: str | None = None) -> None:
        if shutil.which("redis-server") is None:
            pytest.skip("redis-server is not installed")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._password = password

    @property
    def url(self) -> str:
        user = f":{self._password}@" if self._password else ""
        return f"redis://{user}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server, without data of an earlier run."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", tempfile.gettempdir()]
        if self._password:
            command += ["--requirepass", self._password]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(self._is_listening)

    def stop(self) -> None:
        """Kill the server."""
        self._process.kill()
        self._process.wait()

    def send(self, which: signal.Signals) -> None:
        """Send a signal to the server."""
        self._process.send_signal(which)

    def client(self) -> Any:
        """Return a client of the server."""
        import redis

        return redis.Redis.from_url(self.url)

    def _is_listening(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
            return True
        return False


@contextlib.contextmanager
def redis_server(password: str | None = None) -> Iterator[RedisServer]:
    """Run a Redis server."""
    server = RedisServer(password)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def count_waiting_threads() -> int:
    """Return the number of threads that are waiting in a request, for example for its slot."""
    return sum(
        any(frame.f_code is run.__code__ for frame, _ in traceback.walk_stack(top))
        for top in sys._current_frames().values()
    )
