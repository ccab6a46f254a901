"""Process supervisor: starts programs and stops each of them with all of its child processes."""

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

#: Environment variable that identifies all processes of a program. Process groups and parent ids are not
#: enough: Airflow puts each task into its own process group, and orphaned processes get a new parent.
_TAG_VARIABLE = "ENGAGEVOICE_CLUSTER_PROGRAM"

#: Seconds between the stop signal and SIGKILL.
_STOP_TIMEOUT = 8.0


class ProgramExited(Exception):
    """A program exited unexpectedly; the message contains its name and the last lines of its log."""


@dataclass
class Program:
    """A program that was started, and all processes that belong to it.

    :param name: its name.
    :param log: file with its output.
    :param process: its main process.
    :param tag: value of the environment variable that identifies its processes.
    :param stop_signal: signal for an orderly shutdown.
    """

    name: str
    log: Path
    process: subprocess.Popen[bytes]
    tag: str
    stop_signal: signal.Signals

    @property
    def is_running(self) -> bool:
        """Whether the main process is alive."""
        return self.process.poll() is None

    def processes(self) -> list[psutil.Process]:
        """List all processes of the program, including descendants."""
        found = {process.pid: process for process in _processes_with_tag(self.tag)}
        with contextlib.suppress(psutil.Error):
            main = psutil.Process(self.process.pid)
            if self.is_running:
                found.update({process.pid: process for process in [main, *main.children(recursive=True)]})
        return list(found.values())

    def kill(self) -> int:
        """Send SIGKILL to all processes of the program, and wait until they have exited.

        :return: number of processes killed.
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

    def terminate(self) -> None:
        """Send the stop signal to the main process."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, self.stop_signal)

    def log_tail(self, lines: int = 25) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass
class Supervisor:
    """Context manager that stops all programs it has started.

    :param log_folder: folder for the programs' logs.
    """

    log_folder: Path
    _programs: list[Program] = field(default_factory=list, init=False)

    def __enter__(self) -> Supervisor:
        """Return the supervisor; programs are started by :meth:`start`."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop all programs."""
        # A second Ctrl-C during the shutdown would leave processes behind.
        with _signals_ignored():
            for program in self._programs:
                program.terminate()
            deadline = time.monotonic() + _STOP_TIMEOUT
            for program in self._programs:
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

        :param name: its name, also the name of its log file.
        :param command: program and arguments.
        :param environment: its environment variables.
        :param user: user to run it as; None for the current user.
        :param stop_signal: signal for an orderly shutdown.
        :return: the program.
        """
        log, tag = self.log_folder / f"{name}.log", f"{self.log_folder}/{name}"
        # Without SPT_NOENV, setproctitle may overwrite the environment, and with it the tag.
        tagged = {**environment, _TAG_VARIABLE: tag, "SPT_NOENV": "1"}
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=tagged,
                cwd="/" if user else self.log_folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=[] if user else None,
            )
        program = Program(name, log, process, tag, stop_signal)
        self._programs.append(program)
        return program

    def check_running(self, *may_have_exited: Program) -> None:
        """Raise an error if a program has exited.

        :param may_have_exited: programs to leave out.
        :raises ProgramExited: if one of the others does not run.
        """
        for program in self._programs:
            if program not in may_have_exited and not program.is_running:
                raise ProgramExited(
                    f"{program.name} exited unexpectedly. The end of its log:\n{program.log_tail()}"
                )


def _processes_with_tag(tag: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(_TAG_VARIABLE) == tag and process.pid != os.getpid():
                yield process


@contextlib.contextmanager
def _signals_ignored() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait_until_ready(
    name: str, is_ready: Callable[[], object], supervisor: Supervisor, timeout: float = 120.0
) -> None:
    """Wait until something is ready.

    :param name: its name, for the error message.
    :param is_ready: returns a true value once it is ready.
    :param supervisor: its programs must keep running meanwhile.
    :param timeout: maximum wait in seconds.
    :raises ProgramExited: if a program exits.
    :raises TimeoutError: if it is not ready in time.
    """
    deadline = time.monotonic() + timeout
    while not is_ready():
        supervisor.check_running()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} is not ready after {timeout:.0f} s")
        time.sleep(0.2)
