"""Every day: export the leads that were called, then merge them into a table of PostgreSQL."""

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

from airflow_provider_engagevoice.operators.export import ExportLeadsOperator

WAREHOUSE = "warehouse"
FIELDS = ["leadId", "externId", "leadState", "leadPasses", "lastPassDts", "lastPassDispo"]

CREATE = """
CREATE TABLE IF NOT EXISTS outcomes (
    lead_id bigint PRIMARY KEY,
    extern_id text,
    state text,
    passes integer,
    last_pass_at timestamptz,
    last_disposition text
);
CREATE TABLE IF NOT EXISTS outcomes_new (LIKE outcomes);
TRUNCATE outcomes_new;
"""

# An older export that is run again must not replace newer outcomes.
MERGE = """
INSERT INTO outcomes SELECT * FROM outcomes_new
ON CONFLICT (lead_id) DO UPDATE SET
    extern_id = excluded.extern_id,
    state = excluded.state,
    passes = excluded.passes,
    last_pass_at = excluded.last_pass_at,
    last_disposition = excluded.last_disposition
WHERE excluded.last_pass_at >= outcomes.last_pass_at
"""

with DAG(
    "ringcx_export_to_postgres",
    # In production "@daily".
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # Runs at the same time would share the table outcomes_new.
    max_active_runs=1,
    params={
        "campaign": Param("Spring Renewals", type="string", title="Campaign", description="Name or id."),
        "since": Param(
            "2026-01-01T00:00:00Z",
            type="string",
            title="Since",
            description="Leads that were called later are exported.",
        ),
        "folder": Param(
            "/tmp",  # noqa: S108
            type="string",
            title="Folder",
            description="Folder that all workers see.",
        ),
    },
    doc_md=__doc__,
    tags=["ringcx"],
) as dag:
    export = ExportLeadsOperator(
        task_id="export",
        campaign="{{ params.campaign }}",
        search_criteria={
            "lastPassTimeCriteria": {"operator": "GREATER_THAN", "value": "{{ params.since }}"},
        },
        fields=FIELDS,
        output="{{ params.folder }}/outcomes-{{ run_id }}.csv",
        retries=3,
        retry_delay=timedelta(minutes=5),
    )
    create = SQLExecuteQueryOperator(task_id="create", conn_id=WAREHOUSE, sql=CREATE, split_statements=True)

    @task
    def copy(exported: dict[str, Any]) -> int:
        """Copy the file into the table outcomes_new, in one statement."""
        from airflow.providers.postgres.hooks.postgres import PostgresHook

        hook = PostgresHook(postgres_conn_id=WAREHOUSE)
        hook.copy_expert("COPY outcomes_new FROM STDIN WITH (FORMAT csv, HEADER)", exported["path"])
        (count,) = hook.get_first("SELECT count(*) FROM outcomes_new")
        # Airflow's hook copies nothing from a file that is missing, for example on another worker.
        if count != exported["count"]:
            raise RuntimeError(f"{count} of {exported['count']} leads were copied")
        return int(count)

    merge = SQLExecuteQueryOperator(task_id="merge", conn_id=WAREHOUSE, sql=MERGE)

    export >> create >> copy(export.output) >> merge
