"""The command ``engagevoice-sandbox``: a local RingCX to try DAGs on."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.store import StateFileError

if TYPE_CHECKING:
    from airflow_provider_engagevoice.sandbox.server import SandboxServer


def main(argv: list[str] | None = None) -> int:
    """Serve a sandbox until Ctrl-C or SIGTERM.

    :param argv: the arguments; None for those of the command line.
    :return: the exit code.
    """
    options = _parser().parse_args(argv)
    try:
        from airflow_provider_engagevoice.sandbox.server import SandboxServer, is_loopback
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn"):
            raise
        return _fail('The sandbox needs more packages: pip install "airflow-provider-engagevoice[sandbox]"')
    if not is_loopback(options.host):
        print(
            f"Warning: others can reach this sandbox at {options.host}, and its passwords are public. The "
            "provider itself connects over plain http to this machine only.",
            file=sys.stderr,
        )
    # Before anything is printed, so that a caller that reads the first line may stop us at once.
    stop = _stop_on_signals()
    try:
        with SandboxServer(_settings(options), options.port, options.host, options.state) as sandbox:
            _announce(sandbox)
            while not stop.wait(1.0):
                pass
    except StateFileError as error:
        return _fail(str(error))
    except BrokenPipeError:
        return _fail("Nobody reads the output any more.")
    except OSError as error:
        return _fail(f"Cannot listen at {options.host} port {options.port}: {error.strerror or error}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    defaults = Settings()
    parser = argparse.ArgumentParser(prog="engagevoice-sandbox", description="A local RingCX to try DAGs on.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=_whole_number(65535, "a port lies between 0 and 65535"),
        default=8787,
        help="port, 0 for a free one (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, help=f"which world (default: {defaults.seed})")
    parser.add_argument(
        "--leads",
        type=_whole_number(10_000_000, "a number of leads lies between 0 and 10,000,000"),
        metavar="N",
        help=f"leads at the start (default: {defaults.size})",
    )
    parser.add_argument(
        "--state",
        default=":memory:",
        metavar="FILE",
        help="SQLite file that keeps the state between runs, used by one sandbox at a time; an existing one "
        "is not seeded again",
    )
    return parser


def _whole_number(most: int, problem: str) -> Callable[[str], int]:
    """Make a reader of whole numbers from 0 to ``most``."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and int(text) <= most):
            raise argparse.ArgumentTypeError(problem)
        return int(text)

    return read


def _settings(options: argparse.Namespace) -> Settings:
    """Read what the world is to be like; say so where a state file decides it."""
    chosen = {"seed": options.seed, "size": options.leads}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if chosen and options.state != ":memory:" and Path(options.state).exists():
        print(f"{options.state} holds a world already; --seed and --leads are not used.", file=sys.stderr)
    return Settings(**chosen)


def _stop_on_signals() -> threading.Event:
    """Return an event that Ctrl-C and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _announce(sandbox: SandboxServer) -> None:
    """Print where the sandbox is, what it holds, and how to connect to it."""
    print(f"RingCX sandbox at {sandbox.url}")
    print(", ".join(f"{count} {what}" for what, count in sandbox.contents.items()) + " (Ctrl-C stops it)")
    print(f"export AIRFLOW_CONN_ENGAGEVOICE_DEFAULT='{json.dumps(sandbox.connection)}'", flush=True)


def _fail(sentence: str) -> int:
    """Print why it cannot go on."""
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
