"""Tests of API paths."""

from __future__ import annotations

import pytest

from airflow_provider_engagevoice.ringcx.endpoints import account_path
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter


@pytest.mark.parametrize("account_id", [50810001, "50810001"])
def test_account_path_contains_the_account(account_id: int | str) -> None:
    assert account_path(account_id) == "/api/v1/admin/accounts/50810001"


@pytest.mark.parametrize("account_id", ["", " ", "5081/..", "5081?x=1", "5081#", "\uff15\uff10", "-1", "1.0"])
def test_account_path_rejects_other_characters(account_id: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        account_path(account_id)
    assert str(caught.value) == (
        f"account_id {account_id!r} is not a RingCX sub-account id, which consists of letters and digits"
    )
