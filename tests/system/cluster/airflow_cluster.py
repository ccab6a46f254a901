"""An Airflow cluster with Celery workers, controlled through Airflow's REST API."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from airflow_provider_engagevoice.ringcx.storage.file import FOLDER_VARIABLE
from tests.system.cluster.components import (
    airflow_command,
    airflow_environment,
    migrate_database,
    start_components,
)
from tests.system.cluster.services import (
    MissingRequirement,
    ServerPrograms,
    find_server_programs,
    free_port,
    start_postgres,
    start_redis,
)
from tests.system.cluster.supervisor import Program, Supervisor, wait_until_ready

DAGS_FOLDER = Path(__file__).parent / "dags"

HEARTBEAT_TIMEOUT = 30
"""Seconds without a heartbeat after which Airflow considers a task dead. Airflow's default is 300."""

#: Distribution to install for each module that a cluster needs.
_REQUIRED_MODULES = {
    "celery": "apache-airflow-providers-celery",
    "psycopg2": "psycopg2-binary",
    "asyncpg": "asyncpg",
    "redis": "redis",
}


def check_requirements() -> ServerPrograms:
    """Check that everything a cluster needs is installed.

    :return: paths of the server programs.
    :raises MissingRequirement: if a program or package is missing, or Airflow is too old.
    """
    from importlib.metadata import version
    from importlib.util import find_spec

    airflow = version("apache-airflow")
    if tuple(map(int, airflow.split(".")[:2])) < (3, 3):
        raise MissingRequirement(f"The cluster needs Airflow 3.3 or newer; this is Airflow {airflow}.")
    missing = [package for module, package in _REQUIRED_MODULES.items() if find_spec(module) is None]
    if missing:
        raise MissingRequirement(
            f"{', '.join(missing)} not installed. Run `make cluster`, or "
            f'pip install "airflow-provider-engagevoice[cluster]" (Python: {sys.executable})'
        )
    return find_server_programs()


