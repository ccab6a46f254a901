"""Recent requests and rate-limit usage shown on the dashboard."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from airflow_provider_engagevoice.sandbox.state.request_log import RecordedRequest
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState

MAX_ROWS = 60
"""Maximum number of requests shown."""

_USAGE = re.compile(r"(\d+) of (\d+) in .*")
_ACCOUNT_PREFIX = re.compile(r"^(/voice)?/api/v1/admin/accounts/[^/]+/")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Meter:
    """Usage of one rate-limit window.

    :param label: the operation or group of operations that is limited.
    :param account: the sub-account; empty if the limit is not per sub-account.
    :param used: requests in the window.
    :param max_requests: maximum number of requests in the window.
    :param text: both numbers and the length of the window.
    """

    label: str
    account: str
    used: int
    max_requests: int
    text: str


@dataclass(frozen=True)
class RequestRow:
    """A row of the request table.

    :param request: the request.
    :param path: its path, without the common prefix of sub-account paths.
    :param action: its lead action; empty if it has none.
    :param status_class: class of its status: ``good``, ``refused`` (4xx), ``failed`` (5xx) or ``none``
        (no response).
    :param meter: usage of its rate limit; None if it has no limit.
    """

    request: RecordedRequest
    path: str
    action: str
    status_class: str
    meter: Meter | None


def request_rows(sandbox: SandboxState, errors: bool) -> list[RequestRow]:
    """Return the most recent requests, newest first.

    :param sandbox: the sandbox.
    :param errors: return only requests with an error status or a fault.
    """
    rows: list[RequestRow] = []
    for request in reversed(sandbox.log.records()):
        status_class = _status_class(request.status)
        if not errors or status_class != "good" or request.fault:
            path, action = _ACCOUNT_PREFIX.sub("…/", request.path), request.query.get("leadAction", "")
            rows.append(RequestRow(request, path, action, status_class, _parse_meter(request)))
        if len(rows) == MAX_ROWS:
            break
    return rows


def meters(sandbox: SandboxState) -> list[Meter]:
    """Return the rate limits in use, the most used first."""
    found = [
        (
            use.used / use.window.max_requests,
            Meter(operation, account, use.used, use.window.max_requests, str(use)),
        )
        for (account, operation), use in sandbox.rate_limiter.usage().items()
    ]
    found.sort(key=lambda item: (-item[0], item[1].label, item[1].account))
    return [meter for _, meter in found]


def format_datetime_short(milliseconds: float | None) -> str:
    """Format a timestamp in UTC as ``2026-07-01 17:00:00``; ``none`` for None."""
    if milliseconds is None:
        return "none"
    try:
        return f"{_EPOCH + timedelta(milliseconds=milliseconds):%Y-%m-%d %H:%M:%S}"
    except OverflowError:
        return "none"


def format_duration(seconds: float) -> str:
    """Format a duration, as in ``1 h 5 min``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"


def _status_class(status: int | None) -> str:
    """Return the class of a request's status."""
    if status is None:
        return "none"
    return "failed" if status >= 500 else "refused" if status >= 400 else "good"


def _parse_meter(request: RecordedRequest) -> Meter | None:
    """Return the rate-limit usage recorded with a request."""
    found = _USAGE.fullmatch(request.limit)
    return Meter(request.operation, "", int(found[1]), int(found[2]), request.limit) if found else None
