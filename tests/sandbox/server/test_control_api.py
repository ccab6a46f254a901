"""Control API: clock and reset."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer

Row = dict[str, Any]

ADMIN = "/voice/api/v1/admin"
ACCOUNT = f"{ADMIN}/accounts/50810001"


def post(sandbox: SandboxServer, path: str, body: object = None) -> requests.Response:
    return requests.post(f"{sandbox.url}/sandbox/{path}", json=body, timeout=20)


def log_of(sandbox: SandboxServer) -> list[Row]:
    records: list[Row] = requests.get(f"{sandbox.url}/sandbox/requests", timeout=20).json()
    return records


# Clock


@pytest.mark.parametrize("seconds", [0, 0.5, 299, 10**6])
def test_clock_is_advanced(sandbox: SandboxServer, seconds: float) -> None:
    before = time.time()
    response = post(sandbox, "clock", {"advance": seconds})
    assert response.status_code == 200
    assert response.json()["now"] == pytest.approx(before + seconds, abs=20)
    assert post(sandbox, "clock", {"advance": 1}).json()["now"] > response.json()["now"] + 1


def test_advanced_clock_expires_tokens(sandbox: SandboxServer) -> None:
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
def test_clock_with_invalid_advance_is_400(sandbox: SandboxServer, body: object) -> None:
    response = post(sandbox, "clock", body)
    assert response.status_code == 400
    assert "advance" in response.json()["details"] or "object" in response.json()["details"]
    assert post(sandbox, "clock", {"advance": 0}).json()["now"] == pytest.approx(time.time(), abs=20)


@pytest.mark.parametrize("body", [b'{"advance": NaN}', b'{"advance": Infinity}', b'{"advance": 1e999}', b""])
def test_clock_with_non_finite_number_is_400(sandbox: SandboxServer, body: bytes) -> None:
    response = requests.post(f"{sandbox.url}/sandbox/clock", data=body, timeout=20)
    assert response.status_code == 400


def test_clock_beyond_its_range_is_400(sandbox: SandboxServer, api: Any) -> None:
    statuses = {post(sandbox, "clock", {"advance": 10**9}).status_code for _ in range(250)}
    assert statuses == {200, 400}
    lead = api.search({})[0]
    # Datetimes can still be written and computed from the current time.
    manual = {"PASS_DISPOSITION": "Sale", "REQUEUE": True, "DO_NOT_CALL": False, "PASS_DELAY": 60}
    assert api.act("MANUAL_LEADS", {"leadIds": [lead["leadId"]]}, **manual, MERGE_ORIGINAL=False)["success"]
    assert api.lead(lead["leadId"])["lastPassDts"].startswith("8")
    assert (
        "must stay in the years 1971 to 9000" in post(sandbox, "clock", {"advance": 10**9}).json()["details"]
    )


# Reset


def test_reset_restores_data_limits_faults_and_clock(sandbox: SandboxServer, api: Any) -> None:
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
def test_control_path_with_wrong_method_is_405(
    sandbox: SandboxServer, api: Any, method: str, path: str
) -> None:
    api.get("dialGroups")
    response = requests.request(method, f"{sandbox.url}/sandbox/{path}", timeout=20)
    assert response.status_code == 405
    assert len(sandbox.requests) == 1


def test_unknown_control_path_is_404_with_json(sandbox: SandboxServer) -> None:
    response = requests.get(f"{sandbox.url}/sandbox/nothing", timeout=20)
    assert (response.status_code, response.headers["content-type"]) == (404, "application/json")


def test_index_lists_control_api(sandbox: SandboxServer) -> None:
    listed = requests.get(f"{sandbox.url}/sandbox", timeout=20).json()
    assert {"GET /sandbox/faults", "POST /sandbox/clock", "POST /sandbox/reset"} <= {
        f"{each['method']} {each['path']}" for each in listed
    }
    assert all(each["description"] and "`" not in each["description"] for each in listed)
    assert sandbox.requests == []
