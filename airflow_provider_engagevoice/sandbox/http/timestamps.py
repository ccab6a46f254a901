"""RingCX's datetime format. Implemented independently of the client, so that they share no errors."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: Range of :func:`format_datetime`: the years 1 to 9999.
_MIN_TIMESTAMP = -62_135_596_800_000
_MAX_TIMESTAMP = 253_402_300_799_999
_DATETIME = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<time>\d\d:\d\d(?::\d\d)?)(?:[.,](?P<fraction>\d{1,9}))?"
    r"(?P<zone>Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)


def parse_datetime(text: str) -> int:
    """Parse a datetime.

    :param text: ``2019-01-01T01:01:01.000+0000`` (guide), or with ``Z`` or ``+00:00`` (observed);
        UTC if it has no time zone (assumed).
    :return: milliseconds since 1970.
    :raises ValueError: if it is not a datetime.
    """
    match = _DATETIME.fullmatch(text.strip())
    if match is None:
        raise ValueError("is not a date of the form 2019-01-01T01:01:01.000+0000")
    clock = match["time"] or "00:00"
    normalized = f"{match['day']} {clock if clock.count(':') == 2 else clock + ':00'}"
    try:
        parsed = datetime.strptime(normalized, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise ValueError("is not a date that exists") from error
    fraction = int((match["fraction"] or "0").ljust(3, "0")[:3])
    timestamp = (parsed - _EPOCH) // timedelta(milliseconds=1) + fraction - _offset(match["zone"])
    if not _MIN_TIMESTAMP <= timestamp <= _MAX_TIMESTAMP:
        raise ValueError("is not a date that exists")
    return timestamp


def _offset(zone: str | None) -> int:
    """Return the offset of a time zone such as ``-0500`` from UTC, in milliseconds."""
    if zone is None or zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return (-minutes if zone[0] == "-" else minutes) * 60_000


def format_datetime(milliseconds: int | None) -> str | None:
    """Format a timestamp as RingCX does: ``2019-01-01T01:01:01.000+0000``.

    :param milliseconds: since 1970; None is returned unchanged.
    :return: the datetime in UTC. Source: guide, campaign samples.
    """
    if milliseconds is None:
        return None
    seconds, rest = divmod(milliseconds, 1000)
    value = _EPOCH + timedelta(seconds=seconds)
    return f"{value.isoformat()[:19]}.{rest:03d}+0000"
