"""Waiting for a campaign: in a worker slot, rescheduled, and in the triggerer."""

from __future__ import annotations

import asyncio
import json
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest

from airflow_provider_engagevoice.ringcx.transport import http
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.triggers import campaigns as trigger_module
from airflow_provider_engagevoice.triggers.campaigns import CampaignLookupTrigger
from tests.support.dag_runs import run_tasks

pytestmark = pytest.mark.usefixtures("airflow_db")

TREE = "/dialGroups/withChildren"
LOOK_UP = "dial_groups_with_children"
NOT_YET = {"kind": "answer", "body": [], "operation": LOOK_UP}
UNAVAILABLE = {"kind": "status", "status": 503, "details": "Maintenance", "operation": LOOK_UP}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_FIRST_PAUSE", 0.001)


def looks(sandbox: SandboxServer) -> int:
    return sum(request.path.endswith(TREE) for request in sandbox.requests)


def wait_in(ways, **arguments):
    for name, way in ways.items():
        CampaignLookupSensor(task_id=name, **{**arguments, **way})  # noqa: F821


WAYS = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
}


@pytest.mark.parametrize("way", WAYS)
def test_the_sensor_waits_and_hands_over_the_campaign(ringcx_sandbox, way):
    ringcx_sandbox.fault(**NOT_YET, times=2)
    run = run_tasks(
        wait_in, ways={way: WAYS[way]}, campaign_name="Spring Renewals", poke_interval=0.05, timeout=60
    )
    assert run.state(way) == "success"
    campaign = ringcx_sandbox.campaign("Spring Renewals")
    assert run.xcom(way) == {
        "account_id": "50810001",
        "dial_group_id": campaign["dialGroupId"],
        "dial_group_name": campaign["dialGroup"]["description"],
        "campaign_id": campaign["campaignId"],
        "campaign_name": "Spring Renewals",
        "is_active": True,
    }
    assert looks(ringcx_sandbox) == 3


@pytest.mark.parametrize(("soft_fail", "state"), [(False, "failed"), (True, "skipped")])
@pytest.mark.parametrize("way", ["poke", "deferrable"])
def test_when_the_time_is_up(ringcx_sandbox, way, soft_fail, state, logged):
    run = run_tasks(
        wait_in,
        ways={way: WAYS[way]},
        campaign_name="Autumn Offers",
        poke_interval=0.05,
        timeout=0.2,
        soft_fail=soft_fail,
    )
    assert run.state(way) == state


@pytest.mark.parametrize("soft_fail", [False, True])
@pytest.mark.parametrize("way", ["poke", "deferrable"])
@pytest.mark.parametrize(
    ("name", "fault", "said"),
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
    ids=["ambiguous", "forbidden", "unauthorised"],
)
def test_what_waiting_cannot_mend_fails_at_once(ringcx_sandbox, way, soft_fail, name, fault, said, logged):
    # The first look of a deferred wait is the worker's; let it pass, so that the trigger meets the fault.
    if way == "deferrable":
        ringcx_sandbox.fault(**NOT_YET)
    if fault is not None:
        ringcx_sandbox.fault("answer", **fault, operation=LOOK_UP, chance=1)
    run = run_tasks(
        wait_in,
        ways={way: WAYS[way]},
        campaign_name=name,
        poke_interval=0.01,
        timeout=60,
        soft_fail=soft_fail,
        retries=3,
    )
    assert run.state(way) == "failed"
    assert run.tries(way) == 1
    assert said in logged()


@pytest.mark.parametrize("way", ["poke", "deferrable"])
def test_failures_that_pass_are_survived(ringcx_sandbox, way):
    # One look of the client makes up to five tries before it gives up.
    ringcx_sandbox.fault(**UNAVAILABLE, times=5)
    ringcx_sandbox.fault(**NOT_YET)
    ringcx_sandbox.fault(**UNAVAILABLE, times=5)
    run = run_tasks(
        wait_in, ways={way: WAYS[way]}, campaign_name="Spring Renewals", poke_interval=0.01, timeout=60
    )
    assert run.state(way) == "success"


