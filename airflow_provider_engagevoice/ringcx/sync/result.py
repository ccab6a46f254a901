"""Result of an applied plan, without any lead's data."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TypedDict

from airflow_provider_engagevoice.ringcx.exceptions import counted
from airflow_provider_engagevoice.ringcx.loading.lead_load import LoadResult
from airflow_provider_engagevoice.ringcx.sync.diff import LOAD, REMOVE, UPDATE
from airflow_provider_engagevoice.ringcx.sync.plan import SyncPlan
from airflow_provider_engagevoice.ringcx.sync.planned_work import PlannedWork

log = logging.getLogger(__name__)


class SyncResult(TypedDict):
    """Result of applying a plan, without any lead's data.

    ``held_back`` are leads that were in use, by state; the next plan has them again. ``left_alone`` leads
    are no longer what the plan says: moved, deleted or finished meanwhile. ``source_changed`` changes do not
    fit the source any more. ``in_step`` is True if all planned changes are done.
    """

    plan: str
    fingerprint: str
    campaign_id: int
    account_id: str
    leads_removed: int
    leads_updated: int
    leads_inserted: int
    leads_skipped: int
    leads_rejected: int
    held_back: dict[str, int]
    left_alone: int
    source_changed: int
    requests: int
    in_step: bool
    report: str | None


def sync_result(
    plan: SyncPlan,
    work: PlannedWork,
    requests: int,
    loaded: LoadResult | None,
    path: object,
    report: str | os.PathLike[str] | None,
) -> SyncResult:
    """Return the result of an applied plan.

    :param plan: the plan.
    :param work: its changes, with their outcomes.
    :param requests: number of requests that removed leads or may have.
    :param loaded: result of the load; None if nothing was loaded.
    :param path: path of the plan's folder.
    :param report: path of the report; None for no report.
    """
    removed, updated = work.outcomes(REMOVE), work.outcomes(UPDATE)
    held_back: dict[str, int] = {}
    for outcomes in (removed, updated):
        for (outcome, code), count in outcomes.items():
            if outcome == "held_back":
                held_back[code] = held_back.get(code, 0) + count
    done = {
        "leads_removed": _total(removed, "removed"),
        "leads_updated": _total(updated, "updated"),
        "leads_inserted": loaded["leads_inserted"] if loaded else 0,
        "leads_skipped": loaded["leads_skipped"] if loaded else 0,
    }
    planned = sum(work.count(action) for action in (REMOVE, UPDATE, LOAD))
    return SyncResult(
        plan=str(path),
        fingerprint=plan.fingerprint,
        campaign_id=plan.campaign_id,
        account_id=plan.account_id,
        leads_removed=done["leads_removed"],
        leads_updated=done["leads_updated"],
        leads_inserted=done["leads_inserted"],
        leads_skipped=done["leads_skipped"],
        leads_rejected=_total(updated, "rejected") + (loaded["leads_rejected"] if loaded else 0),
        held_back=held_back,
        left_alone=_total(removed, "left_alone") + _total(updated, "left_alone"),
        source_changed=work.source_changed,
        requests=requests + done["leads_updated"] + (loaded["requests"] if loaded else 0),
        in_step=sum(done.values()) == planned,
        report=None if report is None else os.fspath(report),
    )


def _total(outcomes: Mapping[tuple[str, str], int], name: str) -> int:
    return sum(count for (outcome, _), count in outcomes.items() if outcome == name)


def log_result(result: SyncResult) -> None:
    """Log a result.

    :param result: the result.
    """
    log.info("Plan %s:", result["fingerprint"])
    for name in ("removed", "updated", "inserted", "skipped", "rejected"):
        count = int(result[f"leads_{name}"])  # type: ignore[literal-required]
        log.info("  %-9s %10s", name, f"{count:,}")
    if result["held_back"]:
        states = ", ".join(f"{state} {count:,}" for state, count in sorted(result["held_back"].items()))
        log.info("  held back because they are in use: %s", states)
    if result["left_alone"]:
        log.info("  %s not what the plan says any more, left alone", counted(result["left_alone"], "lead"))
    if result["source_changed"]:
        log.info("  %s not done since the source has changed", counted(result["source_changed"], "change"))
