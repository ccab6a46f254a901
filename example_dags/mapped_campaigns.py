"""One mapped task per campaign: find each campaign by its name, then pause its READY leads."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG

from airflow_provider_engagevoice.operators.leads import LeadActionOperator
from airflow_provider_engagevoice.sensors.campaigns import CampaignLookupSensor

with DAG(
    "ringcx_mapped_campaigns",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    tags=["ringcx"],
) as dag:
    # The templates name the mapped tasks in Airflow's UI, which otherwise shows their numbers.
    campaigns = CampaignLookupSensor.partial(
        task_id="find", timeout=600, map_index_template="{{ task.campaign_name }}"
    ).expand(campaign_name=["Spring Renewals", "Summer Win-Back"])
    LeadActionOperator.partial(
        task_id="pause",
        lead_action="PAUSE_LEADS",
        search_criteria={"leadStates": ["READY"]},
        max_leads=5_000,
        map_index_template="{{ task.campaign['campaign_name'] }}",
    ).expand(campaign=campaigns.output)
