"""Twelve accidents of nightly syncs: what a plain script does to the leads, and what this package does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.sync.nights import (
    BY_HAND,
    LEADS,
    NEW,
    OTHER_CAMPAIGN,
    PROGRAMS,
    SURPLUS,
    Harm,
    Nights,
    Row,
    crm_rows,
    ignore,
    prepare,
)
from tests.support.bulk import Killed

#: What the CRM has in the night of the accident and in the next one, if the source is correct.
CORRECT = crm_rows(SURPLUS, LEADS - SURPLUS + NEW)


@dataclass(frozen=True)
class Accident:
    """Something that goes wrong in one night.

    :param title: what goes wrong.
    :param begin: prepares it, after the campaign was loaded; None for nothing.
    :param source: returns the rows of that night.
    :param tomorrow: the rows of the next night.
    :param settings: settings of the sandbox.
    """

    title: str
    begin: Callable[[Nights], object] | None = None
    source: Callable[[Sequence[Row]], Sequence[Row]] = list
    tomorrow: Sequence[Row] = field(default_factory=lambda: CORRECT)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def measure(self, program: str) -> Harm:
        """Let it happen to a program; return what both nights have done.

        :param program: ``"script"`` or ``"package"``.
        """
        with prepare(program, **self.settings) as nights:
            if self.begin is not None:
                self.begin(nights)
            return nights.measure(self.source(CORRECT), self.tomorrow)


def _without_zeros(rows: Sequence[Row]) -> list[Row]:
    return [{**row, "externId": row["externId"].lstrip("0")} for row in rows]


def _short_page(nights: Nights) -> None:
    nights.server.fault("short_page", operation="lead_search", rows=300)


def _time_out(nights: Nights) -> None:
    nights.server.fault("hang", operation="direct_load", when="after")


def _kill(nights: Nights) -> None:
    """Kill the program when RingCX has loaded the rows, and start it again at once."""

    def kill(url: str) -> None:
        if "/leadLoader/direct" in url:
            nights.on_response = ignore
            raise Killed

    nights.on_response, nights.retry_delay = kill, 1.0


def _two_runs(nights: Nights) -> None:
    nights.meanwhile("direct_load", lambda: nights.run(CORRECT))


def _on_a_call(nights: Nights) -> None:
    active, pending = nights.surplus[:1], nights.surplus[1:2]
    nights.change_leads(active, "leadState", "ACTIVE")
    nights.change_leads(pending, "leadState", "PENDING")
    nights.protected_now |= {lead["leadId"] for lead in (*active, *pending)}


def _do_not_call(nights: Nights) -> None:
    nights.ask_not_to_be_called(nights.surplus[:1])


def _by_hand(nights: Nights) -> None:
    """A user loads ten people of the CRM, and ten that the query of the program does not return."""
    new = crm_rows(LEADS, NEW)[:10]
    nights.meanwhile("lead_action", lambda: nights.load_by_hand([*new, *crm_rows(LEADS + 100, 10)]))


def _outage(nights: Nights) -> None:
    fault = nights.server.fault
    nights.meanwhile("lead_action", lambda: fault("status", status=503, when="before", seconds=60.0))


def _move(nights: Nights) -> None:
    target = nights.server.campaign(OTHER_CAMPAIGN)["campaignId"]
    moved = nights.surplus[:3]
    nights.protected |= {lead["leadId"] for lead in moved}
    nights.meanwhile("lead_action", lambda: nights.change_leads(moved, "campaignId", target))


ACCIDENTS = (
    Accident("the CRM's query returns nothing", source=lambda rows: []),
    Accident("it returns half of the rows", source=lambda rows: rows[: len(rows) // 2]),
    Accident("RingCX returns a page that is short", _short_page),
    Accident("a spreadsheet has removed the leading zeros of the ids", source=_without_zeros),
    Accident("a load times out after RingCX has processed it", _time_out),
    Accident("the program is killed after a load and started again", _kill, settings={"visibility_delay": 5}),
    Accident("two runs at once", _two_runs),
    Accident("two surplus leads are dialled now", _on_a_call),
    Accident(
        "a person asks not to be called, leaves the CRM and comes back",
        _do_not_call,
        tomorrow=[*crm_rows(0, 1), *CORRECT],
    ),
    Accident("a user loads leads by hand meanwhile", _by_hand),
    Accident("RingCX fails with 503 for a minute", _outage),
    Accident("a supervisor moves surplus leads to another campaign meanwhile", _move),
)


def measure_table() -> str:
    """Let all accidents happen to both programs; return a Markdown table with the conditions below it."""
    rows = [
        "| accident | wrongly removed: script | package | called twice: script | package "
        "| missed: script | package |",
        "|---|---|---|---|---|---|---|",
    ]
    for number, accident in enumerate(ACCIDENTS, 1):
        script, package = (accident.measure(program) for program in PROGRAMS)
        cells = (
            f"{number}. {accident.title}",
            *(
                str(getattr(each, name))
                for name in ("removed", "twice", "missed")
                for each in (script, package)
            ),
        )
        rows.append(f"| {' | '.join(cells)} |")
        print(rows[-1], file=sys.stderr, flush=True)
    return "\n".join(rows) + (
        f"\n\nA campaign of {LEADS} leads that the program has loaded and {BY_HAND} that a user has. "
        f"The CRM has {SURPLUS} people fewer and {NEW} new ones. The script lists the campaign, deletes what "
        "is surplus, loads what is missing, and repeats a request up to twice; it leaves leads alone whose "
        "external id is not that of the CRM. The package deletes surplus leads, with its default limits; a "
        "plan that exceeds one is not applied. All runs of the package share a store of locks, as those of "
        "one host do. A run that fails is started again once, five minutes later, a killed one at once. "
        "Searches show changes at once, in accident 6 after five seconds. Counted after the "
        "night of the accident and the next one, in which nothing goes wrong: leads that were removed and "
        "should not be; people with two leads that are dialled, or who asked not to be called and have one; "
        "people of the CRM without a lead that is dialled.\n"
    )
