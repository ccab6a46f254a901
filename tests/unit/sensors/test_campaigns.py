"""Tests of the campaign sensor in its three modes: poke, reschedule and deferrable."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, ServiceUnavailable
from airflow_provider_engagevoice.ringcx.transport import http
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sensors.campaigns import CampaignLookupSensor
from airflow_provider_engagevoice.version_compat import AirflowFailException, AirflowSensorTimeout
from tests.support.airflow_quirks import reschedule_twice
from tests.support.dag_runs import run_tasks

pytestmark = pytest.mark.usefixtures("airflow_db")

LOOKUP = "dial_groups_with_children"
#: Faults: no campaign exists yet; RingCX is unavailable.
NO_CAMPAIGN = {"kind": "answer", "body": [], "operation": LOOKUP}
UNAVAILABLE = {"kind": "status", "status": 503, "details": "Maintenance", "operation": LOOKUP}

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
}


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry requests of the client almost at once."""
    monkeypatch.setattr(http, "_INITIAL_BACKOFF", 0.001)


def count_lookups(sandbox: SandboxServer) -> int:
    return sum(request.operation == LOOKUP for request in sandbox.requests)


def one_sensor_per_mode(modes, **arguments):
    for name, mode in modes.items():
        CampaignLookupSensor(task_id=name, **{**arguments, **mode})


@pytest.mark.parametrize(
    "mode", [pytest.param(mode, marks=[reschedule_twice] if mode == "reschedule" else []) for mode in MODES]
)
def test_sensor_waits_and_returns_the_campaign(ringcx_sandbox, mode):
    ringcx_sandbox.fault(**NO_CAMPAIGN, times=2)
    run = run_tasks(
        one_sensor_per_mode,
        modes={mode: MODES[mode]},
        campaign_name="Spring Renewals",
        poke_interval=0.05,
        timeout=60,
    )
    assert run.state(mode) == "success"
    campaign = ringcx_sandbox.campaign("Spring Renewals")
    assert run.xcom(mode) == {
        "account_id": "50810001",
        "dial_group_id": campaign["dialGroupId"],
        "dial_group_name": campaign["dialGroup"]["description"],
        "campaign_id": campaign["campaignId"],
        "campaign_name": "Spring Renewals",
        "is_active": True,
    }
    assert count_lookups(ringcx_sandbox) == 3


@pytest.mark.parametrize(("soft_fail", "state"), [(False, "failed"), (True, "skipped")])
@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_sensor_timeout_fails_or_skips(ringcx_sandbox, mode, soft_fail, state):
    run = run_tasks(
        one_sensor_per_mode,
        modes={mode: MODES[mode]},
        campaign_name="Autumn Offers",
        poke_interval=0.05,
        timeout=0.2,
        soft_fail=soft_fail,
    )
    assert run.state(mode) == state


@pytest.mark.parametrize("soft_fail", [False, True])
@pytest.mark.parametrize("mode", ["poke", "deferrable"])
@pytest.mark.parametrize(
    ("name", "fault", "message"),
    [
        ("Reactivation", None, "2 campaigns are named 'Reactivation'"),
        (
            "Spring Renewals",
            {"status": 403, "body": {"generalMessage": "You do not have permission"}},
            "AccessDenied",
        ),
        (
            "Spring Renewals",
            {"status": 401, "body": "no", "content_type": "text/plain"},
            "AuthenticationError",
        ),
    ],
    ids=["ambiguous", "forbidden", "unauthorized"],
)
def test_sensor_permanent_error_fails_at_once(ringcx_sandbox, mode, soft_fail, name, fault, message, logged):
    # A deferrable sensor checks once in the worker; the fault is for the trigger's check.
    if mode == "deferrable":
        ringcx_sandbox.fault(**NO_CAMPAIGN)
    if fault is not None:
        ringcx_sandbox.fault("answer", **fault, operation=LOOKUP, chance=1)
    run = run_tasks(
        one_sensor_per_mode,
        modes={mode: MODES[mode]},
        campaign_name=name,
        poke_interval=0.01,
        timeout=60,
        soft_fail=soft_fail,
        retries=3,
    )
    assert run.state(mode) == "failed"
    assert run.attempts(mode) == 1
    assert message in logged()


@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_sensor_uses_credentials_that_were_replaced(ringcx_sandbox, monkeypatch, mode):
    """A person may replace them during the hours for which a sensor waits."""
    variable = "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT"
    monkeypatch.setenv(variable, json.dumps(ringcx_sandbox.connection_for("api_token")))

    def replace_credentials(request):
        # With the second check, which is the trigger's first one.
        if count_lookups(ringcx_sandbox) == 2:
            monkeypatch.setenv(variable, json.dumps(ringcx_sandbox.connection_for("engage")))

    ringcx_sandbox.listen(replace_credentials)
    ringcx_sandbox.fault(**NO_CAMPAIGN, times=2)
    ringcx_sandbox.fault("answer", status=401, body="no", content_type="text/plain", operation=LOOKUP)
    run = run_tasks(
        one_sensor_per_mode,
        modes={mode: MODES[mode]},
        campaign_name="Spring Renewals",
        poke_interval=0.05,
        timeout=60,
    )
    assert run.state(mode) == "success"
    assert count_lookups(ringcx_sandbox) == 4
    assert [request.operation for request in ringcx_sandbox.requests][-2:] == ["admin_login", LOOKUP]


