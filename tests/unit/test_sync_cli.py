"""The command ``engagevoice-sync``, from a file of rows to a campaign in step."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sync_cli import DEFAULT_VARIABLE, FAILED, UNSAFE, main
from tests.support.loading import Row, crm_rows, write_csv

PACKAGE = "airflow_provider_engagevoice"
Run = Callable[..., int]


@pytest.fixture
def rows(tmp_path: Path) -> Callable[[list[Row]], str]:
    """Return a function that writes rows to the file of the command."""
    return lambda rows: write_csv(tmp_path / "crm.csv", rows)


@pytest.fixture(autouse=True)
def _keep_log_levels() -> Iterator[None]:
    """The command configures the log of its process."""
    loggers = [logging.getLogger(name) for name in (None, PACKAGE, f"{PACKAGE}.ringcx.bulk.progress")]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers = handlers


@pytest.fixture
def run(ringcx: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command with the connection of the sandbox."""
    monkeypatch.setenv(DEFAULT_VARIABLE, json.dumps(ringcx.connection_for("api_token")))
    paths = {"crm.csv": str(tmp_path / "crm.csv"), "plan": str(tmp_path / "a.plan")}

    def run_command(command: str, *arguments: str) -> int:
        names = {"plan": ["Spring Renewals", paths["crm.csv"], paths["plan"]]}.get(command, [paths["plan"]])
        name = ["--name", "nightly"] if command == "plan" else []
        return main([command, *names, *name, *arguments])

    return run_command


def keys(ringcx: SandboxServer) -> list[str]:
    return sorted(
        str(lead["externId"])
        for lead in ringcx.leads("Spring Renewals")
        if str(lead["externId"]).startswith("K-") and not lead["suppressed"]
    )


def test_plan_show_and_apply(
    ringcx: SandboxServer, run: Run, rows: Callable[[list[Row]], str], capsys: pytest.CaptureFixture[str]
) -> None:
    rows(crm_rows(3))
    assert run("plan", "--on-surplus", "suppress") == 0
    # Airflow writes its warnings to the same output.
    planned = "".join(capsys.readouterr().out.partition("Campaign Spring Renewals")[1:])
    assert "load" in planned
    assert run("show") == 0
    assert capsys.readouterr().out == planned
    assert not keys(ringcx)
    assert run("apply") == 0
    assert "In step." in capsys.readouterr().out
    assert keys(ringcx) == ["K-0", "K-1", "K-2"]
    assert run("apply") == FAILED
    assert "was applied" in capsys.readouterr().err


def test_unsafe_plan_needs_an_approval(
    ringcx: SandboxServer, run: Run, rows: Callable[[list[Row]], str], capsys: pytest.CaptureFixture[str]
) -> None:
    rows(crm_rows(3))
    assert run("plan", "--on-surplus", "suppress", "--max-loads", "3") == UNSAFE
    output = capsys.readouterr().out
    fingerprint = output.partition("Plan ")[2][:9]
    assert f"--approve {fingerprint}" in output
    assert run("apply") == UNSAFE
    assert not keys(ringcx)
    assert run("apply", "--approve", fingerprint) == 0
    assert len(keys(ringcx)) == 3


def test_arguments_reach_the_plan(run: Run, rows: Callable[[list[Row]], str], tmp_path: Path) -> None:
    rows([{"id": "K-1", "phone": "6175550001", "first": "Ann"}])
    arguments = ["--map", "id=externId", "--map", "phone=leadPhone", "--map", "first=firstName"]
    arguments += ["--on-surplus", "move:Summer Win-Back", "--update", "firstName", "--manages", "campaign"]
    arguments += ["--normalize-key", "strip,casefold", "--max-removals", "none", "--max-loads", "0"]
    assert run("plan", *arguments, "--max-updates", "7", "--expires-after", "1") == UNSAFE
    plan: dict[str, Any] = json.loads((tmp_path / "a.plan" / "plan.json").read_text())
    options = plan["options"]
    assert options["on_surplus"] == {"move": "Summer Win-Back"}
    assert (options["on_changed"], options["compare"], options["manages"]) == (
        "update",
        ["firstName"],
        "campaign",
    )
    assert (options["max_removals"], options["max_loads"], options["max_updates"]) == (None, [0], 7)
    assert (options["normalize_key"], options["expires_after"]) == (["strip", "casefold"], 3600)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--on-surplus", "remove"], "on_surplus must be"),
        (["--on-surplus", "suppress", "--max-removals", "many"], "max_removals must be"),
        (["--on-surplus", "suppress", "--expect-rows", "9"], "expect_rows"),
    ],
)
def test_wrong_arguments_are_explained(
    run: Run,
    rows: Callable[[list[Row]], str],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    rows(crm_rows(3))
    assert run("plan", *arguments) == FAILED
    assert message in capsys.readouterr().err


def test_missing_connection_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(DEFAULT_VARIABLE, raising=False)
    with pytest.raises(SystemExit, match=DEFAULT_VARIABLE):
        main(["plan", "Spring Renewals", "crm.csv", str(tmp_path), "--on-surplus", "ignore", "--name", "x"])
