"""An Airflow with Celery workers, and its API."""

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

from airflow_cluster.airflow_programs import airflow, environment_of, migrate, start_airflow
from airflow_cluster.processes import Program, Programs, wait_until
from airflow_cluster.services import Missing, Tools, find_tools, free_port, start_postgres, start_redis
from airflow_provider_engagevoice.ringcx.storage.file import FOLDER_VARIABLE

DAGS = Path(__file__).parent / "dags"

HEARTBEAT_TIMEOUT = 30
"""Seconds without a sign of life after which Airflow takes a task for dead. Its default is 300."""

_MODULES = {
    "celery": "apache-airflow-providers-celery",
    "psycopg2": "psycopg2-binary",
    "asyncpg": "asyncpg",
    "redis": "redis",
}


def check_needs() -> Tools:
    """Make sure that all is there that a cluster needs.

    :return: the programs.
    :raises Missing: where something is not.
    """
    from importlib.metadata import version
    from importlib.util import find_spec

    airflow = version("apache-airflow")
    if tuple(map(int, airflow.split(".")[:2])) < (3, 3):
        raise Missing(f"This is Airflow {airflow}; the cluster needs 3.3 or newer.")
    missing = [package for module, package in _MODULES.items() if find_spec(module) is None]
    if missing:
        raise Missing(
            f"Not installed for {sys.executable}: {', '.join(missing)}. `make cluster` installs them; "
            'by hand: pip install "airflow-provider-engagevoice[cluster]"'
        )
    return find_tools()


