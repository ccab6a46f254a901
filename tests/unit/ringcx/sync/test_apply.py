"""Leads and rows that have changed since the plan was made."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import SourceChanged, SourceRejected
from airflow_provider_engagevoice.ringcx.sync.lead_states import PROTECTED_STATES
from tests.support.loading import crm_row, crm_rows
from tests.support.syncing import CrmSync
from tests.unit.ringcx.sync.conftest import MakeSync

PROTECTED = sorted(PROTECTED_STATES)
REMOVALS = ["suppress", "pause", "cancel", "delete", {"move": "Summer Win-Back"}]


def states(sync: CrmSync) -> dict[str, str]:
    return {str(lead["externId"]): str(lead["leadState"]) for lead in sync.leads()}


@pytest.mark.parametrize("state", PROTECTED)
@pytest.mark.parametrize("removal", REMOVALS, ids=str)
@pytest.mark.parametrize("when", ["before the plan", "after it"])
def test_leads_in_use_are_held_back(sync: CrmSync, removal: Any, state: str, when: str) -> None:
    sync.sync(crm_rows(4), on_surplus=removal)
    if when == "before the plan":
        sync.set_state(3, state)
    plan = sync.plan(crm_rows(2), on_surplus=removal, max_removals=None)
    if when == "after it":
        sync.set_state(3, state)
    result = sync.apply(plan, crm_rows(2))
    assert result["leads_removed"] == 1
    assert states(sync)["K-3"] == state
    held_back = plan["counts"]["held_back"] if when == "before the plan" else result["held_back"]
    assert held_back == {state: 1}
    assert result["in_step"] is (when == "before the plan")


def test_lead_that_an_agent_takes_during_the_request_is_held_back(make_sync: MakeSync) -> None:
    """RingCX is sent the states in which a lead may be removed."""
    sync = make_sync()
    sync.sync(crm_rows(4))
    plan = sync.plan(crm_rows(2), max_removals=None)
    sync.server.listen(
        lambda request: sync.set_state(3, "ACTIVE") if request.path.endswith("leadSearch") else None
    )
    result = sync.apply(plan, crm_rows(2))
    assert (result["leads_removed"], result["held_back"]) == (1, {"ACTIVE": 1})
    assert states(sync)["K-3"] == "ACTIVE"


@pytest.mark.parametrize("state", ["DO-NOT-CALL", "WHITELIST"])
@pytest.mark.parametrize("removal", REMOVALS, ids=str)
def test_do_not_call_leads_are_never_removed_nor_loaded_again(
    sync: CrmSync, removal: Any, state: str
) -> None:
    """A deleted one would be called again when its external id comes back."""
    sync.sync(crm_rows(4), on_surplus=removal)
    sync.set_state(3, state)
    assert sync.sync(crm_rows(2), on_surplus=removal)["leads_removed"] == 1
    assert sync.sync(crm_rows(4), on_surplus=removal)["leads_inserted"] == (
        0 if isinstance(removal, str) and removal != "delete" else 1
    )
    assert [lead["leadState"] for lead in sync.leads() if lead["externId"] == "K-3"] == [state]


@pytest.mark.parametrize("state", ["COMPLETE", "DISCONNECTED", "MAX-DIAL-LIMIT"])
@pytest.mark.parametrize("removal", ["suppress", "pause", "cancel"])
def test_state_of_finished_leads_is_not_lost(sync: CrmSync, removal: str, state: str) -> None:
    sync.sync(crm_rows(4), on_surplus=removal)
    sync.set_state(3, state)
    plan = sync.plan(crm_rows(3), on_surplus=removal)
    assert (plan["counts"]["remove"], plan["counts"]["finished"]) == (0, 1)


def test_lead_that_comes_back_into_the_source_is_not_removed(sync: CrmSync) -> None:
    sync.sync(crm_rows(4))
    plan = sync.plan(crm_rows(2), max_removals=None)
    result = sync.apply(plan, crm_rows(3))
    assert (result["leads_removed"], result["source_changed"], result["in_step"]) == (1, 1, False)
    assert sync.callable_keys() == ["K-0", "K-1", "K-2"]


def test_rows_that_change_after_the_plan_are_not_loaded(sync: CrmSync) -> None:
    plan = sync.plan(crm_rows(4))
    result = sync.apply(plan, [*crm_rows(2), crm_row(2, firstName="New")])
    assert (result["leads_inserted"], result["source_changed"], result["in_step"]) == (2, 2, False)
    assert sync.callable_keys() == ["K-0", "K-1"]


def test_another_source_is_refused(sync: CrmSync) -> None:
    sync.sync(crm_rows(40))
    plan = sync.plan(crm_rows(200), max_loads=None)
    with pytest.raises(SourceChanged, match="160 of the 160"):
        sync.apply(plan, crm_rows(40))
    with pytest.raises(SourceRejected):
        sync.apply(plan, [])
    assert len(sync.callable_keys()) == 40


@pytest.mark.parametrize("change", ["moved", "other key", "deleted", "complete"])
def test_lead_that_a_supervisor_changes_is_left_alone(sync: CrmSync, change: str) -> None:
    sync.sync(crm_rows(4))
    plan = sync.plan(crm_rows(3))
    other = sync.server.campaign("Summer Win-Back")["campaignId"]
    statement, *values = {
        "moved": ("UPDATE leads SET campaignId = ? WHERE externId = 'K-3'", other),
        "other key": ("UPDATE leads SET externId = 'mine' WHERE externId = 'K-3'",),
        "deleted": ("DELETE FROM leads WHERE externId = 'K-3'",),
        "complete": ("UPDATE leads SET leadState = 'COMPLETE' WHERE externId = 'K-3'",),
    }[change]
    sync.change_leads(str(statement), *values)
    before = sync.server.leads()
    result = sync.apply(plan, crm_rows(3))
    assert (result["leads_removed"], result["left_alone"]) == (0, 1)
    assert sync.server.leads() == before


def test_row_that_somebody_loads_after_the_plan_is_not_loaded_again(sync: CrmSync) -> None:
    plan = sync.plan(crm_rows(3))
    sync.client().load_leads("Spring Renewals", sync.rows(crm_rows(1)), list_name="by hand")
    result = sync.apply(plan, crm_rows(3))
    assert (result["leads_inserted"], result["leads_skipped"], result["in_step"]) == (2, 1, True)
    assert sync.callable_keys() == ["K-0", "K-1", "K-2"]


def test_leads_of_others_are_not_touched(sync: CrmSync) -> None:
    """By hand, by another sync; and all of the campaign if it is managed as a whole."""
    sync.client().load_leads("Spring Renewals", sync.rows(crm_rows(2)), list_name="by hand")
    sync.sync(crm_rows(4, start=1), name="other")
    result = sync.sync(crm_rows(3, start=3))
    assert (result["leads_inserted"], result["leads_removed"]) == (1, 0)
    assert sync.callable_keys() == [f"K-{number}" for number in range(6)]
    others = [each for each in sync.server.leads("Spring Renewals") if each not in sync.leads()]
    plan = sync.plan(crm_rows(6), manages="campaign")
    assert plan["counts"]["surplus"] == len(others)


def test_report_has_each_change(sync: CrmSync, tmp_path: Path) -> None:
    sync.sync(crm_rows(4))
    sync.set_state(3, "ACTIVE")
    rows = [*crm_rows(1), crm_row(7)]
    plan = sync.plan(rows, max_removals=None)
    sync.set_state(2, "PENDING")
    report = tmp_path / "report.csv"
    sync.apply(plan, rows, report=report)
    with report.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["action"], line["external_id"], line["outcome"], line["code"]) for line in lines] == [
        ("remove", "", "removed", ""),
        ("remove", "", "held_back", "PENDING"),
        ("load", "K-7", "loaded", ""),
    ]
    assert all(line["lead_id"] for line in lines)
    assert report.stat().st_mode & 0o777 == 0o600