@pytest.mark.parametrize("way", ["poke", "deferrable"])
def test_too_many_failures_in_a_row_fail_the_try_and_airflow_may_retry(ringcx_sandbox, way):
    ringcx_sandbox.fault(**UNAVAILABLE, chance=1)
    run = run_tasks(
        wait_in,
        ways={way: WAYS[way]},
        campaign_name="Spring Renewals",
        poke_interval=0.001,
        timeout=60,
        retries=1,
    )
    assert run.state(way) == "failed"
    assert run.tries(way) == 2


def narrowed(inactive):
    for name, arguments in {
        "dial_group": {"campaign_name": "Reactivation", "dial_group_name": "Win-Back"},
        "account": {"campaign_name": "Customer Survey", "account_id": "50810002"},
        "inactive": {"campaign_name": inactive, "active_only": True, "timeout": 0.05},
        "also_inactive": {"campaign_name": inactive},
        "empty": {"campaign_name": "{{ None }}"},
        "emptied_group": {"campaign_name": "Spring Renewals", "dial_group_name": "{{ '' }}"},
    }.items():
        CampaignLookupSensor(task_id=name, **{"poke_interval": 0.05, "timeout": 5, **arguments})  # noqa: F821


def test_the_look_up_can_be_narrowed_and_never_widens_by_an_empty_template(ringcx_sandbox, logged):
    campaigns = [
        ringcx_sandbox.campaign(name)
        for name in sorted({lead["campaignName"] for lead in ringcx_sandbox.leads()})
    ]
    inactive = next(
        c["campaignName"] for c in campaigns if not c["isActive"] and c["accountId"] == "50810001"
    )
    run = run_tasks(narrowed, inactive=inactive)
    states = run.states()
    assert {name for name, state in states.items() if state == "success"} == {
        "dial_group",
        "account",
        "also_inactive",
    }
    assert run.xcom("dial_group")["dial_group_name"] == "Win-Back"
    assert run.xcom("account")["account_id"] == "50810002"
    text = logged()
    assert "campaign_name came out empty" in text
    assert "dial_group_name came out empty" in text


def trigger(**arguments) -> CampaignLookupTrigger:
    return CampaignLookupTrigger(campaign_name="Spring Renewals", poke_interval=0.01, **arguments)


async def first_event(of: CampaignLookupTrigger):
    async for event in of.run():
        return event.payload
    raise AssertionError("no event")


def test_a_slow_answer_does_not_hold_up_the_event_loop(ringcx_sandbox):
    ringcx_sandbox.fault("slow", delay=0.5, operation=LOOK_UP)
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async def both():
        ticking = asyncio.create_task(tick())
        event = await first_event(trigger())
        ticking.cancel()
        return event

    assert asyncio.run(both())["status"] == "found"
    assert ticks > 15


def test_the_trigger_pauses_longer_after_each_failure(ringcx_sandbox, monkeypatch):
    pauses: list[float] = []

    async def note(seconds):
        pauses.append(seconds)

    monkeypatch.setattr(trigger_module, "asyncio", SimpleNamespace(sleep=note))
    ringcx_sandbox.fault(**UNAVAILABLE, chance=1)
    event = asyncio.run(first_event(trigger(tolerated_failures=4)))
    assert event["status"] == "failed"
    assert "503" in event["message"]
    assert len(pauses) == 5
    assert all(later > 1.2 * earlier for earlier, later in pairwise(pauses[1:]))


def test_a_campaign_that_came_in_the_last_interval_is_still_found(ringcx_sandbox):
    assert asyncio.run(first_event(trigger(end_time=time.time() - 10)))["status"] == "found"


def test_the_trigger_survives_being_stored(ringcx_sandbox):
    path, arguments = trigger(account_id="50810001", end_time=5.0).serialize()
    assert path == f"{CampaignLookupTrigger.__module__}.{CampaignLookupTrigger.__qualname__}"
    again = CampaignLookupTrigger(**json.loads(json.dumps(arguments)))
    assert again.serialize() == (path, arguments)


def test_a_trigger_stored_by_an_older_version_still_runs(ringcx_sandbox):
    assert asyncio.run(first_event(CampaignLookupTrigger("Spring Renewals", poke_interval=0)))["campaign"]


def test_the_trigger_sends_nothing_that_changes_anything(ringcx_sandbox):
    asyncio.run(first_event(trigger()))
    sign_in = {"/restapi/oauth/token", "/api/auth/login/rc/accesstoken"}
    assert {r.method for r in ringcx_sandbox.requests if r.path not in sign_in} == {"GET"}
