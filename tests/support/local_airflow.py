"""A real Airflow with LocalExecutor: API server, scheduler and DAG processor as separate processes."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.system.cluster.airflow_cluster import Cluster
from tests.system.cluster.components import airflow_environment, migrate_database, start_components
from tests.system.cluster.services import free_port
from tests.system.cluster.supervisor import Supervisor, wait_until_ready

_SETTINGS = {
    "CORE__EXECUTOR": "LocalExecutor",
    "CORE__PARALLELISM": "6",
    "CORE__MAX_ACTIVE_TASKS_PER_DAG": "100",
    # Pause of the scheduler's loop in seconds, which delays each retry; the default is 1.
    "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
    # Seconds until the end of a task's process is detected at the latest; the default is 5.
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
}


@contextlib.contextmanager
def local_airflow(folder: Path, dags_folder: Path, variables: Mapping[str, str]) -> Iterator[Cluster]:
    """Start an Airflow with LocalExecutor; kill its processes on exit from the ``with`` block.

    :param folder: folder for its AIRFLOW_HOME and its logs.
    :param dags_folder: folder with its DAG files.
    :param variables: further environment variables for its components and tasks.
    :return: the Airflow, once it is healthy.
    """
    home, logs = folder / "airflow", folder / "programs"
    for subfolder in (home, logs):
        subfolder.mkdir()
    port, password = free_port(), secrets.token_hex(16)
    environment = airflow_environment(home, dags_folder, port, password, _SETTINGS) | dict(variables)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    migrate_database(environment, logs)
    with Supervisor(logs) as supervisor:
        components = start_components(supervisor, environment, port)
        airflow = Cluster(supervisor, home, [], f"http://127.0.0.1:{port}", ("admin", password))
        try:
            wait_until_ready("Airflow", airflow.is_healthy, supervisor, 120)
            yield airflow
        except BaseException:
            # For pytest's captured output; the scheduler's log includes the logs of the tasks.
            print(*(f"--- {program.name}\n{program.log_tail(40)}" for program in components), sep="\n")
            raise
        finally:
            # An orderly shutdown would take several seconds.
            for program in components:
                program.kill()
