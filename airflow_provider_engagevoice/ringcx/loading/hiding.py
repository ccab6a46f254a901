"""Removes values of rows from RingCX's messages, before they are logged or raised."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError
from airflow_provider_engagevoice.ringcx.loading.rows import LeadRow

_HIDDEN = "…"
#: Shorter values are in many words of a message, and identify no lead.
_SHORTEST = 3


def hide_values(text: str, rows: Iterable[LeadRow]) -> str:
    """Return a message of RingCX without the values of rows, which it may repeat.

    :param text: the message.
    :param rows: the rows that were sent.
    """
    folded = text.casefold()
    values = {value for row in rows for value in (row.key, *_texts(row.lead))}
    found = [value for value in values if len(value) >= _SHORTEST and value.casefold() in folded]
    for value in sorted(found, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", _HIDDEN, text, flags=re.IGNORECASE)
    return text


def hide_in_error(error: EngageVoiceError, rows: Iterable[LeadRow]) -> None:
    """Remove the values of rows from the message of an error.

    :param error: the error.
    :param rows: the rows that were sent.
    """
    error.args = (hide_values(str(error.args[0]), rows), *error.args[1:])


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts and numbers in a value, as text."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield str(value).strip()
