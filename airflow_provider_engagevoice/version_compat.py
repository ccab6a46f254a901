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
    "conf",
    "current_context",
    "mask_secret",
    "storage_path",
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
