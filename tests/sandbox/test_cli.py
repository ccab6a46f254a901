"""The command ``engagevoice-sandbox``: its options, its files, how it starts and ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import requests

from airflow_provider_engagevoice.sandbox.cli import parse_options
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings, variable_of

COMMAND = [sys.executable, "-m", "airflow_provider_engagevoice.sandbox"]


class Running:
    """The command, up and serving."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self.process = process
        where, self.holds, self.export = (process.stdout.readline().strip() for _ in range(3))
        self.where = where
        self.url = where.split()[-1] if where else ""

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """End it; return exit code and what else it printed."""
        self.process.send_signal(number)
        rest, errors = self.process.communicate(timeout=20)
        return self.process.returncode, rest, errors

    def get(self, path: str) -> requests.Response:
        """Ask its API, signed in."""
        headers = {"X-Auth-Token": "sandbox-token"}
        return requests.get(f"{self.url}/voice/api/v1/admin/{path}", headers=headers, timeout=20)


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command; whatever happens, it ends."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=without_settings(),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[Running]:
    """Start the command and wait until it serves."""
    with started(*arguments) as process:
        yield Running(process)


def without_settings() -> dict[str, str]:
    """Return the environment without settings of a sandbox."""
    settings = {variable_of(each.name) for each in fields(Settings)}
    return {name: value for name, value in os.environ.items() if name not in settings}


