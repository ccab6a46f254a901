"""CampaignLookupSensor in DAG runs."""

from __future__ import annotations

import pytest

from tests.support.dag_runs import run_tasks

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

pytestmark = pytest.mark.usefixtures("airflow_db")


def wait_for_misspelt_name():
    CampaignLookupSensor(task_id="wait", campaign_name="Spring-Renewals", poke_interval=0.01, timeout=0.05)


def test_sensor_logs_nearest_names_while_waiting(ringcx_sandbox, logged):
    run_tasks(wait_for_misspelt_name)
    hint = "Campaign 'Spring-Renewals' not found (16 checked). Did you mean 'Spring Renewals'?"
    assert hint in logged()
    assert f"{hint} (waited 0.05 s)" in logged()


def wait_in_misspelt_dial_group():
    for name, arguments in {
        "fails": {},
        "skips": {"soft_fail": True},
        "deferred": {"deferrable": True},
    }.items():
        CampaignLookupSensor(
            task_id=name,
            campaign_name="Reactivation",
            dial_group_name="Winback",
            poke_interval=0.01,
            timeout=0.05,
            **arguments,
        )


def test_sensor_timeout_names_misspelt_dial_group(ringcx_sandbox, logged):
    run = run_tasks(wait_in_misspelt_dial_group)
    assert run.states() == {"fails": "failed", "skips": "skipped", "deferred": "failed"}
    message = "Dial group 'Winback' not found, or has no campaigns. Did you mean 'Win-Back'? (waited 0.05 s)"
    assert logged().count(message) >= 3
    assert f"{message}. Task skipped (soft_fail=True)" in logged()


def wait_for_ambiguous_name():
    CampaignLookupSensor(task_id="wait", campaign_name="Reactivation", poke_interval=0.01, timeout=5)


def test_sensor_ambiguous_name_says_which_argument_helps(ringcx_sandbox, logged):
    run = run_tasks(wait_for_ambiguous_name)
    assert run.state("wait") == "failed"
    assert "CampaignAmbiguous: Set dial_group_name='Renewals East' or 'Win-Back'" in logged()
