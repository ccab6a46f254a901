"""Refill a campaign that runs dry: load the next contacts if fewer than a minimum are READY.

The warehouse keeps which run has selected a contact, so that each run loads the next ones, and a run that is
cleared loads the contacts that it had selected. The table for it is
``CREATE TABLE refilled_contacts (contact_id VARCHAR(50) PRIMARY KEY, run VARCHAR(250))``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
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
    # Two runs at a time would both find that the campaign runs dry.
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
        campaign="{{ params.campaign }}",
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
    runs_dry() >> select_next >> refill
