"""From the columns of a source to the fields of a lead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, did_you_mean
from airflow_provider_engagevoice.ringcx.leads.coercion import type_name
from airflow_provider_engagevoice.ringcx.spec.lead_fields import EXTENDED_DATA, KEY_FIELD, LEAD_FIELDS

UNMAPPED = ("fail", "ignore", "extended")
"""Valid values of ``unmapped``."""

EXTENDED_PREFIX = f"{EXTENDED_DATA}."
"""Beginning of a target in the own data of a lead."""


@dataclass(frozen=True, eq=False, repr=False)
class RowMapper:
    """Turns rows into leads.

    :param mapping: field of the lead by column, such as ``{"crm_id": "externId", "plan":
        "extendedLeadData.plan"}``; None if the columns have RingCX's names.
    :param unmapped: what to do about other columns: ``"fail"`` raises, ``"ignore"`` leaves them out,
        ``"extended"`` puts them into ``extendedLeadData``.
    :raises InvalidParameter: if a field is unknown or mapped twice, or no column is mapped to ``externId``.
    """

    mapping: Mapping[str, str] | None = None
    unmapped: str = "fail"

    def __post_init__(self) -> None:
        if self.unmapped not in UNMAPPED:
            raise InvalidParameter(f"unmapped must be one of {', '.join(UNMAPPED)}, not {self.unmapped!r}")
        if self.mapping is None:
            return
        if not isinstance(self.mapping, Mapping) or not self.mapping:
            raise InvalidParameter(
                'mapping must be a dict of fields by column, such as {"crm_id": "externId"}, not '
                f"{type_name(self.mapping)}"
            )
        for column, target in self.mapping.items():
            if not isinstance(column, str) or not isinstance(target, str):
                raise InvalidParameter("mapping: columns and fields must be text")
            if not _is_field(target):
                raise InvalidParameter(
                    f"mapping: {target!r} is not a field of a lead{did_you_mean(target, LEAD_FIELDS)}; use "
                    f"{EXTENDED_PREFIX}{target} for your own data"
                )
        repeated = [target for target, count in Counter(self.mapping.values()).items() if count > 1]
        if repeated:
            raise InvalidParameter(f"mapping: several columns are mapped to {repeated[0]}")
        if KEY_FIELD not in self.mapping.values():
            raise InvalidParameter(f"mapping: map one column to {KEY_FIELD}")

    def targets(self, columns: Iterable[str]) -> dict[str, str]:
        """Return the field for each column that is used.

        A name for which the source has no column means the one column that is equal to it ignoring case,
        since Snowflake and Oracle return names in upper case.

        :param columns: the columns of the source.
        :return: fields by column.
        :raises InvalidParameter: if a mapped column is missing, or a column is not mapped and ``unmapped`` is
            ``"fail"``.
        """
        columns = list(columns)
        if self.mapping is None:
            fields = {column: field for field, column in _match_columns(LEAD_FIELDS, columns).items()}
            mapping = {name: fields.get(name, name) for name in columns if name in fields or _is_field(name)}
        else:
            found = _match_columns(self.mapping, columns)
            missing = [name for name in self.mapping if name not in found]
            if missing:
                raise _missing_column(missing[0], columns)
            mapping = {found[name]: field for name, field in self.mapping.items()}
        if KEY_FIELD not in mapping.values():
            raise InvalidParameter(f"source has no column {KEY_FIELD}; name the column of the key in mapping")
        others = [column for column in columns if column not in mapping]
        if others and self.unmapped == "fail":
            raise InvalidParameter(
                f"Map column {others[0]!r} of the source, or set unmapped"
                f"{did_you_mean(others[0], LEAD_FIELDS) if self.mapping is None else ''}"
            )
        extended = {name: EXTENDED_PREFIX + name for name in others} if self.unmapped == "extended" else {}
        return {**mapping, **extended}


def _match_columns(names: Collection[str], columns: Collection[str]) -> dict[str, str]:
    """Return the column of each name that has one: the equal one, else the only one equal ignoring case."""
    wanted = [name.casefold() for name in names if name not in columns]
    free = [column.casefold() for column in columns if column not in names]
    by_folded_name = {column.casefold(): column for column in columns if column not in names}
    found = {}
    for name in names:
        folded = name.casefold()
        if name in columns:
            found[name] = name
        elif wanted.count(folded) == free.count(folded) == 1:
            found[name] = by_folded_name[folded]
    return found


def _missing_column(name: str, columns: Collection[str]) -> InvalidParameter:
    similar = [column for column in columns if column.casefold() == name.casefold()]
    hint = (
        f"; several differ from it only in case, name one of them: {', '.join(similar)}"
        if len(similar) > 1
        else did_you_mean(name, columns)
    )
    return InvalidParameter(f"source has no column {name!r}, which mapping names{hint}")


def _is_field(target: str) -> bool:
    return target in LEAD_FIELDS or (target.startswith(EXTENDED_PREFIX) and target != EXTENDED_PREFIX)
