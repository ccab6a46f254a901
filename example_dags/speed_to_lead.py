"""Speed to lead: a web form triggers this DAG, and its lead is the next one that an agent calls.

Start it from the form's server through Airflow's REST API, with the lead as the configuration of the run:
``{"conf": {"lead": {"externId": "web-4711", "leadPhone": "3035550100", "firstName": "Ada"}}}``.

Airflow stores the configuration of a run in its database and shows it in the UI. If no lead's data may be
there, pass only an id of your database, and read the lead with ``SqlToEngageVoiceOperator``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_engagevoice.operators.load import LoadLeadsOperator

with DAG(
    "ringcx_speed_to_lead",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={
        "campaign": Param("Spring Renewals", type="string", title="Campaign", description="Name or id."),
        "lead": Param(
            {"externId": "web-4711", "leadPhone": "3035550100"},
            type="object",
            title="Lead",
            description="Fields of the lead with RingCX's names.",
        ),
    },
    doc_md=__doc__,
    tags=["ringcx"],
) as dag:
    LoadLeadsOperator(
        task_id="load",
        campaign="{{ params.campaign }}",
        leads=["{{ params.lead }}"],
        list_name="Web form",
        # IMMEDIATE puts the lead before all others of the campaign.
        load_options={"dialPriority": "IMMEDIATE", "duplicateHandling": "REMOVE_FROM_LIST"},
        # Two submissions of a form make one lead.
        existing="skip",
        # The token in the list's name finds the lead, so a retry after a lost response loads it only once.
        retries=3,
        retry_delay=timedelta(seconds=5),
    )
