"""Connection faults: dropped and hanging connections, and stopping with waiting requests."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sandbox.support.faults import (
    Row,
    SetFault,
    active_rules,
    open_request,
    pause,
    read_all,
    state_of,
    wait_for,
)


@pytest.mark.assumption(55)
@pytest.mark.parametrize("when", ["after", "before"])
@pytest.mark.parametrize("part", ["", '{"success": tr'], ids=["nothing", "part"])
def test_drop_closes_connection(
    sandbox: SandboxServer, api: Any, fault: SetFault, lead: Row, when: str, part: str
) -> None:
    fault("drop", operation="lead_action", when=when, part=part)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        pause(api, lead)
    assert state_of(sandbox, lead) == ("PAUSED" if when == "after" else "READY")
    (record,) = sandbox.requests
    assert (record.fault, record.status) == ("drop", 200 if part else None)
    assert pause(api, lead).status_code == 200


def test_drop_without_part_sends_nothing(sandbox: SandboxServer, fault: SetFault) -> None:
    fault("drop")
    with open_request(sandbox) as client:
        assert read_all(client) == b""


def test_drop_with_part_sends_part(sandbox: SandboxServer, fault: SetFault) -> None:
    fault("drop", part="[{\u00e9")
    with open_request(sandbox) as client:
        head, _, body = read_all(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == "[{\u00e9".encode()
    lines = dict(line.lower().split(b": ", 1) for line in head.splitlines()[1:])
    assert int(lines[b"content-length"]) > len(body)


@pytest.mark.parametrize("part", ["", "half"])
def test_drop_and_hang_log_no_server_errors(
    sandbox: SandboxServer, caplog: pytest.LogCaptureFixture, part: str
) -> None:
    sandbox.fault("drop", times=20, part=part)
    clients = [open_request(sandbox) for _ in range(20)]
    for client in clients:
        assert read_all(client).endswith(part.encode())
        client.close()
    sandbox.fault("hang")
    with open_request(sandbox):
        wait_for(lambda: len(sandbox.requests) == 21)
    assert caplog.records == []


@pytest.mark.assumption(55)
@pytest.mark.parametrize("when", ["after", "before"])
def test_hang_sends_no_response(
    sandbox: SandboxServer, api: Any, fault: SetFault, lead: Row, when: str
) -> None:
    fault("hang", operation="lead_action", when=when)
    body = {"campaignLeadSearchCriteria": {"leadIds": [lead["leadId"]]}}
    with open_request(sandbox, "PUT", "campaignLeads/actions?leadAction=PAUSE_LEADS", body) as client:
        # A hanging request is recorded before it ends.
        wait_for(lambda: sandbox.requests)
        (record,) = sandbox.requests
        assert (record.fault, record.status) == ("hang", None)
        assert state_of(sandbox, lead) == ("PAUSED" if when == "after" else "READY")
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)
    assert pause(api, lead).status_code == 200
    assert len(sandbox.requests) == 2


def test_hang_does_not_block_other_requests(sandbox: SandboxServer, api: Any) -> None:
    sandbox.fault("hang", operation="dial_groups", times=100)
    clients = [open_request(sandbox) for _ in range(100)]
    wait_for(lambda: len(sandbox.requests) == 100)
    assert api.get("agentGroups").status_code == 200
    assert len(sandbox.requests) == 101
    for client in clients:
        client.close()
    assert api.get("dialGroups").status_code == 200
    assert len(sandbox.requests) == 102


def test_hang_ends_when_client_half_closes(sandbox: SandboxServer) -> None:
    sandbox.fault("hang")
    with open_request(sandbox) as client:
        wait_for(lambda: len(sandbox.requests) == 1)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b""


@pytest.mark.parametrize("kind", ["hang", "slow"])
def test_stop_with_waiting_requests_is_immediate(kind: str) -> None:
    sandbox = SandboxServer(Settings(size=10))
    with sandbox:
        options = {"delay": 600} if kind == "slow" else {}
        sandbox.fault(kind, times=3, **options)
        clients = [open_request(sandbox) for _ in range(3)]
        wait_for(lambda: not active_rules(sandbox))
        begin = time.perf_counter()
    assert time.perf_counter() - begin < 10
    for client in clients:
        read_all(client)
        client.close()
