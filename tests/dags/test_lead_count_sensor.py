"""LeadCountSensor in DAG runs: modes, criteria, dialable leads, personal data."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.transport import http
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.airflow_quirks import reschedule_twice
from tests.support.dag_runs import run_tasks

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined,dict-item"

pytestmark = pytest.mark.usefixtures("airflow_db")

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
}
all_modes = pytest.mark.parametrize(
    "mode", [pytest.param(mode, marks=[reschedule_twice] if mode == "reschedule" else []) for mode in MODES]
)
HAS_STATE_STORE = tuple(map(int, version("apache-airflow").split(".")[:2])) >= (3, 3)
COUNT = "lead_count"


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry requests of the client almost at once."""
    monkeypatch.setattr(http, "_INITIAL_BACKOFF", 0.001)


def counts(sandbox: SandboxServer) -> int:
    return sum(request.operation == COUNT for request in sandbox.requests)


def answer(sandbox: SandboxServer, *numbers: int) -> None:
    """Let the next counts return these numbers, and later ones the real number."""
    for number in numbers:
        sandbox.fault("answer", body=number, operation=COUNT)


def leads_in_state(sandbox: SandboxServer, state: str) -> list[dict[str, Any]]:
    return [lead for lead in sandbox.leads("Spring Renewals") if lead["leadState"] == state]


def sensors(by_name, **arguments):
    for name, more in by_name.items():
        LeadCountSensor(task_id=name, **{"poke_interval": 0.05, "timeout": 60, **arguments, **more})


@all_modes
def test_sensor_waits_for_the_number_and_returns_it(ringcx_sandbox, mode):
    ready = len(leads_in_state(ringcx_sandbox, "READY"))
    answer(ringcx_sandbox, 0, ready - 1)
    run = run_tasks(
        sensors,
        by_name={mode: MODES[mode]},
        campaign="Spring Renewals",
        search_criteria={"leadStates": ["READY"]},
        at_least=ready,
    )
    assert run.xcom(mode) == {
        "count": ready,
        "account_id": "50810001",
        "campaign_id": ringcx_sandbox.campaign("Spring Renewals")["campaignId"],
        "campaign_name": "Spring Renewals",
    }
    assert counts(ringcx_sandbox) == 3


@all_modes
def test_sensor_waits_until_few_enough_leads_match(ringcx_sandbox, mode, spring):
    answer(ringcx_sandbox, 12, 11, 10)
    run = run_tasks(
        sensors,
        by_name={mode: MODES[mode]},
        search_criteria={"campaignIds": [spring["campaignId"]], "leadStates": ["READY"]},
        at_most=10,
    )
    assert run.xcom(mode) == {"count": 10, "account_id": "50810001"}
    assert counts(ringcx_sandbox) == 3


@all_modes
def test_stable_sensor_waits_until_the_number_stays_the_same(ringcx_sandbox, mode, logged):
    # The number changes with each check while it is within the limits.
    answer(ringcx_sandbox, 90, 91, 92, 93, *[94] * 40)
    run = run_tasks(
        sensors,
        by_name={mode: MODES[mode]},
        campaign="Spring Renewals",
        at_least=90,
        stable_for=0.3,
    )
    assert run.xcom(mode)["count"] == 94
    assert counts(ringcx_sandbox) >= 6
    assert ("as in mode='poke'" in logged()) is (mode == "reschedule" and not HAS_STATE_STORE)


@pytest.mark.parametrize(("soft_fail", "state"), [(False, "failed"), (True, "skipped")])
@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_sensor_timeout_says_how_many_leads_match(ringcx_sandbox, mode, soft_fail, state, logged):
    run = run_tasks(
        sensors,
        by_name={mode: MODES[mode]},
        campaign="Spring Renewals",
        at_least=1_000_000,
        timeout=0.2,
        soft_fail=soft_fail,
    )
    assert run.state(mode) == state
    number = len(ringcx_sandbox.leads("Spring Renewals"))
    assert f"{number:,} leads match; waiting for at least 1,000,000 (waited 0.2 s)" in logged()


@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_sensor_permanent_error_fails_at_once(ringcx_sandbox, mode, logged):
    answer(ringcx_sandbox, 0)
    ringcx_sandbox.fault("status", status=403, operation=COUNT, chance=1)
    run = run_tasks(
        sensors,
        by_name={mode: MODES[mode]},
        campaign="Spring Renewals",
        at_least=1,
        retries=3,
        soft_fail=True,
    )
    assert run.state(mode) == "failed"
    assert run.attempts(mode) == 1
    assert "AccessDenied" in logged()