@dataclass
class Cluster:
    """A running Airflow.

    :param supervisor: supervisor of all its programs.
    :param home: its AIRFLOW_HOME.
    :param workers: its Celery workers; empty for other executors.
    :param url: base URL of its API server.
    :param credentials: user name and password for the API.
    """

    supervisor: Supervisor
    home: Path
    workers: list[Program]
    url: str
    credentials: tuple[str, str]
    _session: requests.Session = field(default_factory=requests.Session, init=False)
    killed: list[Program] = field(default_factory=list, init=False)

    def kill(self, worker: Program) -> int:
        """Kill a worker and all tasks that run on it.

        :param worker: the worker.
        :return: number of processes killed.
        """
        self.killed.append(worker)
        return worker.kill()

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Send a request to Airflow's REST API.

        :param method: HTTP method.
        :param path: path under ``/api/v2``.
        :param body: JSON body.
        :return: JSON of the response; None if the status is 404 or the response is empty.
        :raises RuntimeError: if the status is another error.
        """
        if "Authorization" not in self._session.headers:
            self._authenticate()
        response = self._session.request(method, f"{self.url}/api/v2{path}", json=body, timeout=30)
        if response.status_code == 404:
            return None
        if not response.ok:
            raise RuntimeError(
                f"Airflow API: {method} {path} returned {response.status_code}: {response.text[:500]}"
            )
        return response.json() if response.content else None

    def is_healthy(self) -> bool:
        """Return whether the database, the scheduler and the DAG processor are healthy."""
        with contextlib.suppress(requests.RequestException):
            health = self.request("GET", "/monitor/health")
            names = ("metadatabase", "scheduler", "dag_processor")
            return all(health[name]["status"] == "healthy" for name in names)
        return False

    def run_dag(self, dag_id: str, on_poll: Callable[[Counter[str]], None], timeout: float = 900.0) -> str:
        """Trigger a DAG and wait until the run has finished.

        :param dag_id: the DAG.
        :param on_poll: called about twice per second with the number of tasks in each state.
        :param timeout: maximum duration in seconds.
        :return: id of the run.
        :raises TimeoutError: if the run has not finished in time.
        """
        wait_until_ready(f"DAG {dag_id}", lambda: self.request("GET", f"/dags/{dag_id}"), self.supervisor)
        run_id = self.request("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None})["dag_run_id"]
        self.wait_for_run(dag_id, run_id, on_poll, timeout)
        return str(run_id)

    def wait_for_run(
        self, dag_id: str, run_id: str, on_poll: Callable[[Counter[str]], None], timeout: float = 900.0
    ) -> None:
        """Wait until a run has finished.

        :param dag_id: the DAG.
        :param run_id: the run.
        :param on_poll: as for :meth:`run_dag`.
        :param timeout: maximum wait in seconds.
        :raises TimeoutError: if the run has not finished in time.
        """
        deadline = time.monotonic() + timeout
        while True:
            self.supervisor.check_running(*self.killed)
            on_poll(Counter(str(task["state"] or "waiting") for task in self.task_instances(dag_id, run_id)))
            if self.request("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"] in ("success", "failed"):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"The run of {dag_id} has not finished after {timeout:.0f} s")
            time.sleep(0.5)

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """List the task instances of a run."""
        response = self.request("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=1000")
        return list(response["task_instances"])

    def clear_failed_tasks(self, dag_id: str, run_id: str) -> None:
        """Clear the failed tasks of a run, as a user does, so that they run again."""
        body = {"dry_run": False, "only_failed": True, "dag_run_id": run_id, "reset_dag_runs": True}
        self.request("POST", f"/dags/{dag_id}/clearTaskInstances", body)

    def read_task_log(self, dag_id: str, run_id: str, task_id: str, map_index: int, attempt: int) -> str:
        """Return the log of a task attempt; empty if there is none.

        :param dag_id: the DAG.
        :param run_id: the run.
        :param task_id: the task.
        :param map_index: index of the mapped task; -1 if the task is not mapped.
        :param attempt: number of the attempt, from 1.
        """
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        if map_index >= 0:
            folder /= f"map_index={map_index}"
        path = folder / f"attempt={attempt}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _authenticate(self) -> None:
        body = dict(zip(("username", "password"), self.credentials, strict=True))
        response = self._session.post(f"{self.url}/auth/token", json=body, timeout=30)
        response.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {response.json()['access_token']}"


@contextlib.contextmanager
def start_cluster(
    connection: Mapping[str, Any],
    variables: Mapping[str, str],
    concurrency: int = 4,
    log: Callable[[str], None] = print,
) -> Iterator[Cluster]:
    """Start a cluster; on exit from the ``with`` block, stop all its programs and delete its folder.

    :param connection: the connection ``engagevoice_default``; ``rate_limit_store`` is added to its extra.
    :param variables: further environment variables, for the DAGs.
    :param concurrency: number of tasks that a worker runs in parallel.
    :param log: called with progress messages.
    :return: the cluster, once its workers are ready.
    :raises MissingRequirement: if a program or package is missing.
    """
    server_programs = check_requirements()
    started = time.monotonic()

    def log_with_time(message: str) -> None:
        log(f"{message} ({time.monotonic() - started:.0f} s)")

    folder = Path(tempfile.mkdtemp(prefix="engagevoice-cluster-"))
    try:
        # PostgreSQL may run as another user, who needs access to its folder inside this one.
        folder.chmod(0o711)
        folders = {name: folder / name for name in ("airflow", "logs", "postgres", "redis")}
        for subfolder in folders.values():
            subfolder.mkdir(mode=0o700)
        # Two supervisors, so that Airflow stops before the services that it uses.
        with Supervisor(folders["logs"]) as services, Supervisor(folders["logs"]) as supervisor:
            redis = start_redis(server_programs, services, folders["redis"])
            postgres = start_postgres(server_programs.postgres, services, folders["postgres"])
            log_with_time("Redis and PostgreSQL are running")
            port, password = free_port(), secrets.token_hex(16)
            settings = _celery_settings(redis, postgres)
            environment = airflow_environment(folders["airflow"], DAGS_FOLDER, port, password, settings)
            environment |= {FOLDER_VARIABLE: str(folder / "airflow" / "shared"), **variables}
            shared = {**connection, "extra": {**connection["extra"], "rate_limit_store": f"{redis}/1"}}
            environment["AIRFLOW_CONN_ENGAGEVOICE_DEFAULT"] = json.dumps(shared)
            migrate_database(environment, folders["logs"])
            log_with_time("Airflow's database is migrated")
            start_components(supervisor, environment, port)
            workers = _start_workers(supervisor, environment, concurrency)
            cluster = Cluster(
                supervisor, folders["airflow"], workers, f"http://127.0.0.1:{port}", ("admin", password)
            )
            wait_until_ready("Airflow", cluster.is_healthy, supervisor, 240)
            log_with_time("API server, scheduler and DAG processor are healthy")
            wait_until_ready("A worker", lambda: all(map(_is_ready, workers)), supervisor, 240)
            log_with_time(f"{len(workers)} workers are ready")
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _celery_settings(redis: str, postgres: str) -> dict[str, str]:
    return {
        "CORE__EXECUTOR": "CeleryExecutor",
        # SQLAlchemy would use psycopg 3 for a URL without the driver.
        "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{postgres}",
        "CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2://{postgres}",
        "CELERY__BROKER_URL": f"{redis}/0",
        "CELERY__SYNC_PARALLELISM": "1",
        # By default Airflow detects lost tasks of a dead worker after 300 seconds if they were running,
        # after 600 if they were queued.
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT),
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        "SCHEDULER__TASK_QUEUED_TIMEOUT": "120",
        "SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    }


def _start_workers(supervisor: Supervisor, environment: Mapping[str, str], concurrency: int) -> list[Program]:
    options = ("--concurrency", str(concurrency), "--skip-serve-logs", "--without-mingle", "--without-gossip")
    return [
        supervisor.start(
            name,
            airflow_command("celery", "worker", "--celery-hostname", f"{name}@%h", *options),
            environment,
        )
        for name in ("worker-1", "worker-2")
    ]


def _is_ready(worker: Program) -> bool:
    return " ready." in worker.log.read_text(errors="replace")
