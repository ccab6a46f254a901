"""Imports that differ between Airflow 2.11 and 3.x."""

from __future__ import annotations

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
    "asset_types",
    "conf",
    "connection_from_uri",
    "current_context",
    "find_asset",
    "mask_secret",
    "storage_path",
    "triggering_assets",
]


def connection_from_uri(uri: str) -> Connection:
    """Return the connection of a URI, or of a JSON object, as Airflow reads them from the environment.

    :param uri: the URI, such as ``engagevoice://:token@127.0.0.1:8080/http?auth_method=api_token``.
    """
    from airflow.models.connection import Connection

    name = "from_uri"
    if uri.lstrip().startswith("{"):
        return Connection.from_json(uri, conn_id=name)
    return Connection(conn_id=name, uri=uri)


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


def find_asset(events: Any, uri: str) -> Any:
    """Return the asset of a URI, with its name, if a DAG refers to it.

    :param events: the context's ``outlet_events``.
    :param uri: URI of the asset.
    :return: the asset; None if no DAG refers to it.
    """
    try:
        from airflow.sdk import Asset
        from airflow.sdk.exceptions import AirflowRuntimeError
    except ImportError:  # Airflow 2.11
        from airflow.datasets import Dataset
        from airflow.models.dataset import DatasetModel
        from airflow.utils.session import create_session

        with create_session() as session:
            known = session.query(DatasetModel.id).filter(DatasetModel.uri == uri).first()
        return None if known is None else Dataset(uri)
    try:
        return events[Asset.ref(uri=uri)].key.to_asset()
    except AirflowRuntimeError as error:
        if "ASSET_NOT_FOUND" not in str(error):
            raise
        return None


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
