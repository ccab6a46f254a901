"""Validation of fault rules: the message names the invalid option."""

from __future__ import annotations

import json

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.faults import Row, active_rules, post_fault

INVALID: list[tuple[str, Row]] = [
    ("at", {"kind": "drop", "at": []}),
    ("at", {"kind": "drop", "at": [0]}),
    ("at", {"kind": "drop", "at": [1, "2"]}),
    ("at", {"kind": "drop", "at": [1, True]}),
    ("at", {"kind": "drop", "at": [1.5]}),
    ("at", {"kind": "drop", "at": [[1]]}),
    ("at", {"kind": "drop", "at": 1}),
    ("at", {"kind": "drop", "at": [10**30]}),
    ("base", {"kind": "page_base", "base": 2}),
    ("base", {"kind": "page_base", "base": True}),
    ("body", {"kind": "answer", "status": 204, "body": "x"}),
    ("body", {"kind": "answer", "status": 304, "body": {}}),
    ("chance", {"kind": "drop", "chance": -0.1}),
    ("chance", {"kind": "drop", "chance": 1.1}),
    ("chance", {"kind": "drop", "chance": True}),
    ("chance", {"kind": "drop", "chance": "0.5"}),
    ("chance", {"kind": "drop", "chance": 10**400}),
    ("content_type", {"kind": "answer", "content_type": "a\r\nX-Odd: 1"}),
    ("content_type", {"kind": "answer", "content_type": "\u2603"}),
    ("content_type", {"kind": "answer", "content_type": None}),
    ("delay", {"kind": "slow", "delay": -1}),
    ("delay", {"kind": "slow", "delay": 3601}),
    ("delay", {"kind": "slow", "delay": 10**400}),
    ("details", {"kind": "status", "details": {}}),
    ("headers", {"kind": "answer", "headers": {"X-Odd": "a\nb"}}),
    ("headers", {"kind": "answer", "headers": {"X-Odd": 1}}),
    ("headers", {"kind": "answer", "headers": {"X-Odd": ["a"]}}),
    ("headers", {"kind": "answer", "headers": {"X-Odd": "\u2603"}}),
    ("headers", {"kind": "answer", "headers": {"X Odd": "a"}}),
    ("headers", {"kind": "answer", "headers": {"": "a"}}),
    ("headers", {"kind": "answer", "headers": {"Content-Length": "5"}}),
    ("headers", {"kind": "answer", "headers": {"content-type": "text/plain"}}),
    ("headers", {"kind": "answer", "headers": {"Transfer-Encoding": "chunked"}}),
    ("headers", {"kind": "answer", "headers": []}),
    ("kind", {}),
    ("kind", {"kind": None}),
    ("kind", {"kind": ["drop"]}),
    ("kind", {"kind": {"drop": 1}}),
    ("kind", {"kind": "Drop"}),
    ("kind", {"kind": "meanwhile"}),
    ("kind", {"kind": "meanwhile", "work": "os.abort"}),
    ("kind", {"kind": "x" * 100_000}),
    ("leads", {"kind": "dialer", "leads": -1}),
    ("leads", {"kind": "dialer", "leads": 2**63}),
    ("leads", {"kind": "dialer", "leads": 1.5}),
    ("message", {"kind": "rejected", "message": 5}),
    ("met", {"kind": "drop", "met": 1}),
    ("operation", {"kind": "drop", "operation": "leadSearch"}),
    ("operation", {"kind": "drop", "operation": None}),
    ("operation", {"kind": "drop", "operation": ["lead_search"]}),
    ("operation", {"kind": "drop", "operation": ""}),
    ("part", {"kind": "drop", "part": 5}),
    ("retry_after", {"kind": "rate_limited", "retry_after": -1}),
    ("retry_after", {"kind": "rate_limited", "retry_after": "soon"}),
    ("retry_after", {"kind": "rate_limited", "retry_after": 10**400}),
    ("rows", {"kind": "short_page", "rows": -1}),
    ("rows", {"kind": "short_page", "rows": None}),
    ("seconds", {"kind": "drop", "seconds": -1}),
    ("seconds", {"kind": "drop", "seconds": 10**400}),
    ("seed", {"kind": "drop", "chance": 0.5, "seed": None}),
    ("seed", {"kind": "drop", "chance": 0.5, "seed": "a"}),
    ("skip", {"kind": "drop", "skip": -1}),
    ("start", {"kind": "drop", "start": -5}),
    ("start", {"kind": "drop", "start": 10**400}),
    ("start", {"kind": "drop", "start": None}),
    ("status", {"kind": "answer", "status": 100}),
    ("status", {"kind": "answer", "status": 600}),
    ("status", {"kind": "status", "status": 200}),
    ("status", {"kind": "status", "status": 10**30}),
    ("status", {"kind": "status", "status": "503"}),
    ("times", {"kind": "drop", "times": 0}),
    ("times", {"kind": "drop", "times": -1}),
    ("times", {"kind": "drop", "times": 1.0}),
    ("times", {"kind": "drop", "times": [1]}),
    ("unknown", {"kind": "drop", "unknown": 1}),
    ("when", {"kind": "drop", "when": "during"}),
    ("when", {"kind": "slow", "when": None}),
    ("when", {"kind": "dialer", "when": "after"}),
    ("where", {"kind": "drop", "where": {"count": True}}),
    ("where", {"kind": "drop", "where": {"count": {"a": "b"}}}),
    ("where", {"kind": "drop", "where": "count=true"}),
    ("where", {"kind": "drop", "where": [["count", "true"]]}),
]


