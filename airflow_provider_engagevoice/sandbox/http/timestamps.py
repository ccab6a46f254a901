"""Moments as RingCX reads and prints them. Written apart from the client, so as not to share its errors."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: What :func:`print_moment` can print: the years 1 to 9999.
_FIRST = -62_135_596_800_000
_LAST = 253_402_300_799_999
_MOMENT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<time>\d\d:\d\d(?::\d\d)?)(?:[.,](?P<fraction>\d{1,9}))?"
    r"(?P<zone>Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)


def parse_moment(text: str) -> int:
    """Read a moment.

    :param text: ``2019-01-01T01:01:01.000+0000`` (guide), or with ``Z`` or ``+00:00`` (observed);
        without a zone it is UTC (assumed).
    :return: milliseconds since 1970.
    :raises ValueError: it is no moment.
    """
    match = _MOMENT.fullmatch(text.strip())
    if match is None:
        raise ValueError("is not a date of the form 2019-01-01T01:01:01.000+0000")
    clock = match["time"] or "00:00"
    written = f"{match['day']} {clock if clock.count(':') == 2 else clock + ':00'}"
    try:
        moment = datetime.strptime(written, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise ValueError("is not a date that exists") from error
    fraction = int((match["fraction"] or "0").ljust(3, "0")[:3])
    result = (moment - _EPOCH) // timedelta(milliseconds=1) + fraction - _offset(match["zone"])
    if not _FIRST <= result <= _LAST:
        raise ValueError("is not a date that exists")
    return result


def _offset(zone: str | None) -> int:
    """Return the milliseconds a zone such as ``-0500`` is ahead of UTC."""
    if zone is None or zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return (-minutes if zone[0] == "-" else minutes) * 60_000


def print_moment(milliseconds: int | None) -> str | None:
    """Write a moment as RingCX does: ``2019-01-01T01:01:01.000+0000``.

    :param milliseconds: since 1970; None stays None.
    :return: the text, in UTC. Source: guide, campaign samples.
    """
    if milliseconds is None:
        return None
    seconds, rest = divmod(milliseconds, 1000)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment.isoformat()[:19]}.{rest:03d}+0000"
