"""What the sandbox's page shows of the requests: the latest ones, and how far the limits are used up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from airflow_provider_engagevoice.sandbox.state.request_log import RecordedRequest
from airflow_provider_engagevoice.sandbox.state.sandbox import Service

ROWS = 60
"""How many requests the page shows."""

_USE = re.compile(r"(\d+) of (\d+) in .*")
_ROOT = re.compile(r"^(/voice)?/api/v1/admin/accounts/[^/]+/")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Meter:
    """How far one window is used up.

    :param label: what it is the limit of.
    :param account: the sub-account; empty where the limit is nobody's.
    :param used: requests in the window.
    :param calls: most requests.
    :param text: both, with the length of the window.
    """

    label: str
    account: str
    used: int
    calls: int
    text: str


@dataclass(frozen=True)
class RequestRow:
    """One request in the table.

    :param request: the request.
    :param path: its path, without what all paths of a sub-account begin with.
    :param action: the lead action it asks for; empty without one.
    :param grade: how it went: ``good``, ``refused`` (4xx), ``failed`` (5xx) or ``none``, no answer.
    :param meter: its limit; None without one.
    """

    request: RecordedRequest
    path: str
    action: str
    grade: str
    meter: Meter | None


def request_rows(service: Service, errors: bool) -> list[RequestRow]:
    """Return the latest requests, the last one first.

    :param service: the sandbox.
    :param errors: only those that went wrong, which those with a fault did, too.
    """
    rows: list[RequestRow] = []
    for request in reversed(service.log.records()):
        grade = _grade(request.status)
        if not errors or grade != "good" or request.fault:
            path, action = _ROOT.sub("…/", request.path), request.query.get("leadAction", "")
            rows.append(RequestRow(request, path, action, grade, _meter(request)))
        if len(rows) == ROWS:
            break
    return rows


def meters(service: Service) -> list[Meter]:
    """Return the limits in use right now, those most used up first."""
    found = [
        (
            use.used / use.window.max_requests,
            Meter(operation, account, use.used, use.window.max_requests, str(use)),
        )
        for (account, operation), use in service.rate_limits.in_use().items()
    ]
    found.sort(key=lambda item: (-item[0], item[1].label, item[1].account))
    return [meter for _, meter in found]


def print_moment_short(milliseconds: float | None) -> str:
    """Write a moment for people: ``2026-07-01 17:00:00``, in UTC; ``none`` for none."""
    if milliseconds is None:
        return "none"
    try:
        return f"{_EPOCH + timedelta(milliseconds=milliseconds):%Y-%m-%d %H:%M:%S}"
    except OverflowError:
        return "none"


def print_span(seconds: float) -> str:
    """Write a length of time for people: ``1 h 5 min``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"


def _grade(status: int | None) -> str:
    """Tell how a request went."""
    if status is None:
        return "none"
    return "failed" if status >= 500 else "refused" if status >= 400 else "good"


def _meter(request: RecordedRequest) -> Meter | None:
    """Read the limit that a request noted."""
    found = _USE.fullmatch(request.limit)
    return Meter(request.operation, "", int(found[1]), int(found[2]), request.limit) if found else None
