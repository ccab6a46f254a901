"""Plan the changes of a campaign every night, ask a person, and apply what the person has approved.

On Airflow 3.1 and newer the plan is shown under Required Actions, and waits there for an answer. On older
versions the run ends after the plan; a person looks at it and starts a run with its fingerprint as the
parameter ``approve``, which is applied if the same is planned again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_engagevoice.operators.sync import ApplySyncOperator, PlanSyncOperator

try:
    from airflow.providers.standard.operators.hitl import ApprovalOperator
except ImportError:  # before Airflow 3.1
    ApprovalOperator = None

# The fingerprint of the plan, only if a person has answered that it is right.
APPROVED = (
    "{{ ti.xcom_pull('plan')['fingerprint'] if 'Approve' in ti.xcom_pull('ask')['chosen_options'] else '' }}"
)

with DAG(
    "ringcx_sync_with_approval",
    # In production: every night, such as "0 5 * * *".
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
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
            "",
            type="string",
            title="Approve",
            description="Before Airflow 3.1: fingerprint of the plan that a person has looked at.",
        ),
    },
    doc_md=__doc__,
    tags=["ringcx"],
) as dag:
    plan = PlanSyncOperator(
        task_id="plan",
        campaign="{{ params.campaign }}",
        source="{{ params.source }}",
        plan="{{ params.plans }}/{{ run_id }}.plan",
        sync_name="call list",
        on_surplus="suppress",
        # The person decides about plans that exceed a limit, too.
        on_unsafe="succeed",
        list_name="Call list {{ run_id }}",
    )
    apply = ApplySyncOperator(
        task_id="apply",
        plan="{{ ti.xcom_pull('plan')['plan'] }}",
        approve=APPROVED if ApprovalOperator else "{{ params.approve }}",
        retries=3,
        retry_delay=timedelta(minutes=5),
    )
    if ApprovalOperator:
        # A rejected plan skips the task that would apply it.
        ask = ApprovalOperator(
            task_id="ask",
            subject="Sync of {{ params.campaign }}",
            body="{{ ti.xcom_pull('plan')['summary'] }}",
            # The plan is valid for twelve hours.
            execution_timeout=timedelta(hours=10),
        )
        plan >> ask >> apply
    else:

        @task.short_circuit
        def is_approved(fingerprint: str) -> bool:
            """Return whether a person has looked at a plan."""
            return bool(fingerprint)

        plan >> is_approved("{{ params.approve }}") >> apply