def case_id(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)[:60]


@pytest.mark.parametrize(("entry", "rule"), INVALID, ids=case_id)
def test_set_fault_invalid_option_raises(sandbox: SandboxServer, entry: str, rule: Row) -> None:
    response = post_fault(sandbox, rule)
    assert response.status_code == 400
    details = response.json()["details"]
    assert details.startswith(f"{entry} ")
    # Long input is not repeated in full.
    assert len(details) < 2000
    assert active_rules(sandbox) == []
    if rule.get("kind") != "meanwhile":
        with pytest.raises(ValueError, match=f"^{entry} "):
            sandbox.fault(**{"kind": "", **rule})
        assert active_rules(sandbox) == []


@pytest.mark.parametrize("name", ["at", "body", "kind", "operation", "times", "where"])
def test_set_fault_deeply_nested_option_returns_400(sandbox: SandboxServer, name: str) -> None:
    for depth in (10, 300, *range(850, 1010, 7), 5000, 100_000):
        nested = '{"a":[' * (depth // 2) + "]}" * (depth // 2)
        kind = "" if name == "kind" else '"kind": "status", '
        response = requests.post(
            f"{sandbox.url}/sandbox/faults", data=f'{{{kind}"{name}": {nested}}}', timeout=20
        )
        assert response.status_code == 400
    assert active_rules(sandbox) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"drop"',
        b"{",
        b"\xff",
        b'{"kind": "drop", "chance": NaN}',
        b'{"kind": "\\u0000"}',
    ],
    ids=repr,
)
def test_set_fault_body_not_an_object_returns_400(sandbox: SandboxServer, body: bytes) -> None:
    response = requests.post(f"{sandbox.url}/sandbox/faults", data=body, timeout=20)
    assert response.status_code == 400
    assert active_rules(sandbox) == []


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        ("body", {"kind": "answer", "body": object()}),
        ("body", {"kind": "answer", "body": float("nan")}),
        ("body", {"kind": "answer", "body": "\ud800"}),
        ("chance", {"kind": "drop", "chance": float("nan")}),
        ("meanwhile", {"kind": "meanwhile"}),
        ("seconds", {"kind": "drop", "seconds": float("inf")}),
        ("start", {"kind": "drop", "start": float("nan")}),
        ("where", {"kind": "drop", "where": {1: "a"}}),
        ("work", {"kind": "meanwhile", "work": "nothing to call"}),
    ],
    ids=[
        "object",
        "nan-body",
        "surrogate",
        "nan-chance",
        "no-work",
        "infinite",
        "nan-start",
        "where",
        "work",
    ],
)
def test_set_fault_invalid_python_value_raises(sandbox: SandboxServer, entry: str, rule: Row) -> None:
    with pytest.raises(ValueError, match=f"^{entry} "):
        sandbox.fault(**rule)
    assert active_rules(sandbox) == []
