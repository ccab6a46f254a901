"""The switches of a running sandbox over HTTP: clock, reset, the log of requests."""

from __future__ import annotations

import json
import time
from dataclasses import fields
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.state.request_log import RecordedRequest, RequestLog

Row = dict[str, Any]

ADMIN = "/voice/api/v1/admin"
ACCOUNT = f"{ADMIN}/accounts/50810001"


def post(sandbox: SandboxServer, path: str, body: object = None) -> requests.Response:
    return requests.post(f"{sandbox.url}/sandbox/{path}", json=body, timeout=20)


def log_of(sandbox: SandboxServer) -> list[Row]:
    records: list[Row] = requests.get(f"{sandbox.url}/sandbox/requests", timeout=20).json()
    return records


# The clock


@pytest.mark.parametrize("seconds", [0, 0.5, 299, 10**6])
def test_the_clock_can_be_moved_on(sandbox: SandboxServer, seconds: float) -> None:
    before = time.time()
    response = post(sandbox, "clock", {"advance": seconds})
    assert response.status_code == 200
    assert response.json()["now"] == pytest.approx(before + seconds, abs=20)
    assert post(sandbox, "clock", {"advance": 1}).json()["now"] > response.json()["now"] + 1


def test_tokens_expire_by_the_clock(sandbox: SandboxServer) -> None:
    form = {"username": "sandbox-user", "password": "sandbox-password", "platformId": "sandbox-platform"}
    signed = requests.post(f"{sandbox.url}/api/auth/login/admin", data=form, timeout=20).json()
    headers = {"Authorization": f"Bearer {signed['accessToken']}"}

    def read() -> requests.Response:
        return requests.get(f"{sandbox.url}{ADMIN}/accounts", headers=headers, timeout=20)

    post(sandbox, "clock", {"advance": 290})
    assert read().status_code == 200
    post(sandbox, "clock", {"advance": 10})
    assert read().text == "Jwt is expired"


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        5,
        {"advance": None},
        {"advance": True},
        {"advance": "5"},
        {"advance": -1},
        {"advance": 10**9 + 1},
        {"advance": 10**400},
        {"advance": [5]},
        {"seconds": 5},
    ],
    ids=lambda body: json.dumps(body)[:30],
)
def test_a_wrong_time_is_refused(sandbox: SandboxServer, body: object) -> None:
    response = post(sandbox, "clock", body)
    assert response.status_code == 400
    assert "advance" in response.json()["details"] or "object" in response.json()["details"]
    assert post(sandbox, "clock", {"advance": 0}).json()["now"] == pytest.approx(time.time(), abs=20)


@pytest.mark.parametrize("body", [b'{"advance": NaN}', b'{"advance": Infinity}', b'{"advance": 1e999}', b""])
def test_a_time_that_is_no_number_is_refused(sandbox: SandboxServer, body: bytes) -> None:
    response = requests.post(f"{sandbox.url}/sandbox/clock", data=body, timeout=20)
    assert response.status_code == 400


def test_the_clock_stays_within_the_calendar(sandbox: SandboxServer, api: Any) -> None:
    statuses = {post(sandbox, "clock", {"advance": 10**9}).status_code for _ in range(250)}
    assert statuses == {200, 400}
    lead = api.search({})[0]
    # Years before the end of the calendar dates are still written, and reckoned from now.
    manual = {"PASS_DISPOSITION": "Sale", "REQUEUE": True, "DO_NOT_CALL": False, "PASS_DELAY": 60}
    assert api.act("MANUAL_LEADS", {"leadIds": [lead["leadId"]]}, **manual, MERGE_ORIGINAL=False)["success"]
    assert api.lead(lead["leadId"])["lastPassDts"].startswith("8")
    assert "calendar" in post(sandbox, "clock", {"advance": 10**9}).json()["details"]


# Reset


