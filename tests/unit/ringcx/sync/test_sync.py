"""Plan and apply: what a campaign has afterwards."""

from __future__ import annotations

import pytest

from tests.support.loading import crm_row, crm_rows
from tests.support.syncing import CrmSync

REMOVALS = ["suppress", "pause", "cancel", "delete", {"move": "Summer Win-Back"}]


def test_first_sync_loads_all_rows_and_touches_no_other_lead(sync: CrmSync) -> None:
    before = sync.server.leads("Spring Renewals")
    result = sync.sync(crm_rows(5))
    assert (result["leads_inserted"], result["leads_removed"], result["in_step"]) == (5, 0, True)
    assert sync.callable_keys() == [f"K-{number}" for number in range(5)]
    assert [lead for lead in sync.server.leads("Spring Renewals") if lead not in sync.leads()] == before


@pytest.mark.parametrize("removal", REMOVALS, ids=str)
def test_surplus_leads_are_removed_and_missing_ones_loaded(sync: CrmSync, removal: object) -> None:
    sync.sync(crm_rows(5), on_surplus=removal)
    result = sync.sync(crm_rows(5, start=2), on_surplus=removal)
    assert (result["leads_inserted"], result["leads_removed"], result["in_step"]) == (2, 2, True)
    assert sync.callable_keys() == [f"K-{number}" for number in range(2, 7)]
    plan = sync.plan(crm_rows(5, start=2), on_surplus=removal)
    assert [plan["counts"][kind] for kind in ("load", "remove", "update")] == [0, 0, 0]


def test_compared_fields_are_updated(sync: CrmSync) -> None:
    options = {"on_changed": "update", "compare": ["firstName"]}
    sync.sync(crm_rows(3, firstName="Ann", lastName="A"), **options)
    rows = [crm_row(0, firstName="Ann", lastName="B"), crm_row(1, firstName="Bea"), crm_row(2, lastName="C")]
    result = sync.sync(rows, **options)
    assert (result["leads_updated"], result["in_step"]) == (1, True)
    assert [(lead["firstName"], lead["lastName"]) for lead in sync.leads()] == [
        ("Ann", "A"),
        ("Bea", "A"),
        ("Ann", "A"),
    ]
