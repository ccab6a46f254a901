"""One mapped task per campaign: find each campaign by its name, then pause its READY leads."""

from __future__ import annotations

from datetime import datetime
from typing import Any

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG

from airflow_provider_engagevoice.operators.leads import LeadActionOperator
from airflow_provider_engagevoice.sensors.campaigns import CampaignLookupSensor


def ready_leads_in(campaign: dict[str, Any]) -> dict[str, Any]:
    """Return the search criteria for a campaign that the sensor has found."""
    return {"campaignIds": [campaign["campaign_id"]], "leadStates": ["READY"]}


with DAG(
    "ringcx_mapped_campaigns",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    tags=["ringcx"],
) as dag:
    campaigns = CampaignLookupSensor.partial(task_id="find", timeout=600).expand(
        campaign_name=["Spring Renewals", "Summer Win-Back"]
    )
    LeadActionOperator.partial(task_id="pause", lead_action="PAUSE_LEADS", max_leads=5_000).expand(
        search_criteria=campaigns.output.map(ready_leads_in)
    )
