"""Tests of the client factory: an Airflow connection in any form becomes a client."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_engagevoice.hooks.client_factory import build_client
from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.raw_server import raw_response, raw_server
from tests.unit.hooks.conftest import Connect

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

AUTH_METHODS = ["ringcentral", "api_token", "engage", "legacy"]
NO_CREDENTIALS = {"login": None, "password": None}
USER, SECRET = "Client id or user (login)", "Secret or token (password)"


@pytest.mark.parametrize("method", AUTH_METHODS)
def test_build_client_each_auth_method_signs_in(
    ringcx_sandbox: SandboxServer, connect: Connect, method: str
) -> None:
    campaign = connect(method).find_campaign("Spring Renewals")
    assert campaign["campaign_id"] == ringcx_sandbox.campaign("Spring Renewals")["campaignId"]


@pytest.mark.parametrize(
    ("method", "fields", "extra", "missing"),
    [
        ("ringcentral", NO_CREDENTIALS, {"jwt_token": None}, f"{USER} and {SECRET} and JWT (jwt_token)"),
        ("ringcentral", {}, {"jwt_token": " "}, "JWT (jwt_token)"),
        ("ringcentral", {"password": ""}, {}, SECRET),
        ("api_token", NO_CREDENTIALS, {}, SECRET),
        (
            "engage",
            NO_CREDENTIALS,
            {"platform_id": None},
            f"{USER} and {SECRET} and Platform id (platform_id)",
        ),
        ("engage", {"login": "\n"}, {}, USER),
        ("legacy", NO_CREDENTIALS, {}, f"{USER} and {SECRET}"),
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
    expected = f"Enter {missing}: auth_method {method!r} needs {'them' if ' and ' in missing else 'it'}"
    assert str(caught.value) == f"Connection 'ringcx_test': {expected}"
    # The form tests a connection that is not saved yet under an id that Airflow makes up.
    assert hook.test_connection() == (False, expected)
    assert ringcx_sandbox.requests == []


@pytest.mark.parametrize(
    ("method", "hint"), [("api-token", "; did you mean api_token?"), ("oauth", ""), (7, "")]
)
def test_build_client_unknown_auth_method_lists_valid_ones(connect: Connect, method: Any, hint: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        connect(extra={"auth_method": method}).get_conn()
    assert str(caught.value) == (
        "Connection 'ringcx_test': The extra auth_method must be one of ringcentral, api_token, engage, "
        f"legacy, not {str(method)!r}{hint}"
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


@pytest.mark.parametrize("value", [0, -1, 3601, "soon", "nan", "inf"])
def test_build_client_invalid_timeout_raises(connect: Connect, value: Any) -> None:
    expected = r"Timeout \(seconds\) \(timeout\) must be a number of seconds, up to 3600"
    with pytest.raises(InvalidParameter, match=expected):
        connect(extra={"timeout": value}).get_conn()


@pytest.mark.parametrize(
    "name",
    ["timeout", "limit_pad", "limit_timeout", "jwt_token", "account_id", "rc_host", "rate_limit_store"],
)
@pytest.mark.parametrize("value", [True, [5], {"read": 5}])
def test_build_client_extra_of_another_type_is_refused(
    ringcx_sandbox: SandboxServer, connect: Connect, name: str, value: Any
) -> None:
    expected = rf"\({name}\) must be text or a number, not {type(value).__name__}$"
    with pytest.raises(InvalidParameter, match=expected):
        connect(extra={name: value}).get_conn()


@pytest.mark.parametrize("extra", ["[1]", "{account_id: 5}", "account_id=5", '"text"'])
def test_build_client_extra_that_is_no_json_object_is_refused(
    ringcx_sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, extra: str
) -> None:
    text = json.dumps({**ringcx_sandbox.connection, "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_RINGCX_TEST", text)
    with pytest.raises(InvalidParameter, match="Write the extra as a JSON object, such as"):
        EngageVoiceHook("ringcx_test").get_conn()


@pytest.mark.parametrize("text", ["{broken", '{"conn_type": "engagevoice", "port": "x"}'])
def test_connection_in_an_unreadable_variable_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_RINGCX_TEST", text)
    expected = "Correct the environment variable AIRFLOW_CONN_RINGCX_TEST, which Airflow cannot read"
    with pytest.raises(InvalidParameter, match=expected):
        EngageVoiceHook("ringcx_test").get_conn()


@pytest.mark.parametrize("value", ["two\nlines", "bell\x07x", "half \ud83d of a pair"])
def test_credential_that_cannot_be_sent_is_named(ringcx_sandbox: SandboxServer, value: str) -> None:
    # Airflow refuses some of these in an environment variable, but secrets backends may return them.
    connection: Any = SimpleNamespace(
        conn_type="engagevoice",
        host=ringcx_sandbox.url,
        port=None,
        schema=None,
        login=None,
        password=value,
        extra='{"auth_method": "api_token"}',
        extra_dejson={"auth_method": "api_token"},
    )
    with pytest.raises(InvalidParameter, match=re.escape(f"Enter {SECRET} again: it contains a line")):
        build_client(connection)


def test_build_client_unknown_schema_is_refused(connect: Connect) -> None:
    with pytest.raises(InvalidParameter, match="schema must be http, https or empty, not 'ftp'"):
        connect(schema="ftp").get_conn()


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


@pytest.mark.parametrize("host", ["https://platform.ringcentral.com/restapi", "user@platform", "x:port"])
def test_build_client_invalid_rc_host_raises(connect: Connect, host: Any) -> None:
    with pytest.raises(InvalidParameter, match="The connection's rc_host"):
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


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("acount_id", "; did you mean account_id?"),
        ("Account_ID", "; did you mean account_id?"),
        ("extra__engagevoice__account_id", "; did you mean account_id?"),
        ("verify_ssl", ""),
        ("extra__x", ""),
    ],
)
def test_build_client_unknown_extra_is_refused(connect: Connect, name: str, hint: str) -> None:
    expected = f"Remove or correct the extra {name!r}, which is unknown{hint}$"
    with pytest.raises(InvalidParameter, match=re.escape(expected[:-1]) + "$"):
        connect(extra={name: "secret-value"}).get_conn()


def test_build_client_other_connection_type_is_named(connect: Connect) -> None:
    with pytest.raises(InvalidParameter, match=r"\(engagevoice\); this one is of type 'http'"):
        connect(conn_type="http", login=None).get_conn()


@pytest.mark.parametrize("method", AUTH_METHODS)
def test_build_client_blanks_around_credentials_are_removed(
    ringcx_sandbox: SandboxServer, connect: Connect, method: str
) -> None:
    connection = ringcx_sandbox.connection_for(method)
    fields = {name: f"\ufeff {connection.get(name) or ''}\u200b\r\n" for name in ("login", "password")}
    padded = ("jwt_token", "platform_id", "rc_host")
    extra = {name: f"\u00a0{value} \n" for name, value in connection["extra"].items() if name in padded}
    assert connect(method, extra, **fields).find_campaign("Spring Renewals")


@pytest.mark.parametrize(("name", "label"), [("password", SECRET), ("jwt_token", "JWT (jwt_token)")])
def test_build_client_mask_of_the_form_is_named(
    ringcx_sandbox: SandboxServer, connect: Connect, name: str, label: str
) -> None:
    """The Test button of Airflow 3.0 and 3.1 sends the mask in place of a saved secret."""
    hook = connect(extra={name: "***"}) if name.endswith("_token") else connect(**{name: "***"})
    succeeded, message = hook.test_connection()
    assert not succeeded
    expected = f"Enter {label} again, or use `airflow connections test`: Airflow sent its mask"
    assert message.startswith(expected)
    assert ringcx_sandbox.requests == []


def test_build_client_loopback_host_without_scheme_uses_http(
    ringcx_sandbox: SandboxServer, connect: Connect
) -> None:
    """As typed into the form: 127.0.0.1 and the port."""
    port = int(ringcx_sandbox.url.rpartition(":")[2])
    assert connect(host="127.0.0.1", port=port).find_campaign("Spring Renewals")
    assert connect(host=f"localhost:{port}").get_conn().host == f"http://localhost:{port}"


@pytest.mark.parametrize("rc_host", [None, "", "https://platform.ringcentral.com", "rc.example"])
def test_build_client_sandbox_without_its_rc_host_is_refused(
    ringcx_sandbox: SandboxServer, connect: Connect, rc_host: str | None
) -> None:
    expected = f"Set RingCentral host (rc_host) to {ringcx_sandbox.url}, too"
    with pytest.raises(InvalidParameter, match=re.escape(expected)):
        connect(extra={"rc_host": rc_host}).get_conn()
    with pytest.raises(
        InvalidParameter, match=re.escape("Set RingCentral host (rc_host) to http://localhost")
    ):
        connect(host="localhost.:8787", extra={"rc_host": rc_host}).get_conn()


@pytest.mark.parametrize("host", [None, "ringcx.ringcentral.com"])
def test_build_client_real_host_with_a_sandbox_rc_host_is_refused(
    ringcx_sandbox: SandboxServer, connect: Connect, host: str | None
) -> None:
    expected = f"Set RingCX host (host) to {ringcx_sandbox.url}, too, or leave RingCentral host"
    with pytest.raises(InvalidParameter, match=re.escape(expected)):
        connect(host=host).get_conn()


@pytest.mark.parametrize("account_id", ["../1", "1?x=2", "1#", "1/2", "\u0661"])
def test_account_id_that_is_no_part_of_a_path_is_refused(
    ringcx_sandbox: SandboxServer, connect: Connect, account_id: str
) -> None:
    with pytest.raises(InvalidParameter, match="is not a RingCX sub-account id"):
        connect(extra={"account_id": account_id}).get_conn()
    with pytest.raises(InvalidParameter, match="is not a RingCX sub-account id"):
        connect().count_leads({"leadIds": [1]}, account_id=account_id)
    assert ringcx_sandbox.requests == []
