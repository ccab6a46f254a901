"""Limits of a plan: each stops the accident that it is for, and an approval lifts it for that plan only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidParameter,
    PlanMismatch,
    SourceRejected,
    UnsafePlan,
)
from airflow_provider_engagevoice.ringcx.sync.options import Limit
from tests.support.loading import crm_row, crm_rows
from tests.support.syncing import CrmSync


def require_refused(sync: CrmSync, leads: list[dict[str, Any]], guard: str, **options: Any) -> dict[str, Any]:
    """Check that a plan does not pass one check, is not applied, and is written all the same."""
    before = sync.server.leads(sync.campaign)
    plan = dict(sync.plan(leads, **options))
    assert plan["trips"] == [guard]
    with pytest.raises(UnsafePlan, match=plan["fingerprint"]):
        sync.apply(plan, leads)
    assert sync.server.leads(sync.campaign) == before
    assert Path(plan["plan"], "plan.html").exists()
    return plan


def test_empty_source_makes_no_plan(sync: CrmSync) -> None:
    sync.sync(crm_rows(5))
    with pytest.raises(SourceRejected, match="allow_empty"):
        sync.plan([])
    assert len(sync.callable_keys()) == 5


def test_short_source_is_refused(sync: CrmSync) -> None:
    sync.sync(crm_rows(100))
    require_refused(sync, crm_rows(50), "removals")
    with pytest.raises(SourceRejected, match="expect_rows"):
        sync.plan(crm_rows(50), expect_rows=">=90")


def test_approval_lifts_the_limits_of_its_plan_only(sync: CrmSync) -> None:
    sync.sync(crm_rows(100))
    first = require_refused(sync, crm_rows(50), "removals")
    second = require_refused(sync, crm_rows(40), "removals")
    with pytest.raises(PlanMismatch, match="another one was approved"):
        sync.apply(second, crm_rows(40), approve=first["fingerprint"])
    assert sync.apply(second, crm_rows(40), approve=second["fingerprint"])["leads_removed"] == 60


@pytest.mark.parametrize(
    ("limit", "trips"),
    [
        (None, []),
        (0, ["removals"]),
        (29, ["removals"]),
        (30, ["removals"]),
        (31, []),
        ("30%", ["removals"]),
        ("30.1%", []),
        ("0%", ["removals"]),
        (("40%", 30), ["removals"]),
        (("30%", 1000), ["removals"]),
        (("31%", 31), []),
    ],
)
def test_reaching_the_limit_of_removals_counts_as_exceeding_it(
    sync: CrmSync, limit: Any, trips: list[str]
) -> None:
    sync.sync(crm_rows(100))
    assert sync.plan(crm_rows(70), max_removals=limit)["trips"] == trips


def test_percentages_do_not_count_for_few_leads(sync: CrmSync) -> None:
    sync.sync(crm_rows(100))
    assert sync.plan(crm_rows(76), max_removals="1%")["trips"] == []
    assert sync.plan(crm_rows(75), max_removals="1%")["trips"] == ["removals"]


def test_zero_allows_no_removal_and_accepts_a_plan_without(sync: CrmSync) -> None:
    sync.sync(crm_rows(3))
    assert sync.plan(crm_rows(2), max_removals=0)["trips"] == ["removals"]
    assert sync.plan(crm_rows(3), max_removals=0, max_loads=0, max_updates=0)["trips"] == []


def test_removing_all_leads_is_refused_whatever_the_limits(sync: CrmSync) -> None:
    """As after a change of the column of the key."""
    sync.sync(crm_rows(3))
    require_refused(sync, crm_rows(3, start=10), "nothing_left", max_removals=None)


def test_leads_that_are_done_do_not_count_for_the_limit(sync: CrmSync) -> None:
    """After months most leads are done; all that are still called are few of them."""
    sync.sync(crm_rows(300))
    sync.change_leads("UPDATE leads SET leadState = 'COMPLETE' WHERE externId >= 'K-130'")
    callable_keys = [lead["externId"] for lead in sync.leads() if lead["leadState"] == "READY"]
    assert 25 < len(callable_keys) < 60
    kept = [crm_row(int(str(key)[2:])) for key in callable_keys[:2]]
    plan = require_refused(sync, kept, "removals")
    assert plan["counts"]["removable"] == len(callable_keys)


def test_lead_without_external_id_does_not_hide_that_nothing_is_left(sync: CrmSync) -> None:
    sync.sync(crm_rows(3))
    sync.change_leads("UPDATE leads SET externId = NULL WHERE externId = 'K-0'")
    require_refused(sync, crm_rows(3, start=10), "nothing_left", max_removals=None)


def test_many_loads_are_refused(sync: CrmSync) -> None:
    leads = len(sync.server.leads(sync.campaign))
    require_refused(sync, crm_rows(leads // 2 + 1), "loads")
    require_refused(sync, crm_rows(10), "loads", max_loads=10)


def test_campaign_that_looks_empty_is_not_loaded_again(sync: CrmSync) -> None:
    """RingCX's lists show that it had leads."""
    sync.sync(crm_rows(3))
    sync.change_leads("DELETE FROM leads")
    require_refused(sync, crm_rows(3), "campaign_empty")


def test_many_updates_are_refused(sync: CrmSync) -> None:
    options = {"on_changed": "update", "compare": ["firstName"]}
    sync.sync(crm_rows(3, firstName="Ann"), **options)
    require_refused(sync, crm_rows(3, firstName="Bea"), "updates", max_updates=3, **options)


def test_keys_with_lost_zeros_are_refused(sync: CrmSync) -> None:
    keys = [f"00{number}" for number in range(100, 110)]
    rows = [crm_row(number, externId=key) for number, key in enumerate(keys)]
    sync.sync(rows)
    lost = [{**row, "externId": row["externId"].lstrip("0")} for row in rows]
    plan = sync.plan(lost, max_removals=None, on_surplus="ignore")
    assert plan["trips"] == ["near_misses"]
    assert plan["counts"]["near_misses"] == 10


def test_rows_that_contradict_each_other_are_refused_and_change_nothing(sync: CrmSync) -> None:
    sync.sync(crm_rows(3))
    rows = [*crm_rows(3), crm_row(1, firstName="Other")]
    plan = require_refused(sync, rows, "repeated_keys", max_rejected=2)
    assert sync.apply(plan, rows, approve=plan["fingerprint"])["leads_removed"] == 0


def test_rows_without_a_key_stop_removals(sync: CrmSync) -> None:
    """The lead that such a row means would count as surplus."""
    sync.sync(crm_rows(3))
    rows = [*crm_rows(2), {"leadPhone": "6175550002"}]
    require_refused(sync, rows, "rows_without_key", max_rejected=1)


def test_lead_of_a_rejected_row_is_not_surplus(sync: CrmSync) -> None:
    sync.sync(crm_rows(3))
    plan = sync.plan([*crm_rows(2), crm_row(2, leadPhone="1")], max_rejected=1)
    assert (plan["counts"]["surplus"], plan["trips"]) == (0, [])


@pytest.mark.parametrize("value", ["10", "x%", -1, True, (1, 2), ("1%", "2%"), 1.5, "10 percent"])
def test_wrong_limits_are_refused(value: Any) -> None:
    with pytest.raises(InvalidParameter, match="max_removals"):
        Limit.parse("max_removals", value)
