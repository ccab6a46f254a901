"""Lists of one load: RingCX shows in their names which requests of the load it has processed.

Each request makes a list with the description of the request as its name (inferred). The description ends
with a token of the load and the number of the request, so that any later attempt finds what arrived.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from airflow_provider_engagevoice.ringcx import clock
from airflow_provider_engagevoice.ringcx.campaigns import Campaign, lead_list, list_rows, lists_path
from airflow_provider_engagevoice.ringcx.endpoints import RequestStepsFn
from airflow_provider_engagevoice.ringcx.leads.coercion import parse_time
from airflow_provider_engagevoice.ringcx.steps import Steps

MAX_NAME = 255
"""Longest name of a list, in characters. RingCX's limit is unknown."""

_VISIBLE_AFTER = timedelta(minutes=15)
"""Age of a list at which searches certainly show its leads. RingCX's delay is unknown, seconds observed."""

_TOKEN_LENGTH = 12
SEPARATOR = " · "
"""Text between the name of a list and the token of its load."""


def load_token(identity: Iterable[object]) -> str:
    """Return the token of a load.

    :param identity: what identifies the load: all attempts must have the same, other loads different ones.
    :return: 12 letters and digits.
    """
    digest = hashlib.sha256("\0".join(map(str, identity)).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:_TOKEN_LENGTH]


@dataclass
class LoadLists:
    """The lists that the requests of one load have made.

    :param request_steps: sends a request: method, path and keyword arguments.
    :param campaign: the campaign.
    :param list_name: name of the lists, before the token.
    :param token: token of the load, from :func:`load_token`.
    """

    request_steps: RequestStepsFn
    campaign: Campaign
    list_name: str
    token: str
    #: Ids of the lists by part, as of the last :meth:`refresh`.
    by_part: Mapping[str, list[int]] = field(default_factory=dict, init=False)
    #: Ids of all lists of the load.
    list_ids: frozenset[int] = field(default=frozenset(), init=False)
    _refreshed: float = field(default=-math.inf, init=False)
    #: The campaign has lists that are newer than this object and are not those of the load by their names.
    has_other_new: bool = field(default=False, init=False)
    _uploaded: Mapping[int, object] = field(default_factory=dict, init=False)
    _before: frozenset[int] | None = field(default=None, init=False)
    _tries: Counter[int] = field(default_factory=Counter, init=False)

    def __post_init__(self) -> None:
        self._suffix = re.compile(rf"{SEPARATOR}{self.token}/(\d+(?:-\d+)?)")

    def refresh(self, max_age: float = 0.0) -> Steps[None]:
        """Read the lists of the campaign.

        :param max_age: seconds that the last reading may be old; then nothing is read.
        """
        if clock.monotonic() - self._refreshed < max_age:
            return
        response = yield from self.request_steps("GET", lists_path(self.campaign))
        found: dict[str, list[int]] = {}
        others: set[int] = set()
        uploaded: dict[int, object] = {}
        for row in list_rows(response):
            each = lead_list(row)
            # At the end only: the author's own name may contain anything.
            name = each["list_name"]
            if match := self._suffix.fullmatch(name, max(name.rfind(SEPARATOR), 0)):
                found.setdefault(match[1], []).append(each["list_id"])
                uploaded[each["list_id"]] = row.get("uploadDate")
            else:
                others.add(each["list_id"])
        self.by_part, self._uploaded, self._refreshed = found, uploaded, clock.monotonic()
        self.list_ids = frozenset(list_id for ids in found.values() for list_id in ids)
        self._before = frozenset(others) if self._before is None else self._before
        self.has_other_new = not others <= self._before

    def name_of(self, part: str) -> str:
        """Return the name of the list that a request makes.

        :param part: from :meth:`next_part`.
        """
        suffix = f"{SEPARATOR}{self.token}/{part}"
        return self.list_name[: MAX_NAME - len(suffix)] + suffix

    def next_part(self, number: int) -> str:
        """Return the part of the next request of a chunk: ``3``, then ``3-2``, and so on.

        :param number: the chunk, from 0.
        """
        self._tries[number] += 1
        known = [_try_number(part) for part in self.by_part if part.partition("-")[0] == str(number + 1)]
        self._tries[number] = max([self._tries[number], *(1 + each for each in known)])
        count = self._tries[number]
        return str(number + 1) if count == 1 else f"{number + 1}-{count}"

    def has_chunk(self, number: int) -> bool:
        """Return whether a request of a chunk has made a list.

        :param number: the chunk, from 0.
        """
        return number in self.by_chunk()

    def by_chunk(self) -> dict[int, list[int]]:
        """Return the ids of the lists by chunk, from 0."""
        found: dict[int, list[int]] = {}
        for part, ids in self.by_part.items():
            found.setdefault(int(part.partition("-")[0]) - 1, []).extend(ids)
        return found

    def recent(self, number: int) -> list[int]:
        """Return the ids of lists of a chunk that are so new that RingCX may not show their leads yet.

        :param number: the chunk, from 0.
        """
        return [each for each in self.by_chunk().get(number, []) if is_recent(self._uploaded[each])]


def is_recent(uploaded: object) -> bool:
    """Return whether a list was made a short time ago; True if RingCX does not show when.

    :param uploaded: ``uploadDate`` of the list.
    """
    time = parse_time(uploaded)
    return time is None or datetime.now(timezone.utc) - time < _VISIBLE_AFTER


def _try_number(part: str) -> int:
    return int(part.partition("-")[2] or 1)
