"""Request log and its listener."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.state import request_log
from airflow_provider_engagevoice.sandbox.state.request_log import RecordedRequest, RequestLog


def test_listener_is_called_and_may_read_log() -> None:
    log = RequestLog()
    calls: list[tuple[str, int]] = []
    log.listener = lambda record: calls.append((record.path, len(log.records())))
    for path in ("/a", "/b"):
        log.add(RecordedRequest(0.0, "GET", path, {}, 200, "", 1.0, "", "", None, ""))
    assert calls == [("/a", 1), ("/b", 2)]


def test_listener_exception_is_logged_only(
    sandbox: SandboxServer, api: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def listener(record: object) -> None:
        raise ValueError("no more room")

    sandbox.listen(listener)
    assert [api.get("dialGroups").status_code for _ in range(2)] == [200, 200]
    assert len(sandbox.requests) == 2
    assert "no more room" in caplog.text


def test_record_as_json_is_ascii(sandbox: SandboxServer, api: Any) -> None:
    api.get("dialGroups", name="Zoë\u2028")
    (request,) = sandbox.requests
    line = request.as_json()
    assert line.isascii()
    assert json.loads(line)["query"] == {"name": "Zoë\u2028"}


def record_with_query(query: dict[str, str]) -> RecordedRequest:
    return RecordedRequest(0.0, "GET", "/a", query, 200, "", 1.0, "", "", None, "")


@pytest.mark.parametrize(
    "query", [{"name": "x" * 60_000}, {str(number): "" for number in range(600)}], ids=["long", "many"]
)
def test_log_size_is_limited(monkeypatch: pytest.MonkeyPatch, query: dict[str, str]) -> None:
    monkeypatch.setattr(request_log, "_MAX_BYTES", 1_000_000)
    log = RequestLog()
    for _ in range(100):
        log.add(record_with_query(query))
    log.add(record_with_query({"last": "1"}))
    kept = log.records()
    assert 10 < len(kept) < 20
    assert kept[-1].query == {"last": "1"}
    log.clear()
    for _ in range(5000):
        log.add(record_with_query({}))
    assert len(log.records()) == 5000


def test_log_number_of_records_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "_MAX_RECORDS", 3)
    log = RequestLog()
    for number in range(5):
        log.add(record_with_query({"number": str(number)}))
    assert [record.query["number"] for record in log.records()] == ["2", "3", "4"]
