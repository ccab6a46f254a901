"""Sandbox server: startup, shutdown, reset and concurrency."""

from __future__ import annotations

import concurrent.futures
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings

SMALL = Settings(size=60)


def test_responses_are_not_delayed_by_nagle_algorithm(api: Any) -> None:
    seconds = []
    for _ in range(8):
        start = time.perf_counter()
        api.post_search({}, count="true")
        seconds.append(time.perf_counter() - start)
    # With Nagle's algorithm, each but the first takes 40 ms.
    assert sorted(seconds[1:])[0] < 0.03


def test_reset_restores_seed_data_clock_and_log(sandbox: SandboxServer, api: Any) -> None:
    before = sandbox.leads()
    first_leads = {"leadIds": [lead["leadId"] for lead in before[:50]]}
    api.act("EMAIL_LEADS", first_leads, EMAIL_TO="a@example.com")
    api.act("DELETE_LEADS", first_leads)
    sandbox.advance(1000)
    assert sandbox.leads() != before
    sandbox.reset()
    assert sandbox.leads() == before
    assert (sandbox.requests, sandbox.outbox) == ([], [])
    timestamp = api.post_search({"leadIds": 1}).json()["timestamp"]
    assert abs(timestamp / 1000 - time.time()) < 60


def test_state_file_survives_restart(tmp_path: Path, api_of: Any) -> None:
    file = str(tmp_path / "state.db")
    with SandboxServer(SMALL, database=file) as sandbox:
        lead = sandbox.leads("Spring Renewals")[0]["leadId"]
        assert api_of(sandbox).act("PAUSE_LEADS", {"leadIds": [lead]})["leadUpdateCount"] == 1
        after = sandbox.leads()
    with SandboxServer(Settings(seed=9, size=500), database=file) as sandbox:
        assert sandbox.leads() == after
        assert api_of(sandbox).lead(lead)["leadState"] == "PAUSED"


def test_sandboxes_are_independent(sandbox: SandboxServer, api_of: Any) -> None:
    before = sandbox.leads()
    with SandboxServer(SMALL) as other:
        assert other.url != sandbox.url
        api_of(other).act("DELETE_LEADS", {})
        assert len(other.leads()) < SMALL.size
    assert sandbox.leads() == before


def test_concurrent_actions_are_all_applied(sandbox: SandboxServer, api_of: Any) -> None:
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


def test_exit_closes_the_port() -> None:
    with SandboxServer(SMALL) as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        session = requests.Session()
        session.get(sandbox.url, timeout=20)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    session.close()


def test_port_in_use_raises(sandbox: SandboxServer) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"), SandboxServer(SMALL, port=port):
        pass


def test_token_lifetime_setting_is_applied(api_of: Any) -> None:
    with SandboxServer(Settings(size=10, token_lifetime=20)) as sandbox:
        user = {"username": "sandbox-user", "password": "sandbox-password", "platformId": "sandbox-platform"}
        token = requests.post(f"{sandbox.url}/api/auth/login/admin", data=user, timeout=20).json()
        headers = {"Authorization": f"Bearer {token['accessToken']}"}
        sandbox.advance(21)
        response = requests.get(f"{sandbox.url}/voice/api/v1/admin/accounts", headers=headers, timeout=20)
        assert response.text == "Jwt is expired"


@pytest.mark.parametrize("port", ["8787", True, -1, 65536, None])
def test_sandbox_invalid_port_is_refused(port: Any) -> None:
    with pytest.raises(ValueError, match="port must be a whole number from 0 to 65535, not "):
        SandboxServer(SMALL, port=port)
