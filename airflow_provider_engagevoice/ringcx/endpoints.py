"""Paths of RingCX's REST API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.steps import Steps

RequestFn = Callable[..., Any]
"""Sends a request; has the signature of ``RingCXClient.request``."""

RequestStepsFn = Callable[..., Steps[Any]]
"""Sends a request as steps; has the signature of ``RingCXClient.request_steps``."""


def account_path(account_id: str | int) -> str:
    """Return the path of a sub-account, under which all its resources are.

    :param account_id: the sub-account.
    :return: the path.
    :raises InvalidParameter: if it is not a valid sub-account id.
    """
    return f"/api/v1/admin/accounts/{check_account_id(account_id)}"


def check_account_id(account_id: str | int) -> str:
    """Return a sub-account id that can be part of a path.

    :param account_id: the sub-account.
    :return: the id as text.
    :raises InvalidParameter: if it is not a valid sub-account id.
    """
    if isinstance(account_id, bool) or not isinstance(account_id, (str, int)):
        raise InvalidParameter(f"account_id must be text or a whole number, not {type(account_id).__name__}")
    text = str(account_id)
    if not text.strip():
        raise InvalidParameter("account_id is empty; leave it out to use the connection's")
    if not text.isascii() or not text.isalnum():
        raise InvalidParameter(
            f"account_id {text!r} is not a RingCX sub-account id, which consists of letters and digits"
        )
    return text
