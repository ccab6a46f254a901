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
    assert "the nearest names are 'Spring Renewals'" in logged()