@pytest.mark.parametrize("switch", ["active_only", "deferrable"])
@pytest.mark.parametrize("value", ["False", None, 0])
def test_sensor_switch_that_is_no_bool_is_refused(switch, value):
    with pytest.raises(InvalidParameter, match=f"{switch} must be True or False"):
        CampaignLookupSensor(task_id="find", campaign_name="Spring Renewals", **{switch: value})


@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_sensor_tolerates_transient_errors(ringcx_sandbox, mode):
    # Each check sends up to five requests.
    ringcx_sandbox.fault(**UNAVAILABLE, times=5)
    ringcx_sandbox.fault(**NO_CAMPAIGN)
    ringcx_sandbox.fault(**UNAVAILABLE, times=5)
    run = run_tasks(
        one_sensor_per_mode,
        modes={mode: MODES[mode]},
        campaign_name="Spring Renewals",
        poke_interval=0.01,
        timeout=60,
    )
    assert run.state(mode) == "success"


@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_sensor_too_many_transient_errors_fail_the_attempt(ringcx_sandbox, mode):
    """Airflow may retry the task."""
    ringcx_sandbox.fault(**UNAVAILABLE, chance=1)
    run = run_tasks(
        one_sensor_per_mode,
        modes={mode: MODES[mode]},
        campaign_name="Spring Renewals",
        poke_interval=0.001,
        timeout=60,
        retries=1,
    )
    assert run.state(mode) == "failed"
    assert run.attempts(mode) == 2


def sensors_with_filters(inactive):
    for name, arguments in {
        "dial_group": {"campaign_name": "Reactivation", "dial_group_name": "Win-Back"},
        "account": {"campaign_name": "Customer Survey", "account_id": "50810002"},
        "inactive": {"campaign_name": inactive, "active_only": True, "timeout": 0.05},
        "also_inactive": {"campaign_name": inactive},
        "empty": {"campaign_name": "{{ None }}"},
        "emptied_group": {"campaign_name": "Spring Renewals", "dial_group_name": "{{ '' }}"},
    }.items():
        CampaignLookupSensor(task_id=name, **{"poke_interval": 0.05, "timeout": 5, **arguments})


def test_sensor_filters_and_rejects_empty_templates(ringcx_sandbox, logged):
    """A filter that a template rendered empty must not widen the lookup."""
    campaigns = [
        ringcx_sandbox.campaign(name)
        for name in sorted({lead["campaignName"] for lead in ringcx_sandbox.leads()})
    ]
    inactive = next(
        campaign["campaignName"]
        for campaign in campaigns
        if not campaign["isActive"] and campaign["accountId"] == "50810001"
    )
    run = run_tasks(sensors_with_filters, inactive=inactive)
    assert {name for name, state in run.states().items() if state == "success"} == {
        "dial_group",
        "account",
        "also_inactive",
    }
    assert run.xcom("dial_group")["dial_group_name"] == "Win-Back"
    assert run.xcom("account")["account_id"] == "50810002"
    text = logged()
    assert "campaign_name rendered empty" in text
    assert "dial_group_name rendered empty" in text


def make_sensor() -> CampaignLookupSensor:
    return CampaignLookupSensor(task_id="wait", campaign_name="Spring Renewals", timeout=60)


@pytest.mark.parametrize(
    ("event", "error", "message"),
    [
        (
            {"status": "timeout"},
            AirflowSensorTimeout,
            r"^Campaign 'Spring Renewals' did not appear \(waited 60 s\)$",
        ),
        (
            {"status": "timeout", "reason": "Campaign 'Sprin' not found. Did you mean 'Spring'?"},
            AirflowSensorTimeout,
            r"^Campaign 'Sprin' not found\. Did you mean 'Spring'\? \(waited 60 s\)$",
        ),
        ({"status": "permanent_error", "message": "no rights"}, AirflowFailException, "no rights"),
        # Sent by a trigger that a development version stored.
        ({"status": "hopeless", "message": "no rights"}, AirflowFailException, "no rights"),
        ({"status": "failed", "message": "503"}, ServiceUnavailable, "503"),
        ({"status": "new"}, ServiceUnavailable, "The trigger ended with 'new'"),
    ],
    ids=lambda value: value["status"] if isinstance(value, dict) else "",
)
def test_execute_complete_raises_for_event_status(event, error, message):
    with pytest.raises(error, match=message):
        make_sensor().execute_complete({}, event)


def test_execute_complete_found_returns_the_campaign():
    campaign = {
        "campaign_name": "Spring Renewals",
        "campaign_id": 7,
        "dial_group_name": "A",
        "account_id": "1",
    }
    assert make_sensor().execute_complete({}, {"status": "found", "campaign": campaign}) == campaign


def test_poke_name_that_is_no_text_raises(ringcx_sandbox):
    sensor = make_sensor()
    sensor.campaign_name = 7  # type: ignore[assignment]  # a template rendered to native types
    with pytest.raises(InvalidParameter, match="campaign_name must be text, not int"):
        sensor.poke({})
    assert ringcx_sandbox.requests == []
