"""Command ``engagevoice-sync``: plans, shows and applies syncs from a terminal."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, InvalidParameter, UnsafePlan
from airflow_provider_engagevoice.ringcx.loading.lead_rows import LeadRows
from airflow_provider_engagevoice.ringcx.sync.options import ACTION_OF_REMOVAL, SyncOptions
from airflow_provider_engagevoice.ringcx.sync.plan import SyncPlan
from airflow_provider_engagevoice.ringcx.sync.plan_folder import PlanFolder
from airflow_provider_engagevoice.ringcx.sync.result import SyncResult
from airflow_provider_engagevoice.ringcx.sync.summary import aligned, change_rows, summary_lines

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.client import RingCXClient

DEFAULT_VARIABLE = "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT"
"""Environment variable with the connection URI."""

FAILED, UNSAFE = 1, 3
"""Exit codes: an error, and a plan that exceeds a limit. 2 is a wrong argument."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    :param arguments: the arguments; default those of the process.
    :return: the exit code: 0, or ``FAILED`` or ``UNSAFE``.
    """
    given = _parser().parse_args(arguments)
    try:
        code: int = given.run(given)
    except UnsafePlan as error:
        print(error, file=sys.stderr)
        return UNSAFE
    except (EngageVoiceError, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="engagevoice-sync", description="Keep a campaign of RingCX in step with a file of rows."
    )
    commands = parser.add_subparsers(required=True, metavar="plan|show|apply")
    plan = commands.add_parser("plan", help="compare a campaign with a file; changes nothing")
    _add_connection(plan)
    plan.add_argument("campaign", help="name or id of the campaign")
    plan.add_argument("source", help="file of rows: .csv, .jsonl, .ndjson (each also .gz) or .parquet")
    plan.add_argument("plan", help="folder to write the plan to")
    plan.add_argument(
        "--on-surplus",
        required=True,
        metavar="WHAT",
        help=f"ignore, {', '.join(name for name in ACTION_OF_REMOVAL if name != 'move')}, or move:CAMPAIGN",
    )
    plan.add_argument("--name", required=True, help="name of the sync, which owns the leads that it loads")
    plan.add_argument("--list-name", default="CRM", help="name of the lists that applying makes")
    plan.add_argument("--map", action="append", default=[], metavar="COLUMN=FIELD", help="repeatable")
    plan.add_argument("--unmapped", default="fail", help="fail (default), ignore or extended")
    plan.add_argument("--delimiter", help="delimiter of a CSV file")
    plan.add_argument("--on-missing", default="load", help="load (default) or ignore")
    plan.add_argument("--update", default="", metavar="FIELDS", help="fields to compare and update: a,b,c")
    plan.add_argument("--on-duplicate", default="report", help="report, keep_newest or keep_most_passes")
    plan.add_argument("--manages", default="own", help="own (default) or campaign")
    plan.add_argument("--normalize-key", default="", metavar="HOW", help="any of strip,casefold,nfc")
    plan.add_argument("--max-removals", default="10%,1000", help='limit: "10%%,1000" (default), 0 or none')
    plan.add_argument("--max-loads", default="50%,20000", help='limit: "50%%,20000" (default), 0 or none')
    plan.add_argument("--max-updates", default="1500", help="limit: 1500 (default), 0 or none")
    plan.add_argument("--max-rejected", help='rejected rows that are accepted: a number or "1%%"')
    plan.add_argument("--expect-rows", help='number of rows, or ">=1000"')
    plan.add_argument("--allow-empty", action="store_true", help="accept a file without rows")
    plan.add_argument("--expires-after", type=float, default=12.0, metavar="HOURS", help="default 12")
    plan.add_argument("--account-id", help="sub-account")
    plan.set_defaults(run=_plan)
    show = commands.add_parser("show", help="print a plan")
    show.add_argument("plan", help="folder of the plan")
    show.set_defaults(run=_show)
    apply = commands.add_parser("apply", help="apply a plan")
    _add_connection(apply)
    apply.add_argument("plan", help="folder of the plan")
    apply.add_argument("--source", help="file of rows; default the one of the plan")
    apply.add_argument("--approve", metavar="FINGERPRINT", help="apply this plan although it exceeds a limit")
    apply.add_argument("--report", help="private CSV file with one line for each change")
    apply.set_defaults(run=_apply)
    return parser


def _add_connection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--connection-variable",
        default=DEFAULT_VARIABLE,
        metavar="NAME",
        help=f"environment variable with the connection URI; default {DEFAULT_VARIABLE}",
    )
    parser.add_argument(
        "--connection-uri", metavar="URI", help="the connection URI; other users of this machine can see it"
    )


def _plan(given: argparse.Namespace) -> int:
    rows = LeadRows(
        source=given.source,
        mapping=dict(map(_mapping, given.map)) or None,
        unmapped=given.unmapped,
        delimiter=given.delimiter,
        expect_rows=given.expect_rows,
        allow_empty=given.allow_empty,
    )
    fields = _list(given.update)
    options = SyncOptions(
        on_surplus=_on_surplus(given.on_surplus),
        on_missing=given.on_missing,
        on_changed="update" if fields else "ignore",
        compare=fields,
        on_duplicate=given.on_duplicate,
        manages=given.manages,
        normalize_key=_list(given.normalize_key) or None,
        max_removals=_limit(given.max_removals),
        max_loads=_limit(given.max_loads),
        max_updates=None if given.max_updates == "none" else _number(given.max_updates),
        expires_after=timedelta(hours=given.expires_after),
    )
    _client(given).syncs().plan(
        given.campaign,
        rows,
        options,
        given.plan,
        name=given.name,
        list_name=given.list_name,
        max_rejected=given.max_rejected,
        account_id=given.account_id,
    )
    return _show(given)


def _show(given: argparse.Namespace) -> int:
    plan = PlanFolder(given.plan).read()
    print_plan(plan)
    return UNSAFE if plan.trips else 0


def _apply(given: argparse.Namespace) -> int:
    def rows(plan: SyncPlan) -> LeadRows:
        return LeadRows(source=given.source or plan.source["path"])

    result = _client(given).syncs().apply(given.plan, rows, approve=given.approve, report=given.report)
    print_result(result)
    return 0


def print_plan(plan: SyncPlan) -> None:
    """Print a plan, as a table if the output is a terminal.

    :param plan: the plan.
    """
    lines = summary_lines(plan)
    changes = change_rows(plan)
    if sys.stdout.isatty():
        print(*lines[:2], sep="\n")
        _print_table(
            ("change", "leads", "share", "limit"),
            [(name, f"{number:,}", share, limit) for name, number, share, limit in changes],
        )
        lines = lines[2 + len(changes) :]
    print(*lines, sep="\n")
    if plan.trips:
        print(f"To approve it: engagevoice-sync apply ... --approve {plan.fingerprint}")


def print_result(result: SyncResult) -> None:
    """Print the result of applying a plan.

    :param result: the result.
    """
    names = ("leads_removed", "leads_updated", "leads_inserted", "leads_skipped", "leads_rejected")
    rows = [(name.replace("_", " "), f"{result[name]:,}") for name in names]  # type: ignore[literal-required]
    rows += [(f"held back, {state}", f"{count:,}") for state, count in result["held_back"].items()]
    rows += [("left alone", f"{result['left_alone']:,}"), ("source changed", f"{result['source_changed']:,}")]
    _print_table(("result", "leads"), rows)
    print("In step." if result["in_step"] else "Not everything was done; plan again.")


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not sys.stdout.isatty() or find_spec("rich") is None:
        print(*aligned(rows), sep="\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _client(given: argparse.Namespace) -> RingCXClient:
    """Return the client of the connection.

    :raises SystemExit: if there is no connection URI.
    """
    uri = given.connection_uri or os.environ.get(given.connection_variable)
    if not uri:
        raise SystemExit(f"Set {given.connection_variable} to the URI of the connection")
    # Airflow writes its warnings to the standard output.
    with redirect_stdout(sys.stderr):
        from airflow_provider_engagevoice.hooks.client_factory import build_client
        from airflow_provider_engagevoice.version_compat import connection_from_uri

        client = build_client(connection_from_uri(uri))
    _configure_log()
    return client


def _configure_log() -> None:
    """Write warnings and progress to the standard error output. Airflow has configured its own log."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", force=True)
    logging.getLogger("airflow_provider_engagevoice").setLevel(logging.WARNING)
    logging.getLogger("airflow_provider_engagevoice.ringcx.bulk.progress").setLevel(logging.INFO)


def _mapping(text: str) -> tuple[str, str]:
    column, separator, field = text.rpartition("=")
    if not separator:
        raise InvalidParameter(f"--map must be COLUMN=FIELD, not {text!r}")
    return column, field


def _on_surplus(text: str) -> Any:
    how, separator, target = text.partition(":")
    return {how: target} if separator else text


def _limit(text: str) -> Any:
    if text.strip().lower() == "none":
        return None
    return [_number(part) if part.strip().isdecimal() else part for part in text.split(",")]


def _number(text: str) -> Any:
    """Return a number; other text as it is, for the options to refuse."""
    return int(text) if text.strip().isdecimal() else text


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


if __name__ == "__main__":
    sys.exit(main())
