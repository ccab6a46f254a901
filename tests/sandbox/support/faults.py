"""Helpers for tests of faults."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer

Row = dict[str, Any]
SetFault = Callable[..., Row]


def post_fault(sandbox: SandboxServer, options: object) -> requests.Response:
    return requests.post(f"{sandbox.url}/sandbox/faults", json=options, timeout=20)


def over_http(sandbox: SandboxServer) -> SetFault:
    """Return a function that sets faults over HTTP."""

    def set_fault(kind: str, **options: object) -> Row:
        response = post_fault(sandbox, {"kind": kind, **options})
        assert response.status_code == 201, response.text
        rule: Row = response.json()
        return rule

    return set_fault


def active_rules(sandbox: SandboxServer) -> list[Row]:
    """Return the active fault rules."""
    rules: list[Row] = requests.get(f"{sandbox.url}/sandbox/faults", timeout=20).json()
    return rules


def state_of(sandbox: SandboxServer, lead: Row) -> str:
    (found,) = [row for row in sandbox.leads() if row["leadId"] == lead["leadId"]]
    state: str = found["leadState"]
    return state


def open_request(
    sandbox: SandboxServer, method: str = "GET", path: str = "dialGroups", body: object = None
) -> socket.socket:
    """Send a request on a new connection; return the socket without reading the response."""
    content = b"" if body is None else json.dumps(body).encode()
    address = urlsplit(sandbox.url)
    assert address.hostname
    assert address.port
    client = socket.create_connection((address.hostname, address.port), timeout=20)
    head = (
        f"{method} /voice/api/v1/admin/accounts/50810001/{path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"X-Auth-Token: sandbox-token\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    client.sendall(head.encode() + content)
    return client


def read_all(client: socket.socket) -> bytes:
    """Return all bytes received until the connection is closed."""
    received = b""
    try:
        while part := client.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def pause(api: Any, lead: Row) -> requests.Response:
    """Pause one lead."""
    body = {"campaignLeadSearchCriteria": {"leadIds": [lead["leadId"]]}}
    query = {"leadAction": "PAUSE_LEADS"}
    response: requests.Response = api.session.put(
        f"{api.root}/campaignLeads/actions", params=query, json=body, timeout=20
    )
    return response


def in_threads(work: Callable[[], object], threads: int = 8) -> list[Any]:
    """Run a function in many threads at once, with the shortest possible switch interval."""
    barrier, interval = threading.Barrier(threads), sys.getswitchinterval()

    def run_after_barrier(_: int) -> object:
        barrier.wait(20)
        return work()

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(run_after_barrier, range(threads)))
    finally:
        sys.setswitchinterval(interval)
