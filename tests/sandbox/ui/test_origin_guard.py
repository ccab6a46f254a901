"""Who may use the sandbox's page and switches: its own visitors, and no other web site."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sandbox.support.leads import by_ids

Row = dict[str, Any]


PLACES = [
    ("GET", "/"),
    ("GET", "/sandbox/requests"),
    ("GET", "/sandbox/outbox/1.zip"),
    ("POST", "/sandbox/reset"),
]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.7", "[::2", ""]
)
@pytest.mark.parametrize(("method", "path"), PLACES)
def test_other_host_names_are_refused(sandbox: SandboxServer, method: str, path: str, host: str) -> None:
    answer = requests.request(method, f"{sandbox.url}{path}", headers={"Host": host}, timeout=20)
    assert answer.status_code in ((400, 403) if host == "" else (403,))
    assert "Spring" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:99", "127.0.0.1", "[::1]:8787"])
def test_own_host_names_are_answered(sandbox: SandboxServer, host: str) -> None:
    assert requests.get(sandbox.url, headers={"Host": host}, timeout=20).status_code == 200


@pytest.mark.parametrize("host", ["10.0.0.7", "[2001:db8::1]:1", "host.docker.internal:8787", "ringcx:80"])
def test_the_api_answers_to_a_host_that_no_web_site_can_have(api: Any, host: str) -> None:
    api.session.headers["Host"] = host
    assert api.get("dialGroups").status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1.evil.example", "evil.example:8787", "internal.evil.example."])
def test_the_api_is_not_for_web_sites_that_lead_here(sandbox: SandboxServer, api: Any, host: str) -> None:
    api.session.headers["Host"] = host
    answer = api.post_search({})
    assert answer.status_code == 403
    assert "Host not allowed" in answer.text
    assert [request.status for request in sandbox.requests] == [403]


def test_a_sandbox_for_others_answers_to_any_host() -> None:
    with SandboxServer(Settings(size=20), host="0.0.0.0") as sandbox:
        headers = {"Host": "sandbox.example"}
        assert requests.get(sandbox.url, headers=headers, timeout=20).status_code == 200
        answer = requests.get(f"{sandbox.url}/voice/api/v1/admin/accounts", headers=headers, timeout=20)
        assert answer.status_code == 401
        headers["Origin"] = "http://evil.example"
        assert requests.post(f"{sandbox.url}/sandbox/reset", headers=headers, timeout=20).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/sandbox/faults"),
        ("POST", "/sandbox/faults"),
        ("POST", "/sandbox/page/fault"),
        ("POST", "/sandbox/page/reset"),
        ("POST", "/sandbox/reset"),
    ],
)
def test_posts_of_other_sites_are_refused(
    sandbox: SandboxServer, leads: list[Row], api: Any, method: str, path: str, headers: dict[str, str]
) -> None:
    api.act("DELETE_LEADS", by_ids(leads[:1]))
    sandbox.fault("html", times=9, operation="campaigns")
    answer = requests.request(
        method, f"{sandbox.url}{path}", data={"kind": "drop"}, headers=headers, timeout=20
    )
    assert answer.status_code == 403
    assert len(sandbox.leads()) == 1299
    assert len(requests.get(f"{sandbox.url}/sandbox/faults", timeout=20).json()) == 1


def test_own_origin_is_accepted(sandbox: SandboxServer) -> None:
    headers = {"Origin": sandbox.url, "Sec-Fetch-Site": "same-origin"}
    answer = requests.post(f"{sandbox.url}/sandbox/page/faults/clear", headers=headers, timeout=20)
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/", "/sandbox/outbox", "/sandbox/static/page.js", "/sandbox/nothing"])
def test_browsers_are_told_to_be_careful(sandbox: SandboxServer, path: str) -> None:
    headers = requests.get(f"{sandbox.url}{path}", timeout=20).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_needs_nothing_from_elsewhere(sandbox: SandboxServer) -> None:
    page = requests.get(sandbox.url, timeout=20).text
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", page)
    links = re.findall(r'(?:src|href|action)="([^"]*)"', page)
    assert links
    assert [link for link in links if not re.match(r"/(?!/)|#", link)] == []
