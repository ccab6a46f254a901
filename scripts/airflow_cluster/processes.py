"""Programs that are started, killed and stopped together with all that they start themselves."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

#: Every process of a program has this in its environment, so that none is missed: Airflow puts each task
#: into a process group of its own, and a process whose parent died is nobody's child any more.
_MARK = "ENGAGEVOICE_CLUSTER_PROGRAM"

_GENTLY = 8.0


class ProgramEnded(Exception):
    """A program ended that should run on; the message names its log and shows the end of it."""


@dataclass
class Program:
    """One program that runs.

    :param name: its name.
    :param log: file with its output.
    :param process: the process that was started.
    :param mark: what all its processes carry.
    :param stop_signal: asks it to end.
    """

    name: str
    log: Path
    process: subprocess.Popen[bytes]
    mark: str
    stop_signal: signal.Signals

    @property
    def running(self) -> bool:
        """Whether its first process is alive."""
        return self.process.poll() is None

    def processes(self) -> list[psutil.Process]:
        """List its processes, those included that were started by others of them."""
        found = {process.pid: process for process in _marked(self.mark)}
        with contextlib.suppress(psutil.Error):
            first = psutil.Process(self.process.pid)
            if self.running:
                found.update({process.pid: process for process in [first, *first.children(recursive=True)]})
        return list(found.values())

    def kill(self) -> int:
        """End all its processes at once, as if the machine had lost power.

        :return: how many there were.
        """
        killed: set[int] = set()
        while alive := [process for process in self.processes() if process.status() != psutil.STATUS_ZOMBIE]:
            for process in alive:
                killed.add(process.pid)
                with contextlib.suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(alive, timeout=5)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        return len(killed)

    def ask_to_stop(self) -> None:
        """Ask its first process to end."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, self.stop_signal)

    def last_lines(self, number: int = 25) -> str:
        """Give the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-number:])


@dataclass
class Programs:
    """Programs that belong together; at the end of the ``with`` block none of them runs any more.

    :param folder: where their logs go.
    """

    folder: Path
    _started: list[Program] = field(default_factory=list, init=False)

    def __enter__(self) -> Programs:
        """Begin; nothing is started yet."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop all."""
        # A second Ctrl-C would leave processes behind.
        with _undisturbed():
            for program in self._started:
                program.ask_to_stop()
            deadline = time.monotonic() + _GENTLY
            for program in self._started:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    program.process.wait(max(0.0, deadline - time.monotonic()))
                program.kill()

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> Program:
        """Start a program.

        :param name: its name, and that of its log.
        :param command: program and arguments.
        :param environment: its environment.
        :param user: run it as this user; None for the present one.
        :param stop_signal: asks it to end.
        :return: the program.
        """
        log, mark = self.folder / f"{name}.log", f"{self.folder}/{name}"
        # Programs that show another title may otherwise write it over their environment.
        marked = {**environment, _MARK: mark, "SPT_NOENV": "1"}
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=marked,
                cwd="/" if user else self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=[] if user else None,
            )
        program = Program(name, log, process, mark, stop_signal)
        self._started.append(program)
        return program

    def check(self, *allowed: Program) -> None:
        """Make sure that all programs run.

        :param allowed: those that may have ended.
        :raises ProgramEnded: where another one does not.
        """
        for program in self._started:
            if program not in allowed and not program.running:
                raise ProgramEnded(f"{program.name} ended by itself. Its last lines:\n{program.last_lines()}")


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(_MARK) == mark and process.pid != os.getpid():
                yield process


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait_until(what: str, ready: Callable[[], object], programs: Programs, seconds: float = 120.0) -> None:
    """Wait for something, as long as all programs run.

    :param what: what is waited for, for the message.
    :param ready: a function that tells whether it is there.
    :param programs: the programs.
    :param seconds: how long at most.
    :raises ProgramEnded: where a program ends.
    :raises TimeoutError: where it takes longer.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        programs.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not there after {seconds:.0f} s")
        time.sleep(0.2)
