"""Refill a campaign that runs dry: wait until few leads can be dialled, then load the next contacts.

The warehouse keeps which run has selected a contact, so that each run loads the next ones, and a run that is
cleared loads the contacts that it had selected. The table for it is
``CREATE TABLE refilled_contacts (contact_id VARCHAR(50) PRIMARY KEY, run VARCHAR(250))``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

from airflow_provider_engagevoice.sensors.leads import LeadCountSensor
from airflow_provider_engagevoice.transfers.sql_to_engagevoice import SqlToEngageVoiceOperator

# :run is the placeholder of SQLite; most other drivers, such as those of PostgreSQL, take %(run)s.
SELECT_NEXT = """
INSERT INTO refilled_contacts (contact_id, run)
SELECT contact_id, :run FROM contacts
WHERE stage = 'call'
AND contact_id NOT IN (SELECT contact_id FROM refilled_contacts)
AND NOT EXISTS (SELECT 1 FROM refilled_contacts WHERE run = :run)
ORDER BY score DESC, contact_id
LIMIT {{ params.refill }}
"""
SELECTED = """
SELECT contacts.contact_id, contacts.mobile
FROM contacts JOIN refilled_contacts ON refilled_contacts.contact_id = contacts.contact_id
WHERE refilled_contacts.run = :run
ORDER BY contacts.contact_id
"""

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

    # A second attempt in the same run selects nothing more.
    select_next = SQLExecuteQueryOperator(
        task_id="select_next",
        conn_id="warehouse",
        sql=SELECT_NEXT,
        parameters={"run": "{{ run_id }}"},
        autocommit=True,
    )

    refill = SqlToEngageVoiceOperator(
        task_id="refill",
        sql=SELECTED,
        parameters={"run": "{{ run_id }}"},
        sql_conn_id="warehouse",
        # The campaign that the sensor has found.
        campaign=wait.output,
        mapping={"contact_id": "externId", "mobile": "leadPhone"},
        list_name="Refill {{ run_id }}",
        # A contact that another DAG has loaded is not called twice.
        existing="skip",
        # There may be no contacts left.
        allow_empty=True,
        # A contact with a wrong number is left out; it would not become valid in a later run.
        on_rejected="ignore",
        retries=3,
        retry_delay=timedelta(minutes=1),
    )
    wait >> select_next >> refill
