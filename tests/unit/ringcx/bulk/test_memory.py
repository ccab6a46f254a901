"""Memory of a bulk action with several requests in flight."""

from __future__ import annotations

import json
import os
import subprocess
import sys

_CODE = """
import json, resource
from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.leads.selection import build_selection
from airflow_provider_engagevoice.ringcx.transport.http import HttpTransport
from tests.support.clients import make_client

def respond(self, request, headers):
    criteria = request.json.get("campaignLeadSearchCriteria")
    if criteria is None:
        return len(request.json["externIds"])
    return {"success": True, "leadUpdateCount": len(criteria["externIds"])}

HttpTransport._attempt = respond

def perform(count):
    selection = build_selection({"externIds": (f"CRM-{number:09}" for number in range(count))})
    action = BulkAction.create("PAUSE_LEADS", selection, {}, max_in_flight=8)
    result = make_client("https://ringcx.example.com", "api_token").lead_actions("50810001").execute(action)
    return result["leads_updated"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

(few, before), (many, after) = perform(50_000), perform(1_000_000)
print(json.dumps([few, many, after - before]))
"""


def test_million_ids_with_eight_in_flight_stay_in_bounded_memory() -> None:
    run = subprocess.run(
        [sys.executable, "-c", _CODE], capture_output=True, text=True, check=True, timeout=110,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    few, many, kibibytes = json.loads(run.stdout.splitlines()[-1])
    assert (few, many) == (50_000, 1_000_000)
    # Nearly all of it is the cache of the file that the ids are kept in, as with one request in flight.
    assert kibibytes < 48 * 1024
