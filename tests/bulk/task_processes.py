"""Runs tasks in processes of their own, forked from one that has Airflow loaded already.

Reads orders from standard input, a JSON object a line: ``file`` (of the one DAG in it), and ``then`` for the
next try of its last run: ``retry``, or ``clear`` as a person does. Answers ``{"pid": ...}`` when the process
is there, and ``{"state": ...}`` when it has ended; ``killed`` where it was. What tasks log goes to the file
named as argument.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any


def load_dag(path: str) -> Any:
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return next(value for value in vars(module).values() if type(value).__name__ == "DAG")


def run(file: str, then: str | None) -> str:
    dag = load_dag(file)
    if then is None:
        return str(dag.test().state)
    from airflow.models.taskinstance import TaskInstance, clear_task_instances
    from airflow.sdk.definitions.dag import _run_task
    from airflow.serialization.serialized_objects import create_scheduler_operator
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        ti = session.scalars(select(TaskInstance).where(TaskInstance.dag_id == dag.dag_id)).one()
        ti.task = create_scheduler_operator(dag.get_task(ti.task_id))
        if then == "clear":
            clear_task_instances([ti], session)
        else:
            ti.handle_failure("the process was killed", session=session)
        ti.try_number += 1
        session.commit()
        ti_id = ti.id
        _run_task(ti=ti, task=dag.get_task(ti.task_id))
    with create_session() as session:
        state = session.scalars(select(TaskInstance.state).where(TaskInstance.id == ti_id)).one()
        return str(getattr(state, "value", state))


def in_child(order: dict[str, Any], result: int, loaded: Any) -> None:
    from airflow import settings
    from airflow.sdk.execution_time import supervisor

    settings.engine.dispose(close=False)
    # The same application, with threads of this process.
    api = type(loaded)()
    api._app = loaded.app
    supervisor.in_process_api_server = lambda: api
    state = run(order["file"], order.get("then"))
    os.write(result, state.encode())


def main() -> None:
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    # All that takes long to load.
    import httpx
    from airflow.sdk.execution_time.supervisor import in_process_api_server

    import airflow_provider_engagevoice.hooks.connection
    import airflow_provider_engagevoice.operators.leads  # noqa: F401

    # The application makes its routes, which takes longest of all, at its first request.
    loaded = in_process_api_server()
    httpx.Client(transport=loaded.transport, base_url="http://in-process.invalid").get("/health")
    channel.write('{"ready": true}\n')
    for line in sys.stdin:
        sys.stdout.flush()
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                in_child(json.loads(line), write, loaded)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(0)
        os.close(write)
        channel.write(json.dumps({"pid": pid}) + "\n")
        os.waitpid(pid, 0)
        state = os.read(read, 100).decode()
        os.close(read)
        channel.write(json.dumps({"state": state or "killed"}) + "\n")
    os._exit(0)


if __name__ == "__main__":
    main()
