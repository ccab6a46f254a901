"""After a CRM sync: stop calling who has renewed or asked not to be called, reserve others for an agent."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG

from airflow_provider_engagevoice.operators.leads import LeadActionOperator
from airflow_provider_engagevoice.ringcx.criteria import LeadSearchCriteria

with DAG(
    "ringcx_after_crm_sync",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={
        "campaign_id": None,
        "agent_id": None,
        "renewed": [],
        "do_not_call": [],
        "warm": [],
        "stopped": None,
    },
    # Ids keep their types on their way from params and XCom to the criteria.
    render_template_as_native_obj=True,
    doc_md=__doc__,
    tags=["ringcx"],
) as dag:

    @task(multiple_outputs=True)
    def crm_sync(params: dict | None = None) -> dict[str, list[str]]:
        """Stand in for your CRM: gives external ids by what is to happen to them."""
        return {key: params[key] for key in ("renewed", "do_not_call", "warm")}

    synced = crm_sync()

    # An empty list from the CRM selects nothing, and the task is skipped; it never means "everybody".
    cancel = LeadActionOperator(
        task_id="cancel_renewed",
        lead_action="CANCEL_LEADS",
        search_criteria=LeadSearchCriteria(
            campaign_ids=["{{ params.campaign_id }}"], extern_ids=synced["renewed"]
        ),
        max_leads=1_000,
    )
    suppress = LeadActionOperator(
        task_id="suppress_do_not_call",
        lead_action="SUPPRESS_LEADS",
        search_criteria=LeadSearchCriteria(extern_ids=synced["do_not_call"]),
        max_leads=1_000,
    )
    reserve = LeadActionOperator(
        task_id="reserve_warm",
        lead_action="AGENT_RESERVATION",
        search_criteria=LeadSearchCriteria(
            campaign_ids=["{{ params.campaign_id }}"], extern_ids=synced["warm"], lead_states=["READY"]
        ),
        action_params={"RESERVATION_AGENT_ID": "{{ params.agent_id }}"},
        max_leads=200,
        trigger_rule="none_failed",
    )

    # Long lists come as a file that the CRM exports: one id a line, or a column of CSV or Parquet. Without
    # a file nothing is selected. The counts are looked at again, since the dialer may hold leads.
    pause = LeadActionOperator(
        task_id="pause_stopped",
        lead_action="PAUSE_LEADS",
        source="{{ params.stopped }}",
        search_criteria=LeadSearchCriteria(campaign_ids=["{{ params.campaign_id }}"]),
        on_rejected="continue",
        verify=True,
    )

    [cancel, suppress, pause] >> reserve
