"""Tests of endpoint paths."""

from __future__ import annotations

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import make_client

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")


@pytest.mark.parametrize("account_id", ["50810001/../50810002", "5081 0001", "50810001?x=1", "¹", "-"])
def test_account_path_invalid_id_raises_before_any_request(
    ringcx_sandbox: SandboxServer, account_id: str
) -> None:
    client = make_client(ringcx_sandbox.url)
    selection = Selection({"leadIds": [1]})
    with pytest.raises(InvalidParameter, match="is not a RingCX sub-account id"):
        client.leads(account_id).count(selection)
    with pytest.raises(InvalidParameter, match="is not a RingCX sub-account id"):
        client.campaigns.find("Spring Renewals", account_id=account_id)
    assert ringcx_sandbox.requests == []
