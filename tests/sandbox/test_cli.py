"""The command ``engagevoice-sandbox``: options, files, startup and shutdown."""

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
    """A running command."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self.process = process
        self.first_line, self.contents, self.export = (process.stdout.readline().strip() for _ in range(3))
        self.url = self.first_line.split()[-1] if self.first_line else ""

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal; return exit code, remaining output and errors."""
        self.process.send_signal(number)
        rest, errors = self.process.communicate(timeout=20)
        return self.process.returncode, rest, errors

    def get(self, path: str) -> requests.Response:
        """Send an authenticated GET to its API."""
        headers = {"X-Auth-Token": "sandbox-token"}
        return requests.get(f"{self.url}/voice/api/v1/admin/{path}", headers=headers, timeout=20)


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command; kill it on exit."""
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
    """Start the command and wait until it accepts requests."""
    with started(*arguments) as process:
        yield Running(process)


def without_settings() -> dict[str, str]:
    """Return the environment without sandbox settings."""
    settings = {variable_of(each.name) for each in fields(Settings)}
    return {name: value for name, value in os.environ.items() if name not in settings}


def run_command(*arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Run the command until it exits; return exit code and errors."""
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
def test_command_serves_until_signal(number: int) -> None:
    with serving("--size", "50", "--seed", "3") as running:
        assert running.first_line.startswith("RingCX sandbox at http://127.0.0.1:")
        assert running.contents == "2 accounts, 24 campaigns, 50 leads (press Ctrl-C to stop)"
        name, _, value = running.export.removeprefix("export ").partition("=")
        assert name == "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT"
        assert json.loads(value.strip("'"))["host"] == running.url
        assert running.get("accounts").status_code == 200
        assert running.stop(number) == (0, "", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_during_seeding_leaves_file_empty(number: int, tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    with started("--size", "1000000", "--state", str(state)) as process:
        # The file grows while leads are inserted.
        while process.poll() is None and (not state.exists() or state.stat().st_size < 1_000_000):
            time.sleep(0.01)
        process.send_signal(number)
        rest, errors = process.communicate(timeout=60)
        assert (process.returncode, rest, errors) == (0, "", "")
    with serving("--size", "20", "--state", str(state)) as running:
        assert "20 leads" in running.contents


def test_help_describes_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        parse_options(["--help"])
    assert ending.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for each in fields(Settings):
        assert f"--{each.name.replace('_', '-')}" in shown
        # argparse wraps lines at hyphens as well.
        assert each.metadata["help"].replace(" ", "") in shown.replace(" ", "")
    assert "ENGAGEVOICE_SANDBOX_SIZE" in shown


def test_options_override_environment_and_defaults(
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
def test_invalid_option_prints_one_line(
    arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        parse_options(arguments)
    assert ending.value.code == 2
    message = capsys.readouterr().err
    assert word in message
    assert message.count("\n") == 1


def test_invalid_variable_prints_one_line() -> None:
    code, errors = run_command(environment={"ENGAGEVOICE_SANDBOX_SIZE": "lots"})
    assert code == 2
    assert "environment" in errors
    assert "size must be a whole number" in errors
    assert errors.count("\n") == 1


def test_unknown_variable_prints_one_line() -> None:
    code, errors = run_command(environment={"ENGAGEVOICE_SANDBOX_SIZ": "5"})
    assert code == 2
    assert (
        "ENGAGEVOICE_SANDBOX_SIZ is not a setting; the most similar one is ENGAGEVOICE_SANDBOX_SIZE" in errors
    )
    assert errors.count("\n") == 1


def test_port_in_use_prints_one_line(sandbox: SandboxServer) -> None:
    port = sandbox.url.rpartition(":")[2]
    code, errors = run_command("--port", port, "--size", "10")
    assert code == 1
    assert port in errors
    assert "use --port 0 for a free port" in errors
    assert errors.count("\n") == 1


def test_non_loopback_host_prints_warning(sandbox: SandboxServer) -> None:
    port = sandbox.url.rpartition(":")[2]
    code, errors = run_command("--host", "0.0.0.0", "--port", port, "--size", "10")
    assert code == 1
    assert "Warning" in errors
    assert "0.0.0.0" in errors


@pytest.mark.parametrize("module", ["starlette", "uvicorn"])
def test_missing_package_prints_pip_command(tmp_path: Path, module: str) -> None:
    missing = f"raise ModuleNotFoundError(\"No module named '{module}'\", name='{module}')\n"
    (tmp_path / f"{module}.py").write_text(missing)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    code, errors = run_command("--port", "0", environment={"PYTHONPATH": path})
    assert code == 1
    assert 'pip install "airflow-provider-engagevoice[sandbox]"' in errors


def test_corrupt_state_file_prints_one_line(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    file.write_bytes(b"this is no database" * 100)
    code, errors = run_command("--port", "0", "--state", str(file), "--size", "5")
    assert code == 1
    assert str(file) in errors
    assert errors.count("\n") == 1


def test_existing_state_file_ignores_seed_options(tmp_path: Path) -> None:
    state = str(tmp_path / "state.db")
    with serving("--size", "10", "--state", state) as running:
        assert running.stop() == (0, "", "")
    with serving("--size", "20", "--seed", "9", "--state", state) as running:
        assert "10 leads" in running.contents
        code, _, errors = running.stop()
        assert code == 0
        assert errors == f"Ignoring --seed and --size until the next reset: {state} already contains data.\n"


def test_log_appends_json_lines(tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    log.write_text("before\n")
    for _ in range(2):
        with serving("--size", "10", "--log", str(log)) as running:
            written = log.read_text().count("\n")
            running.get("accounts")
            # The line is written before the response is sent.
            assert log.read_text().count("\n") == written + 1
            running.stop()
    before, *lines = log.read_text().splitlines()
    assert before == "before"
    assert [json.loads(line)["operation"] for line in lines] == ["accounts", "accounts"]
    assert "sandbox-token" not in log.read_text()


def test_new_log_has_mode_0600(tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    with serving("--size", "10", "--log", str(log)) as running:
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
        running.stop()


def test_log_to_standard_output() -> None:
    with serving("--size", "10", "--log", "-") as running:
        running.get("accounts")
        code, rest, errors = running.stop()
    assert (code, errors) == (0, "")
    assert json.loads(rest)["path"] == "/voice/api/v1/admin/accounts"


def test_log_to_closed_pipe_stops_and_requests_continue() -> None:
    with serving("--size", "10", "--log", "-") as running:
        assert running.process.stdout
        running.process.stdout.close()
        running.process.stdout = None
        assert [running.get("accounts").status_code for _ in range(3)] == [200] * 3
        running.process.send_signal(signal.SIGTERM)
        _, errors = running.process.communicate(timeout=20)
    assert errors.startswith("Cannot write the request log -: ")
    assert errors.endswith(". Logging has stopped.\n")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="requires named pipes")
def test_second_signal_kills_command_blocked_by_log(tmp_path: Path) -> None:
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with serving("--size", "10", "--log", str(pipe)) as running:

        def fill_pipe() -> None:
            with requests.Session() as session:
                while True:
                    session.get(f"{running.url}/{'x' * 4000}", timeout=1)

        with pytest.raises(requests.Timeout):
            fill_pipe()
        running.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(timeout=1)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=20) == -signal.SIGTERM
    os.close(reader)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="requires /dev/full")
def test_full_output_device_prints_error() -> None:
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


def test_unwritable_log_prints_one_line(tmp_path: Path) -> None:
    code, errors = run_command("--port", "0", "--log", str(tmp_path / "missing" / "log"))
    assert code == 1
    assert re.fullmatch(r"Cannot write the log to .*/missing/log: No such file or directory\.\n", errors)


def test_from_csv_loads_leads(tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text("leadPhone,externId\n6175550100,A-1\n")
    with serving("--from-csv", str(file)) as running:
        assert "1 lead (" in running.contents
        running.stop()
    file.write_text("leadPhone,externId\n,A-1\n")
    code, errors = run_command("--port", "0", "--from-csv", str(file))
    assert code == 1
    assert errors == f"{file}, line 2, column leadPhone: the phone number is missing.\n"


def test_server_import_excludes_optional_packages() -> None:
    code = (
        "import sys, airflow_provider_engagevoice.sandbox.server.sandbox_server;"
        "print(*{'jinja2', 'airflow', 'requests'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "\n"
