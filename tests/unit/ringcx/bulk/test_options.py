"""Tests of the validation of a bulk action's options."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.bulk.options import check_verifiable, validate_options
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS
from tests.support.clients import move_params


@pytest.mark.parametrize("on_rejected", ["fail", "continue", "ignore"])
@pytest.mark.parametrize("max_leads", [None, 0, 5])
def test_validate_options_valid_values_are_accepted(max_leads: int | None, on_rejected: str) -> None:
    validate_options(max_leads, 1, on_rejected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_leads": -1}, "max_leads must be a whole number of leads, or None for no limit"),
        ({"max_leads": True}, "max_leads must be a whole number of leads, or None for no limit"),
        ({"chunk_size": 0}, "chunk_size must be a whole number of ids, at least 1"),
        ({"chunk_size": 2.5}, "chunk_size must be a whole number of ids, at least 1"),
        ({"on_rejected": "skip"}, "on_rejected must be one of fail, continue, ignore, not 'skip'"),
    ],
)
def test_validate_options_invalid_value_raises(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        validate_options(**{"max_leads": None, "chunk_size": 500, **options})
    assert str(caught.value) == message


@pytest.mark.parametrize("name", sorted(name for name, action in ACTIONS.items() if action.success is None))
def test_check_verifiable_action_without_criterion_raises(name: str) -> None:
    with pytest.raises(
        InvalidParameter, match=f"verify is not possible for {name}: no search shows its effect"
    ):
        check_verifiable(ACTIONS[name])


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({"CREATE_COPY_SETTING": "true"}, {"campaignIds": [1]}),
        ({"DUPLICATE_ACTION_SETTING": "IGNORE"}, {"campaignIds": [1]}),
        ({}, {"campaignIds": [7]}),
        ({}, {"leadIds": [1]}),
    ],
    ids=["copy", "ignore", "same-campaign", "no-source"],
)
def test_verify_move_whose_leads_stay_in_source_raises(changes: dict[str, Any], body: dict[str, Any]) -> None:
    params = {**move_params({"campaignId": 7}), **changes}
    with pytest.raises(InvalidParameter, match="can be verified only"):
        BulkAction.create("MOVE_TO_CAMPAIGN", Selection(body), params, verify=True)


def test_verify_move_of_empty_selection_is_accepted() -> None:
    """There is nothing to verify."""
    empty = Selection({}, "leadIds is empty")
    assert BulkAction.create("MOVE_TO_CAMPAIGN", empty, move_params({"campaignId": 7}), verify=True).verify


def test_verify_move_out_of_its_source_is_accepted() -> None:
    selection = Selection({"campaignIds": [1]})
    assert BulkAction.create(
        "MOVE_TO_CAMPAIGN", selection, move_params({"campaignId": 7}), verify=True
    ).verify