@dataclass
class Cluster:
    """A running Airflow.

    :param programs: everything that runs.
    :param home: Airflow's home.
    :param workers: its Celery workers, if it has any.
    :param url: address of Airflow's API.
    :param user: name and password for it.
    """

    programs: Programs
    home: Path
    workers: list[Program]
    url: str
    user: tuple[str, str]
    _session: requests.Session = field(default_factory=requests.Session, init=False)
    dead: list[Program] = field(default_factory=list, init=False)

    def kill(self, worker: Program) -> int:
        """Kill a worker with all tasks that run on it.

        :param worker: the worker.
        :return: how many processes were killed.
        """
        self.dead.append(worker)
        return worker.kill()

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask Airflow's API.

        :param method: HTTP method.
        :param path: path under ``/api/v2``.
        :param body: JSON to send.
        :return: the answer's JSON; None where there is nothing of this name.
        """
        if "Authorization" not in self._session.headers:
            self._sign_in()
        answer = self._session.request(method, f"{self.url}/api/v2{path}", json=body, timeout=30)
        if answer.status_code == 404:
            return None
        if not answer.ok:
            raise RuntimeError(f"Airflow answered {method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def healthy(self) -> bool:
        """Tell whether its database, its scheduler and its DAG processor are well."""
        with contextlib.suppress(requests.RequestException):
            found = self.ask("GET", "/monitor/health")
            names = ("metadatabase", "scheduler", "dag_processor")
            return all(found[name]["status"] == "healthy" for name in names)
        return False

    def run(self, dag_id: str, watch: Callable[[Counter[str]], None], seconds: float = 900.0) -> str:
        """Run a DAG to its end.

        :param dag_id: the DAG.
        :param watch: called twice a second or so with the number of tasks in each state.
        :param seconds: how long at most.
        :return: id of the run.
        """
        wait_until(f"DAG {dag_id}", lambda: self.ask("GET", f"/dags/{dag_id}"), self.programs)
        run_id = self.ask("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None})["dag_run_id"]
        self.wait(dag_id, run_id, watch, seconds)
        return str(run_id)

    def wait(
        self, dag_id: str, run_id: str, watch: Callable[[Counter[str]], None], seconds: float = 900.0
    ) -> None:
        """Wait for the end of a run.

        :param dag_id: the DAG.
        :param run_id: the run.
        :param watch: as for :meth:`run`.
        :param seconds: how long at most.
        :raises TimeoutError: where it takes longer.
        """
        deadline = time.monotonic() + seconds
        while True:
            self.programs.check(*self.dead)
            watch(Counter(str(task["state"] or "waiting") for task in self.tasks(dag_id, run_id)))
            if self.ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"] in ("success", "failed"):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"The run of {dag_id} had not ended after {seconds:.0f} s")
            time.sleep(0.5)

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """List the task instances of a run."""
        answer = self.ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=1000")
        return list(answer["task_instances"])

    def clear_failed(self, dag_id: str, run_id: str) -> None:
        """Let the tasks of a run that failed run again, as a person does."""
        body = {"dry_run": False, "only_failed": True, "dag_run_id": run_id, "reset_dag_runs": True}
        self.ask("POST", f"/dags/{dag_id}/clearTaskInstances", body)

    def log_of(self, dag_id: str, run_id: str, task_id: str, map_index: int, attempt: int) -> str:
        """Read what a task has logged; the ``map_index`` of one that is not mapped is -1."""
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        if map_index >= 0:
            folder /= f"map_index={map_index}"
        path = folder / f"attempt={attempt}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _sign_in(self) -> None:
        body = dict(zip(("username", "password"), self.user, strict=True))
        answer = self._session.post(f"{self.url}/auth/token", json=body, timeout=30)
        answer.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


@contextlib.contextmanager
def cluster(
    connection: Mapping[str, Any],
    variables: Mapping[str, str],
    concurrency: int = 4,
    say: Callable[[str], None] = print,
) -> Iterator[Cluster]:
    """Start a cluster; stop all of it, and delete its folder, at the end of the ``with`` block.

    :param connection: the connection ``engagevoice_default``; ``rate_limit_store`` is added to it.
    :param variables: more for the environment, for the DAGs.
    :param concurrency: tasks that one worker runs at a time.
    :param say: is told how far it has come.
    :return: the cluster, once the workers are ready.
    :raises Missing: where something that is needed is not there.
    """
    tools = check_needs()
    begun = time.monotonic()

    def told(what: str) -> None:
        say(f"{what} ({time.monotonic() - begun:.0f} s)")

    folder = Path(tempfile.mkdtemp(prefix="engagevoice-cluster-"))
    try:
        # PostgreSQL may run as another user, and must come through to its own folder.
        folder.chmod(0o711)
        places = {name: folder / name for name in ("airflow", "logs", "postgres", "redis")}
        for place in places.values():
            place.mkdir(mode=0o700)
        with Programs(places["logs"]) as services, Programs(places["logs"]) as programs:
            redis = start_redis(tools, services, places["redis"])
            postgres = start_postgres(tools, services, places["postgres"])
            told("Redis and PostgreSQL run")
            port, password = free_port(), secrets.token_hex(16)
            settings = _celery_settings(redis, postgres)
            environment = environment_of(places["airflow"], DAGS, port, password, settings)
            environment |= {FOLDER_VARIABLE: str(folder / "airflow" / "shared"), **variables}
            shared = {**connection, "extra": {**connection["extra"], "rate_limit_store": f"{redis}/1"}}
            environment["AIRFLOW_CONN_ENGAGEVOICE_DEFAULT"] = json.dumps(shared)
            migrate(environment, places["logs"])
            told("Airflow's database is there")
            start_airflow(programs, environment, port)
            workers = _start_workers(programs, environment, concurrency)
            made = Cluster(
                programs, places["airflow"], workers, f"http://127.0.0.1:{port}", ("admin", password)
            )
            wait_until("Airflow", made.healthy, programs, 240)
            told("API server, scheduler and DAG processor are healthy")
            wait_until("A worker", lambda: all(map(_is_ready, workers)), programs, 240)
            told(f"{len(workers)} workers are ready")
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _celery_settings(redis: str, postgres: str) -> dict[str, str]:
    return {
        "CORE__EXECUTOR": "CeleryExecutor",
        # A bare postgresql:// would be taken for psycopg 3.
        "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{postgres}",
        "CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2://{postgres}",
        "CELERY__BROKER_URL": f"{redis}/0",
        "CELERY__SYNC_PARALLELISM": "1",
        # By default the tasks of a dead worker are missed after 300 seconds, those that it had only queued
        # after 600.
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT),
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        "SCHEDULER__TASK_QUEUED_TIMEOUT": "120",
        "SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    }


def _start_workers(programs: Programs, environment: Mapping[str, str], concurrency: int) -> list[Program]:
    options = ("--concurrency", str(concurrency), "--skip-serve-logs", "--without-mingle", "--without-gossip")
    return [
        programs.start(
            name, airflow("celery", "worker", "--celery-hostname", f"{name}@%h", *options), environment
        )
        for name in ("worker-1", "worker-2")
    ]


def _is_ready(worker: Program) -> bool:
    return " ready." in worker.log.read_text(errors="replace")