def test_reset_brings_all_back(sandbox: SandboxServer, api: Any) -> None:
    before = sandbox.leads()
    api.act("DELETE_LEADS", {"leadIds": [lead["leadId"] for lead in before[:5]]})
    for _ in range(16):
        last = api.post_search({"leadIds": [1]})
    assert last.status_code == 429
    sandbox.fault("status", times=5)
    sandbox.advance(1000)
    assert post(sandbox, "reset").status_code == 200
    assert sandbox.leads() == before
    assert log_of(sandbox) == []
    assert api.post_search({"leadIds": [1]}).status_code == 200
    assert post(sandbox, "clock", {"advance": 0}).json()["now"] == pytest.approx(time.time(), abs=20)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "reset"), ("GET", "clock"), ("DELETE", "requests"), ("PUT", "faults")]
)
def test_wrong_methods_do_nothing(sandbox: SandboxServer, api: Any, method: str, path: str) -> None:
    api.get("dialGroups")
    response = requests.request(method, f"{sandbox.url}/sandbox/{path}", timeout=20)
    assert response.status_code == 405
    assert len(sandbox.requests) == 1


def test_an_unknown_switch_is_no_web_page(sandbox: SandboxServer) -> None:
    response = requests.get(f"{sandbox.url}/sandbox/nothing", timeout=20)
    assert (response.status_code, response.headers["content-type"]) == (404, "application/json")


# The log of requests


def test_the_log_over_http_is_that_of_python(sandbox: SandboxServer, api: Any) -> None:
    api.session.headers["User-Agent"] = "tester/1"
    before = time.time()
    api.post_search({"firstName": "Ada"}, count="true")
    (record,) = log_of(sandbox)
    assert set(record) == {each.name for each in fields(RecordedRequest)}
    assert record == json.loads(sandbox.requests[0].as_json())
    assert record["time"] == pytest.approx(before, abs=20)
    assert 0 < record["milliseconds"] < 20_000
    assert isinstance(record["client_port"], int)
    known = {name: record[name] for name in ("method", "path", "query", "status", "operation", "user_agent")}
    assert known == {
        "method": "POST",
        "path": f"{ACCOUNT}/campaignLeads/leadSearch",
        "query": {"count": "true"},
        "status": 200,
        "operation": "lead_count",
        "user_agent": "tester/1",
    }


def test_operations_limits_and_faults_are_in_the_log(sandbox: SandboxServer, api: Any) -> None:
    sandbox.fault("short_page", operation="lead_search", times=2)
    sandbox.fault("html", operation="dial_groups")
    api.search({})
    for _ in range(15):
        api.post_search({"leadIds": 1})
    api.get("dialGroups")
    api.get("agentGroups")
    requests.get(f"{sandbox.url}/somewhere", timeout=20)
    seen = [(each["operation"], each["status"], each["limit"], each["fault"]) for each in log_of(sandbox)]
    assert seen[:2] == [
        ("lead_search", 200, "1 of 15 in 10 s", "short_page"),
        ("lead_search", 400, "2 of 15 in 10 s", "short_page"),
    ]
    assert seen[14:] == [
        ("lead_search", 400, "15 of 15 in 10 s", ""),
        ("lead_search", 429, "15 of 15 in 10 s", ""),
        ("dial_groups", 200, "", "html"),
        ("agent_groups", 200, "1 of 120 in 60 s", ""),
        ("", 200, "", ""),
    ]


@pytest.mark.parametrize("path", ["/", "/sandbox/requests", "/sandbox/faults", "/sandbox/nothing"])
def test_requests_to_the_sandbox_itself_are_not_in_the_log(sandbox: SandboxServer, path: str) -> None:
    requests.get(sandbox.url + path, timeout=20)
    requests.post(f"{sandbox.url}/sandbox/clock", json={"advance": 1}, timeout=20)
    requests.delete(f"{sandbox.url}/sandbox/faults", timeout=20)
    assert log_of(sandbox) == []


