"""Generated seed data: accounts, dial groups and campaigns."""

from __future__ import annotations

import collections
from typing import Any

from airflow_provider_engagevoice.sandbox.seed import generated_data
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sandbox.support.admin import all_campaigns


def test_generated_data_has_dial_groups_and_campaigns(api: Any) -> None:
    campaigns = all_campaigns(api)
    assert len(campaigns) == 24
    groups = {(row["account"], row["group"]["dialGroupId"]) for row in campaigns}
    assert collections.Counter(account for account, _ in groups) == {"50810001": 4, "50810002": 2}


def test_generated_data_has_duplicate_campaign_names(api: Any) -> None:
    places = collections.defaultdict(list)
    for row in all_campaigns(api):
        places[row["campaignName"]].append((row["account"], row["group"]["dialGroupId"]))
    duplicates = {name: found for name, found in places.items() if len(found) > 1}
    assert set(duplicates) == {"Customer Survey", "Reactivation"}
    assert {account for account, _ in duplicates["Customer Survey"]} == {"50810001", "50810002"}
    assert {account for account, _ in duplicates["Reactivation"]} == {"50810001"}
    assert len(set(duplicates["Reactivation"])) == 2


def test_generated_data_has_example_campaigns() -> None:
    with SandboxServer() as sandbox:
        spring, summer = sandbox.campaign("Spring Renewals"), sandbox.campaign("Summer Win-Back")
        assert spring["accountId"] == summer["accountId"] == "50810001"
        assert spring["dialGroupId"] != summer["dialGroupId"]
        assert spring["isActive"] == summer["isActive"] == 1
        for campaign in (spring, summer):
            leads = sandbox.leads(campaign["campaignId"])
            assert 300 < len(leads) < 1000
            assert sum(lead["leadState"] == "READY" for lead in leads) > 150
        assert sandbox.contents["leads"] == 10_000
        states = {lead["leadState"] for lead in sandbox.leads("Trade Show Contacts")}
        assert not states & {"ACTIVE", "PENDING", "PENDING-HCI", "PENDING-ERR"}


def test_generated_data_same_seed_same_data() -> None:
    def data(settings: Settings) -> list[dict[str, Any]]:
        with SandboxServer(settings) as sandbox:
            return [sandbox.campaign("Spring Renewals"), *sandbox.leads()]

    first = data(Settings(seed=5, size=300))
    generated_data._template.cache_clear()
    assert data(Settings(seed=5, size=300)) == first
    other = data(Settings(seed=6, size=300))
    assert other[0]["campaignId"] != first[0]["campaignId"]
    assert [lead["externId"] for lead in other[1:]] != [lead["externId"] for lead in first[1:]]