@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_sensor_unknown_campaign_fails_at_once(ringcx_sandbox, mode, logged):
    run = run_tasks(sensors, by_name={mode: MODES[mode]}, campaign="Spring-Renewals", at_least=1, retries=3)
    assert run.attempts(mode) == 1
    assert "Did you mean 'Spring Renewals'?" in logged()


@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_sensor_tolerates_transient_errors(ringcx_sandbox, mode):
    answer(ringcx_sandbox, 0)
    # Each check sends up to five requests.
    ringcx_sandbox.fault("status", status=503, operation=COUNT, times=5)
    run = run_tasks(sensors, by_name={mode: MODES[mode]}, campaign="Spring Renewals", at_least=1)
    assert run.state(mode) == "success"


def test_deferrable_sensor_without_campaign_look_up_is_retried(ringcx_sandbox, logged):
    ringcx_sandbox.fault("status", status=503, operation="dial_groups_with_children", times=5)
    run = run_tasks(
        sensors, by_name={"wait": MODES["deferrable"]}, campaign="Spring Renewals", at_least=1, retries=1
    )
    assert run.state("wait") == "success"
    assert run.attempts("wait") == 2


def use_up_passes(sandbox: SandboxServer, number: int, assignment: str) -> None:
    """Change READY leads of the campaign that could be dialled."""
    with sandbox._state.store.changing() as connection:
        connection.execute(
            f"UPDATE leads SET {assignment} WHERE leadId IN (SELECT leadId FROM leads l"
            " JOIN campaigns c USING (campaignId) WHERE campaignName = 'Spring Renewals'"
            " AND leadState = 'READY' AND suppressed = 0 AND leadPasses < c.maxPasses"
            f" AND nextDialTime <= {int(datetime.now(timezone.utc).timestamp() * 1000)} LIMIT {number})"
        )


