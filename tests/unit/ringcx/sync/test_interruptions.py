"""Faults and kills at every request: the campaign ends as after an unbroken run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError
from tests.support.bulk import Killed
from tests.support.loading import crm_row, crm_rows
from tests.support.syncing import CrmSync

_SLOW = [pytest.param(each, marks=pytest.mark.slow) for each in ("cancel", "delete")]
REMOVALS = ["suppress", *_SLOW, pytest.param({"move": "Summer Win-Back"}, marks=pytest.mark.slow)]
OPTIONS: dict[str, Any] = {
    "on_changed": "update",
    "compare": ["firstName"],
    "max_removals": None,
    "max_loads": None,
}
BEFORE = crm_rows(6, firstName="Ann")
AFTER = [*crm_rows(2, firstName="Ann"), crm_row(2, firstName="Bea"), *crm_rows(3, start=7)]


def state_of(sync: CrmSync) -> list[tuple[Any, ...]]:
    """Return what matters of the leads of the tests, whatever their ids."""
    names = ("externId", "firstName", "leadState", "suppressed", "campaignId")
    return sorted(
        tuple(str(lead[name]) for name in names)
        for lead in sync.server.leads()
        if str(lead["externId"]).startswith("K-")
    )


def run_interrupted(sync: CrmSync, removal: Any, interrupt: Callable[[CrmSync], Any]) -> int:
    """Apply a plan whose first attempt is interrupted; return how many requests it sent."""
    options = {**OPTIONS, "on_surplus": removal}
    sync.sync(BEFORE, **options)
    plan = sync.plan(AFTER, **options)
    before = len(sync.server.requests)
    client = interrupt(sync)
    with suppress(EngageVoiceError, Killed):
        sync.apply(plan, AFTER, client=client)
    sent = len(sync.server.requests) - before
    sync.server.clear_faults()
    for _ in range(3):
        try:
            sync.apply(plan, AFTER)
        except EngageVoiceError as error:
            if "was applied" in str(error):
                break
        else:
            break
    return sent


def without_fault(sync: CrmSync) -> None:
    return None


@pytest.mark.parametrize("removal", REMOVALS, ids=str)
@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_at_every_request(sync: CrmSync, removal: Any, when: str) -> None:
    total = run_interrupted(sync, removal, without_fault)
    expected = state_of(sync)
    assert total > 5
    for number in range(total):
        sync.server.reset()

        def kill(sync: CrmSync, number: int = number) -> Any:
            return sync.killed_client(number, before=when == "before")

        run_interrupted(sync, removal, kill)
        assert state_of(sync) == expected, f"request {number}"
        plan = sync.plan(AFTER, **{**OPTIONS, "on_surplus": removal})
        assert [plan["counts"][kind] for kind in ("load", "remove", "update")] == [0, 0, 0]


@pytest.mark.parametrize("removal", REMOVALS, ids=str)
@pytest.mark.parametrize("kind", ["drop", "status"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_fault_at_every_request(sync: CrmSync, removal: Any, kind: str, when: str) -> None:
    total = run_interrupted(sync, removal, without_fault)
    expected = state_of(sync)
    for number in range(total):
        sync.server.reset()

        def fail(sync: CrmSync, number: int = number) -> None:
            options = {"status": 503} if kind == "status" else {}
            sync.server.fault(kind, when=when, skip=number, times=6, **options)

        run_interrupted(sync, removal, fail)
        assert state_of(sync) == expected, f"request {number}"


@pytest.mark.parametrize("removal", ["delete", {"move": "Summer Win-Back"}, "suppress"], ids=str)
def test_result_of_a_retry_counts_what_the_killed_attempt_has_removed(sync: CrmSync, removal: Any) -> None:
    options = {"max_removals": None, "on_surplus": removal}
    sync.sync(crm_rows(6), **options)
    plan = sync.plan(crm_rows(2), **options)
    client = sync.client()
    attempt = client.transport._attempt

    def die_after_the_action(request: Any, *args: Any) -> Any:
        response = attempt(request, *args)
        if request.params and request.params.get("leadAction"):
            raise Killed
        return response

    client.transport._attempt = die_after_the_action  # type: ignore[method-assign, assignment]
    with pytest.raises(Killed):
        sync.apply(plan, crm_rows(2), client=client)
    result = sync.apply(plan, crm_rows(2))
    assert (result["leads_removed"], result["left_alone"], result["in_step"]) == (4, 0, True)
    assert sync.callable_keys() == ["K-0", "K-1"]
