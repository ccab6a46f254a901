"""From the columns of a source to the fields of a lead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, did_you_mean
from airflow_provider_engagevoice.ringcx.leads.coercion import type_name
from airflow_provider_engagevoice.ringcx.loading.values import lead_value
from airflow_provider_engagevoice.ringcx.spec.lead_fields import EXTENDED_DATA, KEY_FIELD, LEAD_FIELDS

UNMAPPED = ("fail", "ignore", "extended")
"""Valid values of ``unmapped``."""

_EXTENDED_PREFIX = f"{EXTENDED_DATA}."


@dataclass(frozen=True)
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
                    f"{_EXTENDED_PREFIX}{target} for other data"
                )
        repeated = [target for target, count in Counter(self.mapping.values()).items() if count > 1]
        if repeated:
            raise InvalidParameter(f"mapping: several columns are mapped to {repeated[0]}")
        if KEY_FIELD not in self.mapping.values():
            raise InvalidParameter(f"mapping: map one column to {KEY_FIELD}")

    def targets(self, columns: Iterable[str]) -> dict[str, str]:
        """Return the field for each column that is used.

        :param columns: the columns of the source.
        :return: fields by column.
        :raises InvalidParameter: if a mapped column is missing, or a column is not mapped and ``unmapped`` is
            ``"fail"``.
        """
        columns = list(columns)
        mapping = self.mapping or {name: name for name in columns if _is_field(name)}
        missing = [column for column in [*mapping] if column not in columns]
        if missing:
            raise InvalidParameter(
                f"source has no column {missing[0]!r}, which mapping names{did_you_mean(missing[0], columns)}"
            )
        if KEY_FIELD not in mapping.values():
            raise InvalidParameter(f"source has no column {KEY_FIELD}; name the column of the key in mapping")
        others = [column for column in columns if column not in mapping]
        if others and self.unmapped == "fail":
            raise InvalidParameter(
                f"Map column {others[0]!r} of the source, or set unmapped"
                f"{did_you_mean(others[0], LEAD_FIELDS) if self.mapping is None else ''}"
            )
        extended = {name: _EXTENDED_PREFIX + name for name in others} if self.unmapped == "extended" else {}
        return {**mapping, **extended}


def to_lead(row: Mapping[str, Any], targets: Mapping[str, str]) -> dict[str, Any]:
    """Return the lead of a row. Blank values are left out: RingCX may reject an empty text (observed).

    :param row: values by column.
    :param targets: fields by column.
    :return: the lead, as RingCX's ``CampaignLead``.
    :raises RowRejected: if a value is not valid; the message names the field, never the value.
    """
    lead: dict[str, Any] = {}
    extended: dict[str, Any] = {}
    for column, target in targets.items():
        value = lead_value(target.partition(".")[0], row.get(column), is_extended="." in target)
        if value is None:
            continue
        if target.startswith(_EXTENDED_PREFIX):
            extended[target.removeprefix(_EXTENDED_PREFIX)] = value
        else:
            lead[target] = value
    if extended:
        lead[EXTENDED_DATA] = {**lead.get(EXTENDED_DATA, {}), **extended}
    return lead


def _is_field(target: str) -> bool:
    return target in LEAD_FIELDS or (target.startswith(_EXTENDED_PREFIX) and target != _EXTENDED_PREFIX)
