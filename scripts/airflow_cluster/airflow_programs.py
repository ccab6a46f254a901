"""Airflow's own programs, on this machine."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from airflow_cluster.processes import Program, Programs


def environment_of(
    home: Path, dags: Path, port: int, password: str, settings: Mapping[str, str]
) -> dict[str, str]:
    """Make the environment of an Airflow on this machine; of the caller's own Airflow nothing is in it.

    :param home: Airflow's home, an empty folder.
    :param dags: folder of its DAG files.
    :param port: where its API server is to listen.
    :param password: of the user ``admin``.
    :param settings: more settings, such as ``CORE__EXECUTOR``.
    :return: the environment.
    """
    from cryptography.fernet import Fernet

    passwords = home / "passwords.json"
    passwords.touch(mode=0o600)
    passwords.write_text(json.dumps({"admin": password}))
    common = {
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "API__SECRET_KEY": secrets.token_hex(32),
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
    }
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "_AIRFLOW_"))
    }
    local = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
    return {
        **kept,
        **local,
        **{f"AIRFLOW__{name}": value for name, value in {**common, **settings}.items()},
        "AIRFLOW_HOME": str(home),
    }


def airflow(*arguments: str) -> list[str]:
    """Give the command that runs a program of Airflow.

    :param arguments: the program, and its arguments.
    :return: the command.
    """
    return [sys.executable, "-m", "airflow", *arguments]


def migrate(environment: Mapping[str, str], logs: Path) -> None:
    """Make Airflow's database.

    :param environment: Airflow's environment.
    :param logs: folder for the log of it.
    :raises RuntimeError: where that fails.
    """
    log = logs / "migrate.log"
    with log.open("wb") as output:
        ended = subprocess.run(
            airflow("db", "migrate"), env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if ended.returncode:
        raise RuntimeError(f"airflow db migrate failed:\n{log.read_text()[-3000:]}")


def start_airflow(programs: Programs, environment: Mapping[str, str], port: int) -> list[Program]:
    """Start the API server, the scheduler and the DAG processor.

    :param programs: what they are stopped with.
    :param environment: their environment.
    :param port: where the API server is to listen.
    :return: the three programs.
    """
    commands = {
        "api-server": ("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        "scheduler": ("--skip-serve-logs",),
        "dag-processor": (),
    }
    return [
        programs.start(name, airflow(name, *arguments), environment) for name, arguments in commands.items()
    ]
