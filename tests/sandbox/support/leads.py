"""Helpers for tests of lead actions."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer

Row = dict[str, Any]

MANUAL = {
    "PASS_DISPOSITION": "Left Voicemail",
    "REQUEUE": True,
    "DO_NOT_CALL": False,
    "PASS_DELAY": 0,
    "MERGE_ORIGINAL": False,
}


def by_ids(rows: list[Row]) -> Row:
    """Return criteria that match these leads."""
    return {"leadIds": [row["leadId"] for row in rows]}


def reload_leads(sandbox: SandboxServer, rows: list[Row]) -> list[Row]:
    """Return the current rows of these leads."""
    wanted = {row["leadId"] for row in rows}
    return [lead for lead in sandbox.leads() if lead["leadId"] in wanted]


def without(row: Row, *names: str) -> Row:
    """Return a row without some fields, also inside ``campaignLead``."""
    inner = {key: value for key, value in row["campaignLead"].items() if key not in names}
    outer = {key: value for key, value in row.items() if key not in names}
    return {**outer, "campaignLead": inner}


def parse_datetime(text: str) -> datetime:
    """Parse a datetime in RingCX's format."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def is_recent(text: str, minutes: int = 0) -> bool:
    """Return whether a datetime is within a minute of now, or of some minutes later."""
    expected = datetime.now(timezone.utc) + timedelta(minutes=minutes)
    return abs(parse_datetime(text) - expected) < timedelta(seconds=60)


def action_counts(result: Row) -> tuple[Any, ...]:
    """Return success, updates, deletes, deleted callbacks and dialer refresh of an action's result."""
    return (
        result["success"],
        result["leadUpdateCount"],
        result["leadDeleteCount"],
        result["redialDeleteCount"],
        result["dialerRefreshed"],
    )


def redials(rows: list[Row]) -> int:
    """Return the number of callbacks of these leads."""
    return sum(len(row["campaignLead"]["campaignRedials"]) for row in rows)


def in_state(rows: list[Row], *states: str) -> list[Row]:
    """Return the leads in these states; fail if there are none."""
    found = [row for row in rows if row["leadState"] in states]
    assert found
    return found


def move_params(campaign: Row, **changes: object) -> Row:
    """Return parameters of MOVE_TO_CAMPAIGN."""
    return {
        "CAMPAIGN_ID": str(campaign["campaignId"]),
        "LIST_ID": "0",
        "LIST_NAME": "New Leads List",
        "CREATE_COPY_SETTING": "false",
        "DUPLICATE_ACTION_SETTING": "MOVE",
        **changes,
    }


def lists_of(api: Any, campaign: Row) -> list[Row]:
    """Return the lists of a campaign."""
    path = f"dialGroups/{campaign['dialGroupId']}/campaigns/{campaign['campaignId']}/lists"
    found: list[Row] = api.get(path).json()
    return found
