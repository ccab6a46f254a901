"""Tests of the client factory: an Airflow connection in any form becomes a client."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.raw_server import raw_response, raw_server
from tests.unit.hooks.conftest import Connect

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

AUTH_METHODS = ["ringcentral", "api_token", "engage", "legacy"]
NO_CREDENTIALS = {"login": None, "password": None}


@pytest.mark.parametrize("method", AUTH_METHODS)
def test_build_client_each_auth_method_signs_in(
    ringcx_sandbox: SandboxServer, connect: Connect, method: str
) -> None:
    campaign = connect(method).find_campaign("Spring Renewals")
    assert campaign["campaign_id"] == ringcx_sandbox.campaign("Spring Renewals")["campaignId"]


@pytest.mark.parametrize(
    ("method", "fields", "extra", "missing"),
    [
        ("ringcentral", NO_CREDENTIALS, {"jwt_token": None}, "login, password, jwt_token"),
        ("ringcentral", {}, {"jwt_token": ""}, "jwt_token"),
        ("ringcentral", {"password": ""}, {}, "password"),
        ("api_token", NO_CREDENTIALS, {}, "password"),
        ("engage", NO_CREDENTIALS, {"platform_id": None}, "login, password, platform_id"),
        ("engage", {"login": ""}, {}, "login"),
        ("legacy", NO_CREDENTIALS, {}, "login, password"),
    ],
)
def test_build_client_missing_fields_are_named(
    ringcx_sandbox: SandboxServer,
    connect: Connect,
    method: str,
    fields: dict[str, Any],
    extra: dict[str, Any],
    missing: str,
) -> None:
    hook = connect(method, extra, **fields)
    with pytest.raises(InvalidParameter) as caught:
        hook.get_conn()
    assert str(caught.value) == f"Connection 'ringcx_test' with auth_method {method!r} lacks {missing}"
    assert hook.test_connection() == (False, str(caught.value))
    assert ringcx_sandbox.requests == []


@pytest.mark.parametrize(
    ("method", "hint"), [("api-token", "; did you mean api_token?"), ("oauth", ""), (7, "")]
)
def test_build_client_unknown_auth_method_lists_valid_ones(connect: Connect, method: Any, hint: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        connect(extra={"auth_method": method}).get_conn()
    assert str(caught.value) == (
        "Connection 'ringcx_test': auth_method must be one of ringcentral, api_token, engage, legacy, not "
        f"{str(method)!r}{hint}"
    )


@pytest.mark.parametrize(
    "extra",
    [
        {"auth_method": None, "platform_id": None, "timeout": None},
        {"auth_method": "", "platform_id": "", "timeout": ""},
        {"account_id": 50810001, "timeout": "20"},
        {"account_id": " 50810001 ", "timeout": 20.5},
    ],
)
def test_build_client_extras_may_be_empty_numbers_or_text(connect: Connect, extra: dict[str, Any]) -> None:
    client = connect(extra=extra).get_conn()
    assert client.account_id == "50810001"
    assert client.campaigns.find("Spring Renewals")


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_build_client_empty_account_id_is_none(connect: Connect, empty: str | None) -> None:
    assert connect(extra={"account_id": empty}).get_conn().account_id is None


def test_build_client_numeric_platform_id_is_text(connect: Connect, ringcx_sandbox: SandboxServer) -> None:
    issued = raw_response({"accessToken": "issued-token"})
    with raw_server(lambda number, request: issued) as server:
        connect("engage", {"platform_id": 4711}, host=server.url).request("GET", "/api/v1/x")
    assert b"platformId=4711" in server.received[0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, (10.0, 60.0)),
        ("", (10.0, 60.0)),
        (5, (5.0, 5.0)),
        ("5", (5.0, 5.0)),
        (" 90 ", (10.0, 90.0)),
        (0.5, (0.5, 0.5)),
        (3600, (10.0, 3600.0)),
    ],
)
def test_build_client_timeout_may_be_number_or_text(
    connect: Connect, value: Any, expected: tuple[float, float]
) -> None:
    assert connect(extra={"timeout": value}).get_conn().transport.timeout == expected


@pytest.mark.parametrize("value", [0, -1, 3601, "soon", "nan", "inf", [5], {"read": 5}])
def test_build_client_invalid_timeout_raises(connect: Connect, value: Any) -> None:
    with pytest.raises(InvalidParameter, match="extra timeout must be a number of seconds, up to 3600"):
        connect(extra={"timeout": value}).get_conn()


@pytest.mark.parametrize(
    ("fields", "extra"),
    [
        ({"host": "http://ringcx.ringcentral.com"}, {}),
        ({"host": "ringcx.ringcentral.com", "schema": "http"}, {}),
        ({}, {"rc_host": "http://platform.ringcentral.com"}),
    ],
)
def test_build_client_plain_http_raises(
    connect: Connect, fields: dict[str, Any], extra: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParameter, match="Plain http would show the credentials"):
        connect(extra=extra, **fields).get_conn()


@pytest.mark.parametrize("host", ["https://platform.ringcentral.com/restapi", "user@platform", [7]])
def test_build_client_invalid_rc_host_raises(connect: Connect, host: Any) -> None:
    with pytest.raises(InvalidParameter, match="The connection's host"):
        connect(extra={"rc_host": host}).get_conn()


@pytest.mark.parametrize("empty", [None, ""])
def test_build_client_hosts_have_defaults(connect: Connect, empty: str | None) -> None:
    client = connect(extra={"rc_host": empty}, host=empty).get_conn()
    assert client.host == "https://ringcx.ringcentral.com"
    assert client.authenticator.rc_host == "https://platform.ringcentral.com"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "form",
    [
        "engagevoice://{user}@{quoted}:{port}/?{extra}",
        "engagevoice://http://{user}@127.0.0.1:{port}/?{extra}",
        "engagevoice://{user}@127.0.0.1:{port}/http?{extra}",
        "json-text",
        "json-host-and-port",
        "json-schema",
    ],
)
def test_build_client_connection_may_be_uri_or_json(
    ringcx_sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    connection = ringcx_sandbox.connection
    port = int(ringcx_sandbox.url.rpartition(":")[2])
    if form.startswith("json"):
        addresses: dict[str, dict[str, Any]] = {
            "json-text": {"host": ringcx_sandbox.url, "extra": json.dumps(connection["extra"])},
            "json-host-and-port": {"host": "http://127.0.0.1", "port": port},
            "json-schema": {"host": "127.0.0.1", "port": port, "schema": "http"},
        }
        text = json.dumps({**connection, **addresses[form]})
    else:
        text = form.format(
            user="sandbox-client:sandbox-secret",
            quoted=quote("http://127.0.0.1", safe=""),
            port=port,
            extra="&".join(f"{name}={quote(value, safe='')}" for name, value in connection["extra"].items()),
        )
    monkeypatch.setenv("AIRFLOW_CONN_RINGCX_TEST", text)
    hook = EngageVoiceHook("ringcx_test")
    assert hook.get_conn().host == ringcx_sandbox.url
    assert hook.find_campaign("Spring Renewals")["account_id"] == "50810001"
