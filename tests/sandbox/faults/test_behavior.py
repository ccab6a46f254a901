"""Faults that change behaviour: slow, short_page, page_base and meanwhile; and the latency setting."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.http.endpoint import _one_way_delay
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sandbox.support.faults import (
    Row,
    SetFault,
    active_rules,
    open_request,
    over_http,
    pause,
    wait_for,
)
from tests.sandbox.support.leads import parse_datetime


def seconds_of(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@pytest.mark.parametrize("when", ["after", "before"])
def test_slow_delays_response(sandbox: SandboxServer, api: Any, lead: Row, when: str) -> None:
    over_http(sandbox)("slow", delay=2, when=when, operation="lead_action")
    begin = time.time()
    assert pause(api, lead).json()["leadUpdateCount"] == 1
    assert time.time() - begin >= 2
    assert sandbox.requests[0].milliseconds >= 2000
    (row,) = [row for row in sandbox.leads() if row["leadId"] == lead["leadId"]]
    took_effect = parse_datetime(row["stateDts"]).timestamp() - begin
    assert took_effect < 1.9 if when == "after" else took_effect >= 1.9


def test_slow_rule_with_seconds_expires(sandbox: SandboxServer, api: Any) -> None:
    sandbox.fault("slow", delay=0, seconds=60)
    assert [api.get("dialGroups").status_code for _ in range(3)] == [200] * 3
    sandbox.advance(60)
    api.get("dialGroups")
    assert [request.fault for request in sandbox.requests] == ["slow"] * 3 + [""]


def test_slow_does_not_block_other_requests(sandbox: SandboxServer, api: Any) -> None:
    sandbox.fault("slow", delay=3, operation="dial_groups", times=60)
    clients = [open_request(sandbox) for _ in range(60)]
    wait_for(lambda: not active_rules(sandbox))
    assert seconds_of(lambda: api.get("agentGroups")) < 2.5
    for client in clients:
        client.close()


def test_latency_does_not_delay_control_api(api_of: Any) -> None:
    with SandboxServer(Settings(size=10, latency=1)) as sandbox:
        api = api_of(sandbox)
        assert seconds_of(lambda: api.get("dialGroups")) >= 1
        assert sandbox.requests[0].milliseconds >= 1000
        active_rules(sandbox)
        assert min(seconds_of(lambda: active_rules(sandbox)) for _ in range(3)) < 1


def test_latency_jitter_varies_the_response_time() -> None:
    delays = {_one_way_delay(Settings(latency=2.0, latency_jitter=0.1)) for _ in range(50)}
    assert 0.9 <= min(delays) < max(delays) <= 1.1
    assert {_one_way_delay(Settings(latency=2.0)) for _ in range(50)} == {1.0}


@pytest.mark.assumption(55)
def test_short_page_truncates_rows(api: Any, fault: SetFault, leads: list[Row]) -> None:
    criteria = {"leadIds": [lead["leadId"] for lead in leads[:20]]}
    everything = api.search(criteria)
    fault("short_page", rows=3, operation="lead_search")
    response = api.post_search(criteria)
    assert response.json() == everything[:3]
    assert response.headers["Content-Type"] == "application/json"
    assert api.search(criteria) == everything
    for rows in (0, 10**9):
        fault("short_page", rows=rows)
        assert api.search(criteria) == everything[:rows]


@pytest.mark.parametrize("other", ["answer", "drop", "hang", "html", "status"])
def test_short_page_keeps_other_responses(sandbox: SandboxServer, api: Any, other: str) -> None:
    sandbox.fault("short_page", rows=0, times=3)
    assert isinstance(api.count(), int)
    assert api.post_search({"leadIds": 1}).status_code == 400
    sandbox.fault(other)
    try:
        timeout = 0.5 if other == "hang" else 20
        response = api.session.post(f"{api.root}/campaignLeads/leadSearch", json={}, timeout=timeout)
        assert response.status_code == (503 if other == "status" else 200)
    except (requests.ConnectionError, requests.ReadTimeout):
        assert other in ("drop", "hang")
    wait_for(lambda: len(sandbox.requests) == 3)
    assert sandbox.requests[-1].fault == f"short_page, {other}"


@pytest.mark.assumption(3, 55)
@pytest.mark.parametrize("base", [0, 1])
def test_page_base_changes_first_page(api_of: Any, base: int) -> None:
    with SandboxServer(Settings(size=50, page_base=1 - base)) as sandbox:
        api = api_of(sandbox)
        rows = api.search({})
        over_http(sandbox)("page_base", base=base, operation="lead_search", times=2)
        assert api.post_search({}, page=base, maxRows=5).json() == rows[:5]
        assert api.post_search({}, page=base + 1, maxRows=5).json() == rows[5:10]
        assert api.post_search({}, page=1 - base, maxRows=5).json() == rows[:5]
        # By default, pages are numbered from 1.
        sandbox.fault("page_base")
        assert api.post_search({}, page=1, maxRows=5).json() == rows[:5]


def test_meanwhile_runs_before_request(sandbox: SandboxServer, api: Any, lead: Row) -> None:
    other = {"leadIds": [lead["leadId"]]}
    where = {"leadAction": "PAUSE_LEADS"}
    rule = sandbox.fault(
        "meanwhile", work=lambda: delete(sandbox, other), operation="lead_action", where=where
    )
    assert "work" not in rule
    assert "work" not in active_rules(sandbox)[0]
    assert pause(api, lead).json()["leadUpdateCount"] == 0
    assert lead["leadId"] not in [row["leadId"] for row in sandbox.leads()]


def delete(sandbox: SandboxServer, criteria: Row) -> None:
    requests.put(
        f"{sandbox.url}/voice/api/v1/admin/accounts/50810001/campaignLeads/actions?leadAction=DELETE_LEADS",
        json={"campaignLeadSearchCriteria": criteria},
        headers={"X-Auth-Token": "sandbox-token"},
        timeout=20,
    ).raise_for_status()


def test_meanwhile_60_requests_run_concurrently(sandbox: SandboxServer) -> None:
    barrier = threading.Barrier(60, timeout=20)
    sandbox.fault("meanwhile", work=barrier.wait, times=60)
    clients = [open_request(sandbox) for _ in range(60)]
    for client in clients:
        assert client.recv(12) == b"HTTP/1.1 200"
        client.close()


def test_meanwhile_exception_returns_500(sandbox: SandboxServer, api: Any) -> None:
    def fail() -> None:
        raise RuntimeError("on purpose")

    sandbox.fault("meanwhile", work=fail)
    assert api.get("dialGroups").status_code == 500
    assert sandbox.requests[0].status == 500
