"""A DAG that Airflow's scheduler runs because another DAG has changed a campaign, under LocalExecutor."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.airflow_quirks import needs_airflow_3

if TYPE_CHECKING:
    from tests.system.cluster.airflow_cluster import Cluster

TASKS = 4
EXTRA = {"lead_action": "SUPPRESS_LEADS", "leads_updated": 1, "leads_deleted": 0, "redials_deleted": 0}


def settings(sandbox: SandboxServer, campaign: str) -> dict[str, Any]:
    leads = [lead["leadId"] for lead in sandbox.leads(campaign) if lead["leadState"] == "READY"]
    return {"campaign": campaign, "leads": leads[:TASKS]}


def wait_for_events(airflow: Cluster, folder: Path) -> list[Any]:
    """Wait until runs of the second DAG have read an event of each task and have ended; return the extras."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        extras = [each for path in folder.glob("*.json") for each in json.loads(path.read_text())]
        runs = airflow.request("GET", "/dags/uses_campaign/dagRuns")["dag_runs"]
        if len(extras) >= TASKS and {run["state"] for run in runs} == {"success"}:
            return extras
        time.sleep(0.5)
    raise TimeoutError("The events of some tasks have not been read")


@needs_airflow_3
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_scheduler_runs_dag_of_a_changed_campaign(ringcx_sandbox: SandboxServer, tmp_path: Path) -> None:
    # Imported here because it needs Airflow 3.
    from tests.support.local_airflow import local_airflow

    uri = f"ringcx://50810001/{ringcx_sandbox.campaign('Spring Renewals')['campaignId']}"
    folder = tmp_path / "extras"
    folder.mkdir()
    specification = {
        "uri": uri,
        "folder": str(folder),
        "used": settings(ringcx_sandbox, "Spring Renewals"),
        "unused": settings(ringcx_sandbox, "Expiring Cards"),
    }
    environment = {
        "ASSET_TEST": json.dumps(specification),
        "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT": json.dumps(ringcx_sandbox.connection),
    }
    with local_airflow(tmp_path, Path(__file__).parent / "asset_dags", environment) as airflow:
        run_id = airflow.run_dag("changes_campaigns", lambda states: None, 150)
        states = {each["state"] for each in airflow.task_instances("changes_campaigns", run_id)}
        assert states == {"success"}
        assert wait_for_events(airflow, folder) == [EXTRA] * TASKS
        events = airflow.request("GET", "/assets/events?limit=100")["asset_events"]
        sources = sorted((each["source_dag_id"], each["source_task_id"]) for each in events)
        # None of uses_campaign, which would trigger itself, and none of a campaign that no DAG uses.
        assert sources == [("changes_campaigns", "used")] * TASKS
