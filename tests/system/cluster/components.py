"""Airflow's components (API server, scheduler, DAG processor) as programs on this machine."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.system.cluster.supervisor import Program, Supervisor


def airflow_environment(
    home: Path, dags_folder: Path, port: int, password: str, settings: Mapping[str, str]
) -> dict[str, str]:
    """Return environment variables for an Airflow on this machine, without the caller's Airflow settings.

    :param home: its AIRFLOW_HOME, an empty folder.
    :param dags_folder: folder with its DAG files.
    :param port: port of its API server.
    :param password: password of its user ``admin``.
    :param settings: further settings by section and name, such as ``CORE__EXECUTOR``.
    :return: the environment variables.
    """
    from cryptography.fernet import Fernet

    passwords = home / "passwords.json"
    passwords.touch(mode=0o600)
    passwords.write_text(json.dumps({"admin": password}))
    common = {
        "CORE__DAGS_FOLDER": str(dags_folder),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "API__SECRET_KEY": secrets.token_hex(32),
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
    }
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "_AIRFLOW_"))
    }
    no_proxy = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
    return {
        **inherited,
        **no_proxy,
        **{f"AIRFLOW__{name}": value for name, value in {**common, **settings}.items()},
        "AIRFLOW_HOME": str(home),
    }


def airflow_command(*arguments: str) -> list[str]:
    """Return a command line of the Airflow CLI.

    :param arguments: its subcommand and options.
    :return: the command line.
    """
    return [sys.executable, "-m", "airflow", *arguments]


def migrate_database(environment: Mapping[str, str], log_folder: Path) -> None:
    """Create Airflow's metadata database.

    :param environment: Airflow's environment variables.
    :param log_folder: folder for the log of the migration.
    :raises RuntimeError: if the migration fails.
    """
    log = log_folder / "migrate.log"
    with log.open("wb") as output:
        result = subprocess.run(
            airflow_command("db", "migrate"),
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode:
        raise RuntimeError(
            f"airflow db migrate failed with exit code {result.returncode}:\n{log.read_text()[-3000:]}"
        )


def start_components(supervisor: Supervisor, environment: Mapping[str, str], port: int) -> list[Program]:
    """Start the API server, the scheduler and the DAG processor.

    :param supervisor: supervisor that runs them.
    :param environment: their environment variables.
    :param port: port of the API server.
    :return: the three programs.
    """
    commands = {
        "api-server": ("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        "scheduler": ("--skip-serve-logs",),
        "dag-processor": (),
    }
    return [
        supervisor.start(name, airflow_command(name, *arguments), environment)
        for name, arguments in commands.items()
    ]
