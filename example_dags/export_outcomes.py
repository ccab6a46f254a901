"""Every day: write the leads that were called since the day before to a Parquet file."""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_engagevoice.operators.export import ExportLeadsOperator

# An hour of overlap: a call that had begun by the end of the last export has ended since.
SINCE = "{{ params.since or data_interval_start - macros.timedelta(hours=1) }}"
# A run that a person starts has no data interval on Airflow 3.
DAY = "{{ data_interval_start.strftime('%Y-%m-%d') if data_interval_start is defined else run_id }}"

with DAG(
    "ringcx_export_outcomes",
    # In production "@daily".
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={
        "campaign": Param("Spring Renewals", type="string", title="Campaign", description="Name or id."),
        "since": Param(
            "2026-01-01T00:00:00Z",
            type=["null", "string"],
            title="Since",
            description="Leads that were called later are exported; empty for the data interval of the run.",
        ),
        "folder": Param(
            "s3://aws_default@ringcx/outcomes",
            type="string",
            title="Folder",
            description="Folder on the worker, or URL of object storage with the id of its connection.",
        ),
    },
    doc_md=__doc__,
    tags=["ringcx"],
) as dag:
    # RingCX knows only the last call of a lead. A lead that is called again is in the file of a later day,
    # too, with its new outcome: keep the row with the latest lastPassDts of each leadId.
    ExportLeadsOperator(
        task_id="export",
        campaign="{{ params.campaign }}",
        search_criteria={"lastPassTimeCriteria": {"operator": "GREATER_THAN", "value": SINCE}},
        fields=["leadId", "externId", "leadState", "leadPasses", "lastPassDts", "lastPassDispo"],
        # The path is the same for the same day, so a repeated run or a backfill replaces its file.
        output=f"{{{{ params.folder }}}}/day={DAY}/outcomes.parquet",
        retries=3,
        retry_delay=timedelta(minutes=5),
    )
