"""Campaigns that a bulk action has changed."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction, empty_result
from airflow_provider_engagevoice.ringcx.bulk.changes import CampaignChanges, campaign_changes
from airflow_provider_engagevoice.ringcx.leads.selection import build_selection

MOVE = {
    "CAMPAIGN_ID": 9,
    "LIST_ID": 3,
    "CREATE_COPY_SETTING": "false",
    "DUPLICATE_ACTION_SETTING": "MOVE",
}


def changes(name: str, criteria: dict[str, Any], params: object = None, **result: Any) -> CampaignChanges:
    selection = build_selection(criteria, account_wide=True)
    action = BulkAction.create(name, selection, params, dry_run=result.get("dry_run", False))
    return campaign_changes(action, {**empty_result(name, "7", dry_run=False), **result})


@pytest.mark.parametrize(
    ("criteria", "changed"),
    [
        ({"campaignIds": [1]}, (1,)),
        ({"campaignIds": ["2", 1], "leadIds": [5]}, (2, 1)),
        ({"leadIds": [5]}, ()),
        ({"listIds": [5]}, ()),
    ],
)
def test_changed_campaigns_are_those_of_the_criteria(
    criteria: dict[str, Any], changed: tuple[int, ...]
) -> None:
    assert changes("CANCEL_LEADS", criteria, leads_updated=1).changed == changed


@pytest.mark.parametrize(
    ("criteria", "copy", "changed", "sources"),
    [
        ({"campaignIds": [1]}, "false", (1, 9), (1,)),
        ({"campaignIds": [1]}, "TRANSITION", (1, 9), (1,)),
        ({"campaignIds": [1]}, "true", (9,), (1,)),
        ({"campaignIds": [9]}, "false", (9,), ()),
        ({"leadIds": [5]}, "false", (9,), ()),
        ({"campaignIds": [1, 2]}, "false", (1, 2, 9), (1, 2)),
    ],
)
def test_move_changes_its_target_and_what_leads_left(
    criteria: dict[str, Any], copy: str, changed: tuple[int, ...], sources: tuple[int, ...]
) -> None:
    found = changes("MOVE_TO_CAMPAIGN", criteria, {**MOVE, "CREATE_COPY_SETTING": copy}, leads_updated=2)
    assert (found.changed, found.sources, found.target) == (changed, sources, 9)
    assert found.facts["target_campaign_id"] == 9
    assert found.facts.get("source_campaign_id") == (sources[0] if len(sources) == 1 else None)


@pytest.mark.parametrize(
    ("name", "params", "sources"),
    [("EMAIL_LEADS", {"EMAIL_TO": "a@example.com"}, (1,)), ("DIALER_REFRESH", None, ())],
)
def test_actions_that_change_no_lead(name: str, params: object, sources: tuple[int, ...]) -> None:
    found = changes(name, {"campaignIds": [1]}, params, leads_updated=4)
    assert (found.changed, found.sources, dict(found.counts)) == ((), sources, {})


def test_counts_contain_leads_of_unknown_outcome() -> None:
    found = changes("DELETE_LEADS", {"campaignIds": [1]}, leads_deleted=4, leads_updated=1, leads_unknown=3)
    assert found.counts == {"leads_updated": 1, "leads_deleted": 4, "redials_deleted": 0, "leads_unknown": 3}
    assert found.leads == 5
