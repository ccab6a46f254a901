"""Runs DAGs in real Airflow: as a user's file in the DAGs folder, by Airflow's own `dag.test()`."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HEADER = """
from __future__ import annotations
from datetime import datetime, timedelta
from types import SimpleNamespace
try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow.decorators import task
    from airflow.models.dag import DAG
from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.operators.leads import (
    EmailLeadsOperator, LeadActionOperator, MoveLeadsOperator,
)
from airflow_provider_engagevoice.ringcx.criteria import LeadSearchCriteria
from airflow_provider_engagevoice.sensors.campaigns import CampaignLookupSensor

"""

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Run:
    """A DAG run that has ended."""

    dag_run: Any

    def states(self) -> dict[str, str]:
        """State of every task; of a mapped one as `task[index]`."""
        return {
            ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]": str(ti.state)
            for ti in self.dag_run.get_task_instances()
        }

    def state(self, task_id: str) -> str:
        return self.states()[task_id]

    def tries(self, task_id: str) -> int:
        return next(ti.try_number for ti in self._instances(task_id))

    def xcom(self, task_id: str, map_index: int = -1) -> Any:
        """What the task returned."""
        key = {
            "run_id": self.dag_run.run_id,
            "dag_id": self.dag_run.dag_id,
            "task_id": task_id,
            "map_index": map_index,
        }
        try:
            from airflow.models.xcom import XComModel
        except ImportError:  # Airflow 2
            from airflow.models.xcom import XCom

            return XCom.get_one(key="return_value", **key)
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            conditions = [getattr(XComModel, name) == value for name, value in key.items()]
            row = session.scalar(select(XComModel).where(XComModel.key == "return_value", *conditions))
            return None if row is None else XComModel.deserialize_value(row)

    def rendered(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """What Airflow stored of the task's template fields."""
        from airflow.models.renderedtifields import RenderedTaskInstanceFields
        from airflow.utils.session import create_session
        from sqlalchemy import select

        model = RenderedTaskInstanceFields
        with create_session() as session:
            row = session.scalar(
                select(model).where(
                    model.dag_id == self.dag_run.dag_id,
                    model.run_id == self.dag_run.run_id,
                    model.task_id == task_id,
                    model.map_index == map_index,
                )
            )
            return dict(row.rendered_fields)

    def _instances(self, task_id: str) -> list[Any]:
        return [ti for ti in self.dag_run.get_task_instances() if ti.task_id == task_id]


def run_file(source: Path, run_conf: dict[str, Any] | None = None) -> Run:
    """Run the one DAG of a file in the DAGs folder."""
    name = f"dag_file_{next(_numbers)}"
    spec = importlib.util.spec_from_file_location(name, source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        dag = next(value for value in vars(module).values() if type(value).__name__ == "DAG")
        return Run(dag.test(run_conf=run_conf))
    finally:
        del sys.modules[name]


@contextmanager
def in_dags_folder(name: str, text: str) -> Iterator[Path]:
    """Put a file into Airflow's DAGs folder for as long as the block runs."""
    path = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"], name)
    path.write_text(text)
    try:
        yield path
    finally:
        path.unlink()


def run_tasks(build: Callable[..., Any], *, native: bool = False, **arguments: Any) -> Run:
    """Run the tasks that a function makes, as a DAG file of its own.

    The function's source becomes part of the file, so it may use the arguments and the names of
    `_HEADER`, and nothing else.
    """
    dag_id = f"{build.__name__}_{next(_numbers)}"
    text = (
        _HEADER
        + textwrap.dedent(inspect.getsource(build))
        + f"\nwith DAG({dag_id!r}, schedule=None, start_date=datetime(2026, 1, 1), catchup=False,"
        + f"\n         render_template_as_native_obj={native},"
        + "\n         default_args={'retry_delay': timedelta(0)}) as dag:"
        + f"\n    {build.__name__}(**{arguments!r})\n"
    )
    with in_dags_folder(f"{dag_id}.py", text) as path:
        return run_file(path)
