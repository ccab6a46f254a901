"""After a CRM sync: cancel converted leads, suppress do-not-call leads, reserve warm leads for an agent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_engagevoice.operators.leads import LeadActionOperator
from airflow_provider_engagevoice.ringcx.criteria import LeadSearchCriteria

with DAG(
    "ringcx_after_crm_sync",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # The defaults are leads of the sandbox, so that a run shows something; your CRM returns its own.
    params={
        "campaign": Param("Spring Renewals", type="string", title="Campaign", description="Name or id."),
        "agent_id": Param(
            1384145, type="integer", title="Agent id", description="Warm leads are reserved for this agent."
        ),
        "renewed": Param(
            ["CRM-0003519", "CRM-0003527"],
            type="array",
            title="Renewed",
            description="External ids, one per line: their leads are cancelled.",
        ),
        "do_not_call": Param(
            ["CRM-0003529"],
            type="array",
            title="Do not call",
            description="External ids, one per line: their leads are suppressed.",
        ),
        "warm": Param(
            ["CRM-0003531"],
            type="array",
            title="Warm",
            description="External ids, one per line: their leads are reserved.",
        ),
        "stopped": Param(
            None,
            type=["null", "string"],
            title="File of stopped customers",
            description="Path of a file with one external id per line; their leads are paused.",
        ),
    },
    # Native rendering keeps the types of ids from params and XCom.
    render_template_as_native_obj=True,
    doc_md=__doc__,
    tags=["ringcx"],
) as dag:

    @task(multiple_outputs=True)
    def crm_sync(**context: Any) -> dict[str, list[str]]:
        """Stand in for your CRM: return external ids by the action to perform on them."""
        return {key: context["params"][key] for key in ("renewed", "do_not_call", "warm")}

    synced = crm_sync()

    # An empty list from the CRM selects no leads, and the task is skipped; it never selects all leads.
    cancel = LeadActionOperator(
        task_id="cancel_renewed",
        lead_action="CANCEL_LEADS",
        campaign="{{ params.campaign }}",
        search_criteria=LeadSearchCriteria(extern_ids=synced["renewed"]),
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
        campaign="{{ params.campaign }}",
        search_criteria=LeadSearchCriteria(extern_ids=synced["warm"], lead_states=["READY"]),
        action_params={"RESERVATION_AGENT_ID": "{{ params.agent_id }}"},
        max_leads=200,
        trigger_rule="none_failed",
    )

    # Read long lists from a file that the CRM exports: one id per line, or a column of a CSV or Parquet file.
    # Without a file the task is skipped. `verify` counts the leads again afterwards, because the dialer may
    # hold some of them during the action.
    pause = LeadActionOperator(
        task_id="pause_stopped",
        lead_action="PAUSE_LEADS",
        source="{{ params.stopped }}",
        campaign="{{ params.campaign }}",
        on_rejected="continue",
        verify=True,
    )

    [cancel, suppress, pause] >> reserve
