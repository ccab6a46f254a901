"""Digests of a bulk action's input: whether two attempts of a task have the same input."""

from __future__ import annotations

import json
from collections.abc import Mapping

from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.leads.id_spool import canonical_order, fingerprint
from airflow_provider_engagevoice.ringcx.leads.selection import IDENTITIES, Chunks

#: Part of every fingerprint. Increase it if the fields of ``Checkpoint`` or the order of the ids change, so
#: that a checkpoint of another version of the package is not resumed from.
_VERSION = 4


def input_digests(action: BulkAction, chunks: Chunks, host: str, account_id: str) -> dict[str, str]:
    """Return a digest of each part of an action's input, by what the input means.

    The order of ids and filters, duplicates and ``chunk_size`` do not count, nor do generated parameters.

    :param action: the action.
    :param chunks: its chunks.
    :param host: base URL of RingCX.
    :param account_id: the sub-account.
    :return: the digests by the name of the part, as messages show it.
    """
    body = action.selection.body
    filters = {
        name: sorted(map(_canonical_json, value)) if isinstance(value, (list, tuple)) else value
        for name, value in body.items()
        if name not in IDENTITIES and name != "campaignId"  # one of campaignIds
    }
    ids = {
        name: fingerprint(chunks.ids if name == chunks.key else canonical_order(body[name]))
        for name in IDENTITIES & body.keys()
    }
    parts = {
        "action": [_VERSION, action.name],
        "connection": [host, account_id],
        "filters": filters,
        "ids": ids,
        "parameters": action.params if action.authored_params is None else action.authored_params,
    }
    return {name: fingerprint([_canonical_json(content)]) for name, content in parts.items()}


def action_fingerprint(digests: Mapping[str, str]) -> str:
    """Return the fingerprint of an action and its input.

    :param digests: from :func:`input_digests`.
    :return: the fingerprint.
    """
    return fingerprint([_canonical_json(digests)])


def _canonical_json(content: object) -> str:
    return json.dumps(content, sort_keys=True, default=str)
