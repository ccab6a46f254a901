"""Helpers that read the dashboard over plain HTTP."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer


class Text(HTMLParser):
    """Text of a page by the id of the enclosing element."""

    _VOID = frozenset({"meta", "link", "img", "input", "br", "rect"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.parts: dict[str, str] = {}
        self.tags: list[str] = []
        self._open: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self._VOID:
            self._open.append(dict(attrs).get("id") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag not in self._VOID:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for part in self._open:
            self.parts[part] = f"{self.parts.get(part, '')} {' '.join(data.split())}".strip()


def page_text(sandbox: SandboxServer, **query: Any) -> dict[str, str]:
    """Return the text of the dashboard by element id."""
    response = requests.get(sandbox.url, params=query, timeout=20)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    return Text(response.text).parts


def post(sandbox: SandboxServer, path: str, **form: Any) -> requests.Response:
    return requests.post(f"{sandbox.url}/sandbox/page/{path}", data=form, timeout=20)
