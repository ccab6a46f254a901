"""Command-line options of ``engagevoice-sandbox``: one for each setting, and those of the command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

from airflow_provider_engagevoice.sandbox.seed.generated_data import GeneratedData
from airflow_provider_engagevoice.sandbox.server.request_log_file import RequestLogFile
from airflow_provider_engagevoice.sandbox.settings import Settings, variable_of
from airflow_provider_engagevoice.sandbox.state.seed_data import SeedData
from airflow_provider_engagevoice.sandbox.state.store import MEMORY

_SEED_OPTIONS = {"seed": "--seed", "size": "--size", "from_csv": "--from-csv"}


@dataclass(frozen=True)
class Options:
    """Parsed options.

    :param settings: configuration of the sandbox.
    :param seed_data: source of the initial data.
    :param host: address to listen on.
    :param port: port to listen on; 0 for a free one.
    :param state: state file, or ``:memory:``.
    :param log: request log file; None for no log.
    :param ignored: options without effect because the state file contains data, for a message; else empty.
    """

    settings: Settings
    seed_data: SeedData
    host: str
    port: int
    state: str
    log: RequestLogFile | None
    ignored: str


def parse_options(argv: Sequence[str] | None) -> Options:
    """Parse the command line, with the environment as fallback.

    :param argv: the arguments; None for those of the process.
    :return: the options.
    :raises SystemExit: with 2 and a one-line message for an invalid value, with 0 after ``--help``.
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
        parser.error(f"invalid environment variable: {error}")
    return Options(
        settings=settings,
        seed_data=_seed_data(given.from_csv, settings),
        host=given.host,
        port=given.port,
        state=given.state,
        log=RequestLogFile(given.log) if given.log else None,
        ignored=_given_seed_options(given)
        if given.state != MEMORY and _has_content(Path(given.state))
        else "",
    )


def _seed_data(file: str | None, settings: Settings) -> SeedData:
    """Return the source of the initial data."""
    if file is None:
        return GeneratedData(settings.seed, settings.size)
    from airflow_provider_engagevoice.sandbox.seed.csv_import import CsvData

    return CsvData(file, settings.seed)


def _has_content(file: Path) -> bool:
    """Return whether a file exists and is not empty."""
    try:
        return file.stat().st_size > 0
    except (OSError, ValueError):
        return False


def _given_seed_options(given: argparse.Namespace) -> str:
    """Return the given options that select the seed data, for a message."""
    named = [option for name, option in _SEED_OPTIONS.items() if getattr(given, name, None) is not None]
    return " and ".join(named)


class _Parser(argparse.ArgumentParser):
    """Argument parser whose error messages are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print a one-line message and exit with 2."""
        print(f"{self.prog}: {message}. See {self.prog} --help.", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = _Parser(
        prog="engagevoice-sandbox",
        description="Local RingCX server for trying out and testing DAGs.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; other machines can connect unless it is a loopback address "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=8787,
        metavar="N",
        help="TCP port; 0 for a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--state",
        type=_file,
        default=MEMORY,
        metavar="FILE",
        help="SQLite file that keeps the state between runs; readable by its owner only, used by one sandbox "
        "at a time. An existing file is not seeded again; a reset loads the seed data of the current "
        "options, so repeat --from-csv (default: in memory)",
    )
    parser.add_argument(
        "--from-csv",
        type=_file,
        metavar="FILE",
        help="CSV file of the leads to start with, instead of generated leads, or a ZIP file with one, such "
        "as those in the outbox; columns are named like leadPhone or LEAD_PHONE, others are ignored; it is "
        "read again at each reset",
    )
    parser.add_argument(
        "--log",
        type=_file,
        metavar="FILE",
        help="file to which each request is appended as a JSON line; - for standard output",
    )
    group = parser.add_argument_group(
        "settings",
        f"Each setting is also an environment variable: {variable_of('size')} for --size, and so on. "
        "Options take precedence over variables.",
    )
    for each in fields(Settings):
        _add_setting(group, each)
    return parser


def _add_setting(group: argparse._ArgumentGroup, setting: Field[Any]) -> None:
    """Add the option of one setting, without a default, so that the environment is the fallback."""
    description = setting.metadata["help"].replace("%", "%%")
    option = f"--{setting.name.replace('_', '-')}"
    if isinstance(setting.default, bool):
        state = "on" if setting.default else "off"
        group.add_argument(
            option,
            action=argparse.BooleanOptionalAction,
            default=argparse.SUPPRESS,
            help=f"{description} (default: {state})",
        )
        return
    choices = setting.metadata["choices"]
    group.add_argument(
        option,
        type=_setting_parser(setting.name),
        default=argparse.SUPPRESS,
        metavar=f"{{{','.join(choices)}}}" if choices else "N",
        help=f"{description} (default: {setting.default})",
    )


def _setting_parser(name: str) -> Callable[[str], object]:
    """Return a parser of one setting's value."""

    def parse(text: str) -> object:
        try:
            return getattr(Settings.from_texts({name: text}), name)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


def _port(text: str) -> int:
    """Parse a port number."""
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError("must be between 0 and 65535")
    return int(text)


def _file(text: str) -> str:
    """Return a file name, or raise if it is invalid."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(
            "the file name is empty" if not text else "the file name contains the character NUL"
        )
    return text
