"""Bring a campaign that was loaded by hand into step with the CRM, once, before its nightly sync begins.

The first run only plans: how many leads does the file not have, and how many rows does the campaign not have?
A person looks at ``plan.html``, decides what is done with the leads that the file does not have, and starts a
run with the fingerprint of the plan as the parameter ``approve``.
"""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_engagevoice.operators.sync import ApplySyncOperator, PlanSyncOperator

with DAG(
    "ringcx_sync_adoption",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    params={
        "campaign": Param("Spring Renewals", type="string", title="Campaign", description="Name or id."),
        "source": Param("s3://aws_default@crm-exports/call_list.csv", type="string", title="File"),
        "plans": Param("s3://aws_default@crm-exports/plans", type="string", title="Folder for plans"),
        "on_surplus": Param(
            "ignore",
            type="string",
            enum=["ignore", "suppress", "pause", "cancel", "delete"],
            title="Leads that the file does not have",
        ),
        "approve": Param(
            "",
            type="string",
            title="Approve",
            description="Fingerprint of the plan to apply.",
        ),
    },
    doc_md=__doc__,
    tags=["ringcx"],
) as dag:
    plan = PlanSyncOperator(
        task_id="plan",
        campaign="{{ params.campaign }}",
        source="{{ params.source }}",
        # The same folder in all runs: the run that applies finds the plan that was looked at.
        plan="{{ params.plans }}/adoption {{ run_id }}.plan",
        # The leads were loaded by hand, so they belong to no sync.
        manages="campaign",
        on_surplus="{{ params.on_surplus }}",
        on_unsafe="succeed",
    )

    @task.short_circuit
    def is_approved(fingerprint: str) -> bool:
        """Return whether a person has looked at a plan."""
        return bool(fingerprint)

    # Refused unless the same is planned as what the person has seen.
    apply = ApplySyncOperator(
        task_id="apply", plan="{{ ti.xcom_pull('plan')['plan'] }}", approve="{{ params.approve }}"
    )
    plan >> is_approved("{{ params.approve }}") >> apply
