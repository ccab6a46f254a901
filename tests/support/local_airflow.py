"""A real Airflow with LocalExecutor: API server, scheduler and DAG processor, each a process of its own."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "scripts"))

from airflow_cluster.airflow import Cluster  # noqa: E402
from airflow_cluster.airflow_programs import environment_of, migrate, start_airflow  # noqa: E402
from airflow_cluster.processes import Programs, wait_until  # noqa: E402
from airflow_cluster.services import free_port  # noqa: E402

_SETTINGS = {
    "CORE__EXECUTOR": "LocalExecutor",
    "CORE__PARALLELISM": "6",
    "CORE__MAX_ACTIVE_TASKS_PER_DAG": "100",
    # Seconds until a next try is seen to; by default one.
    "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
    # Seconds until it is sure to be seen that a task's process has ended; by default five.
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
}


@contextlib.contextmanager
def local_airflow(folder: Path, dags: Path, variables: Mapping[str, str]) -> Iterator[Cluster]:
    """Start it; at the end of the ``with`` block nothing of it runs any more.

    :param folder: where its home and its logs go.
    :param dags: the folder of its DAG files.
    :param variables: more for the environment of its programs and tasks.
    :return: the Airflow, once it is well.
    """
    home, logs = folder / "airflow", folder / "programs"
    for place in (home, logs):
        place.mkdir()
    port, password = free_port(), secrets.token_hex(16)
    environment = environment_of(home, dags, port, password, _SETTINGS) | dict(variables)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    migrate(environment, logs)
    with Programs(logs) as programs:
        started = start_airflow(programs, environment, port)
        airflow = Cluster(programs, home, [], f"http://127.0.0.1:{port}", ("admin", password))
        try:
            wait_until("Airflow", airflow.healthy, programs, 120)
            yield airflow
        except BaseException:
            # pytest shows it. The scheduler's log has those of the tasks in it.
            print(*(f"--- {program.name}\n{program.last_lines(40)}" for program in started), sep="\n")
            raise
        finally:
            # Nobody needs what it would tidy up for some seconds.
            for program in started:
                program.kill()
