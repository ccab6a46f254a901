"""Which lists a sync has loaded: RingCX keeps that in their names.

The token of a list that a sync loads is ``<owner>-<plan>``: the owner is the same in all runs of a sync, and
differs from that of any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from airflow_provider_engagevoice.ringcx.loading.load_lists import SEPARATOR, load_token

_LENGTH = 8


def owner_id(name: str) -> str:
    """Return the owner of the lists of a sync.

    :param name: name of the sync.
    :return: eight letters and digits.
    """
    return load_token(["sync", name])[:_LENGTH]


def sync_token(owner: str, fingerprint: str) -> str:
    """Return the token of the lists that one plan loads.

    :param owner: from :func:`owner_id`.
    :param fingerprint: the plan.
    """
    return f"{owner}-{load_token([owner, fingerprint])[:_LENGTH]}"


def owned_lists(owner: str, names: Iterable[tuple[int, str]]) -> frozenset[int]:
    """Return the ids of the lists that a sync has loaded.

    :param owner: from :func:`owner_id`.
    :param names: id and name of each list of the campaign.
    """
    suffix = re.compile(rf"{SEPARATOR}{re.escape(owner)}-[a-z2-7]{{{_LENGTH}}}/\d+(-\d+)?\Z")
    return frozenset(list_id for list_id, name in names if suffix.search(name))
