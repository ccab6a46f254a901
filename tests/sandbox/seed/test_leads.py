"""Generated leads: people, phone numbers and callbacks."""

from __future__ import annotations

import collections
import re

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer


def test_generated_people_are_fictional_and_unique(sandbox: SandboxServer) -> None:
    leads = sandbox.leads()
    assert len(leads) == 1300
    assert all(re.fullmatch(r"\d{3}555\d{4}(\|\d{3}555\d{4})?", lead["leadPhone"]) for lead in leads)
    assert all(lead["email"].rpartition("@")[2].startswith("example.") for lead in leads)
    assert all(re.fullmatch(r"CRM-\d{7}", lead["externId"]) for lead in leads)
    repeated = [n for n in collections.Counter(lead["externId"] for lead in leads).values() if n > 1]
    assert 0 < len(repeated) < 10


def test_generated_callbacks_match_lead_states(sandbox: SandboxServer) -> None:
    for lead in sandbox.leads():
        has_callback = lead["leadState"] in ("CALLBACK", "AGENT-CALLBACK", "PENDING-CALLBACK")
        assert bool(lead["campaignLead"]["campaignRedials"]) == has_callback
