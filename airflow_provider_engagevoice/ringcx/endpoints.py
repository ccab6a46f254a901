"""Paths of RingCX's REST API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidParameter,
)

RequestFn = Callable[..., Any]


def account_path(account_id: str | int) -> str:
    """Write the path that everything of a sub-account is below.

    :param account_id: the sub-account.
    :return: the path.
    :raises InvalidParameter: where it is no such id.
    """
    text = str(account_id)
    if not text.isascii() or not text.isalnum():
        raise InvalidParameter(f"account_id {text!r} is no RingCX sub-account id")
    return f"/api/v1/admin/accounts/{text}"
