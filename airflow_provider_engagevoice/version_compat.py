"""Every name that differs between Airflow 2.11 and 3.x, once."""

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
except ImportError:  # before Airflow 3.2
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
    "mask_secret",
    "storage_path",
]


def mask_secret(secret: str) -> None:
    """Hide a secret in every log of this process.

    :param secret: the secret.
    """
    try:
        from airflow.sdk.log import mask_secret as mask
    except ImportError:  # Airflow 2.11
        from airflow.utils.log.secrets_masker import mask_secret as mask
    mask(secret)


def storage_path(path: Any) -> Any:
    """Make an ``ObjectStoragePath`` of a URL; anything else stays as it is.

    :param path: such as ``s3://conn@bucket/key``, or a path of this machine.
    :return: the path.
    """
    if not isinstance(path, str) or "://" not in path:
        return path
    try:
        from airflow.sdk import ObjectStoragePath
    except ImportError:  # Airflow 2.11
        from airflow.io.path import ObjectStoragePath
    return ObjectStoragePath(path)