def dialable_leads(sandbox: SandboxServer) -> int:
    """Return the number of dialable leads, computed from the rows."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.999+0000")
    maximum = sandbox.campaign("Spring Renewals")["maxPasses"]
    return sum(
        not lead["suppressed"] and lead["leadPasses"] < maximum and lead["nextDialTime"] <= now
        for lead in leads_in_state(sandbox, "READY")
    )


@all_modes
@pytest.mark.parametrize(
    "assignment",
    ["leadPasses = 8", "leadPasses = 9", "suppressed = 1", "nextDialTime = nextDialTime + 40000000000"],
)
def test_dialable_sensor_does_not_count_leads_that_cannot_be_dialled(ringcx_sandbox, mode, assignment):
    before, ready = dialable_leads(ringcx_sandbox), len(leads_in_state(ringcx_sandbox, "READY"))
    use_up_passes(ringcx_sandbox, 7, assignment)
    assert dialable_leads(ringcx_sandbox) == before - 7
    run = run_tasks(
        sensors, by_name={mode: MODES[mode]}, campaign="Spring Renewals", dialable=True, at_most=before - 7
    )
    assert run.xcom(mode)["count"] == before - 7
    assert len(leads_in_state(ringcx_sandbox, "READY")) == ready
    assert counts(ringcx_sandbox) == 1


def test_dialable_sensor_notices_in_the_triggerer_that_leads_become_due(ringcx_sandbox):
    """The time that the criteria contain is that of each check."""
    with ringcx_sandbox._state.store.changing() as connection:
        due = int(datetime.now(timezone.utc).timestamp() * 1000) + 4000
        connection.execute("UPDATE leads SET nextDialTime = ? WHERE leadState = 'READY'", (due,))
    run = run_tasks(
        sensors, by_name={"wait": MODES["deferrable"]}, campaign="Spring Renewals", dialable=True, at_least=1
    )
    assert run.xcom("wait")["count"] == dialable_leads(ringcx_sandbox) > 0
    assert counts(ringcx_sandbox) > 2


def sensors_with_empty_values(poke_interval):
    common = {"poke_interval": poke_interval, "timeout": 0.1, "at_least": 0}
    for name, arguments in {
        "ids": {"search_criteria": {"campaignIds": [1], "externIds": "{{ [] }}"}},
        "campaigns": {"search_criteria": {"campaignIds": "{{ none }}"}},
        "criteria": {"search_criteria": "{{ {} }}"},
        "campaign": {"campaign": "{{ '' }}"},
        "filter": {"campaign": "Spring Renewals", "search_criteria": {"leadStates": "{{ [] }}"}},
        "fails": {"search_criteria": {"leadIds": []}, "on_empty": "fail"},
        "succeeds": {"search_criteria": {"leadIds": []}, "on_empty": "succeed", "at_least": 5},
        "limit": {"campaign": "Spring Renewals", "at_least": "{{ none }}"},
        "account": {"campaign": "Spring Renewals", "account_id": "{{ '' }}"},
        "wide": {"search_criteria": "{{ {'leadStates': ['READY']} }}"},
    }.items():
        for mode, deferrable in {"poke": False, "deferred": True}.items():
            LeadCountSensor(task_id=f"{name}_{mode}", deferrable=deferrable, **{**common, **arguments})


def test_sensor_criteria_that_came_out_empty_select_nothing(ringcx_sandbox, logged):
    run = run_tasks(sensors_with_empty_values, poke_interval=0.01)
    states = run.states()
    skipped = {"ids", "campaigns", "criteria", "campaign", "filter"}
    for name, state in states.items():
        expected = "skipped" if name.partition("_")[0] in skipped else "failed"
        assert state == ("success" if name.startswith("succeeds") else expected), name
    assert run.xcom("succeeds_poke")["count"] == run.xcom("succeeds_deferred")["count"] == 0
    assert ringcx_sandbox.requests == []
    assert "Nothing selected: externIds is empty; its template '{{ [] }}' is empty" in logged()


def personal_sensor(lead, poke_interval):
    for name, criteria in {
        "phone": {"leadPhoneNumbers": [lead["leadPhone"]]},
        "extern": {"externIds": [lead["externId"]]},
        "name": {"lastName": lead["lastName"], "campaignIds": [lead["campaignId"]]},
    }.items():
        LeadCountSensor(
            task_id=name,
            search_criteria=criteria,
            at_least=1,
            deferrable=True,
            poke_interval=poke_interval,
            timeout=20,
        )


def test_deferrable_sensor_with_personal_data_waits_in_the_worker(ringcx_sandbox, monkeypatch, logged):
    """Airflow would store the data with the trigger."""
    lead = next(lead for lead in ringcx_sandbox.leads("Spring Renewals") if "|" not in lead["leadPhone"])
    answer(ringcx_sandbox, 0, 0)
    monkeypatch.setattr(
        "airflow_provider_engagevoice.triggers.leads.LeadCountTrigger.serialize",
        lambda trigger: pytest.fail("deferred"),
    )
    run = run_tasks(
        personal_sensor,
        lead={key: lead[key] for key in ("leadPhone", "externId", "lastName", "campaignId")},
        poke_interval=0.05,
    )
    assert set(run.states().values()) == {"success"}
    text = logged()
    assert text.count("which are personal data") == 3
    stored = text + json.dumps([[run.rendered_fields(name), run.xcom(name)] for name in run.states()])
    for value in (lead["leadPhone"], lead["externId"], f"'{lead['lastName']}'", f'"{lead["lastName"]}"'):
        assert value not in stored


def sensor_for_found_campaign():
    find = CampaignLookupSensor(task_id="find", campaign_name="Spring Renewals")
    wait = LeadCountSensor(
        task_id="wait", campaign=find.output, at_least="{{ 3 - 2 }}", at_most=1_000_000, timeout=5
    )
    LeadActionOperator(
        task_id="cancel", campaign=wait.output, lead_action="CANCEL_LEADS", search_criteria={}, dry_run=True
    )


def test_sensor_accepts_and_returns_a_campaign(ringcx_sandbox):
    run = run_tasks(sensor_for_found_campaign)
    number = len(ringcx_sandbox.leads("Spring Renewals"))
    assert run.xcom("wait")["count"] == run.xcom("cancel")["leads_matched"] == number


def mapped_sensors(campaigns):
    LeadCountSensor.partial(task_id="wait", at_least=1, timeout=5).expand(campaign=campaigns)


def test_sensor_can_be_mapped_over_campaigns(ringcx_sandbox):
    run = run_tasks(mapped_sensors, campaigns=["Spring Renewals", "Summer Win-Back"])
    assert [run.xcom("wait", index)["campaign_name"] for index in (0, 1)] == [
        "Spring Renewals",
        "Summer Win-Back",
    ]
