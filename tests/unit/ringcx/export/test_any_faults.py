"""Whatever happens to the leads and the requests: the file has each lead once, or the export fails."""

from __future__ import annotations

import csv
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_engagevoice.ringcx import LeadRows, LoadOptions
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError
from airflow_provider_engagevoice.ringcx.export.exporter import LeadExport
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.support.clients import FakeClock, make_client
from tests.support.fixtures import PACED_MODULES

LEADS = 40
CAMPAIGN = "Spring Renewals"
#: The dialer takes a lead from each of these states to the next.
STATES = ("READY", "PENDING", "ACTIVE", "COMPLETE")
FAULTS: dict[str, dict[str, Any]] = {
    "dropped": {"kind": "drop"},
    "503": {"kind": "status", "status": 503},
    "429": {"kind": "rate_limited", "retry_after": 1.0},
    "page": {"kind": "html"},
    "400": {"kind": "status", "status": 400},
    "short": {"kind": "short_page", "rows": 2},
    "empty": {"kind": "short_page", "rows": 0},
    "dialer": {"kind": "dialer", "leads": 5},
    "first deleted": {"kind": "delete"},
    "last deleted": {"kind": "delete", "last": True},
}
OPERATIONS = ("lead_search", "lead_count")
EVENT = st.tuples(st.sampled_from(OPERATIONS), st.integers(1, 25), st.sampled_from(sorted(FAULTS)))


def delete_lead(server: SandboxServer, last: bool) -> None:
    """Delete the first or the last lead of the campaign, as another program does."""
    campaign = server.campaign(CAMPAIGN)["campaignId"]
    edge = "max" if last else "min"
    with server._state.store.changing() as connection:
        connection.execute(
            f"DELETE FROM leads WHERE leadId = (SELECT {edge}(leadId) FROM leads WHERE campaignId = ?)",
            (campaign,),
        )


def set_fault(server: SandboxServer, operation: str, number: int, name: str) -> None:
    fault = FAULTS[name]
    if fault["kind"] == "delete":
        fault = {"kind": "meanwhile", "work": partial(delete_lead, server, fault.get("last", False))}
    server.fault(**fault, operation=operation, at=[number])


def loaded_server(chunk_size: int, **options: Any) -> SandboxServer:
    server = SandboxServer(Settings(size=100, limits="off", **options)).__enter__()
    rows = [{"externId": f"E-{n}", "leadPhone": f"303{n:07d}"} for n in range(LEADS)]
    make_client(server.url, "api_token").load_leads(
        CAMPAIGN, LeadRows(rows), LoadOptions(chunk_size=chunk_size), list_name="Load", verify=False
    )
    return server


@settings(max_examples=60, deadline=None)
@given(
    events=st.lists(EVENT, max_size=5),
    page_base=st.integers(0, 1),
    row_cap=st.sampled_from([3, 7, 15, 5000]),
    page_size=st.sampled_from([6, 15, 30, 1000]),
    chunk_size=st.sampled_from([5, 12, 40]),
    by_campaign=st.booleans(),
    by_state=st.booleans(),
)
def test_each_lead_is_exported_once_or_the_export_fails(
    events: list[tuple[str, int, str]],
    page_base: int,
    row_cap: int,
    page_size: int,
    chunk_size: int,
    by_campaign: bool,
    by_state: bool,
) -> None:
    server = loaded_server(chunk_size, page_base=page_base, row_cap=row_cap)
    campaign = server.campaign(CAMPAIGN)["campaignId"]
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        try:
            clock = FakeClock()
            for module in PACED_MODULES:
                patch.setattr(f"airflow_provider_engagevoice.ringcx.{module}.clock", clock)
            patch.setattr(
                "airflow_provider_engagevoice.ringcx.concurrency.wait_until",
                lambda seconds, over: clock.sleep(seconds),
            )
            for module in ("lead_reader", "parts"):
                patch.setattr(f"airflow_provider_engagevoice.ringcx.export.{module}.PAGE_SIZE", page_size)
            # Without a campaign the leads are divided by the time of the load.
            criteria: dict[str, Any] = {"campaignIds": [campaign]} if by_campaign else {"leadPhoneNum": "303"}
            client = make_client(server.url, "api_token")
            before = {str(lead["leadId"]) for lead in client.leads().search(Selection(dict(criteria)))}
            assert len(before) >= LEADS
            for event in dict.fromkeys(events):
                set_fault(server, *event)
            if by_state:
                criteria["leadStates"] = list(STATES)
            path = Path(folder) / "leads.csv"
            path.write_text("old")
            try:
                export = LeadExport(Selection(criteria), str(path), fields=["leadId", "leadState"])
                result = client.lead_exporter().execute(export)
            except EngageVoiceError:
                assert {each.name: each.read_text() for each in Path(folder).iterdir()} == {
                    "leads.csv": "old"
                }
                return
            with path.open(newline="") as file:
                found = Counter(row["leadId"] for row in csv.DictReader(file))
            after = {str(lead["leadId"]): lead for lead in server.leads()}
        finally:
            server.__exit__(None, None, None)
    assert result["complete"]
    assert set(found.values()) <= {1}
    remaining = {key for key in before & after.keys() if not by_state or after[key]["leadState"] in STATES}
    assert remaining - found.keys() == set()
    assert found.keys() - before == set()
    assert result["count"] == sum(found.values())
