"""One lead action on many external ids, with one mapped task for each id file."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_engagevoice.operators.leads import LeadActionOperator

with DAG("engagevoice_bulk", schedule=None, start_date=datetime(2026, 1, 1), catchup=False) as dag:
    LeadActionOperator.partial(
        task_id="act",
        lead_action="MANUAL_LEADS",
        action_params={
            "PASS_DISPOSITION": "Sale",
            "REQUEUE": False,
            "DO_NOT_CALL": False,
            "PASS_DELAY": 0,
            "MERGE_ORIGINAL": False,
        },
        source_as="externIds",
        chunk_size=int(os.environ["BULK_CHUNK_SIZE"]),
        retries=2,
        retry_delay=timedelta(seconds=5),
    ).expand(source=[str(path) for path in sorted(Path(os.environ["BULK_SOURCES"]).glob("*.txt"))])
