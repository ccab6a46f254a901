"""The command ``engagevoice-sandbox``: a local RingCX to try DAGs on."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer


def main(argv: list[str] | None = None) -> int:
    """Serve a sandbox until Ctrl-C or SIGTERM.

    :param argv: the arguments; None for those of the command line.
    :return: the exit code: 0 where it was told to stop, 1 where it cannot go on.
    :raises SystemExit: with 2 for a wrong argument or variable of the environment, with 0 after ``--help``.
    """
    _on_signals(_interrupt)
    try:
        return _run(argv)
    except KeyboardInterrupt:
        return 0


def _run(argv: list[str] | None) -> int:
    """Serve a sandbox; until it serves, a signal ends it by KeyboardInterrupt."""
    # Imported here, so that a signal meanwhile is no traceback.
    from airflow_provider_engagevoice.sandbox.cli import read_options
    from airflow_provider_engagevoice.sandbox.seed.world import WorldError
    from airflow_provider_engagevoice.sandbox.state.store import StateFileError

    options = read_options(argv)
    try:
        from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
        from airflow_provider_engagevoice.sandbox.ui.origin_guard import is_loopback
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("airflow_provider_engagevoice"):
            raise
        return _fail('The sandbox needs more packages: pip install "airflow-provider-engagevoice[sandbox]"')
    if not is_loopback(options.host):
        _say(
            f"Warning: others can reach this sandbox at {options.host}, and its passwords are public. The "
            "provider itself connects over plain http to this machine only."
        )
    with ExitStack() as open_things:
        try:
            write = open_things.enter_context(options.log) if options.log else None
            server = SandboxServer(options.settings, options.port, options.host, options.state, options.world)
        except (StateFileError, WorldError) as error:
            return _fail(str(error))
        except OSError as error:
            return _fail(f"Cannot write the log to {error.filename}: {error.strerror}.")
        if options.unused:
            _say(f"{options.state} holds a world already; {options.unused} only counts when it is reset.")
        if write:
            server.listen(write)
        try:
            sandbox = open_things.enter_context(server)
        except OSError as error:
            return _fail(f"Cannot listen at {options.host} port {options.port}: {error.strerror or error}.")
        return _serve(sandbox)


def _serve(sandbox: SandboxServer) -> int:
    """Tell where the sandbox is, and wait for a signal."""
    stop = threading.Event()
    # Before anything is printed, so that a caller that reads the first line may stop us at once.
    _on_signals(lambda number, frame: _stop(stop))
    try:
        _announce(sandbox)
    except BrokenPipeError:
        return _fail("Nobody reads the output any more.")
    except OSError as error:
        return _fail(f"Cannot write the output: {error.strerror or error}.")
    while not stop.wait(1.0):
        pass
    return 0


def _on_signals(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    """Let Ctrl-C and SIGTERM do something else."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _stop(stop: threading.Event) -> None:
    """Stop to serve; a second signal ends the process at once, in case that something holds it up."""
    _on_signals(signal.SIG_DFL)
    stop.set()


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Give up starting."""
    raise KeyboardInterrupt


def _announce(sandbox: SandboxServer) -> None:
    """Print where the sandbox is, what it holds, and how to connect to it."""
    print(f"RingCX sandbox at {sandbox.url}")
    print(", ".join(f"{count} {what}" for what, count in sandbox.contents.items()) + " (Ctrl-C stops it)")
    print(f"export AIRFLOW_CONN_ENGAGEVOICE_DEFAULT='{json.dumps(sandbox.connection)}'", flush=True)


def _say(sentence: str) -> None:
    """Tell something on the way."""
    print(sentence, file=sys.stderr)


def _fail(sentence: str) -> int:
    """Print why it cannot go on."""
    _say(sentence)
    return 1


if __name__ == "__main__":
    sys.exit(main())
