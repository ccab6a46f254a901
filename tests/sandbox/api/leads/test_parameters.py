"""Invalid parameters of lead actions: rejected with 200, without changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sandbox.support.leads import (
    MANUAL,
    Row,
    action_counts,
    by_ids,
    move_params,
)


@pytest.mark.assumption(33)
def test_strict_reservation_requires_callback_date(api: Any, agent: Row, api_of: Any) -> None:
    params = {"RESERVATION_AGENT_ID": agent["agentId"]}
    assert api.act("AGENT_RESERVATION", {}, **params)["leadUpdateCount"] > 0
    with SandboxServer(Settings(size=100, strict_reservation=True)) as strict:
        result = api_of(strict).act("AGENT_RESERVATION", {"leadIds": [1]}, **params)
    assert result["success"] is False
    assert "CALLBACK_DTS" in result["errorMessage"]


BAD = [
    *[
        ("MANUAL_LEADS", {key: value for key, value in MANUAL.items() if key != name}, name)
        for name in MANUAL
    ],
    ("MANUAL_LEADS", {**MANUAL, "REQUEUE": "perhaps"}, "REQUEUE"),
    ("MANUAL_LEADS", {**MANUAL, "PASS_DELAY": -1}, "PASS_DELAY"),
    ("MANUAL_LEADS", {**MANUAL, "PASS_DELAY": 10**12}, "PASS_DELAY"),
    ("MANUAL_LEADS", {**MANUAL, "PASS_DISPOSITION": "  "}, "PASS_DISPOSITION"),
    ("MANUAL_LEADS", {**MANUAL, "PASS_DISPOSITION": ["x"]}, "PASS_DISPOSITION"),
    ("EMAIL_LEADS", {}, "EMAIL_TO"),
    ("EMAIL_LEADS", {"EMAIL_TO": "nobody"}, "EMAIL_TO"),
    ("EMAIL_LEADS", {"EMAIL_TO": "a@example.com,"}, "EMAIL_TO"),
    # Causes catastrophic backtracking in a careless pattern.
    ("EMAIL_LEADS", {"EMAIL_TO": f"a@{'.' * 50_000}@"}, "EMAIL_TO"),
    ("EMAIL_LEADS", {"EMAIL_TO": ["a@example.com"]}, "EMAIL_TO"),
    ("CALLBACK_LEADS", {}, "ACTION_TYPE"),
    ("CALLBACK_LEADS", {"ACTION_TYPE": "LATER"}, "ACTION_TYPE"),
    ("CALLBACK_LEADS", {"ACTION_TYPE": "AGENT"}, "RESERVATION_AGENT_ID"),
    ("CALLBACK_LEADS", {"ACTION_TYPE": "AGENT", "RESERVATION_AGENT_ID": 1}, "RESERVATION_AGENT_ID"),
    ("CALLBACK_LEADS", {"ACTION_TYPE": "AGENT", "RESERVATION_AGENT_ID": 0}, "RESERVATION_AGENT_ID"),
    (
        "CALLBACK_LEADS",
        {"ACTION_TYPE": "AGENT", "RESERVATION_AGENT_ID": 1, "CALLBACK_DATE": "soon"},
        "CALLBACK_DATE",
    ),
    (
        "CALLBACK_LEADS",
        {"ACTION_TYPE": "AGENT", "RESERVATION_AGENT_ID": 1, "CALLBACK_DATE": "9999-12-31T23:59:59-0100"},
        "CALLBACK_DATE",
    ),
    ("AGENT_RESERVATION", {"CALLBACK_DTS": "2026-07-01T00:00:00Z"}, "RESERVATION_AGENT_ID"),
    (
        "AGENT_RESERVATION",
        {"RESERVATION_AGENT_ID": 1, "CALLBACK_DTS": "2026-07-01T00:00:00Z"},
        "RESERVATION_AGENT_ID",
    ),
    (
        "AGENT_RESERVATION",
        {"RESERVATION_AGENT_ID": 10**30, "CALLBACK_DTS": "2026-07-01T00:00:00Z"},
        "RESERVATION_AGENT_ID",
    ),
    ("DIALER_REFRESH", {"force_dialer_cache_refresh": "perhaps"}, "force_dialer_cache_refresh"),
    *[
        ("MOVE_TO_CAMPAIGN", {name: None}, name)
        for name in ("CAMPAIGN_ID", "LIST_ID", "CREATE_COPY_SETTING", "DUPLICATE_ACTION_SETTING")
    ],
    ("MOVE_TO_CAMPAIGN", {"CAMPAIGN_ID": 1}, "CAMPAIGN_ID"),
    ("MOVE_TO_CAMPAIGN", {"CAMPAIGN_ID": "Summer"}, "CAMPAIGN_ID"),
    ("MOVE_TO_CAMPAIGN", {"LIST_ID": 1}, "LIST_ID"),
    ("MOVE_TO_CAMPAIGN", {"LIST_ID": -1}, "LIST_ID"),
    ("MOVE_TO_CAMPAIGN", {"CREATE_COPY_SETTING": "TRANSITIONED"}, "CREATE_COPY_SETTING"),
    ("MOVE_TO_CAMPAIGN", {"DUPLICATE_ACTION_SETTING": "SKIP"}, "DUPLICATE_ACTION_SETTING"),
]


@pytest.mark.parametrize(("action", "params", "name"), BAD, ids=lambda part: str(part)[:60])
@pytest.mark.assumption(16, 17, 32, 33)
def test_invalid_parameter_changes_nothing(
    sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row, action: str, params: Row, name: str
) -> None:
    if action == "MOVE_TO_CAMPAIGN":
        params = {**move_params(summer), **params}
    before = json.dumps(sandbox.leads("Spring Renewals"))
    result = api.act(action, by_ids(leads), **params)
    assert action_counts(result) == (False, 0, 0, 0, False)
    assert result["leadActionType"] == action
    assert name in result["errorMessage"]
    assert json.dumps(sandbox.leads("Spring Renewals")) == before
    assert sandbox.outbox == []


@pytest.mark.assumption(17)
def test_campaign_or_agent_of_other_account_fails(sandbox: SandboxServer, api: Any, agent: Row) -> None:
    api.account = "50810002"
    params = move_params(sandbox.campaign("Spring Renewals"))
    assert "CAMPAIGN_ID" in api.act("MOVE_TO_CAMPAIGN", {}, **params)["errorMessage"]
    params = {"RESERVATION_AGENT_ID": agent["agentId"], "CALLBACK_DTS": "2026-07-01T00:00:00Z"}
    assert "RESERVATION_AGENT_ID" in api.act("AGENT_RESERVATION", {}, **params)["errorMessage"]


@pytest.mark.assumption(17)
def test_list_of_other_campaign_fails(api: Any, leads: list[Row], summer: Row) -> None:
    params = move_params(summer, LIST_ID=leads[0]["listId"])
    assert "LIST_ID" in api.act("MOVE_TO_CAMPAIGN", by_ids(leads), **params)["errorMessage"]


def test_unknown_parameters_are_ignored(api: Any, leads: list[Row]) -> None:
    assert api.act("PAUSE_LEADS", by_ids(leads[:1]), ANYTHING={"a": [1]})["success"]
