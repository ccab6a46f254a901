"""Derives the outcome of each row from RingCX's result and from the leads that the campaign has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from airflow_provider_engagevoice.ringcx.loading.load_request import LoadReply, RejectedRow
from airflow_provider_engagevoice.ringcx.loading.rows import LeadRow, Outcome
from airflow_provider_engagevoice.ringcx.spec.lead_fields import PHONE_FIELDS
from airflow_provider_engagevoice.ringcx.spec.load_options import LEFT_OUT_COUNTERS

Record = Callable[[Sequence[LeadRow], Outcome, str, str], None]
"""Records rows with their outcome, the code and the message of the reason."""

_NON_DIGIT = re.compile(r"[^0-9]")
_LEFT_OUT_MESSAGES = {
    Outcome.DUPLICATE: "RingCX left the row out as a duplicate, as duplicateHandling says",
    Outcome.DNC: "RingCX left the row out because of a do-not-call list",
    Outcome.REJECTED: "RingCX left the row out because of a quota",
}


def record_rejected(reply: LoadReply, rows: Sequence[LeadRow], record: Record) -> list[LeadRow]:
    """Record the rows that RingCX rejected by name.

    :param reply: RingCX's result.
    :param rows: rows that were sent and are not known to be loaded.
    :param record: records rows.
    :return: the other rows.
    """
    rest = {row.position: row for row in rows}
    for rejected in reply.rejected:
        row = _find_row(rejected, rest.values())
        if row is not None:
            record([row], Outcome.REJECTED, "ringcx", rejected.message)
            del rest[row.position]
    return list(rest.values())


def _find_row(rejected: RejectedRow, rows: Iterable[LeadRow]) -> LeadRow | None:
    """Return the row that RingCX rejected; None if it is not certain which one.

    RingCX does not number its rejected rows; each shows its values.
    """
    digits = {_NON_DIGIT.sub("", value) for value in rejected.values}
    found = [row for row in rows if row.key in rejected.values and not _phones(row).isdisjoint(digits)]
    if len(found) > 1:
        # The external id of one row may be another value of the rejected one.
        found = [row for row in found if _texts(row) <= rejected.values]
    return found[0] if len(found) == 1 else None


def _phones(row: LeadRow) -> set[str]:
    return {_NON_DIGIT.sub("", row.lead[field]) for field in PHONE_FIELDS if field in row.lead}


def _texts(row: LeadRow) -> set[str]:
    return {str(value) for value in row.lead.values() if isinstance(value, (str, int))}


def record_left_out(reply: LoadReply, rows: Sequence[LeadRow], missing: int | None, record: Record) -> None:
    """Record rows that are neither in the campaign nor rejected by name.

    :param reply: RingCX's result.
    :param rows: the rows.
    :param missing: number of leads that RingCX inserted and that were not found; None if RingCX does not say
        how many it inserted.
    :param record: records rows.
    """
    if not rows:
        return
    if missing is None or missing > 0:
        record(rows, Outcome.UNKNOWN, "not_found", "RingCX may have loaded the row, but it was not found")
        return
    counters = {name: count for name, count in reply.left_out.items() if count}
    outcomes = {Outcome(LEFT_OUT_COUNTERS[name]) for name in counters}
    if sum(counters.values()) != len(rows):
        record(rows, Outcome.REJECTED, "no_reason", "RingCX did not load the row and gave no reason")
    elif len(outcomes) == 1:
        outcome = outcomes.pop()
        record(rows, outcome, "_".join(sorted(counters)), _LEFT_OUT_MESSAGES[outcome])
    else:
        counts = ", ".join(f"{name} {count}" for name, count in counters.items())
        record(rows, Outcome.DUPLICATE, "duplicate_or_dnc", f"RingCX left {len(rows)} rows out: {counts}")
