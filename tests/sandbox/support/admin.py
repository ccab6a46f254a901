"""What the tests of dial groups, campaigns and agents share."""

from __future__ import annotations

from typing import Any

import requests


def send(api: Any, method: str, path: str, body: object = None) -> requests.Response:
    response: requests.Response = api.session.request(method, f"{api.root}/{path}", json=body, timeout=20)
    return response


def rejected_values(response: requests.Response) -> list[str]:
    """Return which values a 400 names, and see that its sentence names them, too."""
    assert response.status_code == 400
    body = response.json()
    names = [error["attributeName"] for error in body["validationErrors"]]
    assert names
    assert all(name in body["details"] for name in names)
    return names
