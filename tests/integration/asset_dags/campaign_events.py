"""DAG that changes campaigns, and a DAG that is scheduled on one of them and changes it as well.

The environment variable ``ASSET_TEST`` is JSON: the URI of the campaign that the second DAG is scheduled on,
ids of leads of that and another campaign, and a folder for the extras of events.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, task

from airflow_provider_engagevoice.operators.leads import LeadActionOperator

SETTINGS = json.loads(os.environ["ASSET_TEST"])

with DAG("changes_campaigns", schedule=None, start_date=datetime(2026, 1, 1)):
    for name in ("used", "unused"):
        LeadActionOperator.partial(
            task_id=name, lead_action="SUPPRESS_LEADS", campaign=SETTINGS[name]["campaign"]
        ).expand(search_criteria=[{"leadIds": [lead]} for lead in SETTINGS[name]["leads"]])

with DAG("uses_campaign", schedule=[Asset(SETTINGS["uri"])], start_date=datetime(2026, 1, 1)):

    @task
    def read(triggering_asset_events: Any = None, ti: Any = None) -> None:
        """Write the extras of the events that have triggered the run to a file."""
        extras = [event.extra for event in triggering_asset_events[Asset(SETTINGS["uri"])]]
        Path(SETTINGS["folder"], f"{ti.id}.json").write_text(json.dumps(extras))

    read() >> LeadActionOperator(
        task_id="change",
        lead_action="UNSUPPRESS_LEADS",
        campaign=SETTINGS["used"]["campaign"],
        search_criteria={"leadIds": SETTINGS["used"]["leads"]},
    )
