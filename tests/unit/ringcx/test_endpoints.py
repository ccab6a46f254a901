"""Tests of API paths."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.endpoints import account_path
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter


@pytest.mark.parametrize("account_id", [50810001, "50810001"])
def test_account_path_contains_the_account(account_id: int | str) -> None:
    assert account_path(account_id) == "/api/v1/admin/accounts/50810001"


@pytest.mark.parametrize("account_id", ["5081/..", "5081?x=1", "5081#", "\uff15\uff10", "-1", "1.0"])
def test_account_path_rejects_other_characters(account_id: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        account_path(account_id)
    assert str(caught.value) == (
        f"account_id {account_id!r} is not a RingCX sub-account id, which consists of letters and digits"
    )


@pytest.mark.parametrize("account_id", ["", " ", "\n"])
def test_account_path_rejects_an_empty_account(account_id: str) -> None:
    with pytest.raises(InvalidParameter, match="account_id is empty; leave it out to use the connection's"):
        account_path(account_id)


@pytest.mark.parametrize("account_id", [None, True, 1.5, [50810001], b"50810001"])
def test_account_path_rejects_other_types(account_id: Any) -> None:
    kind = type(account_id).__name__
    with pytest.raises(InvalidParameter, match=f"account_id must be text or a whole number, not {kind}"):
        account_path(account_id)
