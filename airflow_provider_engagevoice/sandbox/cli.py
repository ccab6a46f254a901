"""The options of ``engagevoice-sandbox``: one for each setting, and those of the command itself."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

from airflow_provider_engagevoice.sandbox.seed.world import SeededWorld, World
from airflow_provider_engagevoice.sandbox.server.request_log_file import LogLines
from airflow_provider_engagevoice.sandbox.settings import Settings, variable_of
from airflow_provider_engagevoice.sandbox.state.store import MEMORY

_WORLD_OPTIONS = {"seed": "--seed", "size": "--size", "from_csv": "--from-csv"}


@dataclass(frozen=True)
class Options:
    """What the command was told.

    :param settings: how the sandbox behaves.
    :param world: where its data comes from.
    :param host: address to listen at.
    :param port: port to listen at; 0 for a free one.
    :param state: file that keeps the state, or ``:memory:``.
    :param log: writes each request; None for no log.
    :param unused: the options that a state file overrules, for a sentence; empty where there are none.
    """

    settings: Settings
    world: World
    host: str
    port: int
    state: str
    log: LogLines | None
    unused: str


def read_options(argv: Sequence[str] | None) -> Options:
    """Read the command line, and the environment for what it does not say.

    :param argv: the arguments; None for those of the process.
    :return: what they say.
    :raises SystemExit: with 2 and one sentence for a wrong value, with 0 after ``--help``.
    """
    parser = _parser()
    given = parser.parse_args(argv)
    files = [os.path.realpath(name) for name in (given.state, given.from_csv, given.log) if name]
    if len(set(files)) < len(files):
        parser.error("--state, --from-csv and --log must be different files")
    chosen = {each.name: getattr(given, each.name) for each in fields(Settings) if hasattr(given, each.name)}
    try:
        settings = Settings.from_environment(**chosen)
    except ValueError as error:
        parser.error(f"in a variable of the environment: {error}")
    return Options(
        settings=settings,
        world=_world(given.from_csv, settings),
        host=given.host,
        port=given.port,
        state=given.state,
        log=LogLines(given.log) if given.log else None,
        unused=_unused(given) if given.state != MEMORY and _has_content(Path(given.state)) else "",
    )


def _world(file: str | None, settings: Settings) -> World:
    """Choose where the data comes from."""
    if file is None:
        return SeededWorld(settings.seed, settings.size)
    from airflow_provider_engagevoice.sandbox.seed.csv_import import CsvWorld

    return CsvWorld(file, settings.seed)


def _has_content(file: Path) -> bool:
    """Tell whether a file is there and holds something."""
    try:
        return file.stat().st_size > 0
    except (OSError, ValueError):
        return False


def _unused(given: argparse.Namespace) -> str:
    """Name the options given that choose a world."""
    named = [option for name, option in _WORLD_OPTIONS.items() if getattr(given, name, None) is not None]
    return " and ".join(named)


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one sentence, without the list of all options."""

    def error(self, message: str) -> NoReturn:
        """Print one sentence; end with 2."""
        print(f"{self.prog}: {message}. See {self.prog} --help.", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = _Parser(
        prog="engagevoice-sandbox", description="A local RingCX to try DAGs on.", allow_abbrev=False
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at; any but a loopback one lets others in (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=8787,
        metavar="N",
        help="port, 0 for a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--state",
        type=_file,
        default=MEMORY,
        metavar="FILE",
        help="SQLite file, for its owner only, that keeps the state between runs, used by one sandbox at a "
        "time; an existing one is not seeded again, and a reset makes the world of the options given then, "
        "so repeat --from-csv (default: the state ends with the command)",
    )
    parser.add_argument(
        "--from-csv",
        type=_file,
        metavar="FILE",
        help="start with the leads of this CSV file instead of made-up ones; its columns are named like "
        "leadPhone or LEAD_PHONE; read again at each reset",
    )
    parser.add_argument(
        "--log",
        type=_file,
        metavar="FILE",
        help="append each request to this file as a line of JSON; - for the standard output",
    )
    group = parser.add_argument_group(
        "settings",
        f"Each is a variable of the environment, too: {variable_of('size')} for --size, and so on. "
        "The command line counts more.",
    )
    for each in fields(Settings):
        _add_setting(group, each)
    return parser


def _add_setting(group: argparse._ArgumentGroup, setting: Field[Any]) -> None:
    """Add the option of one setting; what is not given is left to the environment."""
    meaning = setting.metadata["help"].replace("%", "%%")
    option = f"--{setting.name.replace('_', '-')}"
    if isinstance(setting.default, bool):
        state = "on" if setting.default else "off"
        group.add_argument(
            option,
            action=argparse.BooleanOptionalAction,
            default=argparse.SUPPRESS,
            help=f"{meaning} (default: {state})",
        )
        return
    among = setting.metadata["among"]
    group.add_argument(
        option,
        type=_reader(setting.name),
        default=argparse.SUPPRESS,
        metavar=f"{{{','.join(among)}}}" if among else "N",
        help=f"{meaning} (default: {setting.default})",
    )


def _reader(name: str) -> Callable[[str], object]:
    """Make what reads one setting from text."""

    def read(text: str) -> object:
        try:
            return getattr(Settings.from_texts({name: text}), name)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def _port(text: str) -> int:
    """Read a port."""
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError("a port lies between 0 and 65535")
    return int(text)


def _file(text: str) -> str:
    """Read the name of a file."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError("the name of the file is empty" if not text else "no name of a file")
    return text
