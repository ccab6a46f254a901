"""Load a CSV file from object storage into a campaign, then look at the report."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import datetime
from pathlib import Path

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_engagevoice.operators.load import LoadLeadsOperator

# One line for each row, with its outcome. Each run has its own file: otherwise the second task could read
# that of the run before. {{ ds }} would not do: a run that was started by hand may have no date on Airflow 3.
REPORT = "{{ params.folder }}/file_to_campaign-{{ run_id }}.csv"

with DAG(
    "ringcx_file_to_campaign",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={
        "campaign": Param("Spring Renewals", type="string", title="Campaign", description="Name or id."),
        "source": Param(
            "s3://aws_default@crm-exports/leads.csv",
            type="string",
            title="File",
            description="Path, or URL of object storage with the id of its connection.",
        ),
        "folder": Param(
            "/tmp",  # noqa: S108
            type="string",
            title="Folder for reports",
            description="On a disk that all workers share, since the tasks may run on different ones.",
        ),
    },
    doc_md=__doc__,
    tags=["ringcx"],
) as dag:
    # Columns with RingCX's names, such as externId, become fields of the lead; all others are kept as its own
    # data. If leads.csv.meta.json is next to the file, the file must be the one that it describes.
    load = LoadLeadsOperator(
        task_id="load",
        campaign="{{ params.campaign }}",
        source="{{ params.source }}",
        unmapped="extended",
        list_name="File {{ run_id }}",
        on_rejected="continue",
        report=REPORT,
    )

    # Also if rows were rejected: then the task before has failed after it has loaded the others.
    @task(trigger_rule="all_done")
    def summarize(report: str) -> dict[str, int]:
        """Count the rows of the report by outcome; send it to the owner of the file from here."""
        if not Path(report).exists():
            raise FileNotFoundError("There is no report: the load failed before it had read the file")
        with Path(report).open(newline="") as file:
            return dict(Counter(row["outcome"] for row in csv.DictReader(file)))

    load >> summarize(REPORT)
