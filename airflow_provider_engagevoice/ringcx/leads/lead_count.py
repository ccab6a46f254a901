"""Counts of leads over time: the condition on a count, and the leads that it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_engagevoice.ringcx.defaults import CHUNK_SIZE
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, counted
from airflow_provider_engagevoice.ringcx.leads.coercion import make_coercer, to_int
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.spec.enums import format_datetime

DIALABLE_KEYS = frozenset({"leadStates", "suppressed", "leadPassesCriteria", "nextDialTimeCriteria"})
"""Criteria that select the leads that can be dialled now."""

_to_count = make_coercer(to_int, "a whole number, 0 or more", InvalidParameter)


@dataclass(frozen=True)
class CountCondition:
    """Condition on a number of leads.

    :param at_least: smallest number; None for no limit.
    :param at_most: largest number; None for no limit.
    :param stable_for: seconds for which the condition must hold without a change of the number.
    """

    at_least: int | None
    at_most: int | None
    stable_for: float = 0.0

    @classmethod
    def parse(cls, at_least: object, at_most: object, stable_for: object = None) -> CountCondition:
        """Return a condition from arguments.

        :param at_least: a whole number or its digits; None for no limit.
        :param at_most: likewise.
        :param stable_for: a timedelta or seconds; None for 0.
        :return: the condition.
        :raises InvalidParameter: if an argument is wrong, or no number can fulfil the condition.
        """
        least = None if at_least is None else _to_count("at_least", at_least)
        most = None if at_most is None else _to_count("at_most", at_most)
        if least is None and most is None:
            raise InvalidParameter("Pass at_least, at_most or both")
        if least is not None and most is not None and least > most:
            raise InvalidParameter(f"at_least ({least}) must not be greater than at_most ({most})")
        return cls(least, most, parse_stable_for(stable_for))

    def holds(self, count: int) -> bool:
        """Return whether a number of leads is within the limits.

        :param count: the number.
        :return: True if it is.
        """
        return (self.at_least is None or count >= self.at_least) and (
            self.at_most is None or count <= self.at_most
        )

    def __str__(self) -> str:
        limits = [("at least", self.at_least), ("at most", self.at_most)]
        text = " and ".join(f"{name} {limit:,}" for name, limit in limits if limit is not None)
        return f"{text}, unchanged for {self.stable_for:g} s" if self.stable_for else text


def parse_stable_for(value: object) -> float:
    """Return a duration in seconds.

    :param value: a timedelta or a number of seconds; None for 0.
    :return: the seconds.
    :raises InvalidParameter: if it is neither, or not greater than 0.
    """
    if value is None:
        return 0.0
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < float("inf"):
        raise InvalidParameter("stable_for must be a timedelta or a number of seconds, greater than 0")
    return float(seconds)


@dataclass
class CountHistory:
    """Result of consecutive counts.

    :param condition: the condition that is waited for.
    :param count: the latest count; None before the first one.
    :param since: when this number was counted first, in seconds since 1970.
    :param latest: when it was counted last.
    """

    condition: CountCondition
    count: int | None = None
    since: float = 0.0
    latest: float = 0.0

    def add(self, count: int, now: float) -> bool:
        """Add a count.

        :param count: the number of leads.
        :param now: when they were counted, in seconds since 1970.
        :return: whether the condition is fulfilled.
        """
        # A clock that was set back would make the time since the first count too long later.
        if count != self.count or now < self.latest:
            self.count, self.since = count, now
        self.latest = now
        return self.condition.holds(count) and now - self.since >= self.condition.stable_for

    def describe(self) -> str:
        """Describe the latest count for a log line.

        :return: for example ``1,038 leads match; waiting for at most 500``.
        """
        text = f"{counted(self.count or 0, 'lead')} match{'es' if self.count == 1 else ''}"
        if self.count is not None and self.condition.holds(self.count) and self.condition.stable_for:
            text += f", unchanged for {self.latest - self.since:.0f} s"
        return f"{text}; waiting for {self.condition}"


@dataclass(frozen=True, eq=False, repr=False)
class CountQuery:
    """Leads of one sub-account that are counted repeatedly.

    :param account_id: the sub-account.
    :param selection: the leads.
    :param max_passes: count only leads that can be dialled now and have fewer passes than this; None to
        count all.
    """

    account_id: str
    selection: Selection
    max_passes: int | None = None

    def count(self, leads: LeadSearch) -> int:
        """Return the number of leads now, in one request for each 500 ids.

        :param leads: the lead search of the sub-account.
        :return: the number.
        """
        selection = self.selection
        if self.max_passes is not None:
            dialable = dialable_criteria(self.max_passes, datetime.now(timezone.utc))
            selection = replace(selection, body={**selection.body, **dialable})
        return sum(leads.count(chunk) for chunk in selection.chunks(CHUNK_SIZE, disjoint=True))


def dialable_criteria(max_passes: int, now: datetime) -> Mapping[str, Any]:
    """Return the criteria of leads that can be dialled now.

    READY alone includes leads that have used up their passes (guide of 2020, "Lead states").

    :param max_passes: the campaign's maximum number of passes. RingCX has no criterion that compares a lead's
        passes with the lead's own maximum.
    :param now: the time, which RingCX compares in milliseconds.
    :return: criteria with the keys ``DIALABLE_KEYS``.
    """
    # RingCX has no operator for "at or before".
    after = format_datetime(now + timedelta(milliseconds=1))
    return {
        "leadStates": ["READY"],
        "suppressed": "ONLY_UNSUPPRESSED",
        "leadPassesCriteria": {"operator": "LESS_THAN", "value": max_passes},
        "nextDialTimeCriteria": {"operator": "LESS_THAN", "value": after},
    }
