"""Rows of a load: their source, their content and their outcome."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.leads.coercion import type_name

NumberedRows = Iterator[tuple[int, Mapping[str, Any]]]
"""Rows by column name, each with its number in the source."""


class RowSource(Protocol):
    """Source of rows, such as a file, a query or a list."""

    @property
    def unit(self) -> str:
        """Unit of the numbers of rows: ``line`` or ``row``."""

    def __iter__(self) -> NumberedRows:
        """Yield all rows from the start, each with its number."""


class Outcome(str, Enum):
    """Outcome of a row, as the report names it."""

    LOADED = "loaded"
    UPDATED = "updated"
    SKIPPED_EXISTING = "skipped_existing"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    DNC = "dnc"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"


@dataclass(frozen=True)
class LeadRow:
    """A row that can be sent.

    :param position: its place among all rows of the source, from 0.
    :param number: its number in the source, for messages.
    :param key: its external id.
    :param lead: the lead, as RingCX's ``CampaignLead``.
    """

    position: int
    number: int
    key: str
    lead: dict[str, Any]


@dataclass(frozen=True)
class MemoryRows:
    """Rows in memory, or from any iterable of mappings.

    :param rows: the rows; numbered from 1.
    :raises InvalidParameter: if they are not an iterable of mappings, for example None because the task that
        should have returned them was skipped.
    """

    rows: Iterable[Mapping[str, Any]]
    unit: str = "row"

    def __post_init__(self) -> None:
        if isinstance(self.rows, (str, bytes, Mapping)) or not isinstance(self.rows, Iterable):
            hint = (
                "; the task that should return them was skipped, or returned nothing"
                if self.rows is None
                else ""
            )
            raise InvalidParameter(f"leads must be a list of rows, not {type_name(self.rows)}{hint}")

    def __iter__(self) -> NumberedRows:
        """Yield each row with its number.

        :raises InvalidParameter: if a row is not a mapping.
        """
        for number, row in enumerate(self.rows, start=1):
            if not isinstance(row, Mapping):
                raise InvalidParameter(f"row {number} of leads must be a dict, not {type_name(row)}")
            yield number, row
