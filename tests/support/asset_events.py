"""Asset events in Airflow's database; dataset events on Airflow 2.11."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.dag_runs import FinishedRun

_IMPORTS = """
from datetime import datetime
try:
    from airflow.sdk import DAG, Asset, AssetAlias, task
except ImportError:
    from airflow.datasets import Dataset as Asset, DatasetAlias as AssetAlias
    from airflow.decorators import task
    from airflow.models.dag import DAG
"""


@dataclass(frozen=True)
class StoredEvent:
    """An event as Airflow has stored it.

    :param uri: URI of its asset.
    :param name: name of its asset; the URI on Airflow 2.11.
    :param task: task that emitted it, with its map index if it is mapped.
    :param extra: its extra.
    """

    uri: str
    name: str
    task: str
    extra: dict[str, Any]


def stored_events(run: FinishedRun) -> list[StoredEvent]:
    """Return the events of a run, in the order of their tasks and URIs."""
    from airflow.utils.session import create_session
    from sqlalchemy import select

    event_model, asset_model, key = _models()
    with create_session() as session:
        rows = session.execute(
            select(event_model, asset_model)
            .join(asset_model, asset_model.id == getattr(event_model, key))
            .where(event_model.source_dag_id == run.dag_run.dag_id)
            .where(event_model.source_run_id == run.dag_run.run_id)
        ).all()
        events = [
            StoredEvent(
                asset.uri,
                getattr(asset, "name", asset.uri),
                event.source_task_id + (f"[{event.source_map_index}]" if event.source_map_index >= 0 else ""),
                dict(event.extra or {}),
            )
            for event, asset in rows
        ]
    return sorted(events, key=lambda event: (event.task, event.uri))


def triggered(dag_ids: Iterable[str]) -> set[str]:
    """Return which of some DAGs the events so far will trigger, and forget those events' triggers.

    :param dag_ids: ids of the DAGs.
    """
    from airflow.utils.session import create_session
    from sqlalchemy import delete, select

    try:
        from airflow.models.asset import AssetDagRunQueue as Queue
    except ImportError:  # Airflow 2.11
        from airflow.models.dataset import DatasetDagRunQueue as Queue
    with create_session() as session:
        found = set(session.scalars(select(Queue.target_dag_id)))
        session.execute(delete(Queue))
    return found & set(dag_ids)


def register_consumer(dag_id: str, schedule: str) -> None:
    """Store a DAG that is scheduled on assets, as Airflow's DAG processor does, and unpause it.

    :param dag_id: id of the DAG.
    :param schedule: its schedule, as Python in which ``Asset`` is Airflow's class.
    """
    path = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"], f"{dag_id}.py")
    path.write_text(
        f"{_IMPORTS}\nwith DAG({dag_id!r}, schedule={schedule}, start_date=datetime(2026, 1, 1),"
        f"\n         is_paused_upon_creation=False):\n"
        "    @task\n    def consume():\n        pass\n    consume()\n"
    )
    try:
        _sync(path)
    finally:
        path.unlink()


def _sync(path: Path) -> None:
    try:
        from airflow.dag_processing import dagbag
    except ImportError:  # Airflow 2.11 to 3.1
        from airflow.models import dagbag
    bag = dagbag.DagBag(path)
    assert bag.import_errors == {}
    try:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
    except ImportError:  # Airflow 2.11
        bag.sync_to_db()
        return
    DagBundlesManager().sync_bundles_to_db()
    if hasattr(dagbag, "sync_bag_to_db"):
        dagbag.sync_bag_to_db(bag, "dags-folder", None)
    else:  # Airflow 3.0
        bag.sync_to_db("dags-folder", None)


def _models() -> tuple[Any, Any, str]:
    try:
        from airflow.models.asset import AssetEvent, AssetModel
    except ImportError:  # Airflow 2.11
        from airflow.models.dataset import DatasetEvent, DatasetModel

        return DatasetEvent, DatasetModel, "dataset_id"
    return AssetEvent, AssetModel, "asset_id"
