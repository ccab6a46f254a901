"""Tests of the lead trigger: its event, failures and time."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.triggers.leads import LeadCountTrigger
from tests.support.clients import ACCOUNT
from tests.support.triggers import (
    COUNT,
    READY,
    FakeTime,
    answer,
    counts,
    make_trigger,
    run_trigger,
)

pytestmark = pytest.mark.usefixtures("airflow_db")


def test_trigger_returns_the_number_and_the_facts(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any]
) -> None:
    answer(ringcx_sandbox, 3, 4, 5)
    event = run_trigger(make_trigger(criteria, at_least=5, facts={"campaign_id": 7}))
    assert event == {
        "status": "reached",
        "result": {"count": 5, "account_id": ACCOUNT, "campaign_id": 7},
    }
    assert counts(ringcx_sandbox) == 3


def test_trigger_permanent_error_ends_the_wait(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any]
) -> None:
    ringcx_sandbox.fault("status", status=403, operation=COUNT, chance=1)
    event = run_trigger(make_trigger(criteria, at_least=0))
    assert event["status"] == "permanent_error"
    assert event["message"].startswith("AccessDenied: ")


def test_trigger_rejected_credentials_end_the_wait(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {**ringcx_sandbox.connection, "password": "wrong-secret/77+"}
    monkeypatch.setenv("AIRFLOW_CONN_ENGAGEVOICE_DEFAULT", json.dumps(connection))
    event = run_trigger(make_trigger(criteria, at_least=0))
    assert event["status"] == "permanent_error"
    assert event["message"].startswith("AuthenticationError: ")
    assert "wrong-secret" not in event["message"]


def test_trigger_pauses_grow_after_each_failure(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any], fake_time: FakeTime, logged: Any
) -> None:
    ringcx_sandbox.fault("status", status=503, operation=COUNT, chance=1)
    event = run_trigger(make_trigger(criteria, at_least=0, poke_interval=60, tolerated_failures=4))
    assert event["status"] == "failed"
    assert "503" in event["message"]
    assert fake_time.pauses == pytest.approx([60, 120, 240, 480, 600])
    assert logged().count("Check failed (") == 4


def test_trigger_failures_are_counted_in_a_row(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any], fake_time: FakeTime
) -> None:
    for _ in range(4):
        ringcx_sandbox.fault("status", status=503, operation=COUNT, times=5)
        answer(ringcx_sandbox, 0)
    event = run_trigger(make_trigger(criteria, at_least=1, poke_interval=60, tolerated_failures=1))
    assert event["status"] == "reached"
    assert fake_time.pauses == pytest.approx([60, 120] * 4 + [60])


def test_trigger_waits_until_the_number_stays_the_same(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any], fake_time: FakeTime
) -> None:
    answer(ringcx_sandbox, 5, 6, 4, 6, 6, 6, 6)
    event = run_trigger(make_trigger(criteria, at_least=5, stable_for=120, poke_interval=60))
    assert event["result"]["count"] == 6
    # The last 6 but two is the first one after the 4.
    assert counts(ringcx_sandbox) == 6


@pytest.mark.parametrize(("elapsed", "expected"), [(30, 2), (90, 3)])
def test_trigger_uses_the_count_of_the_worker_unless_it_was_restarted(
    ringcx_sandbox: SandboxServer,
    criteria: dict[str, Any],
    fake_time: FakeTime,
    elapsed: float,
    expected: int,
) -> None:
    """After a restart, it is not known whether the number has changed in between."""
    answer(ringcx_sandbox, *[6] * 9)
    trigger = make_trigger(
        criteria,
        at_least=5,
        stable_for=120,
        poke_interval=60,
        first_count=6,
        first_counted_at=fake_time.now - elapsed,
    )
    assert run_trigger(trigger)["result"]["count"] == 6
    assert counts(ringcx_sandbox) == expected


def test_trigger_after_end_time_checks_once_more(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any]
) -> None:
    trigger = make_trigger(criteria, at_least=1, poke_interval=60, end_time=time.time() - 10)
    assert run_trigger(trigger)["status"] == "reached"


def test_trigger_after_end_time_says_how_many_leads_match(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any]
) -> None:
    answer(ringcx_sandbox, 7)
    trigger = make_trigger(criteria, at_most=5, poke_interval=60, end_time=time.time() - 10)
    assert run_trigger(trigger) == {
        "status": "timeout",
        "reason": "7 leads match; waiting for at most 5",
    }


def test_trigger_serialization_round_trip() -> None:
    path, arguments = make_trigger(
        READY, at_least=1, at_most=5, max_passes=8, stable_for=3.0, facts={"campaign_id": 1}, max_wait=9.0
    ).serialize()
    assert path == f"{LeadCountTrigger.__module__}.{LeadCountTrigger.__qualname__}"
    restored = LeadCountTrigger(**json.loads(json.dumps(arguments)))
    assert restored.serialize() == (path, arguments)


def test_trigger_survives_a_restart_of_the_triggerer(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any]
) -> None:
    """Airflow recreates it from its database, which has no credentials."""
    from airflow.models.trigger import Trigger

    path, arguments = make_trigger(
        criteria, at_least=1, facts={"campaign_name": "Spring Renewals"}
    ).serialize()
    row = Trigger(path, arguments)
    assert ringcx_sandbox.connection["password"] not in json.dumps(row.kwargs)
    event = run_trigger(LeadCountTrigger(**row.kwargs))
    assert event["result"]["campaign_name"] == "Spring Renewals"


def test_trigger_sends_only_searches_after_sign_in(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any]
) -> None:
    run_trigger(make_trigger(criteria, at_least=1))
    sign_in = {"platform_token", "token_exchange"}
    assert {request.operation for request in ringcx_sandbox.requests} - sign_in == {COUNT}


def test_trigger_logs_a_number_only_if_it_has_changed(
    ringcx_sandbox: SandboxServer, criteria: dict[str, Any], logged: Any
) -> None:
    answer(ringcx_sandbox, 2, 2, 2, 3, 3, 5)
    run_trigger(make_trigger(criteria, at_least=5))
    assert logged().count("leads match; waiting for at least 5") == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [10, 10, 10]),
        ({"exponential_backoff": True}, [10, 20, 40]),
        ({"exponential_backoff": True, "max_wait": 25.0}, [10, 20, 25]),
    ],
)
def test_trigger_exponential_backoff_doubles_the_pause(
    options: dict[str, Any], expected: list[float]
) -> None:
    trigger = LeadCountTrigger(READY, ACCOUNT, poke_interval=10, **options)
    assert [trigger._pause(0, checks) for checks in range(3)] == expected
