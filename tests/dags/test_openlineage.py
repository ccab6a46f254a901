"""Events that OpenLineage's listener writes for a real DAG run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

pytest.importorskip("airflow.providers.openlineage")

pytestmark = pytest.mark.usefixtures("airflow_db")

SECRET = "Marked-Name"
SCRIPT = """
import sys
from tests.dags.test_openlineage import SECRET, actions
from tests.support.dag_runs import run_tasks
run_tasks(actions, folder=sys.argv[1], secret=SECRET)
"""


def actions(folder, secret):
    template = "{{ '" + secret + "' }}"
    common = {"lead_action": "SUPPRESS_LEADS", "campaign": "Spring Renewals"}
    LeadActionOperator(task_id="from_file", source=folder + "/{{ 'ids' }}.csv", source_as="leadIds", **common)
    LeadActionOperator(task_id="failed", search_criteria={}, max_leads=1, **common)
    LeadActionOperator(task_id="no_match", search_criteria={"lastName": template}, **common)
    LeadActionOperator(task_id="no_path", source=template, on_empty="succeed", **common)
    LeadActionOperator(task_id="dry_run", search_criteria={}, dry_run=True, **common)
    EmailLeadsOperator(
        task_id="email",
        campaign="Spring Renewals",
        search_criteria={"leadStates": ["READY"]},
        email_to=f"{secret}@example.com",
    )
    MoveLeadsOperator(
        task_id="copy",
        source_campaign="Spring Renewals",
        target_campaign="Summer Win-Back",
        search_criteria={"leadStates": ["READY"]},
        copy=True,
    )
    rows = {"campaign": "Summer Win-Back", "source": folder + "/{{ 'leads' }}.csv"}
    LoadLeadsOperator(task_id="load", **rows)
    LoadLeadsOperator(task_id="dry_load", dry_run=True, **rows)


@pytest.fixture
def datasets(ringcx_sandbox: Any, tmp_path: Path, ids: list[int]) -> dict[str, dict[str, Any]]:
    """Inputs and outputs of the last event of each task of the run.

    The run is a separate process, because Airflow loads its listeners once.
    """
    (tmp_path / "ids.csv").write_text("id\n" + "".join(f"{each}\n" for each in ids[:4]))
    (tmp_path / "leads.csv").write_text(f"externId,leadPhone,firstName\nK-1,6175550001,{SECRET}\n")
    log = tmp_path / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(log), "append": True}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = log.read_text()
    assert SECRET not in text
    return {
        event["job"]["name"].partition(".")[2]: event
        for event in map(json.loads, text.splitlines())
        if event["eventType"] in ("COMPLETE", "FAIL")
    }


def names(event: dict[str, Any], kind: str) -> list[str]:
    return [each["name"] for each in event[kind]]


def test_listener_writes_datasets_and_row_counts(
    datasets: dict[str, dict[str, Any]], ringcx_sandbox: Any, spring: Any, summer: Any, tmp_path: Path
) -> None:
    source, target = (f"50810001/{campaign['campaignId']}" for campaign in (spring, summer))
    found = {task: (names(event, "inputs"), names(event, "outputs")) for task, event in datasets.items()}
    assert found == {
        "": ([], []),
        "from_file": ([str(tmp_path / "ids.csv")], [source]),
        "no_match": ([], [source]),
        "copy": ([source], [target]),
        "email": ([source], []),
        "dry_run": ([], []),
        "failed": ([], []),
        "no_path": ([], []),
        "load": ([str(tmp_path / "leads.csv")], [target]),
        "dry_load": ([str(tmp_path / "leads.csv")], []),
    }
    rows = {
        task: event["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"]
        for task, event in datasets.items()
        if event["outputs"]
    }
    assert rows == {"from_file": 4, "no_match": 0, "copy": 126, "load": 1}
    (output,) = datasets["copy"]["outputs"]
    assert output["namespace"] == ringcx_sandbox.connection["host"].replace("http://", "ringcx://")
