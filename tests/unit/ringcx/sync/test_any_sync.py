"""Properties of syncs with any rows, leads, states and faults."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, PlanApplied
from airflow_provider_engagevoice.ringcx.sync.lead_states import (
    FINISHED_STATES,
    KEPT_STATES,
    PROTECTED_STATES,
)
from airflow_provider_engagevoice.ringcx.sync.options import SyncOptions
from tests.support.bulk import Killed
from tests.support.loading import crm_row, crm_rows
from tests.support.syncing import CrmSync

NUMBERS = st.sets(st.integers(0, 11), min_size=1)
STATES = st.dictionaries(
    st.integers(0, 11),
    st.sampled_from(sorted(PROTECTED_STATES | KEPT_STATES | FINISHED_STATES | {"READY", "PAUSED"})),
    max_size=4,
)
FAULTS = st.lists(
    st.tuples(
        st.sampled_from(["drop", "status", "html"]),
        st.sampled_from(["before", "after"]),
        st.integers(0, 12),
        st.integers(1, 4),
    ),
    max_size=2,
)
KILLS = st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=2)
REMOVALS = st.sampled_from(["suppress", "pause", "cancel", "delete", {"move": "Summer Win-Back"}, "ignore"])


def dialable(lead: dict[str, Any]) -> bool:
    out = FINISHED_STATES | KEPT_STATES | {"PAUSED"}
    return lead["leadState"] not in out and not lead["suppressed"]


@given(
    before=NUMBERS,
    after=NUMBERS,
    others=st.sets(st.integers(0, 11), max_size=3),
    states=STATES,
    between=STATES,
    faults=FAULTS,
    kills=KILLS,
    removal=REMOVALS,
    update=st.booleans(),
)
@settings(
    max_examples=30,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_sync_ends_in_step_and_touches_nothing_else(
    sync: CrmSync,
    before: set[int],
    after: set[int],
    others: set[int],
    states: dict[int, str],
    between: dict[int, str],
    faults: list[tuple[str, str, int, int]],
    kills: list[tuple[int, bool]],
    removal: Any,
    update: bool,
) -> None:
    sync.server.reset()
    options: dict[str, Any] = {"on_surplus": removal, "max_removals": None, "max_loads": None}
    if update:
        options |= {"on_changed": "update", "compare": ["firstName"]}
    SyncOptions(**options)
    if others:
        sync.client().load_leads(
            "Spring Renewals", sync.rows([crm_row(number) for number in sorted(others)]), list_name="by hand"
        )
    sync.sync([crm_row(number, firstName="Ann") for number in sorted(before)], **options)
    for number, state in states.items():
        sync.set_state(number, state)
    rows = [crm_row(number, firstName="Bea" if number % 2 else "Ann") for number in sorted(after)]
    unmanaged = others_of(sync)
    plan = sync.plan(rows, **options)
    planned = planned_removals(sync, plan)
    for number, state in between.items():
        sync.set_state(number, state)
    leads_before = {lead["leadId"]: lead for lead in sync.server.leads()}
    for kind, when, skip, times in faults:
        extra = {"status": 503} if kind == "status" else {}
        sync.server.fault(kind, when=when, skip=skip, times=times, **extra)

    apply_until_done(sync, plan, rows, kills)

    leads_after = {lead["leadId"]: lead for lead in sync.server.leads()}
    # Nothing outside of what is managed is touched, and only what the plan has shown is removed.
    assert others_of(sync, ignore_state=True) == [each[:2] for each in unmanaged]
    removed = {
        lead_id
        for lead_id, lead in leads_before.items()
        if lead_id not in leads_after
        or any(leads_after[lead_id][name] != lead[name] for name in ("leadState", "suppressed", "campaignId"))
    }
    assert removed <= planned
    for lead_id in removed:
        assert leads_before[lead_id]["leadState"] not in PROTECTED_STATES | KEPT_STATES
    # No person is called twice because of this package.
    ours = [lead for lead in sync.leads() if str(lead["listDesc"]).startswith("CRM") and dialable(lead)]
    assert max(Counter(lead["externId"] for lead in ours).values(), default=1) == 1
    # Each wanted person has a lead.
    assert {f"K-{number}" for number in after} <= {str(lead["externId"]) for lead in sync.leads()}
    again = sync.plan(rows, **options)
    assert [again["counts"][kind] for kind in ("load", "remove")] == [0, 0]


def others_of(sync: CrmSync, *, ignore_state: bool = False) -> list[tuple[Any, ...]]:
    """Return the leads that the sync has not loaded."""
    names = ("leadId", "campaignId") if ignore_state else ("leadId", "campaignId", "leadState", "suppressed")
    return sorted(
        tuple(lead[name] for name in names)
        for lead in sync.server.leads()
        if not str(lead["listDesc"]).startswith("CRM")
    )


def planned_removals(sync: CrmSync, plan: Any) -> set[int]:
    """Return the ids of the leads that a plan removes."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(f"{plan['plan']}/plan.db")) as database:
        found = database.execute("SELECT lead_id FROM actions WHERE action = 'remove'").fetchall()
    return {lead_id for (lead_id,) in found}


def apply_until_done(
    sync: CrmSync, plan: Any, rows: list[dict[str, Any]], kills: list[tuple[int, bool]]
) -> None:
    """Apply a plan as Airflow does with retries, and a person who clears the task when RingCX works again.

    :param kills: request at which each of the first attempts is killed, and whether before it is sent.
    """
    for attempt in range(6):
        if attempt == 3:
            sync.server.clear_faults()
            sync.server.advance(3600)
        client = sync.killed_client(kills[attempt][0], before=kills[attempt][1]) if kills[attempt:] else None
        try:
            sync.apply(plan, rows, approve=plan["fingerprint"], client=client)
        except PlanApplied:
            break
        except (EngageVoiceError, Killed):
            continue
        break
    else:
        pytest.fail("the plan cannot be applied")
    sync.server.clear_faults()


def test_rows_of_the_helper_are_those_of_the_campaign(sync: CrmSync) -> None:
    sync.sync(crm_rows(2))
    assert others_of(sync)
    assert all(dialable(lead) for lead in sync.leads())
