"""Helpers for tests of dial groups, campaigns and agents."""

from __future__ import annotations

from typing import Any

import requests


def send(api: Any, method: str, path: str, body: object = None) -> requests.Response:
    response: requests.Response = api.session.request(method, f"{api.root}/{path}", json=body, timeout=20)
    return response


def rejected_values(response: requests.Response) -> list[str]:
    """Return the values that a 400 names; fail if its sentence does not name them as well."""
    assert response.status_code == 400
    body = response.json()
    names = [error["attributeName"] for error in body["validationErrors"]]
    assert names
    assert all(name in body["details"] for name in names)
    return names


def put(api: Any, path: str, body: object) -> dict[str, Any]:
    """Send a PUT that must succeed; return the object in the response."""
    response = send(api, "PUT", path, body)
    assert response.status_code == 200, response.text
    replaced: dict[str, Any] = response.json()
    return replaced


def all_campaigns(api: Any) -> list[dict[str, Any]]:
    """Return the campaigns of both sub-accounts, each with its account and dial group."""
    campaigns = []
    for account in ("50810001", "50810002"):
        api.account = account
        for group in api.get("dialGroups/withChildren").json():
            campaigns += [{**row, "account": account, "group": group} for row in group["campaigns"]]
    return campaigns
