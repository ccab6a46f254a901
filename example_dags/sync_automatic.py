"""Keep a campaign in step with a file from the CRM every night, as long as the changes stay within limits.

A night that would change more fails, writes its plan, and changes nothing. Look at ``plan.html`` in the
folder of the plan; if the change is meant, start a run with the fingerprint as the parameter ``approve``. It
is applied if the same is planned again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_engagevoice.operators.sync import SyncLeadsOperator

with DAG(
    "ringcx_sync_automatic",
    # In production: every night, such as "0 5 * * *", before dialling begins.
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # Two runs at once would compare the campaign with two files.
    max_active_runs=1,
    params={
        "campaign": Param("Spring Renewals", type="string", title="Campaign", description="Name or id."),
        "source": Param(
            "s3://aws_default@crm-exports/call_list.csv",
            type="string",
            title="File",
            description="All people to call: path, or URL of object storage with the id of its connection.",
        ),
        "plans": Param(
            "s3://aws_default@crm-exports/plans",
            type="string",
            title="Folder for plans",
            description="Path that all workers share, or URL of object storage.",
        ),
        "approve": Param(
            "", type="string", title="Approve", description="Fingerprint of a plan that exceeds a limit."
        ),
    },
    doc_md=__doc__,
    tags=["ringcx"],
) as dag:
    SyncLeadsOperator(
        task_id="sync",
        campaign="{{ params.campaign }}",
        source="{{ params.source }}",
        # Each run has its own plan, so that each can be looked at later.
        plan="{{ params.plans }}/{{ run_id }}.plan",
        # The name keeps the ownership of the loaded leads if the DAG or the task is renamed.
        sync_name="call list",
        # A person who is not in the file any more is not called any more; "unsuppress" brings them back.
        on_surplus="suppress",
        # New numbers and names reach the leads that are there.
        on_changed="update",
        compare=["leadPhone", "firstName", "lastName"],
        max_removals=("10%", 1_000),
        max_loads=("50%", 20_000),
        approve="{{ params.approve }}",
        list_name="Call list {{ run_id }}",
        # Retries continue the plan of the first attempt.
        retries=3,
        retry_delay=timedelta(minutes=5),
    )
