"""From an Airflow connection, in whatever form it comes, to a client; and what its test button says."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_engagevoice import __version__
from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.raw_server import raw_answer, raw_server
from tests.unit.hooks.conftest import Connect

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

METHODS = ["ringcentral", "api_token", "engage", "legacy"]
NOBODY = {"login": None, "password": None}


@pytest.mark.parametrize("method", METHODS)
def test_each_sign_in_finds_a_campaign(ringcx_sandbox: SandboxServer, connect: Connect, method: str) -> None:
    campaign = connect(method).find_campaign("Spring Renewals")
    assert campaign["campaign_id"] == ringcx_sandbox.campaign("Spring Renewals")["campaignId"]


def test_the_default_connection_is_used_where_none_is_named(ringcx_sandbox: SandboxServer) -> None:
    assert EngageVoiceHook().find_campaign("Spring Renewals")["account_id"] == "50810001"


@pytest.mark.parametrize(
    ("method", "fields", "extra", "missing"),
    [
        ("ringcentral", NOBODY, {"jwt_token": None}, "login, password, jwt_token"),
        ("ringcentral", {}, {"jwt_token": ""}, "jwt_token"),
        ("ringcentral", {"password": ""}, {}, "password"),
        ("api_token", NOBODY, {}, "password"),
        ("engage", NOBODY, {"platform_id": None}, "login, password, platform_id"),
        ("engage", {"login": ""}, {}, "login"),
        ("legacy", NOBODY, {}, "login, password"),
    ],
)
def test_what_a_connection_lacks_is_named_at_once(
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
def test_an_unknown_sign_in_lists_those_there_are(connect: Connect, method: Any, hint: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        connect(extra={"auth_method": method}).get_conn()
    listed = "auth_method must be one of ringcentral, api_token, engage, legacy, not "
    assert str(caught.value) == f"Connection 'ringcx_test': auth_method {str(method)!r} {listed}{hint}"


@pytest.mark.parametrize(
    "extra",
    [
        {"auth_method": None, "platform_id": None, "timeout": None},
        {"auth_method": "", "platform_id": "", "timeout": ""},
        {"account_id": 50810001, "timeout": "20"},
        {"account_id": " 50810001 ", "timeout": 20.5},
    ],
)
def test_extras_may_be_empty_or_numbers_or_text(connect: Connect, extra: dict[str, Any]) -> None:
    client = connect(extra=extra).get_conn()
    assert client.account_id == "50810001"
    assert client.campaigns.find("Spring Renewals")


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_an_empty_account_is_none(connect: Connect, empty: str | None) -> None:
    assert connect(extra={"account_id": empty}).get_conn().account_id is None


def test_a_numeric_platform_id_is_text(connect: Connect, ringcx_sandbox: SandboxServer) -> None:
    issued = raw_answer({"accessToken": "issued-token"})
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
def test_the_timeout_is_taken_as_number_or_text(
    connect: Connect, value: Any, expected: tuple[float, float]
) -> None:
    assert connect(extra={"timeout": value}).get_conn().transport.timeout == expected


@pytest.mark.parametrize("value", [0, -1, 3601, "soon", "nan", "inf", [5], {"read": 5}])
def test_a_timeout_that_is_none_is_refused(connect: Connect, value: Any) -> None:
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
def test_credentials_never_leave_by_plain_http(
    connect: Connect, fields: dict[str, Any], extra: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParameter, match="Plain http would show the credentials"):
        connect(extra=extra, **fields).get_conn()


@pytest.mark.parametrize("host", ["https://platform.ringcentral.com/restapi", "user@platform", [7]])
def test_a_ringcentral_host_is_checked_as_the_host_is(connect: Connect, host: Any) -> None:
    with pytest.raises(InvalidParameter, match="The connection's host"):
        connect(extra={"rc_host": host}).get_conn()


@pytest.mark.parametrize("empty", [None, ""])
def test_hosts_have_defaults(connect: Connect, empty: str | None) -> None:
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
def test_a_connection_may_be_a_uri_or_json(
    ringcx_sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    given = ringcx_sandbox.connection
    port = int(ringcx_sandbox.url.rpartition(":")[2])
    if form.startswith("json"):
        address: dict[str, Any] = {
            "json-text": {"host": ringcx_sandbox.url, "extra": json.dumps(given["extra"])},
            "json-host-and-port": {"host": "http://127.0.0.1", "port": port},
            "json-schema": {"host": "127.0.0.1", "port": port, "schema": "http"},
        }[form]
        text = json.dumps({**given, **address})
    else:
        text = form.format(
            user="sandbox-client:sandbox-secret",
            quoted=quote("http://127.0.0.1", safe=""),
            port=port,
            extra="&".join(f"{name}={quote(value, safe='')}" for name, value in given["extra"].items()),
        )
    monkeypatch.setenv("AIRFLOW_CONN_RINGCX_TEST", text)
    hook = EngageVoiceHook("ringcx_test")
    assert hook.get_conn().host == ringcx_sandbox.url
    assert hook.find_campaign("Spring Renewals")["account_id"] == "50810001"


def test_the_connection_is_read_once_and_only_when_needed(
    ringcx_sandbox: SandboxServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    original = EngageVoiceHook.get_connection

    def reading(conn_id: str) -> Any:
        reads.append(conn_id)
        return original(conn_id)

    monkeypatch.setattr(EngageVoiceHook, "get_connection", staticmethod(reading))
    hook = connect()
    assert (reads, ringcx_sandbox.requests) == ([], [])
    client = hook.get_conn()
    assert (reads, ringcx_sandbox.requests) == (["ringcx_test"], [])
    hook.find_campaign("Spring Renewals")
    assert hook.get_conn() is client
    assert reads == ["ringcx_test"]


def test_ringcx_is_told_who_calls_over_one_connection(
    ringcx_sandbox: SandboxServer, connect: Connect
) -> None:
    from airflow.version import version

    hook = connect()
    hook.find_campaign("Spring Renewals")
    lead = ringcx_sandbox.leads("Spring Renewals")[0]["leadId"]
    hook.perform_lead_action("SUPPRESS_LEADS", {"leadIds": [lead]})
    assert len(list(hook.search_leads({"leadIds": [lead]}))) == 1
    agents = {request.user_agent for request in ringcx_sandbox.requests}
    assert agents == {f"airflow-provider-engagevoice/{__version__} (apache-airflow/{version})"}
    assert len({request.client_port for request in ringcx_sandbox.requests}) == 1


def test_hooks_of_one_connection_sign_in_once(ringcx_sandbox: SandboxServer, connect: Connect) -> None:
    for _ in range(3):
        connect().find_campaign("Spring Renewals")
    assert sum("accesstoken" in request.path for request in ringcx_sandbox.requests) == 1


@pytest.mark.parametrize("method", METHODS)
def test_the_test_button_names_the_accounts(
    ringcx_sandbox: SandboxServer, connect: Connect, method: str
) -> None:
    assert connect(method).test_connection() == (
        True,
        f"Signed in to {ringcx_sandbox.url}; sub-accounts: 50810001 (Harbor Outreach Memberships), "
        "50810002 (Harbor Outreach Home Services)",
    )
    assert len(ringcx_sandbox.requests) <= 3
    assert ringcx_sandbox.requests[-1].method == "GET"


def test_the_test_button_says_that_the_account_is_wrong(
    ringcx_sandbox: SandboxServer, connect: Connect
) -> None:
    good, said = connect(extra={"account_id": "50810003"}).test_connection()
    assert not good
    assert (
        f"Signed in to {ringcx_sandbox.url}, but account_id 50810003 is not among: 50810001 (Harbor" in said
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_test_button_says_that_the_credentials_are_wrong(
    ringcx_sandbox: SandboxServer, connect: Connect, method: str
) -> None:
    good, said = connect(method, password="other-word").test_connection()
    assert not good
    assert "check the connection's" in said
    assert "other-word" not in said
    assert len(ringcx_sandbox.requests) == 1


def test_the_test_button_says_that_nobody_answers(connect: Connect) -> None:
    with raw_server(lambda number, request: None, listening=False) as server:
        good, said = connect("api_token", host=server.url).test_connection()
    assert not good
    assert said.startswith("No response from 127.0.0.1:")
    assert "GET /voice/api/v1/admin/accounts (NewConnectionError)" in said


def test_the_test_button_says_that_the_host_is_another(
    ringcx_sandbox: SandboxServer, connect: Connect
) -> None:
    ringcx_sandbox.fault("html", operation="accounts")
    good, said = connect("api_token").test_connection()
    assert not good
    assert said == (
        "RingCX returned a web page instead of JSON; check the connection's host "
        "(request: GET /voice/api/v1/admin/accounts)"
    )
