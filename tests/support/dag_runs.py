"""DAG runs in real Airflow: a DAG file in the DAGs folder, run by ``dag.test()``."""

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
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

#: Start of each DAG file that :func:`run_tasks` writes.
_HEADER = """
from __future__ import annotations
from datetime import datetime, timedelta
from types import SimpleNamespace
try:
    from airflow.sdk import DAG, Asset, AssetAlias, task
except ImportError:
    from airflow.datasets import Dataset as Asset, DatasetAlias as AssetAlias
    from airflow.decorators import task
    from airflow.models.dag import DAG
from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.operators.export import ExportLeadsOperator
from airflow_provider_engagevoice.operators.leads import (
    EmailLeadsOperator, LeadActionOperator, MoveLeadsOperator,
)
from airflow_provider_engagevoice.operators.load import LoadLeadsOperator, UpdateLeadsOperator
from airflow_provider_engagevoice.operators.sync import (
    ApplySyncOperator, PlanSyncOperator, SyncLeadsOperator,
)
from airflow_provider_engagevoice.ringcx.criteria import LeadSearchCriteria
from airflow_provider_engagevoice.sensors.campaigns import CampaignLookupSensor
from airflow_provider_engagevoice.sensors.leads import LeadCountSensor
from airflow_provider_engagevoice.transfers.sql_to_engagevoice import SqlToEngageVoiceOperator

"""

_numbers = itertools.count(1)


@dataclass(frozen=True)
class FinishedRun:
    """A finished DAG run."""

    dag_run: Any

    def states(self) -> dict[str, str]:
        """Return the state of each task; mapped tasks are named ``task[index]``."""
        return {
            ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]": str(ti.state)
            for ti in self.dag_run.get_task_instances()
        }

    def state(self, task_id: str) -> str:
        """Return the state of a task that is not mapped."""
        return self.states()[task_id]

    def attempts(self, task_id: str) -> int:
        """Return the number of attempts of a task."""
        return next(ti.try_number for ti in self.dag_run.get_task_instances() if ti.task_id == task_id)

    def xcom(self, task_id: str, map_index: int = -1) -> Any:
        """Return the result of a task."""
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

    def rendered_fields(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return the rendered template fields of a task, as stored by Airflow."""
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


def run_dag_file(
    path: Path,
    run_conf: dict[str, Any] | None = None,
    logical_date: datetime | None = None,
    cleared: FinishedRun | None = None,
) -> FinishedRun:
    """Run the only DAG of a file in the DAGs folder.

    :param path: the DAG file.
    :param run_conf: configuration of the run, which overrides the DAG's params.
    :param logical_date: date of the run; a run of the same date is deleted before; default now.
    :param cleared: a run that is continued instead: all of its tasks are cleared, as by a person, and run
        again.
    """
    name = f"dag_file_{next(_numbers)}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        dag = next(value for value in vars(module).values() if type(value).__name__ == "DAG")
        names = inspect.signature(dag.test).parameters
        date_name = "logical_date" if "logical_date" in names else "execution_date"
        if cleared is not None:
            logical_date = getattr(cleared.dag_run, date_name)
        options = {} if logical_date is None else {date_name: logical_date}
        with _interrupted_tasks_fail(), _continuing(cleared):
            return FinishedRun(dag.test(run_conf=run_conf, **options))
    finally:
        del sys.modules[name]


@contextmanager
def _interrupted_tasks_fail() -> Iterator[None]:
    """Let a task that Airflow 2 interrupts fail as on a worker, where it does not end the other tasks."""
    try:
        from airflow.exceptions import AirflowTaskTerminated, AirflowTaskTimeout
        from airflow.models import dag

        run_task = dag._run_task  # type: ignore[attr-defined]
    except (ImportError, AttributeError):  # Airflow 3
        yield
        return

    def run_or_fail(**arguments: Any) -> None:
        try:
            run_task(**arguments)
        except (AirflowTaskTerminated, AirflowTaskTimeout) as error:
            # Neither is an Exception; dag.test() catches no other.
            raise RuntimeError(f"The task was interrupted: {error}") from error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dag, "_run_task", run_or_fail)
        yield


@contextmanager
def _continuing(run: FinishedRun | None) -> Iterator[None]:
    """Let ``dag.test()`` continue a run instead of replacing it; it clears the tasks of the date before.

    :param run: the run; None to replace it.
    """

    def continue_run(*, dag: Any, session: Any, **arguments: Any) -> Any:
        from airflow.models.dagrun import DagRun

        assert run is not None
        found = session.get(DagRun, run.dag_run.id)
        found.dag, found.state = dag, "running"
        session.commit()
        return found

    with pytest.MonkeyPatch.context() as patch:
        # The function moved and was renamed in Airflow 3.1.
        for name in ("models.dag._get_or_create_dagrun", "models.dagrun.get_or_create_dagrun"):
            module, _, function = name.rpartition(".")
            found = importlib.import_module(f"airflow.{module}")
            if run is not None and hasattr(found, function):
                patch.setattr(found, function, continue_run)
        yield


@contextmanager
def dag_file(name: str, source: str) -> Iterator[Path]:
    """Write a file in Airflow's DAGs folder, and delete it on exit from the ``with`` block."""
    path = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"], name)
    path.write_text(source)
    try:
        yield path
    finally:
        path.unlink()


def run_tasks(build: Callable[..., Any], *, native: bool = False, **arguments: Any) -> FinishedRun:
    """Write a DAG file with the tasks that a function creates, and run it.

    The function's source is copied into the file, so that it can use only its arguments and the names that
    ``_HEADER`` imports.

    :param build: creates the tasks.
    :param native: render templates to native Python types.
    :param arguments: arguments of the function.
    """
    with built_dag(build, native=native, **arguments) as path:
        return run_dag_file(path)


@contextmanager
def built_dag(build: Callable[..., Any], *, native: bool = False, **arguments: Any) -> Iterator[Path]:
    """Write a DAG file as :func:`run_tasks` does, and delete it on exit from the ``with`` block."""
    dag_id = f"{build.__name__}_{next(_numbers)}"
    source = (
        _HEADER
        + textwrap.dedent(inspect.getsource(build))
        + f"\nwith DAG({dag_id!r}, schedule=None, start_date=datetime(2026, 1, 1), catchup=False,"
        + f"\n         render_template_as_native_obj={native},"
        + "\n         default_args={'retry_delay': timedelta(0)}) as dag:"
        + f"\n    {build.__name__}(**{arguments!r})\n"
    )
    with dag_file(f"{dag_id}.py", source) as path:
        yield path
