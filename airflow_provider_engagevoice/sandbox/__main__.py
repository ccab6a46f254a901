"""The command ``engagevoice-sandbox``, which serves a local RingCX."""

from __future__ import annotations

import errno
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
    :return: the exit code: 0 after a signal, 1 after an error.
    :raises SystemExit: with 2 for an invalid argument or environment variable, with 0 after ``--help``.
    """
    _on_signals(_interrupt)
    try:
        return _run(argv)
    except KeyboardInterrupt:
        return 0


def _run(argv: list[str] | None) -> int:
    """Start and serve a sandbox; during startup, a signal raises KeyboardInterrupt."""
    # Imported here, so that a signal during the imports prints no traceback.
    from airflow_provider_engagevoice.sandbox.cli import parse_options
    from airflow_provider_engagevoice.sandbox.state.seed_data import SeedDataError
    from airflow_provider_engagevoice.sandbox.state.store import StateFileError

    options = parse_options(argv)
    try:
        from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
        from airflow_provider_engagevoice.sandbox.ui.origin_guard import is_loopback
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("airflow_provider_engagevoice"):
            raise
        return _fail(
            'The sandbox requires more packages: pip install "airflow-provider-engagevoice[sandbox]" '
            f"({error.name} is missing)"
        )
    if not is_loopback(options.host):
        _warn(
            f"Warning: other machines can connect to this sandbox at {options.host}, and its credentials are "
            "public. The provider itself uses plain http for connections to this machine only."
        )
    with ExitStack() as stack:
        try:
            log = stack.enter_context(options.log) if options.log else None
            server = SandboxServer(
                options.settings, options.port, options.host, options.state, options.seed_data
            )
        except (StateFileError, SeedDataError) as error:
            return _fail(str(error))
        except OSError as error:
            return _fail(f"Cannot write the log to {error.filename}: {error.strerror}.")
        if options.ignored:
            _warn(f"Ignoring {options.ignored} until the next reset: {options.state} already contains data.")
        if log:
            server.listen(log)
        try:
            sandbox = stack.enter_context(server)
        except OSError as error:
            cause = error.strerror or str(error)
            hint = "; use --port 0 for a free port" if error.errno == errno.EADDRINUSE else ""
            return _fail(f"Cannot listen on {options.host} port {options.port}: {cause}{hint}.")
        return _serve(sandbox)


def _serve(sandbox: SandboxServer) -> int:
    """Print how to connect to the sandbox, and wait for a signal."""
    stop = threading.Event()
    # Before printing, so that a caller may send a signal as soon as it has read the first line.
    _on_signals(lambda number, frame: _request_stop(stop))
    try:
        _print_connection(sandbox)
    except BrokenPipeError:
        return _fail("Output pipe closed.")
    except OSError as error:
        return _fail(f"Cannot write the output: {error.strerror or error}.")
    while not stop.wait(1.0):
        pass
    return 0


def _on_signals(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    """Set the handler of SIGINT (Ctrl-C) and SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _request_stop(stop: threading.Event) -> None:
    """Request shutdown; a second signal kills the process, in case the shutdown is blocked."""
    _on_signals(signal.SIG_DFL)
    stop.set()


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Abort the startup."""
    raise KeyboardInterrupt


def _print_connection(sandbox: SandboxServer) -> None:
    """Print the URL, the contents and the Airflow connection of the sandbox."""
    contents = ", ".join(_count(number, what) for what, number in sandbox.contents.items())
    print(f"RingCX sandbox at {sandbox.url}")
    print(f"{contents} (press Ctrl-C to stop)")
    print(f"export AIRFLOW_CONN_ENGAGEVOICE_DEFAULT='{json.dumps(sandbox.connection)}'", flush=True)


def _count(number: int, plural: str) -> str:
    """Return a number with its noun, such as ``1 lead`` or ``2 leads``."""
    return f"{number} {plural if number != 1 else plural.removesuffix('s')}"


def _warn(sentence: str) -> None:
    """Print a message to standard error."""
    print(sentence, file=sys.stderr)


def _fail(sentence: str) -> int:
    """Print an error message; return the exit code."""
    _warn(sentence)
    return 1


if __name__ == "__main__":
    sys.exit(main())
