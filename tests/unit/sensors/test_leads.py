"""Tests of the lead sensor: its arguments, and its single checks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidCriteria,
    InvalidParameter,
    ServiceUnavailable,
)
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sensors import leads as sensor_module
from airflow_provider_engagevoice.sensors.leads import LeadCountSensor
from airflow_provider_engagevoice.version_compat import AirflowFailException, AirflowSensorTimeout
from tests.support.clients import FakeClock

READY = {"campaignIds": [1], "leadStates": ["READY"]}


def make_sensor(**arguments: Any) -> LeadCountSensor:
    return LeadCountSensor(task_id="wait", **{"search_criteria": READY, "at_least": 1, **arguments})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"at_least": None}, InvalidParameter, "Pass at_least, at_most or both"),
        ({"at_least": -1}, InvalidParameter, "at_least must be a whole number, 0 or more"),
        ({"at_least": 6, "at_most": 5}, InvalidParameter, "must not be greater than at_most"),
        ({"at_least": None, "at_most": "few"}, InvalidParameter, "at_most must be a whole number"),
        ({"stable_for": 0}, InvalidParameter, "stable_for must be a timedelta"),
        ({"stable_for": "60"}, InvalidParameter, "stable_for must be a timedelta"),
        ({"stable_for": 60, "timeout": 60}, InvalidParameter, "stable_for must be shorter than the timeout"),
        ({"dialable": True}, InvalidParameter, "dialable=True needs campaign"),
        (
            {"dialable": True, "campaign": "A", "search_criteria": READY},
            InvalidParameter,
            "Leave out leadStates, which dialable=True sets",
        ),
        ({"dialable": "yes"}, InvalidParameter, "dialable must be True or False"),
        ({"account_wide": None}, InvalidParameter, "account_wide must be True or False"),
        ({"deferrable": "False"}, InvalidParameter, "deferrable must be True or False"),
        ({"on_empty": "ignore"}, InvalidParameter, "on_empty must be one of skip, fail, succeed"),
        ({"search_criteria": {"leadStates": ["READY"]}}, InvalidCriteria, "set account_wide=True"),
        ({"search_criteria": {"campaginIds": [1]}}, InvalidCriteria, "did you mean campaignIds"),
        ({"search_criteria": {"campaignIds": []}}, InvalidCriteria, "campaignIds is empty"),
    ],
)
def test_sensor_wrong_argument_is_refused_when_the_dag_is_parsed(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=rf"LeadCountSensor\(task_id='wait'\).*{message}"):
        make_sensor(**arguments)


def test_sensor_without_criteria_and_campaign_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="Pass search_criteria, campaign or both"):
        LeadCountSensor(task_id="wait", at_least=1)


@pytest.mark.parametrize(
    "arguments",
    [
        {"at_least": "{{ params.minimum }}"},
        {"at_least": 5, "at_most": "{{ params.maximum }}"},
        {"at_least": 0},
        {"stable_for": timedelta(minutes=5)},
        {"search_criteria": {"leadStates": ["READY"]}, "account_wide": True},
        {"search_criteria": {"leadStates": ["READY"]}, "campaign": "Spring Renewals"},
        {"search_criteria": {}, "campaign": "{{ params.campaign }}", "dialable": True},
    ],
)
def test_sensor_accepts_templates_and_wide_criteria_that_are_meant(arguments: dict[str, Any]) -> None:
    make_sensor(**arguments)


@pytest.mark.parametrize("name", ["at_least", "at_most", "campaign", "account_id", "stable_for"])
def test_sensor_argument_that_was_set_to_none_is_not_left_out(name: str) -> None:
    """As a callback could do with data."""
    sensor = make_sensor(at_most=5, campaign="Spring Renewals", on_empty="fail")
    setattr(sensor, name, None)
    with pytest.raises(AirflowFailException, match=name):
        sensor.execute({})


def test_sensor_rendered_criteria_that_dialable_sets_are_refused(ringcx_sandbox: SandboxServer) -> None:
    sensor = make_sensor(campaign="A", dialable=True, search_criteria="{{ criteria }}")
    sensor.search_criteria = {"suppressed": "ALL"}
    with pytest.raises(AirflowFailException, match="Leave out suppressed, which dialable=True sets"):
        sensor.execute({})
    assert ringcx_sandbox.requests == []


def test_dialable_sensor_of_campaign_without_maximum_fails(ringcx_sandbox: SandboxServer) -> None:
    ringcx_sandbox.fault("answer", body={"campaignName": "Spring Renewals"}, operation="campaign")
    sensor = make_sensor(campaign="Spring Renewals", dialable=True, search_criteria={})
    with pytest.raises(AirflowFailException, match="no maximum of passes for campaign 'Spring Renewals'"):
        sensor.execute({})


@pytest.mark.parametrize(
    ("event", "error", "message"),
    [
        (
            {"status": "timeout"},
            AirflowSensorTimeout,
            r"^The number of leads was not at least 1 \(waited 60 s\)$",
        ),
        (
            {"status": "timeout", "reason": "0 leads match; waiting for at least 1"},
            AirflowSensorTimeout,
            r"^0 leads match; waiting for at least 1 \(waited 60 s\)$",
        ),
        ({"status": "permanent_error", "message": "no rights"}, AirflowFailException, "no rights"),
        ({"status": "failed", "message": "503"}, ServiceUnavailable, "503"),
        ({"status": "new"}, ServiceUnavailable, "The trigger ended with 'new'"),
    ],
    ids=lambda value: value["status"] if isinstance(value, dict) else "",
)
def test_execute_complete_raises_for_event_status(
    event: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make_sensor(timeout=60).execute_complete({}, event)


def test_execute_complete_returns_the_result() -> None:
    result = {"count": 5, "account_id": "1"}
    assert make_sensor().execute_complete({}, {"status": "reached", "result": result}) == result


class FakeTaskStateStore:
    """Airflow's task state store; keeps texts."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        return self.values.get(key)

    def set(self, key: str, value: str) -> None:
        self.values[key] = value


