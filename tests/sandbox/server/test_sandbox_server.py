"""The server itself: its records, its state, its life."""

from __future__ import annotations

import concurrent.futures
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.seed.generated_data import GeneratedData
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState
from airflow_provider_engagevoice.sandbox.state.store import StateFileError, Store

SMALL = Settings(size=60)


def test_requests_are_recorded_without_secrets(sandbox: SandboxServer, api: Any) -> None:
    api.session.headers["User-Agent"] = "tester/1"
    api.post_search({"firstName": "Ada"}, count="true", token="secret-1")
    query = {"username": "secret-2", "password": "secret-3", "platformId": "x", "rcAccessToken": "secret-4"}
    api.session.post(f"{sandbox.url}/api/auth/login/admin?refresh_token=secret-5", params=query, timeout=20)
    first, second = sandbox.requests
    assert (first.method, first.status, first.user_agent) == ("POST", 200, "tester/1")
    assert first.path == "/voice/api/v1/admin/accounts/50810001/campaignLeads/leadSearch"
    assert first.query == {"count": "true", "token": "***"}
    assert second.status == 401
    assert second.query["platformId"] == "x"
    assert "secret" not in repr(sandbox.requests)
    assert "Ada" not in repr(sandbox.requests)


def test_connections_can_be_counted(sandbox: SandboxServer, api: Any) -> None:
    for _ in range(5):
        api.get("dialGroups")
    assert len({request.client_port for request in sandbox.requests}) == 1
    requests.get(f"{sandbox.url}/elsewhere", timeout=20)
    assert len({request.client_port for request in sandbox.requests}) == 2


def test_answers_come_without_the_delay_of_small_packets(api: Any) -> None:
    seconds = []
    for _ in range(8):
        start = time.perf_counter()
        api.post_search({}, count="true")
        seconds.append(time.perf_counter() - start)
    # With Nagle's algorithm every one but the first takes 40 ms.
    assert sorted(seconds[1:])[0] < 0.03


def test_an_error_half_way_undoes_the_whole_change() -> None:
    service = SandboxState.start(SMALL, ":memory:")
    with pytest.raises(RuntimeError), service.store.changing() as connection:
        connection.execute("DELETE FROM leads")
        raise RuntimeError
    with service.store.reading() as connection:
        assert connection.execute("SELECT count(*) FROM leads").fetchone()[0] == SMALL.size
    service.store.close()


def test_reset_brings_the_seeded_world_back(sandbox: SandboxServer, api: Any) -> None:
    before = sandbox.leads()
    everyone = {"leadIds": [lead["leadId"] for lead in before[:50]]}
    api.act("EMAIL_LEADS", everyone, EMAIL_TO="a@example.com")
    api.act("DELETE_LEADS", everyone)
    sandbox.advance(1000)
    assert sandbox.leads() != before
    sandbox.reset()
    assert sandbox.leads() == before
    assert (sandbox.requests, sandbox.outbox) == ([], [])
    timestamp = api.post_search({"leadIds": 1}).json()["timestamp"]
    assert abs(timestamp / 1000 - time.time()) < 60


def test_state_file_survives_a_restart(tmp_path: Path, api_of: Any) -> None:
    file = str(tmp_path / "state.db")
    with SandboxServer(SMALL, database=file) as sandbox:
        lead = sandbox.leads("Spring Renewals")[0]["leadId"]
        assert api_of(sandbox).act("PAUSE_LEADS", {"leadIds": [lead]})["leadUpdateCount"] == 1
        after = sandbox.leads()
    with SandboxServer(Settings(seed=9, size=500), database=file) as sandbox:
        assert sandbox.leads() == after
        assert api_of(sandbox).lead(lead)["leadState"] == "PAUSED"


