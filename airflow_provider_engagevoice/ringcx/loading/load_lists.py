"""Lists of one load: RingCX shows in their names which requests of the load it has processed.

Each request makes a list with the description of the request as its name (inferred). The description ends
with a token of the load and the number of the request, so that any later attempt finds what arrived.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from airflow_provider_engagevoice.ringcx.campaigns import Campaign, CampaignService

MAX_NAME = 255
"""Longest name of a list, in characters. RingCX's limit is unknown."""

_TOKEN_LENGTH = 12
_SEPARATOR = " · "


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

    :param campaigns: reads the lists of a campaign.
    :param campaign: the campaign.
    :param list_name: name of the lists, before the token.
    :param token: token of the load, from :func:`load_token`.
    """

    campaigns: CampaignService
    campaign: Campaign
    list_name: str
    token: str
    #: Ids of the lists by part, as of the last :meth:`refresh`.
    by_part: Mapping[str, list[int]] = field(default_factory=dict, init=False)
    _tries: Counter[int] = field(default_factory=Counter, init=False)

    def __post_init__(self) -> None:
        self._suffix = re.compile(rf"{_SEPARATOR}{self.token}/(\d+(?:-\d+)?)")

    @property
    def list_ids(self) -> list[int]:
        """Ids of all lists of the load."""
        return [list_id for ids in self.by_part.values() for list_id in ids]

    def refresh(self) -> None:
        """Read the lists of the campaign."""
        found: dict[str, list[int]] = {}
        for each in self.campaigns.lists(self.campaign):
            # At the end only: the author's own name may contain anything.
            name = each["list_name"]
            if match := self._suffix.fullmatch(name, max(name.rfind(_SEPARATOR), 0)):
                found.setdefault(match[1], []).append(each["list_id"])
        self.by_part = found

    def name_of(self, part: str) -> str:
        """Return the name of the list that a request makes.

        :param part: from :meth:`next_part`.
        """
        suffix = f"{_SEPARATOR}{self.token}/{part}"
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
        return any(part.partition("-")[0] == str(number + 1) for part in self.by_part)

    def repeated(self) -> list[list[int]]:
        """Return the ids of lists that the same request has made, for each request that made several."""
        return [ids for ids in self.by_part.values() if len(ids) > 1]


def _try_number(part: str) -> int:
    return int(part.partition("-")[2] or 1)