def run_command(*arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Run the command to its end; return exit code and complaints."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**without_settings(), **(environment or {})},
    )
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal(number: int) -> None:
    with serving("--size", "50", "--seed", "3") as running:
        assert running.where.startswith("RingCX sandbox at http://127.0.0.1:")
        assert running.holds == "2 accounts, 24 campaigns, 50 leads (Ctrl-C stops it)"
        name, _, value = running.export.removeprefix("export ").partition("=")
        assert name == "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT"
        assert json.loads(value.strip("'"))["host"] == running.url
        assert running.get("accounts").status_code == 200
        assert running.stop(number) == (0, "", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_seeding_ends_it_and_leaves_no_half_world(number: int, tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    with started("--size", "1000000", "--state", str(state)) as process:
        # The file grows while the leads are written.
        while process.poll() is None and (not state.exists() or state.stat().st_size < 1_000_000):
            time.sleep(0.01)
        process.send_signal(number)
        rest, errors = process.communicate(timeout=60)
        assert (process.returncode, rest, errors) == (0, "", "")
    with serving("--size", "20", "--state", str(state)) as running:
        assert "20 leads" in running.holds


def test_every_setting_is_an_option_with_its_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        parse_options(["--help"])
    assert ending.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for each in fields(Settings):
        assert f"--{each.name.replace('_', '-')}" in shown
        # argparse breaks long lines at hyphens, too.
        assert each.metadata["help"].replace(" ", "") in shown.replace(" ", "")
    assert "ENGAGEVOICE_SANDBOX_SIZE" in shown


def test_command_line_counts_more_than_environment_and_that_more_than_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for each in fields(Settings):
        monkeypatch.delenv(variable_of(each.name), raising=False)
    monkeypatch.setenv("ENGAGEVOICE_SANDBOX_SIZE", "20")
    monkeypatch.setenv("ENGAGEVOICE_SANDBOX_ROW_CAP", "30")
    monkeypatch.setenv("ENGAGEVOICE_SANDBOX_STRICT_CRITERIA", "yes")
    monkeypatch.setenv("ENGAGEVOICE_SANDBOX_STRICT_PARAMS", "yes")
    arguments = ["--size", "10", "--no-strict-params", "--limits", "off", "--token-lifetime", "7.5"]
    settings = parse_options(arguments).settings
    assert settings == Settings(
        size=10, row_cap=30, strict_criteria=True, strict_params=False, limits="off", token_lifetime=7.5
    )


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--from-csv", "same", "--log", "./same"], "different files"),
        (["--host"], "--host"),
        (["--leads", "10"], "--leads"),
        (["--limits", "some"], "documented, off"),
        (["--log", ""], "--log"),
        (["--page-base", "2"], "between 0 and 1"),
        (["--port", "70000"], "--port"),
        (["--port", "x"], "--port"),
        (["--row-cap", "0"], "row_cap must be"),
        (["--siz", "10"], "--siz"),
        (["--size", "-1"], "--size"),
        (["--size", "many"], "a whole number"),
        (["--state", ""], "empty"),
        (["--state", "same", "--log", "same"], "different files"),
        (["--token-lifetime", "nan"], "--token-lifetime"),
    ],
)
def test_a_wrong_value_is_one_sentence(
    arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        parse_options(arguments)
    assert ending.value.code == 2
    complaint = capsys.readouterr().err
    assert word in complaint
    assert complaint.count("\n") == 1


def test_a_wrong_variable_is_one_sentence() -> None:
    code, errors = run_command(environment={"ENGAGEVOICE_SANDBOX_SIZE": "lots"})
    assert code == 2
    assert "environment" in errors
    assert "size must be a whole number" in errors
    assert errors.count("\n") == 1


def test_a_variable_that_is_misspelt_is_one_sentence() -> None:
    code, errors = run_command(environment={"ENGAGEVOICE_SANDBOX_SIZ": "5"})
    assert code == 2
    assert "ENGAGEVOICE_SANDBOX_SIZ is of no setting; the nearest is ENGAGEVOICE_SANDBOX_SIZE" in errors
    assert errors.count("\n") == 1


def test_a_taken_port(sandbox: SandboxServer) -> None:
    port = sandbox.url.rpartition(":")[2]
    code, errors = run_command("--port", port, "--size", "10")
    assert code == 1
    assert port in errors
    assert errors.count("\n") == 1


def test_an_open_address_is_warned_about(sandbox: SandboxServer) -> None:
    port = sandbox.url.rpartition(":")[2]
    code, errors = run_command("--host", "0.0.0.0", "--port", port, "--size", "10")
    assert code == 1
    assert "Warning" in errors
    assert "0.0.0.0" in errors


@pytest.mark.parametrize("module", ["starlette", "uvicorn"])
def test_without_its_packages(tmp_path: Path, module: str) -> None:
    missing = f"raise ModuleNotFoundError(\"No module named '{module}'\", name='{module}')\n"
    (tmp_path / f"{module}.py").write_text(missing)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    code, errors = run_command("--port", "0", environment={"PYTHONPATH": path})
    assert code == 1
    assert 'pip install "airflow-provider-engagevoice[sandbox]"' in errors


def test_a_broken_state_file(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    file.write_bytes(b"this is no database" * 100)
    code, errors = run_command("--port", "0", "--state", str(file), "--size", "5")
    assert code == 1
    assert str(file) in errors
    assert errors.count("\n") == 1


def test_a_state_file_goes_on_and_says_that_it_overrules_the_seed(tmp_path: Path) -> None:
    state = str(tmp_path / "state.db")
    with serving("--size", "10", "--state", state) as running:
        assert running.stop() == (0, "", "")
    with serving("--size", "20", "--seed", "9", "--state", state) as running:
        assert "10 leads" in running.holds
        code, _, errors = running.stop()
        assert code == 0
        assert "holds a world already; --seed and --size only counts" in errors


def test_requests_are_logged_as_lines_of_json(tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    log.write_text("before\n")
    for _ in range(2):
        with serving("--size", "10", "--log", str(log)) as running:
            written = log.read_text().count("\n")
            running.get("accounts")
            # The line is there before the answer is.
            assert log.read_text().count("\n") == written + 1
            running.stop()
    before, *lines = log.read_text().splitlines()
    assert before == "before"
    assert [json.loads(line)["operation"] for line in lines] == ["accounts", "accounts"]
    assert "sandbox-token" not in log.read_text()


def test_a_new_log_is_private(tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    with serving("--size", "10", "--log", str(log)) as running:
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
        running.stop()


def test_a_log_on_the_standard_output() -> None:
    with serving("--size", "10", "--log", "-") as running:
        running.get("accounts")
        code, rest, errors = running.stop()
    assert (code, errors) == (0, "")
    assert json.loads(rest)["path"] == "/voice/api/v1/admin/accounts"


def test_a_log_whose_reader_has_gone_ends_and_requests_go_on() -> None:
    with serving("--size", "10", "--log", "-") as running:
        assert running.process.stdout
        running.process.stdout.close()
        running.process.stdout = None
        assert [running.get("accounts").status_code for _ in range(3)] == [200] * 3
        running.process.send_signal(signal.SIGTERM)
        _, errors = running.process.communicate(timeout=20)
    assert errors.startswith("The log - ends here: ")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_second_signal_ends_it_though_nobody_takes_its_log(tmp_path: Path) -> None:
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with serving("--size", "10", "--log", str(pipe)) as running:
        with pytest.raises(requests.Timeout), requests.Session() as session:
            while True:
                session.get(f"{running.url}/{'x' * 4000}", timeout=1)
        running.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(timeout=1)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=20) == -signal.SIGTERM
    os.close(reader)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_an_output_that_cannot_be_written() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "--port", "0", "--size", "5"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
            env=without_settings(),
        )
    assert done.returncode == 1
    assert done.stderr.startswith("Cannot write the output: No space left on device.\n")
    assert "Traceback" not in done.stderr


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    code, errors = run_command("--port", "0", "--log", str(tmp_path / "missing" / "log"))
    assert code == 1
    assert re.fullmatch(r"Cannot write the log to .*/missing/log: No such file or directory\.\n", errors)


def test_it_starts_with_ones_own_leads(tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text("leadPhone,externId\n6175550100,A-1\n")
    with serving("--from-csv", str(file)) as running:
        assert "1 leads" in running.holds
        running.stop()
    file.write_text("leadPhone,externId\n,A-1\n")
    code, errors = run_command("--port", "0", "--from-csv", str(file))
    assert code == 1
    assert errors == f"{file}, line 2, column leadPhone: the phone number is missing.\n"


def test_what_is_rarely_needed_is_not_imported_to_start() -> None:
    code = (
        "import sys, airflow_provider_engagevoice.sandbox.server.sandbox_server;"
        "print(*{'jinja2', 'airflow', 'requests'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "\n"
