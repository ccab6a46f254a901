"""Every morning: load the contacts that the warehouse selects into a campaign, and report each of them."""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_engagevoice.transfers.sql_to_engagevoice import SqlToEngageVoiceOperator

# Any database with an Airflow connection. The query runs once; its rows are checked before the first request.
CONTACTS_TO_CALL = """
SELECT contact_id, mobile, first_name, last_name, plan
FROM contacts
WHERE stage = 'call'
ORDER BY contact_id
"""

with DAG(
    "ringcx_warehouse_to_campaign",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={
        "campaign": Param("Spring Renewals", type="string", title="Campaign", description="Name or id."),
        "report": Param(
            "/tmp/warehouse_to_campaign.csv",  # noqa: S108
            type="string",
            title="Report",
            description="Path on the worker: one line for each contact, with its outcome.",
        ),
    },
    doc_md=__doc__,
    tags=["ringcx"],
) as dag:
    SqlToEngageVoiceOperator(
        task_id="load",
        sql=CONTACTS_TO_CALL,
        sql_conn_id="warehouse",
        campaign="{{ params.campaign }}",
        mapping={
            "contact_id": "externId",
            "mobile": "leadPhone",
            "first_name": "firstName",
            "last_name": "lastName",
            "plan": "extendedLeadData.plan",
        },
        list_name="Warehouse {{ run_id }}",
        # A contact that the campaign has is not called twice.
        existing="skip",
        # An empty or unusually short result is a fault of the warehouse, not a quiet day.
        expect_rows=">=10",
        max_leads=50_000,
        # Up to 1 % of the contacts may have a wrong phone number.
        max_rejected="1%",
        report="{{ params.report }}",
        retries=3,
        retry_delay=timedelta(minutes=2),
    )
