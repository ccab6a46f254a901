"""Tasks that act on leads, as a test has written them down; some kill themselves in their first try.

Where the tasks and their pids are, the test says by the environment.
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

FOLDER = Path(os.environ["KILLED_FOLDER"])


def begin(dies_at: dict[str, Any] | None) -> Callable[[dict[str, Any]], None]:
    """Make what a task does first: tell its pid, and see that it dies before it keeps a certain record."""

    def pre_execute(context: dict[str, Any]) -> None:
        (FOLDER / context["ti"].task_id).write_text(str(os.getpid()))
        if dies_at is None or context["ti"].try_number > 1:
            return
        store = context["task_state_store"]
        keep = store.set

        def keep_or_die(key: str, value: Any, **options: Any) -> None:
            if dies_at.items() <= json.loads(value).items():
                os.kill(os.getpid(), signal.SIGKILL)
            keep(key, value, **options)

        store.set = keep_or_die

    return pre_execute


with DAG("killed", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
    for task in json.loads((FOLDER / "tasks.json").read_text()):
        operator = LeadActionOperator if task["kind"] == "manual" else MoveLeadsOperator
        operator(
            task_id=task["task_id"],
            pre_execute=begin(task["dies_at"]),
            retries=3,
            retry_delay=timedelta(0),
            **task["arguments"],
        )
