"""Imports that differ between Airflow 2.11 and 3.x."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

try:
    from airflow.sdk import BaseOperator, BaseSensorOperator, PokeReturnValue
except ImportError:  # Airflow 2.11
    from airflow.models import BaseOperator
    from airflow.sensors.base import BaseSensorOperator, PokeReturnValue

try:
    from airflow.sdk import BaseHook
except ImportError:  # Airflow 2.11 and 3.0
    from airflow.hooks.base import BaseHook

try:
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import (
        AirflowFailException,
        AirflowSensorTimeout,
        AirflowSkipException,
    )
except ImportError:  # Airflow 2.11 to 3.1
    from airflow.configuration import conf
    from airflow.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException

if TYPE_CHECKING:
    from airflow.models.connection import Connection

    try:
        from airflow.sdk import Context
    except ImportError:
        from airflow.utils.context import Context

__all__ = [
    "AirflowFailException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "BaseHook",
    "BaseOperator",
    "BaseSensorOperator",
    "Connection",
    "Context",
    "PokeReturnValue",
    "add_asset_event",
    "asset_types",
    "automatic_outlet",
    "conf",
    "current_context",
    "mask_secret",
    "storage_path",
    "triggering_assets",
]


def current_context() -> Context | None:
    """Return the context of the task that is running; None outside of a task."""
    try:
        from airflow.sdk import get_current_context
    except ImportError:  # Airflow 2.11
        from airflow.operators.python import get_current_context
    try:
        return get_current_context()
    # RuntimeError on Airflow 3, AirflowException on Airflow 2.
    except Exception:
        return None


def mask_secret(secret: str) -> None:
    """Mask a secret in all logs of this process.

    :param secret: the secret.
    """
    try:
        from airflow.sdk.log import mask_secret as mask
    except ImportError:  # Airflow 2.11
        from airflow.utils.log.secrets_masker import mask_secret as mask
    mask(secret)


def storage_path(path: Any) -> Any:
    """Return an ``ObjectStoragePath`` for a URL; return any other value unchanged.

    :param path: for example ``s3://conn@bucket/key``, or a local path.
    :return: the path.
    """
    if not isinstance(path, str) or "://" not in path:
        return path
    try:
        from airflow.sdk import ObjectStoragePath
    except ImportError:  # Airflow 2.11
        from airflow.io.path import ObjectStoragePath
    return ObjectStoragePath(path)


def asset_types() -> tuple[tuple[Any, ...], Any]:
    """Return the classes of outlets with a URI, and the class of aliases."""
    try:
        from airflow.sdk import Asset, AssetAlias
    except ImportError:  # Airflow 2.11
        from airflow.datasets import Dataset, DatasetAlias

        return (Dataset,), DatasetAlias
    return (Asset, type(Asset.ref(uri="x://"))), AssetAlias


def automatic_outlet(uri: str) -> Any:
    """Return an outlet through which a running task can emit an event that its DAG does not declare.

    On Airflow 3 it is an alias, for which Airflow creates the asset. Airflow 2.11 fails if it does not know
    an alias from a DAG, so it is the dataset itself there, if a DAG refers to it.

    :param uri: URI of the asset.
    :return: the outlet; None if no event can be stored.
    """
    try:
        from airflow.sdk import AssetAlias
    except ImportError:  # Airflow 2.11
        from airflow.datasets import Dataset
        from airflow.models.dataset import DatasetModel
        from airflow.utils.session import create_session

        with create_session() as session:
            known = session.query(DatasetModel.id).filter(DatasetModel.uri == uri).first()
        return None if known is None else Dataset(uri)
    return AssetAlias(name=uri)


def add_asset_event(events: Any, outlet: Any, uri: str, extra: Mapping[str, Any]) -> None:
    """Add an event to the outlet events of a task.

    :param events: the context's ``outlet_events``.
    :param outlet: an alias among the task's outlets, or what :func:`automatic_outlet` returned.
    :param uri: URI of the asset.
    :param extra: the event's extra.
    """
    try:
        from airflow.sdk import Asset
    except ImportError:  # Airflow 2.11
        from airflow.datasets import Dataset, DatasetAlias

        if isinstance(outlet, DatasetAlias):
            events[outlet].add(Dataset(uri), extra=dict(extra))
        else:
            events[outlet].extra.update(extra)
        return
    events[outlet].add(Asset(uri=uri), extra=dict(extra))


def triggering_assets(context: Context) -> set[str]:
    """Return the URIs of assets, and the names of aliases, whose events have triggered the DAG run.

    :param context: the task's context.
    :return: URIs and names.
    """
    if "triggering_asset_events" in context:
        keys = context["triggering_asset_events"] or ()
        return {str(getattr(key, "uri", None) or getattr(key, "name", "")) for key in keys}
    # Airflow 2.11. Its triggering_dataset_events fails if the DAG run has changes that are not stored yet.
    from airflow.models.dagrun import DagRun
    from airflow.models.dataset import DatasetEvent, DatasetModel
    from airflow.utils.session import create_session

    ti: Any = context["ti"]
    with create_session() as session:
        query = session.query(DatasetModel.uri).join(DatasetEvent, DatasetEvent.dataset_id == DatasetModel.id)
        runs = DatasetEvent.created_dagruns.any((DagRun.dag_id == ti.dag_id) & (DagRun.run_id == ti.run_id))
        return {uri for (uri,) in query.filter(runs)}
