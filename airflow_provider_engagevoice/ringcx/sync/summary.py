"""A plan as a person reads it, as text and as Markdown, without any lead's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import counted
from airflow_provider_engagevoice.ringcx.sync.options import Limit
from airflow_provider_engagevoice.ringcx.sync.plan import SyncPlan

_LABELS = {
    "near_misses": "external ids that differ only as systems often differ",
    "returned": "taken out of dialling here, wanted by the source (left alone)",
    "kept": "do-not-call or whitelisted, not in the source (left alone)",
    "finished": "not dialled any more, not in the source (left alone)",
    "removed_before": "removed before",
    "duplicate_keys": "external ids of several leads",
    "leads_without_key": "leads without an external id (left alone)",
    "rejected_rows": "rejected rows (nothing is done for them)",
    "rows_without_key": "rows without a valid external id",
    "repeated_keys": "external ids in several rows that differ",
}


def summary_text(plan: SyncPlan) -> str:
    """Return a summary in Markdown, such as Airflow's ``ApprovalOperator`` shows.

    :param plan: the plan.
    """
    lines = [
        f"**{escape(plan.campaign_name)}** (sub-account {plan.account_id}, "
        f"{counted(plan.counts['leads'], 'lead')}, {plan.counts['managed']:,} managed) · "
        f"plan `{plan.fingerprint}` · valid until {format_time(plan.expires)}",
        "",
    ]
    if plan.trips:
        lines += ["**Not applied unless approved:**", ""]
        lines += [f"- {escape(trip.message)}" for trip in plan.trips]
        lines.append("")
    lines += ["| change | leads | | limit |", "|---|---:|---:|---|"]
    lines += [
        f"| {name} | {number:,} | {share} | {limit} |" for name, number, share, limit in change_rows(plan)
    ]
    lines += ["", *(f"- {text}" for text in notes(plan))]
    return "\n".join(lines).rstrip() + "\n"


def summary_lines(plan: SyncPlan) -> list[str]:
    """Return a summary as lines of plain text.

    :param plan: the plan.
    """
    rows = [
        (name, f"{number:,}", f"({share})" if share else "", f"limit {limit}")
        for name, number, share, limit in change_rows(plan)
    ]
    return [
        f"Campaign {plan.campaign_name} (sub-account {plan.account_id}, "
        f"{counted(plan.counts['leads'], 'lead')}, {plan.counts['managed']:,} managed)",
        f"Plan {plan.fingerprint}, valid until {format_time(plan.expires)}",
        *aligned(rows),
        *(f"  {text}" for text in notes(plan)),
        *(f"! {trip.message}" for trip in plan.trips),
        *(["Not applied unless approved"] if plan.trips else []),
    ]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines whose cells are below each other.

    :param rows: the rows, all with the same number of cells.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def change_rows(plan: SyncPlan) -> list[tuple[str, int, str, str]]:
    """Return the changes of a plan: name, number, share and limit of each.

    :param plan: the plan.
    """
    counts, options = plan.counts, plan.options
    removal = options.removal or "remove"
    if options.move_target is not None:
        removal = f"move to {escape(str(options.move_target))}"
    return [
        (
            removal,
            counts["remove"],
            _share(counts["remove"], counts["removable"]),
            str(Limit.parse("max_removals", options.max_removals)),
        ),
        (
            "update",
            counts["update"],
            _share(counts["update"], counts["managed"]),
            str(Limit(None, options.max_updates)),
        ),
        (
            "load",
            counts["load"],
            _share(counts["load"], counts["leads"]),
            str(Limit.parse("max_loads", options.max_loads)),
        ),
    ]


def notes(plan: SyncPlan) -> list[str]:
    """Return the other facts of a plan that matter to a person.

    :param plan: the plan.
    """
    counts = plan.counts
    texts = [f"unchanged {counts['unchanged']:,}"]
    if counts["held_back"]:
        states = " · ".join(f"{state} {number:,}" for state, number in counts["held_back"].items())
        texts.append(f"held back {sum(counts['held_back'].values()):,}, in use now: {states} (next run)")
    if plan.options.on_surplus == "ignore" and counts["surplus"]:
        texts.append(f"not in the source {counts['surplus']:,} (ignored)")
    if plan.options.on_missing == "ignore" and counts["missing"]:
        texts.append(f"not in the campaign {counts['missing']:,} (ignored)")
    texts += [f"{label} {counts[name]:,}" for name, label in _LABELS.items() if counts[name]]
    return texts


def format_time(time: datetime) -> str:
    """Return a time for a person.

    :param time: the time, with its zone.
    """
    return f"{time:%Y-%m-%d %H:%M} UTC"


def escape(text: str) -> str:
    """Return text that Markdown shows as it is.

    :param text: the text, which may come from RingCX.
    """
    for character in "\\`*_[]<>|#":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())


def plan_result(plan: SyncPlan, path: Any) -> Mapping[str, Any]:
    """Return the result of planning.

    :param plan: the plan.
    :param path: path of its folder.
    """
    return {
        "plan": str(path),
        "fingerprint": plan.fingerprint,
        "counts": dict(plan.counts),
        "trips": [trip.guard for trip in plan.trips],
        "summary": summary_text(plan),
        "expires": plan.expires.isoformat(),
    }


def _share(number: int, total: int) -> str:
    return f"{100 * number / total:.1f} %" if total else ""
