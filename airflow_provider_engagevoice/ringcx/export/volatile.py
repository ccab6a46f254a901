"""Filters on facts that change while leads are read, such as their state, applied to the rows here.

RingCX returns leads in pages. If it filters by a fact that changes meanwhile, leads move between the pages,
and some are on none of those that are read. So these filters are not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import UnexpectedResponse
from airflow_provider_engagevoice.ringcx.leads.coercion import to_datetime

Row = Mapping[str, Any]
Test = Callable[[Row], bool]


def split_criteria(body: Mapping[str, Any]) -> tuple[dict[str, Any], list[Test]]:
    """Split search criteria into those that are sent and those that are applied to the rows.

    :param body: RingCX's ``campaignLeadSearchCriteria``.
    :return: the criteria that are sent, and the tests that a row must pass.
    """
    sent = {key: value for key, value in body.items() if key not in _TESTS}
    # An empty list means any (guide).
    return sent, [_TESTS[key](value) for key, value in body.items() if key in _TESTS and value != []]


def _states(values: Any) -> Test:
    return lambda row: _value(row, "leadState") in values


def _suppressed(value: Any) -> Test:
    if value == "ALL":
        return lambda row: True
    return lambda row: (_value(row, "suppressed") is True) == (value == "ONLY_SUPPRESSED")


def _system_dispositions(values: Any) -> Test:
    # Either holds it (observed).
    return lambda row: _value(row, "lastPassDisposition", "lastPassDispo") in values


def _agent_dispositions(values: Any) -> Test:
    # The contract misspells it.
    return lambda row: _value(row, "agentDispostion", "agentDisposition") in values


def _passes(criterion: Any) -> Test:
    compare, limit = _COMPARISONS[criterion["operator"]], criterion["value"]
    return lambda row: compare(_value(row, "leadPasses") or 0, limit)


def _time(*fields: str) -> Callable[[Any], Test]:
    def make(criterion: Any) -> Test:
        compare, limit = _COMPARISONS[criterion["operator"]], _utc(criterion["value"])

        def test(row: Row) -> bool:
            value = _value(row, *fields)
            return value is not None and compare(_utc(value), limit)

        return test

    return make


def _utc(value: Any) -> datetime:
    time = to_datetime(value)
    return time if time.tzinfo is not None else time.replace(tzinfo=timezone.utc)


def _value(row: Row, *fields: str) -> Any:
    """Return the first of some fields that has a value.

    :raises UnexpectedResponse: if the row has none of them: then it is not known whether it matches.
    """
    if not any(field in row for field in fields):
        raise UnexpectedResponse(f"RingCX's response lacks {fields[0]}, which the criteria need")
    return next((row[field] for field in fields if row.get(field) is not None), None)


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "GREATER_THAN": lambda value, limit: value > limit,
    "LESS_THAN": lambda value, limit: value < limit,
    "EQUALS": lambda value, limit: value == limit,
}

_TESTS: Mapping[str, Callable[[Any], Test]] = {
    "leadStates": _states,
    "suppressed": _suppressed,
    "systemDispositions": _system_dispositions,
    "agentDispositions": _agent_dispositions,
    "leadPassesCriteria": _passes,
    "nextDialTimeCriteria": _time("nextDialTime"),
    "lastPassTimeCriteria": _time("lastPassDts", "lastPassDate"),
}
"""Test of a row by criterion. The dialer and agents change these facts at any time."""
