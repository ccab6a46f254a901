"""A plan as an HTML page that needs nothing but itself, without any lead's data."""

from __future__ import annotations

from html import escape

from airflow_provider_engagevoice.ringcx.exceptions import counted
from airflow_provider_engagevoice.ringcx.sync.plan import SyncPlan
from airflow_provider_engagevoice.ringcx.sync.summary import change_rows, format_time, notes

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --bar: #2f6fde; --warn: #b3261e; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0; }
code { font-size: 1.05em; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .5rem; border-bottom: 1px solid var(--line); }
.list { overflow-wrap: anywhere; }
th { font-weight: 600; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.bar { height: .5rem; border-radius: .25rem; background: var(--bar); }
.track { background: var(--line); border-radius: .25rem; margin-top: .25rem; }
.trips { border-left: .3rem solid var(--warn); padding: .5rem 1rem; margin: 1rem 0; }
.trips h2 { color: var(--warn); margin-top: 0; }
@media (prefers-color-scheme: dark) { :root { --bar: #7aa7ff; --warn: #ff8a80; } }
"""


def plan_page(plan: SyncPlan) -> str:
    """Return the page of a plan.

    :param plan: the plan.
    """
    title = f"Plan {plan.fingerprint}: {plan.campaign_name}"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta http-equiv="Content-Security-Policy" '
            "content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(plan.campaign_name)}</h1>",
            f"<p>Plan <code>{plan.fingerprint}</code>, made {format_time(plan.created)}, valid until "
            f"{format_time(plan.expires)}</p>",
            f"<p>Sub-account {escape(plan.account_id)}, campaign {plan.campaign_id}, "
            f"{counted(plan.counts['leads'], 'lead')}, {plan.counts['managed']:,} managed by this sync, "
            f"{counted(plan.counts['wanted'], 'external id')} in the source</p>",
            *_trips(plan),
            *_changes(plan),
            *_removals(plan),
            "<h2>Also</h2><ul>",
            *(f"<li>{escape(text)}</li>" for text in notes(plan)),
            "</ul></body></html>",
            "",
        ]
    )


def _trips(plan: SyncPlan) -> list[str]:
    if not plan.trips:
        return []
    items = [f"<li>{escape(trip.message)}</li>" for trip in plan.trips]
    return ['<section class="trips"><h2>Not applied unless approved</h2><ul>', *items, "</ul></section>"]


def _changes(plan: SyncPlan) -> list[str]:
    rows = change_rows(plan)
    most = max([1, *(number for _, number, _, _ in rows)])
    lines = [
        "<h2>Changes</h2><table><thead><tr><th>change</th>"
        '<th class="number">leads</th><th class="number">share</th><th>limit</th></tr></thead><tbody>'
    ]
    lines += [
        f'<tr><td>{escape(name)}<div class="track"><div class="bar" style="width:{100 * number / most:.1f}%">'
        f'</div></div></td><td class="number">{number:,}</td><td class="number">{share}</td>'
        f"<td>{escape(limit)}</td></tr>"
        for name, number, share, limit in rows
    ]
    return [*lines, "</tbody></table>"]


def _removals(plan: SyncPlan) -> list[str]:
    if not plan.removals:
        return []
    lines = [
        "<h2>Removed leads by list and state</h2><table><thead><tr><th>list</th><th>state</th>"
        '<th class="number">leads</th></tr></thead><tbody>'
    ]
    lines += [
        f'<tr><td class="list">{escape(name)}</td><td>{escape(state)}</td>'
        f'<td class="number">{number:,}</td></tr>'
        for name, state, number in plan.removals
    ]
    return [*lines, "</tbody></table>"]
