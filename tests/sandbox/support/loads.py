"""What the tests of loads share."""

from __future__ import annotations

from typing import Any

import requests

Row = dict[str, Any]

OPTIONS = {
    "description": "Renewal leads",
    "dialPriority": "NORMAL",
    "duplicateHandling": "RETAIN_ALL",
    "listState": "ACTIVE",
    "timeZoneOption": "NOT_APPLICABLE",
}


def post_load(api: Any, campaign: Row, step: str, **sent: Any) -> requests.Response:
    """Send a step of a load: ``direct``, ``preview`` or ``process``."""
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
    """A lead whose number nobody in the seeded world has."""
    return {"externId": f"T-{number}", "leadPhone": phone or f"41555{number:05d}", **fields}


def counters(result: Row) -> tuple[int, ...]:
    """Supplied, accepted, converted, inserted, removed as duplicates, on do-not-call."""
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
    """The one lead of an external id."""
    (row,) = api.search(externIds=[extern_id])
    found: Row = row
    return found