@pytest.mark.parametrize(
    "name",
    [
        "X-Auth-Token", "access_token", "accessToken", "assertion", "client_secret", "jwt", "password",
        "rcAccessToken", "refreshToken", "refresh_token", "token", "USERNAME",
    ],
)  # fmt: skip
def test_no_credential_of_a_query_is_kept(sandbox: SandboxServer, api: Any, name: str) -> None:
    api.session.post(f"{sandbox.url}/api/auth/token/refresh?{name}=s3cret&page=2&{name}=s3cret", timeout=20)
    api.get("dialGroups", **{name: "s3cret", "page": "2"})
    assert [each["query"] for each in log_of(sandbox)] == [{name: "***", "page": "2"}] * 2
    assert "s3cret" not in requests.get(f"{sandbox.url}/sandbox/requests", timeout=20).text


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        (f"{ADMIN}/token/s3cret", f"{ADMIN}/token/***"),
        (f"{ADMIN}/token/s3cret/more", f"{ADMIN}/token/***"),
        (f"{ADMIN}/token/s3cret%0As3cret", f"{ADMIN}/token/***"),
        ("/api/v1/admin/token/s3cret", "/api/v1/admin/token/***"),
        (f"{ACCOUNT}/dncLists/tags/GLOBAL/phones/s3cret", f"{ACCOUNT}/dncLists/tags/GLOBAL/phones/***"),
        (
            f"{ACCOUNT}/dncLists/tags/GLOBAL/phones/s3cret/countries/USA",
            f"{ACCOUNT}/dncLists/tags/GLOBAL/phones/***/countries/USA",
        ),
    ],
)
@pytest.mark.parametrize("method", ["DELETE", "GET"])
def test_neither_tokens_nor_phone_numbers_of_a_path_are_kept(
    sandbox: SandboxServer, api: Any, method: str, path: str, kept: str
) -> None:
    api.session.request(method, sandbox.url + path, timeout=20)
    (record,) = log_of(sandbox)
    assert record["path"] == kept
    assert "s3cret" not in json.dumps(record)


def test_neither_bodies_nor_headers_nor_answers_are_kept(sandbox: SandboxServer, api: Any) -> None:
    lead = sandbox.leads("Spring Renewals")[0]
    secret = {"firstName": lead["firstName"], "lastName": lead["lastName"], "externIds": [lead["externId"]]}
    assert api.search(secret) == [lead]
    api.act("PAUSE_LEADS", {"leadIds": [lead["leadId"]]})
    form = {"username": "sandbox-user", "password": "sandbox-password", "platformId": "sandbox-platform"}
    signed = api.session.post(f"{sandbox.url}/api/auth/login/admin", data=form, timeout=20).json()
    cookies = {"Cookie": "s3cret", "Authorization": "Basic s3cret", "Referer": "http://example.com/s3cret"}
    api.session.get(f"{sandbox.url}{ADMIN}/accounts", headers=cookies, timeout=20)
    text = requests.get(f"{sandbox.url}/sandbox/requests", timeout=20).text
    assert len(json.loads(text)) == 4
    kept = [
        str(lead[name]) for name in ("leadId", "externId", "leadPhone", "lastName", "email") if lead[name]
    ]
    for word in ["s3cret", "sandbox-token", "sandbox-password", *signed.values(), *kept]:
        assert not isinstance(word, str) or len(word) < 5 or word not in text


def test_odd_requests_do_not_break_the_log(sandbox: SandboxServer, api: Any) -> None:
    for path in ("/%ff%fe", "/a%00b", "/%ED%A0%80?x=%ED%A0%80&y=%ff&z=%00", "/?a=%22%0A"):
        requests.get(sandbox.url + path, headers={"User-Agent": "odd\u00ff"}, timeout=20)
    records = log_of(sandbox)
    assert [record["status"] for record in records] == [200, 200, 200]
    for record in sandbox.requests:
        assert "\n" not in record.as_json()
        assert json.loads(record.as_json().encode())["path"] == record.path


def test_a_listener_hears_of_each_request_and_may_read_the_log() -> None:
    log, heard = RequestLog(), []
    log.listener = lambda record: heard.append((record.path, len(log.records())))
    for path in ("/a", "/b"):
        log.add(RecordedRequest(0.0, "GET", path, {}, 200, "", 1.0, "", "", None, ""))
    assert heard == [("/a", 1), ("/b", 2)]


def test_a_listener_that_raises_breaks_no_request(
    sandbox: SandboxServer, api: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def listener(record: object) -> None:
        raise ValueError("no more room")

    sandbox.listen(listener)
    assert [api.get("dialGroups").status_code for _ in range(2)] == [200, 200]
    assert len(sandbox.requests) == 2
    assert "no more room" in caplog.text


def test_a_line_of_the_log_is_plain_ascii(sandbox: SandboxServer, api: Any) -> None:
    api.get("dialGroups", name="Zoë\u2028")
    (request,) = sandbox.requests
    line = request.as_json()
    assert line.isascii()
    assert json.loads(line)["query"] == {"name": "Zoë\u2028"}
