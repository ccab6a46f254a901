"""Refill a campaign that runs dry: wait until few leads can be dialled, then load the next contacts."""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_engagevoice.sensors.leads import LeadCountSensor
from airflow_provider_engagevoice.transfers.sql_to_engagevoice import SqlToEngageVoiceOperator

with DAG(
    "ringcx_refill_campaign",
    # In production: every ten minutes of the dialling hours, such as "*/10 8-19 * * 1-5".
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # Two runs at a time would load the same contacts. A run that waits also holds back the next one.
    max_active_runs=1,
    params={
        "campaign": Param("Spring Renewals", type="string", title="Campaign", description="Name or id."),
        "minimum": Param(500, type="integer", title="Minimum", description="Dialable leads to keep."),
        "refill": Param(1_000, type="integer", title="Refill", description="Contacts to load at a time."),
    },
    doc_md=__doc__,
    tags=["ringcx"],
) as dag:
    wait = LeadCountSensor(
        task_id="runs_dry",
        campaign="{{ params.campaign }}",
        # READY alone would include leads that have used up their passes: the campaign would never run dry.
        dialable=True,
        at_most="{{ params.minimum }}",
        poke_interval=60,
        # In the triggerer, without a worker slot. All campaigns' sensors can wait there.
        deferrable=True,
        timeout=timedelta(hours=1),
        # The next run waits on.
        soft_fail=True,
    )
    refill = SqlToEngageVoiceOperator(
        task_id="refill",
        # The best contacts that are not in the campaign yet: existing="skip" leaves out those that are.
        sql="SELECT contact_id, mobile FROM contacts WHERE stage = 'call' ORDER BY score DESC LIMIT :refill",
        parameters={"refill": "{{ params.refill }}"},
        sql_conn_id="warehouse",
        # The campaign that the sensor has found.
        campaign=wait.output,
        mapping={"contact_id": "externId", "mobile": "leadPhone"},
        list_name="Refill {{ run_id }}",
        existing="skip",
        # There may be no contacts left.
        allow_empty=True,
    )
