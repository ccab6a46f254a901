"""Reads all rows of a source into the spool, and checks each of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.files.row_file import RowFile
from airflow_provider_engagevoice.ringcx.loading.mapping import RowMapper
from airflow_provider_engagevoice.ringcx.loading.options import is_international
from airflow_provider_engagevoice.ringcx.loading.row_spool import RowSpool
from airflow_provider_engagevoice.ringcx.loading.rows import MemoryRows, RowSource
from airflow_provider_engagevoice.ringcx.loading.values import RowRejected, to_lead
from airflow_provider_engagevoice.ringcx.spec.lead_fields import KEY_FIELD, PHONE_FIELDS
from airflow_provider_engagevoice.ringcx.spec.load_options import FIELD_OF_TIME_ZONE

CheckLead = Callable[[dict[str, Any]], None]
"""Checks a lead, and changes its values to what RingCX takes; raises ``RowRejected``."""

_HOME_DIGITS = 10
_NON_DIGIT = re.compile(r"[^0-9]")


def read_rows(source: RowSource, mapper: RowMapper, check: CheckLead) -> tuple[RowSpool, list[str]]:
    """Read all rows of a source.

    :param source: the rows.
    :param mapper: turns rows into leads.
    :param check: checks each lead.
    :return: the rows, each rejected one with its reason; and the columns that the source has.
    :raises InvalidParameter: if the source cannot be read, or its columns are not those that are mapped.
    """
    is_sparse = isinstance(source, MemoryRows) or (isinstance(source, RowFile) and not source.has_header)
    spool, columns = RowSpool(), _Columns(mapper, is_sparse)
    spool.add(_read(source, columns, check))
    spool.resolve_duplicates()
    return spool, list(columns.seen)


@dataclass
class LoadCheck:
    """Checks that a lead has what a load needs.

    :param options: the options of the load.
    """

    options: Mapping[str, Any]

    def __post_init__(self) -> None:
        self._is_international = is_international(self.options)
        self._zone_option = self.options["timeZoneOption"]
        self._zone_field = FIELD_OF_TIME_ZONE.get(self._zone_option)

    def __call__(self, lead: dict[str, Any]) -> None:
        """Check a lead, and bring its phone numbers into the form of the load.

        :param lead: the lead.
        :raises RowRejected: if it has no phone number, no time zone although the load needs one, or a number
            of another country although the load takes those of the United States only. Source: guide, bulk
            import.
        """
        if not any(field in lead for field in PHONE_FIELDS):
            raise RowRejected(PHONE_FIELDS[0], "is missing")
        if self._zone_field is not None and self._zone_field not in lead:
            raise RowRejected(self._zone_field, f"is missing, which timeZoneOption {self._zone_option} needs")
        phone = lead.get(PHONE_FIELDS[0])
        if phone is not None and not self._is_international:
            lead[PHONE_FIELDS[0]] = "|".join(map(_home_number, phone.split("|")))


def check_update(lead: dict[str, Any]) -> None:
    """Check that a row of an update changes something.

    :param lead: the lead.
    :raises RowRejected: if it has nothing but its external id.
    """
    if len(lead) < 2:
        raise RowRejected(KEY_FIELD, "is the only value of the row")


@dataclass
class _Columns:
    """Fields by column, checked whenever a row has columns that no row before it had.

    :param mapper: turns columns into fields.
    :param is_sparse: rows may lack columns, as in JSON Lines without the keys of null values. A mapped column
        must then be in any of the rows, else in the first one.
    """

    mapper: RowMapper
    is_sparse: bool

    def __post_init__(self) -> None:
        self.seen: dict[str, None] = {}
        self.targets: dict[str, str] = {}

    def of(self, row: Mapping[str, Any]) -> Mapping[str, str]:
        if not self.seen.keys() >= row.keys():
            self.seen.update(dict.fromkeys(row))
            expected = self._expected() if self.is_sparse else []
            self.targets = self.mapper.targets([*self.seen, *expected])
        return self.targets

    def check_complete(self) -> None:
        """Raise if a mapped column was in no row."""
        if self.seen:
            self.mapper.targets(self.seen)

    def _expected(self) -> list[str]:
        """Return the mapped columns that a later row may have, whatever the case of their letters."""
        names = [KEY_FIELD] if self.mapper.mapping is None else list(self.mapper.mapping)
        others = {column.casefold() for column in self.seen if column not in names}
        return [name for name in names if name not in self.seen and name.casefold() not in others]


def _read(
    source: RowSource, columns: _Columns, check: CheckLead
) -> Iterator[tuple[int, str | None, dict[str, Any] | None, str, str]]:
    for number, row in source:
        targets = columns.of(row)
        key = None
        try:
            lead = to_lead(row, targets)
            key = lead.get(KEY_FIELD)
            if key is None:
                raise RowRejected(KEY_FIELD, "is missing")
            check(lead)
        except RowRejected as error:
            key = _key_of(row, targets) if key is None else key
            yield number, key, None, f"invalid_{error.field}", str(error)
        else:
            yield number, key, lead, "", ""
    columns.check_complete()


def _key_of(row: Mapping[str, Any], targets: Mapping[str, str]) -> str | None:
    """Return the external id of a row, for the report; None if it has no valid one."""
    key_targets = {column: field for column, field in targets.items() if field == KEY_FIELD}
    try:
        return to_lead(row, key_targets).get(KEY_FIELD)
    except RowRejected:
        return None


def _home_number(number: str) -> str:
    """Return a phone number of the United States as ten digits. Source: guide, bulk import."""
    digits = _NON_DIGIT.sub("", number)
    if len(digits) == _HOME_DIGITS + 1 and digits.startswith("1"):
        digits = digits[1:]
    if len(digits) != _HOME_DIGITS:
        raise RowRejected(
            PHONE_FIELDS[0],
            "must have ten digits; for numbers of other countries set load_options numberOriginCountry or "
            "internationalNumberFormat",
        )
    return digits
