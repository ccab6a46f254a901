"""A plan is applied once, in time, by one task, to the campaign that it is for, and only as it was made."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    EngageVoiceError,
    InvalidParameter,
    LeadsChanged,
    PermanentError,
    PlanApplied,
    PlanExpired,
    PlanMismatch,
    PlanTampered,
    PlanVersion,
    SyncInProgress,
    UnsafePlan,
    VerificationFailed,
)
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.ringcx.sync.plan_folder import PlanFolder
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import Killed
from tests.support.clients import make_client
from tests.support.loading import crm_row, crm_rows
from tests.support.syncing import CrmSync
from tests.unit.ringcx.sync.conftest import MakeSync


def marked_row(number: int) -> dict[str, Any]:
    return crm_row(number, externId=f"Zeb-{number}", firstName="Zebulon", email="zebulon@example.com")


def edit(plan: Any, **changes: Any) -> None:
    """Change values of ``plan.json``."""
    path = Path(plan["plan"], "plan.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def require_refused(sync: CrmSync, plan: Any, error: type[EngageVoiceError], message: str) -> None:
    requests = len(sync.server.requests)
    with pytest.raises(error, match=message):
        sync.apply(plan, crm_rows(3))
    changes = [each for each in sync.server.requests[requests:] if each.method != "GET"]
    assert not [each for each in changes if "leadSearch" not in each.path]


def test_applied_plan_is_refused(sync: CrmSync) -> None:
    plan = sync.plan(crm_rows(3))
    sync.apply(plan, crm_rows(3))
    require_refused(sync, plan, PlanApplied, plan["fingerprint"])
    assert sync.callable_keys() == ["K-0", "K-1", "K-2"]


def test_path_of_an_applied_plan_can_be_used_again(sync: CrmSync) -> None:
    """A run that is cleared plans again under the same path."""
    sync.sync(crm_rows(3))
    sync.plans = 0
    assert sync.sync(crm_rows(4))["leads_inserted"] == 1


def test_expired_plan_is_refused(sync: CrmSync) -> None:
    plan = sync.plan(crm_rows(3), expires_after=timedelta(microseconds=1))
    require_refused(sync, plan, PlanExpired, "valid until")


@pytest.mark.parametrize("name", ["trips", "options", "counts", "expires", "campaign_id", "fingerprint"])
def test_changed_plan_is_refused(sync: CrmSync, name: str) -> None:
    plan = sync.plan(crm_rows(3), max_loads=1)
    content = json.loads(Path(plan["plan"], "plan.json").read_text())
    changed = {
        "trips": [],
        "options": {**content["options"], "max_loads": None},
        "counts": {**content["counts"], "load": 1},
        "expires": "2999-01-01T00:00:00+00:00",
        "campaign_id": 1,
        "fingerprint": "AAAA-AAAA",
    }
    edit(plan, **{name: changed[name]})
    require_refused(sync, plan, PlanTampered, "changed after it was made")


def test_changed_or_missing_actions_are_refused(sync: CrmSync) -> None:
    plan = sync.plan(crm_rows(3))
    path = Path(plan["plan"], "plan.db")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE actions SET action = 'remove'")
    database.close()
    require_refused(sync, plan, PlanTampered, "not that of the plan")
    path.unlink()
    require_refused(sync, plan, PlanTampered, "plan.db cannot be read")


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"version": 1}', "not JSON"])
def test_damaged_plan_is_refused(sync: CrmSync, content: str) -> None:
    plan = sync.plan(crm_rows(3))
    Path(plan["plan"], "plan.json").write_text(content)
    require_refused(sync, plan, PlanTampered, "Plan again")


def test_missing_plan_is_refused(sync: CrmSync, tmp_path: Path) -> None:
    require_refused(sync, {"plan": str(tmp_path / "none")}, PlanTampered, "cannot be read")


def test_plan_of_another_version_is_refused(sync: CrmSync) -> None:
    plan = sync.plan(crm_rows(3))
    edit(plan, version=2)
    require_refused(sync, plan, PlanVersion, "this version of the package")


def test_plan_for_another_ringcx_or_account_is_refused(sync: CrmSync) -> None:
    plan = sync.plan(crm_rows(3))
    client = sync.client()
    client.host = client.host.replace("127.0.0.1", "localhost")
    with pytest.raises(PlanMismatch, match="connection"):
        sync.apply(plan, crm_rows(3), client=client)
    assert not sync.leads()


def test_plan_for_another_account_is_refused(sync: CrmSync) -> None:
    plan = sync.plan(crm_rows(3))
    client = make_client(sync.server.url, "api_token", account_id="50810002")
    with pytest.raises(PlanMismatch, match="account is 50810001"):
        sync.apply(plan, crm_rows(3), client=client)


def test_plan_for_an_account_that_is_not_the_default_is_applied(sync: CrmSync) -> None:
    campaigns = sync.client().campaigns
    (other,) = {each["account_id"] for each in campaigns.accounts()} - {campaigns.account_id}
    campaign = campaigns.load_index(other).campaigns[0]
    plan = sync.plan(crm_rows(2), campaign=campaign["campaign_id"], account_id=other)
    assert sync.apply(plan, crm_rows(2))["leads_inserted"] == 2


def test_damaged_mark_of_an_applied_plan_is_refused(sync: CrmSync) -> None:
    """It may have been applied."""
    plan = sync.plan(crm_rows(3))
    Path(plan["plan"], "applied.json").write_text("{")
    require_refused(sync, plan, PlanTampered, "applied.json is damaged")


@pytest.mark.parametrize("path", ["", "s3://bucket/plan"])
def test_path_that_is_no_folder_is_refused(path: str) -> None:
    with pytest.raises(InvalidParameter, match="path of a folder"):
        PlanFolder(path)


def test_unwritable_temporary_folder_is_named(sync: CrmSync, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = sync.plan(crm_rows(3))
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    with pytest.raises(PermanentError, match="Set TMPDIR"):
        sync.plan(crm_rows(3))
    require_refused(sync, plan, PermanentError, "Set TMPDIR")


def test_retry_continues_only_a_plan_that_was_begun(sync: CrmSync) -> None:
    """After a plan that was refused, the source or the limits may have been corrected."""
    plan = sync.plan(crm_rows(3), run_id="run 1", max_loads=0)
    syncs = sync.client().syncs()
    with pytest.raises(UnsafePlan):
        sync.apply(plan, crm_rows(3))
    assert syncs.started_plan(plan["plan"], "run 1") is None
    with pytest.raises(Killed):
        sync.apply(plan, crm_rows(3), approve=plan["fingerprint"], client=sync.killed_client(6, before=True))
    assert syncs.started_plan(plan["plan"], "run 2") is None
    started = syncs.started_plan(plan["plan"], "run 1")
    assert started is not None
    assert started.fingerprint == plan["fingerprint"]
    sync.apply(plan, crm_rows(3), approve=plan["fingerprint"])
    assert syncs.started_plan(plan["plan"], "run 1") is None


def test_rows_of_a_killed_plan_are_not_loaded_by_the_next_one(make_sync: MakeSync) -> None:
    """RingCX does not show them yet."""
    sync = make_sync(visibility_delay=600)
    second = sync.plan(crm_rows(4))
    first = sync.plan(crm_rows(3))
    with pytest.raises(EngageVoiceError):
        sync.apply(first, crm_rows(3))
    with pytest.raises(LeadsChanged, match="an earlier plan has loaded"):
        sync.apply(second, crm_rows(4))
    sync.server.advance(900)
    with pytest.raises(VerificationFailed, match="1 lead as inserted"):
        sync.apply(second, crm_rows(4))
    sync.server.advance(900)
    assert sync.callable_keys() == ["K-0", "K-1", "K-2", "K-3"]


def test_second_applier_waits_its_turn(sync: CrmSync) -> None:
    """Two tasks at once would load each row twice."""
    plan = sync.plan(crm_rows(3))
    client = sync.client()
    client.authenticator.store = store = MemoryStore()
    release = store.acquire_lock(f"sync {client.host} 50810001 {sync.campaign_id}", 60.0)
    assert release is not None
    with pytest.raises(SyncInProgress, match="Spring Renewals"):
        sync.apply(plan, crm_rows(3), client=client)
    release()
    assert sync.apply(plan, crm_rows(3), client=client)["leads_inserted"] == 3
    assert store.acquire_lock(f"sync {client.host} 50810001 {sync.campaign_id}", 60.0) is not None


def test_plan_has_no_data_of_leads(sync: CrmSync, caplog: pytest.LogCaptureFixture) -> None:
    """Nor do the result and the log."""
    options = {"on_changed": "update", "compare": ["firstName", "email"]}
    sync.sync([marked_row(number) for number in range(3)], **options)
    rows = [marked_row(0), {**marked_row(1), "firstName": "Zeb"}, marked_row(9)]
    plan = sync.plan(rows, **options)
    result = sync.apply(plan, rows)
    assert (result["leads_inserted"], result["leads_updated"], result["leads_removed"]) == (1, 1, 1)
    written = b"".join(path.read_bytes() for path in Path(plan["plan"]).iterdir()).decode("latin-1")
    for text in (written, repr(dict(plan)), repr(result), caplog.text):
        assert not [mark for mark in ("Zeb", "zebulon", "617555", "example.com") if mark in text]


def test_files_of_a_plan_are_private(sync: CrmSync) -> None:
    folder = Path(sync.plan(crm_rows(3))["plan"])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "plan.json": 0o600,
        "plan.db": 0o600,
        "plan.html": 0o600,
    }


def test_page_shows_names_of_ringcx_as_text(ringcx: SandboxServer, sync: CrmSync) -> None:
    sync.change_leads(
        "UPDATE campaigns SET campaignName = '<script>alert(1)</script>' WHERE campaignName = ?",
        "Spring Renewals",
    )
    plan = sync.plan(crm_rows(3), campaign="<script>alert(1)</script>")
    page = Path(plan["plan"], "plan.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<script" not in plan["summary"].replace(r"\<", "")