class FakeTaskInstance:
    """Identity of an attempt."""

    def __init__(self, try_number: int) -> None:
        self.try_number = try_number


def test_rescheduled_sensor_keeps_its_counts_within_one_attempt(
    ringcx_sandbox: SandboxServer, spring: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each check is a new process; a later attempt begins again."""
    clock = FakeClock()
    monkeypatch.setattr(sensor_module, "time", clock)
    store = FakeTaskStateStore()

    def check(seconds: float, attempt: int) -> bool:
        clock.sleep(seconds)
        sensor = make_sensor(
            search_criteria={"campaignIds": [spring["campaignId"]]}, mode="reschedule", stable_for=100
        )
        context: Any = {"task_state_store": store, "ti": FakeTaskInstance(attempt)}
        return bool(sensor.poke(context).is_done)

    assert [check(0, 1), check(60, 1), check(20, 1)] == [False, False, False]
    assert [check(30, 2), check(60, 2), check(60, 2)] == [False, False, True]
    assert all("externId" not in value for value in store.values.values())


def test_poke_counts_change_within_the_limits_begins_again(
    ringcx_sandbox: SandboxServer, spring: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    monkeypatch.setattr(sensor_module, "time", clock)
    sensor = make_sensor(search_criteria={"campaignIds": [spring["campaignId"]]}, stable_for=100)
    done = []
    for number in (5, 5, 6, 6, 6):
        ringcx_sandbox.fault("answer", body=number, operation="lead_count")
        done.append(bool(sensor.poke({}).is_done))
        clock.sleep(60)
    assert done == [False, False, False, False, True]


def test_sensor_looks_up_the_campaign_once(ringcx_sandbox: SandboxServer) -> None:
    sensor = make_sensor(campaign="Spring Renewals", search_criteria={}, dialable=True, at_least=1_000_000)
    for _ in range(3):
        sensor.poke({})
    operations = [request.operation for request in ringcx_sandbox.requests]
    assert operations[-5:] == ["dial_groups_with_children", "campaign", *["lead_count"] * 3]
