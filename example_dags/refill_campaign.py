"""Refill a campaign that runs dry: load the next contacts if fewer than a minimum are READY."""

from __future__ import annotations

from datetime import datetime
from typing import Any

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.transfers.sql_to_engagevoice import SqlToEngageVoiceOperator

with DAG(
    "ringcx_refill_campaign",
    # In production: every ten minutes of the dialling hours, such as "*/10 8-19 * * 1-5".
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # Two runs at a time would load the same contacts.
    max_active_runs=1,
    params={
        "campaign": Param("Spring Renewals", type="string", title="Campaign", description="Name or id."),
        "minimum": Param(500, type="integer", title="Minimum", description="READY leads to keep."),
        "refill": Param(1_000, type="integer", title="Refill", description="Contacts to load at a time."),
    },
    doc_md=__doc__,
    tags=["ringcx"],
) as dag:

    @task.short_circuit
    def runs_dry(**context: Any) -> bool:
        """Return whether the campaign has fewer READY leads than the minimum."""
        hook = EngageVoiceHook()
        campaign = hook.find_campaign(context["params"]["campaign"])
        criteria = {"campaignIds": [campaign["campaign_id"]], "leadStates": ["READY"]}
        return hook.count_leads(criteria) < int(context["params"]["minimum"])

    refill = SqlToEngageVoiceOperator(
        task_id="refill",
        # The best contacts that are not in the campaign yet: existing="skip" leaves out those that are.
        sql="SELECT contact_id, mobile FROM contacts WHERE stage = 'call' ORDER BY score DESC LIMIT :refill",
        parameters={"refill": "{{ params.refill }}"},
        sql_conn_id="warehouse",
        campaign="{{ params.campaign }}",
        mapping={"contact_id": "externId", "mobile": "leadPhone"},
        list_name="Refill {{ run_id }}",
        existing="skip",
        # There may be no contacts left.
        allow_empty=True,
    )
    runs_dry() >> refill
