"""Plans: what counts as missing, surplus, changed, duplicate and returned."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    CampaignNotFound,
    InvalidParameter,
    LeadsChanged,
    PlanExpired,
)
from airflow_provider_engagevoice.ringcx.sync import applier
from airflow_provider_engagevoice.ringcx.sync.options import SyncOptions
from tests.support.loading import crm_row, crm_rows, write_csv
from tests.support.syncing import CrmSync
from tests.unit.ringcx.sync.conftest import MakeSync


def kinds(plan: Any) -> tuple[int, ...]:
    """Return how many leads a plan loads, removes and updates."""
    return tuple(plan["counts"][kind] for kind in ("load", "remove", "update"))


@pytest.mark.parametrize(
    "settings",
    [{}, {"page_base": 1}, {"row_cap": 30}, {"row_cap": 30, "page_base": 1}, {"visibility_delay": 3}],
    ids=str,
)
def test_campaign_is_read_completely(make_sync: MakeSync, settings: dict[str, Any]) -> None:
    """A lead that a short page has left out would be loaded again."""
    sync = make_sync(**settings)
    sync.sync(crm_rows(150), max_loads=None)
    sync.server.advance(60)
    plan = sync.plan(crm_rows(150))
    assert (kinds(plan), plan["counts"]["unchanged"], plan["trips"]) == ((0, 0, 0), 150, [])


def test_short_pages_hide_no_lead(sync: CrmSync) -> None:
    sync.sync(crm_rows(50))
    sync.server.fault("short_page", rows=10, operation="lead_search", times=100)
    plan = sync.plan(crm_rows(50))
    assert (kinds(plan), plan["counts"]["unchanged"]) == ((0, 0, 0), 50)


def test_campaign_that_cannot_be_counted_makes_no_plan(sync: CrmSync) -> None:
    sync.sync(crm_rows(50))
    sync.server.fault("answer", body=70, operation="lead_count", times=100)
    with pytest.raises(LeadsChanged, match="Run the task again"):
        sync.plan(crm_rows(50))


def set_duplicates(sync: CrmSync, assignment: str) -> None:
    """Set the external id of the lead of K-1 to that of K-0, as a supervisor can."""
    sync.change_leads(f"UPDATE leads SET externId = 'K-0', {assignment} WHERE externId = 'K-1'")


@pytest.mark.parametrize(
    ("on_duplicate", "assignment", "kept_phone"),
    [
        ("keep_newest", "loadedDts = loadedDts + 60000", "6175550001"),
        ("keep_newest", "loadedDts = loadedDts - 60000", "6175550000"),
        ("keep_most_passes", "leadPasses = 3", "6175550001"),
    ],
)
def test_one_of_several_leads_is_kept(
    sync: CrmSync, on_duplicate: str, assignment: str, kept_phone: str
) -> None:
    options = {"on_duplicate": on_duplicate, "max_removals": None}
    sync.sync(crm_rows(3))
    set_duplicates(sync, assignment)
    rows = [crm_row(0), crm_row(2)]
    plan = sync.plan(rows, **options)
    assert (kinds(plan), plan["counts"]["duplicate_keys"]) == ((0, 1, 0), 1)
    assert sync.apply(plan, rows)["leads_removed"] == 1
    dialled = [lead for lead in sync.leads() if lead["externId"] == "K-0" and not lead["suppressed"]]
    assert [lead["leadPhone"] for lead in dialled] == [kept_phone]
    assert kinds(sync.plan(rows, **options)) == (0, 0, 0)


@pytest.mark.parametrize("on_duplicate", ["report", "keep_newest", "keep_most_passes"])
def test_ties_are_not_guessed(sync: CrmSync, on_duplicate: str) -> None:
    sync.sync(crm_rows(3))
    set_duplicates(sync, "loadedDts = (SELECT max(loadedDts) FROM leads)")
    sync.change_leads(
        "UPDATE leads SET loadedDts = (SELECT max(loadedDts) FROM leads) WHERE externId = 'K-0'"
    )
    plan = sync.plan([crm_row(0), crm_row(2)], on_duplicate=on_duplicate)
    assert (kinds(plan), plan["counts"]["duplicate_keys"]) == ((0, 0, 0), 1)


def test_paused_duplicate_is_not_kept(sync: CrmSync) -> None:
    """The other one would be removed, and the person never called."""
    sync.sync(crm_rows(3))
    set_duplicates(sync, "loadedDts = loadedDts + 60000, leadState = 'PAUSED'")
    assert kinds(sync.plan([crm_row(0), crm_row(2)], on_duplicate="keep_newest")) == (0, 0, 0)


@pytest.mark.parametrize("change", ["leadState = 'CANCELLED'", "suppressed = 1", "externId = 'other'"])
def test_duplicate_stays_if_the_other_lead_is_lost(sync: CrmSync, change: str) -> None:
    sync.sync(crm_rows(3))
    set_duplicates(sync, "loadedDts = loadedDts + 60000")
    rows = [crm_row(0), crm_row(2)]
    plan = sync.plan(rows, on_duplicate="keep_newest")
    sync.change_leads(f"UPDATE leads SET {change} WHERE externId = 'K-0' AND leadPhone = '6175550001'")
    result = sync.apply(plan, rows)
    assert (result["leads_removed"], result["left_alone"]) == (0, 1)
    assert sync.callable_keys() == ["K-0", "K-2"]


def test_duplicate_in_use_is_held_back(sync: CrmSync) -> None:
    sync.sync(crm_rows(3))
    set_duplicates(sync, "loadedDts = loadedDts - 60000, leadState = 'ACTIVE'")
    plan = sync.plan([crm_row(0), crm_row(2)], on_duplicate="keep_newest")
    assert (kinds(plan), plan["counts"]["held_back"]) == ((0, 0, 0), {"ACTIVE": 1})


def test_lead_of_a_duplicate_is_not_updated(sync: CrmSync) -> None:
    """It is not clear which of them the row means."""
    options = {"on_changed": "update", "compare": ["firstName"]}
    sync.sync(crm_rows(3, firstName="Ann"), **options)
    set_duplicates(sync, "leadPasses = 1")
    assert kinds(sync.plan([crm_row(0, firstName="Bea"), crm_row(2, firstName="Ann")], **options)) == (
        0,
        0,
        0,
    )


@pytest.mark.parametrize("removal", ["suppress", "pause", "cancel"])
def test_returned_people_are_counted_and_left_alone(sync: CrmSync, removal: str) -> None:
    sync.sync(crm_rows(3), on_surplus=removal)
    sync.sync(crm_rows(2), on_surplus=removal, max_removals=None)
    plan = sync.plan(crm_rows(3), on_surplus=removal)
    assert (kinds(plan), plan["counts"]["returned"]) == ((0, 0, 0), 1)
    assert "taken out of dialling" in plan["summary"]


def test_ignored_sides_are_counted(sync: CrmSync) -> None:
    sync.sync(crm_rows(3))
    plan = sync.plan(crm_rows(4, start=1), on_surplus="ignore", on_missing="ignore")
    assert (kinds(plan), plan["counts"]["surplus"], plan["counts"]["missing"]) == ((0, 0, 0), 1, 2)
    assert "not in the source 1 (ignored)" in plan["summary"]
    assert "not in the campaign 2 (ignored)" in plan["summary"]


def test_leads_without_external_id_are_left_alone(sync: CrmSync) -> None:
    sync.sync(crm_rows(3))
    sync.change_leads("UPDATE leads SET externId = NULL WHERE externId = 'K-0'")
    plan = sync.plan(crm_rows(2, start=1))
    assert (kinds(plan), plan["counts"]["leads_without_key"]) == ((0, 0, 0), 1)


@pytest.mark.parametrize(
    ("normalize_key", "key"),
    [("casefold", "k-0"), (["strip", "casefold"], "k-0"), ("nfc", "K-0")],
)
def test_normalized_keys_are_equal(sync: CrmSync, normalize_key: Any, key: str) -> None:
    sync.sync(crm_rows(1))
    rows = [crm_row(0, externId=key)]
    plan = sync.plan(rows, normalize_key=normalize_key)
    assert (kinds(plan), plan["counts"]["unchanged"]) == ((0, 0, 0), 1)
    if key != "K-0":
        assert kinds(sync.plan(rows, on_surplus="ignore")) == (1, 0, 0)


def test_keys_that_become_equal_count_as_contradiction(sync: CrmSync) -> None:
    plan = sync.plan([crm_row(0), crm_row(1, externId="k-0")], normalize_key="casefold")
    assert (kinds(plan), plan["trips"]) == ((0, 0, 0), ["repeated_keys"])


def test_lead_is_removed_with_normalized_keys(sync: CrmSync) -> None:
    sync.sync(crm_rows(2), normalize_key="casefold")
    rows = [crm_row(0, externId="k-0")]
    assert sync.sync(rows, normalize_key="casefold")["leads_removed"] == 1


def test_source_of_the_plan_is_read_again(sync: CrmSync, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "crm.csv", [{"id": "K-1", "tel": "6175550001"}])
    plan = sync.plan(None, source=path, mapping={"id": "externId", "tel": "leadPhone"})
    content = json.loads(Path(plan["plan"], "plan.json").read_text())
    assert sync.apply(plan, None, source=content["source"]["path"])["leads_inserted"] == 1


def test_plan_that_expires_while_it_is_applied_stops(sync: CrmSync, monkeypatch: pytest.MonkeyPatch) -> None:
    """For example because other programs use up RingCX's limits."""
    sync.sync(crm_rows(4))
    plan = sync.plan([*crm_rows(2), crm_row(9)], max_removals=None)

    class Clock(datetime):
        checks = 0

        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            cls.checks += 1
            return datetime.now(timezone.utc) + timedelta(hours=13 if cls.checks > 3 else 0)

    monkeypatch.setattr(applier, "datetime", Clock)
    with pytest.raises(PlanExpired, match="stays done"):
        sync.apply(plan, [*crm_rows(2), crm_row(9)])
    assert sync.callable_keys() == ["K-0", "K-1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_surplus": "remove"}, "on_surplus must be"),
        ({"on_surplus": {"move": ""}}, "on_surplus must be"),
        ({"on_surplus": {"move": "A", "delete": "B"}}, "on_surplus must be"),
        ({"on_missing": "skip"}, "on_missing must be one of load, ignore"),
        ({"on_changed": "update"}, "compare="),
        ({"compare": ["firstName"]}, "compare="),
        ({"on_changed": "update", "compare": ["firstname"]}, "Did you mean|did you mean|firstName"),
        ({"on_changed": "update", "compare": "firstName"}, "compare must be a list"),
        ({"on_changed": "update", "compare": ["externId"]}, "never changed"),
        ({"on_surplus": "ignore", "on_duplicate": "keep_newest"}, "removes leads"),
        ({"manages": "all"}, "manages must be one of"),
        ({"normalize_key": "lower"}, "normalize_key must be any of"),
        ({"max_updates": -1}, "max_updates"),
        ({"expires_after": 12}, "expires_after must be a timedelta"),
        ({"load_options": {"dialPriority": "SOON"}}, "dialPriority"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        SyncOptions(**{"on_surplus": "suppress", **options})


def test_order_of_the_rows_changes_no_fingerprint(sync: CrmSync) -> None:
    """A query without ORDER BY returns them in any order."""
    sync.sync(crm_rows(3))
    rows = crm_rows(6, start=2)
    first, second = sync.plan(rows, max_loads=1), sync.plan(rows[::-1], max_loads=1)
    assert first["fingerprint"] == second["fingerprint"]
    assert sync.apply(second, rows, approve=first["fingerprint"])["leads_inserted"] == 5


@pytest.mark.parametrize("target", ["Spring Renewals", "No such campaign"])
def test_target_of_a_move_is_checked(sync: CrmSync, target: str) -> None:
    with pytest.raises((InvalidParameter, CampaignNotFound)):
        sync.plan(crm_rows(3), on_surplus={"move": target})
