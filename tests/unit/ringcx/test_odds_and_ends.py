"""Names of digits, odd encodings, proxies, empty accounts: things that surprise once."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import urllib3

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidCriteria,
    NotFound,
)
from airflow_provider_engagevoice.ringcx.transport.http import _was_sent
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import make_client

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")


def test_a_phone_number_in_a_path_stays_out_of_the_error(ringcx_sandbox: SandboxServer) -> None:
    with pytest.raises(NotFound) as caught:
        make_client(ringcx_sandbox.url).request(
            "DELETE", "/voice/api/v1/admin/accounts/{accountId}/dncLists/tags/GLOBAL/phones/15551234567"
        )
    assert "15551234567" not in str(caught.value)
    assert "/accounts/50810001/dncLists" in str(caught.value)


def test_utf_8_is_read_as_such_even_where_the_header_does_not_say_so(ringcx_sandbox: SandboxServer) -> None:
    body = '[{"accountId": "50810001", "accountName": "Rückruf München"}]'
    ringcx_sandbox.fault("answer", body=body, content_type="text/plain", operation="accounts")
    assert make_client(ringcx_sandbox.url).campaigns.accounts()[0]["account_name"] == "Rückruf München"


@pytest.mark.parametrize(
    ("cause", "sent"),
    [
        (OSError("Tunnel connection failed: 407 Proxy Authentication Required"), False),
        (urllib3.exceptions.NewConnectionError(None, "refused"), False),  # type: ignore[arg-type]
        (ConnectionResetError("dropped after the request"), True),
    ],
)
def test_a_connection_that_a_proxy_drops_may_have_carried_the_request(cause: Exception, sent: bool) -> None:
    import requests

    reason = urllib3.exceptions.ProxyError("Unable to connect to proxy", cause)
    wrapped = urllib3.exceptions.MaxRetryError(None, "/", reason)  # type: ignore[arg-type]
    assert _was_sent(requests.exceptions.ProxyError(wrapped)) is sent


def test_a_hook_call_that_selects_nothing_says_so(
    ringcx_sandbox: SandboxServer, logged: Callable[[], str]
) -> None:
    hook = EngageVoiceHook()
    assert hook.count_leads({"campaignIds": [1], "leadStates": []}) == 0
    assert list(hook.search_leads({"campaignIds": [1], "leadStates": []})) == []
    assert logged().count("leadStates is empty") >= 2


def test_a_hook_judges_criteria_before_it_asks_which_account_to_use(
    ringcx_sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = ringcx_sandbox.connection_for("api_token")
    del connection["extra"]["account_id"]
    monkeypatch.setenv("AIRFLOW_CONN_ENGAGEVOICE_DEFAULT", json.dumps(connection))
    hook = EngageVoiceHook()
    for read in (hook.count_leads, hook.search_leads):
        with pytest.raises(InvalidCriteria):
            read({"leadStates": ["READY"]})
    assert hook.count_leads({"externIds": []}) == 0
    assert list(hook.search_leads({"externIds": []})) == []
    assert ringcx_sandbox.requests == []
