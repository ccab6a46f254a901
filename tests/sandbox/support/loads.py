"""Helpers for tests of the lead loader."""

from __future__ import annotations

from typing import Any

import requests

Row = dict[str, Any]

OPTIONS = {
    "description": "Spring leads",
    "dialPriority": "NORMAL",
    "duplicateHandling": "RETAIN_ALL",
    "listState": "ACTIVE",
    "timeZoneOption": "NOT_APPLICABLE",
}


def post_load(api: Any, campaign: Row, step: str, **sent: Any) -> requests.Response:
    """Send a load request: ``direct``, ``preview`` or ``process``."""
    path = f"{api.root}/campaigns/{campaign['campaignId']}/leadLoader/{step}"
    response: requests.Response = api.session.post(path, timeout=30, **sent)
    return response


def load(api: Any, campaign: Row, leads: list[Row], **options: object) -> Row:
    """Load leads directly; return the result."""
    body = {**OPTIONS, "uploadLeads": leads, **options}
    response = post_load(api, campaign, "direct", json=body)
    assert response.status_code == 200, response.text
    result: Row = response.json()
    return result


def lead(number: int, phone: str = "", **fields: object) -> Row:
    """Return a lead whose phone number does not occur in the seed data."""
    return {"externId": f"T-{number}", "leadPhone": phone or f"41555{number:05d}", **fields}


def counters(result: Row) -> tuple[int, ...]:
    """Return supplied, accepted, converted, inserted, deleted and do-not-call counts of a result."""
    names = (
        "leadsSupplied",
        "leadsAccepted",
        "leadsConverted",
        "leadsInserted",
        "deletedCount",
        "internalDncCount",
    )
    return tuple(result[name] for name in names)


def find_lead(api: Any, extern_id: str) -> Row:
    """Return the only lead with an external id."""
    (row,) = api.search(externIds=[extern_id])
    found: Row = row
    return found