@pytest.mark.parametrize("content", [b"this is no database" * 100, None])
def test_unusable_state_file(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "state.db" if content else tmp_path / "missing" / "state.db"
    if content:
        file.write_bytes(content)
    with pytest.raises(StateFileError, match="cannot be used"):
        SandboxServer(SMALL, database=str(file))
    assert content is None or file.read_bytes() == content


def test_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    import sqlite3

    file = str(tmp_path / "other.db")
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE mine (id)")
    connection.close()
    with pytest.raises(StateFileError, match="not written by this version"):
        SandboxServer(SMALL, database=file)


def test_a_request_that_went_wrong_is_in_the_log(sandbox: SandboxServer, api: Any) -> None:
    sandbox.fault("status", status=503)
    assert api.get("dialGroups").status_code == 503
    assert api.get("dialGroups").status_code == 200
    assert [(request.status, request.fault) for request in sandbox.requests] == [(503, "status"), (200, "")]


def test_two_sandboxes_are_apart(sandbox: SandboxServer, api_of: Any) -> None:
    before = sandbox.leads()
    with SandboxServer(SMALL) as other:
        assert other.url != sandbox.url
        api_of(other).act("DELETE_LEADS", {})
        assert len(other.leads()) < SMALL.size
    assert sandbox.leads() == before


def test_requests_at_the_same_time_do_not_mix(sandbox: SandboxServer, api_of: Any) -> None:
    leads = sandbox.leads("Spring Renewals")[:40]
    start = {lead["leadId"]: lead["leadPasses"] for lead in leads}
    manual = {
        "PASS_DISPOSITION": "Sale",
        "REQUEUE": True,
        "DO_NOT_CALL": False,
        "PASS_DELAY": 0,
        "MERGE_ORIGINAL": False,
    }
    callers = [api_of(sandbox) for _ in range(6)]

    def work(api: Any) -> set[int]:
        results = [api.act("MANUAL_LEADS", {"leadIds": list(start)}, **manual) for _ in range(5)]
        sandbox.leads("Spring Renewals")
        return {result["leadUpdateCount"] for result in results}

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert set().union(*pool.map(work, callers)) == {len(start)}
    for lead in sandbox.leads("Spring Renewals")[:40]:
        assert lead["leadPasses"] == start[lead["leadId"]] + 30


def test_it_ends_with_the_with_statement() -> None:
    with SandboxServer(SMALL) as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        session = requests.Session()
        session.get(sandbox.url, timeout=20)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    session.close()


def test_a_taken_port_is_an_error(sandbox: SandboxServer) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    with pytest.raises(OSError), SandboxServer(SMALL, port=port):
        pass


@pytest.mark.parametrize("wrong", [{"page_base": 2}, {"size": -1}, {"row_cap": 0}, {"token_lifetime": 0}])
def test_settings_no_sandbox_can_act_on(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)


def test_token_lifetime_can_be_set(api_of: Any) -> None:
    with SandboxServer(Settings(size=10, token_lifetime=20)) as sandbox:
        user = {"username": "sandbox-user", "password": "sandbox-password", "platformId": "sandbox-platform"}
        token = requests.post(f"{sandbox.url}/api/auth/login/admin", data=user, timeout=20).json()
        headers = {"Authorization": f"Bearer {token['accessToken']}"}
        sandbox.advance(21)
        response = requests.get(f"{sandbox.url}/voice/api/v1/admin/accounts", headers=headers, timeout=20)
        assert response.text == "Jwt is expired"


def test_importing_the_package_needs_no_server() -> None:
    code = (
        "import sys, airflow_provider_engagevoice.sandbox;"
        "sys.exit(bool({'starlette', 'uvicorn', 'airflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_a_full_disk_while_seeding_is_named_as_such() -> None:
    store = Store(":memory:")
    with store.reading() as connection:
        connection.execute("PRAGMA max_page_count = 4")
    with pytest.raises(
        StateFileError, match="cannot be used as the sandbox's state: database or disk is full"
    ):
        GeneratedData(1, 100).fill(store)
