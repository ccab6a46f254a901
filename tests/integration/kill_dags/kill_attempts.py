"""DAG with the tasks of a test's specification; some kill their own process in the first attempt.

The environment variable ``KILL_TEST_FOLDER`` names the folder with the specification, ``tasks.json``. Each
task writes the pid of its process to a file of that folder.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from airflow_provider_engagevoice.operators.leads import LeadActionOperator, MoveLeadsOperator

FOLDER = Path(os.environ["KILL_TEST_FOLDER"])


def make_pre_execute(kill_before_save: dict[str, Any] | None) -> Callable[[dict[str, Any]], None]:
    """Return a ``pre_execute`` that writes the pid and, in the first attempt, prepares the kill.

    :param kill_before_save: the process is killed before it saves a checkpoint with these values; None for
        never.
    """

    def pre_execute(context: dict[str, Any]) -> None:
        (FOLDER / context["ti"].task_id).write_text(str(os.getpid()))
        if kill_before_save is None or context["ti"].try_number > 1:
            return
        store = context["task_state_store"]
        save = store.set

        def save_or_die(key: str, value: Any, **options: Any) -> None:
            checkpoints = json.loads(value)["checkpoints"]
            if checkpoints and kill_before_save.items() <= checkpoints[-1].items():
                os.kill(os.getpid(), signal.SIGKILL)
            save(key, value, **options)

        store.set = save_or_die

    return pre_execute


with DAG("kill_attempts", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
    for task in json.loads((FOLDER / "tasks.json").read_text()):
        operator = LeadActionOperator if task["kind"] == "manual" else MoveLeadsOperator
        operator(
            task_id=task["task_id"],
            pre_execute=make_pre_execute(task["kill_before_save"]),
            retries=3,
            retry_delay=timedelta(0),
            **task["arguments"],
        )
