"""The workflow of RingCentral's Lead Actions guide: find two campaigns, move leads, email the new list."""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_engagevoice.operators.leads import EmailLeadsOperator, MoveLeadsOperator
from airflow_provider_engagevoice.sensors.campaigns import CampaignLookupSensor

with DAG(
    "ringcx_move_and_email",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={
        "source": Param(
            "Spring Renewals",
            type="string",
            title="Source campaign",
            description="Its READY leads are moved.",
        ),
        "target": Param("Summer Win-Back", type="string", title="Target campaign"),
        "new_list": Param(
            "From Spring Renewals",
            type="string",
            title="New list",
            description="Made in the target campaign.",
        ),
        "email_to": Param(
            "dialling-team@example.com",
            type="string",
            format="email",
            title="E-mail address",
            description="Receives a link to the new list.",
        ),
    },
    doc_md=__doc__,
    tags=["ringcx"],
) as dag:
    find_source = CampaignLookupSensor(
        task_id="find_source", campaign_name="{{ params.source }}", timeout=timedelta(minutes=30)
    )
    find_target = CampaignLookupSensor(
        task_id="find_target", campaign_name="{{ params.target }}", timeout=timedelta(minutes=30)
    )
    move = MoveLeadsOperator(
        task_id="move",
        source_campaign="{{ ti.xcom_pull('find_source')['campaign_id'] }}",
        target_campaign="{{ ti.xcom_pull('find_target')['campaign_id'] }}",
        new_list_name="{{ params.new_list }}",
        search_criteria={"leadStates": ["READY"]},
        max_leads=5_000,
    )
    # If no lead matches, the move creates no list, and this task is skipped.
    email = EmailLeadsOperator(
        task_id="email",
        search_criteria={
            "campaignIds": ["{{ ti.xcom_pull('move')['campaign_id'] }}"],
            "listIds": ["{{ ti.xcom_pull('move')['list_id'] }}"],
        },
        email_to="{{ params.email_to }}",
    )

    [find_source, find_target] >> move >> email
