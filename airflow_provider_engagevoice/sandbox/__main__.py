"""The command ``engagevoice-sandbox``: a local RingCX to try DAGs on."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
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
            f"Warning: others can reach this sandbox at {options.host}; its passwords are public.",
            file=sys.stderr,
        )
    # Before anything is printed, so that a caller that reads the first line may stop us at once.
    stop = _stop_on_signals()
    try:
        with SandboxServer(
            Settings(seed=options.seed, size=options.leads), options.port, options.host, options.state
        ) as sandbox:
            _announce(sandbox)
            while not stop.wait(1.0):
                pass
    except StateFileError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"Cannot listen at {options.host} port {options.port}: {error.strerror or error}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    defaults = Settings()
    parser = argparse.ArgumentParser(prog="engagevoice-sandbox", description="A local RingCX to try DAGs on.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    parser.add_argument(
        "--port", type=_port, default=8787, help="port, 0 for a free one (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=defaults.seed, help="which world (default: %(default)s)")
    parser.add_argument(
        "--leads",
        type=_amount,
        default=defaults.size,
        metavar="N",
        help="leads at the start (default: %(default)s)",
    )
    parser.add_argument(
        "--state",
        default=":memory:",
        metavar="FILE",
        help="SQLite file that keeps the state between runs; an existing one is not seeded again",
    )
    return parser


def _port(text: str) -> int:
    """Read a TCP port."""
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port lies between 0 and 65535")
    return port


def _amount(text: str) -> int:
    """Read a number of leads."""
    amount = int(text)
    if amount < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return amount


def _stop_on_signals() -> threading.Event:
    """Return an event that Ctrl-C and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _announce(sandbox: SandboxServer) -> None:
    """Print where the sandbox is, what it holds, and how to connect to it."""
    print(f"RingCX sandbox at {sandbox.url}")
    print(", ".join(f"{count} {what}" for what, count in sandbox.contents.items()))
    print(f"export AIRFLOW_CONN_ENGAGEVOICE_DEFAULT='{json.dumps(sandbox.connection)}'", flush=True)


def _fail(sentence: str) -> int:
    """Print why it cannot go on."""
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
