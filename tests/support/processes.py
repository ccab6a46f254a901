"""Processes of tests: started, watched, killed; and a Redis of their own."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow

ROOT = Path(__file__).parents[2]


@dataclass
class Processes:
    """One process, or several that begin together.

    :param job: a function of ``workers``.
    :param number: how many.
    :param spec: what the function is told.
    """

    job: str
    number: int
    spec: dict[str, Any]
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="engagevoice-workers-")))

    def __enter__(self) -> Processes:
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

    def heard(self, word: str) -> None:
        """Wait until a process says this."""
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line.strip())
            if said[-1] == word:
                return
        raise AssertionError(f"{self.job} never said {word}, but {said}: {self.errors()}")

    def send(self, which: signal.Signals) -> None:
        """Send a signal to all of them."""
        import os

        os.killpg(self._process.pid, which)

    def wait(self, seconds: float = 60.0) -> None:
        """Wait until all have ended."""
        self._process.wait(seconds)

    def results(self) -> list[Any]:
        """Wait for what each has to give."""
        self.wait()
        assert not self.errors(), self.errors()
        return [json.loads((self.folder / f"{n}.json").read_text())["result"] for n in range(self.number)]

    def errors(self) -> str:
        """Tell what failed in them."""
        written = [json.loads(path.read_text()) for path in sorted(self.folder.glob("*.json"))]
        return "\n".join(one["error"] for one in written if "error" in one)

    def logs(self) -> list[str]:
        """Give what each has logged."""
        return [path.read_text() for path in sorted(self.folder.glob("*.log"))]


def run(job: str, number: int = 1, **spec: Any) -> list[Any]:
    """Run processes to their end; give what they return."""
    with Processes(job, number, spec) as processes:
        return processes.results()


def keep(moments: Sequence[float], windows: Sequence[RateWindow], slack: float = 0.0) -> bool:
    """Tell whether no window ever holds too many of these moments."""
    ordered = sorted(moments)
    return all(
        later - earlier >= window.period - slack
        for window in windows
        for earlier, later in zip(ordered, ordered[window.max_requests :], strict=False)
    )


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


class RedisServer:
    """A Redis server on a port of its own.

    :param password: what it asks for; None for nothing.
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
        """Start it; it remembers nothing of an earlier run."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", tempfile.gettempdir()]
        if self._password:
            command += ["--requirepass", self._password]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until(self._answers)

    def stop(self) -> None:
        """Stop it at once."""
        self._process.kill()
        self._process.wait()

    def send(self, which: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(which)

    def client(self) -> Any:
        """Look into it."""
        import redis

        return redis.Redis.from_url(self.url)

    def _answers(self) -> bool:
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
