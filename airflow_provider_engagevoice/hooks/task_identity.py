"""Identity of the running task instance: the same for all its attempts, whatever the host."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any


def task_identity(context: Any) -> list[str] | None:
    """Return what identifies the running task instance.

    It has neither the attempt nor the host, so that an attempt after a clear finds what others have loaded.
    Nor does it name the Airflow deployment: a copy of the DAG that loads the same run into the same campaign
    loads no lead a second time.

    :param context: the task's context; None outside of a task.
    :return: DAG, task, run and map index; None outside of a task.
    """
    if context is None:
        return None
    ti: Any = context["ti"]
    return [str(each) for each in (ti.dag_id, ti.task_id, ti.run_id, ti.map_index)]


def task_label(context: Any) -> str:
    """Return a name for lists that the running task instance makes.

    :param context: the task's context; None outside of a task.
    :return: DAG, task, map index and run; the time outside of a task.
    """
    if context is None:
        return f"Loaded {datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    ti: Any = context["ti"]
    map_index = "" if ti.map_index in (None, -1) else f"[{ti.map_index}]"
    return f"{ti.dag_id}.{ti.task_id}{map_index} {ti.run_id}"


def run_started(context: Any) -> datetime | None:
    """Return when the DAG run of the running task began, before which none of its attempts can have started.

    :param context: the task's context; None outside of a task.
    :return: the time; None if it is not known. Airflow may change it if a person clears the run, but not
        before an automatic retry.
    """
    started = None if context is None else getattr(context.get("dag_run"), "start_date", None)
    return started if isinstance(started, datetime) and started.tzinfo is not None else None
