"""Options of a sync; imported when a DAG is parsed, so it is light."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.options import is_count, validate_limit
from airflow_provider_engagevoice.ringcx.defaults import MAX_UPDATES
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, did_you_mean
from airflow_provider_engagevoice.ringcx.loading.options import complete_load_options
from airflow_provider_engagevoice.ringcx.spec.lead_fields import EXTENDED_DATA, KEY_FIELD, LEAD_FIELDS

ACTION_OF_REMOVAL = {
    "suppress": "SUPPRESS_LEADS",
    "pause": "PAUSE_LEADS",
    "cancel": "CANCEL_LEADS",
    "delete": "DELETE_LEADS",
    "move": "MOVE_TO_CAMPAIGN",
}
"""Lead action by what ``on_surplus`` says."""

_CHOICES: Mapping[str, Sequence[str]] = {
    "on_missing": ("load", "ignore"),
    "on_changed": ("ignore", "update"),
    "on_duplicate": ("report", "keep_newest", "keep_most_passes"),
    "manages": ("own", "campaign"),
}
NORMALIZATIONS = ("strip", "casefold", "nfc")
"""Valid values of ``normalize_key``."""

LimitValue = int | str | Sequence[Any] | None
"""A limit as an author gives it: a number, a percentage such as ``"10%"``, or both."""

PERCENT_FLOOR = 25
"""Number of leads from which percentages count: 10 % of five leads is no accident."""


@dataclass(frozen=True)
class Limit:
    """A limit in percent, in leads, or both. Reaching it counts as exceeding it.

    :param percent: percentage of the leads that it refers to; None for none.
    :param count: number of leads; 0 allows none; None for no number.
    """

    percent: float | None
    count: int | None

    @classmethod
    def parse(cls, name: str, value: LimitValue) -> Limit:
        """Return the limit that an author gives.

        :param name: the argument, for the error.
        :param value: a number, a percentage such as ``"10%"``, a pair of both, or None for no limit.
        :raises InvalidParameter: if it is none of them.
        """
        parts = list(value) if isinstance(value, (list, tuple)) else [value]
        percent: float | None = None
        count: int | None = None
        for part in parts:
            match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", part) if isinstance(part, str) else None
            if match is not None and percent is None:
                percent = float(match[1])
            elif isinstance(part, int) and is_count(part) and count is None:
                count = part
            elif part is not None:
                raise InvalidParameter(
                    f"{name} must be a number, a percentage, or both, such as "
                    '("10%", 1000); None for no limit'
                )
        return cls(percent, count)

    def is_reached(self, number: int, total: int) -> bool:
        """Return whether a number of leads reaches the limit.

        :param number: the leads.
        :param total: the leads that the percentage refers to. If there are none, it does not count.
        """
        if not number:
            return False
        if self.count is not None and number >= self.count:
            return True
        if self.percent is None or not total:
            return False
        # 0 % allows none, as 0 does.
        return number * 100 >= self.percent * total and (number >= PERCENT_FLOOR or not self.percent)

    def __str__(self) -> str:
        parts = [] if self.percent is None else [f"{self.percent:g} %"]
        parts += [] if self.count is None else [f"{self.count:,}"]
        return " / ".join(parts) or "none"


@dataclass(frozen=True)
class SyncOptions:
    """Options of a sync, checked on creation.

    :param on_surplus: what to do with managed leads that the source does not have: ``"ignore"``,
        ``"suppress"``, ``"pause"``, ``"cancel"``, ``"delete"``, or ``{"move": "Archive"}`` with the name or
        id of a campaign.
    :param on_missing: what to do about rows that the campaign does not have: ``"load"`` or ``"ignore"``.
    :param on_changed: what to do if the fields in ``compare`` differ: ``"ignore"`` or ``"update"``.
    :param compare: fields of a lead that are compared.
    :param on_duplicate: what to do about several managed leads with one external id: ``"report"``,
        or remove all but one: ``"keep_newest"``, ``"keep_most_passes"``.
    :param manages: which leads may be changed or removed: ``"own"``, those of lists that this sync loaded, or
        ``"campaign"``, all of the campaign.
    :param normalize_key: how external ids of both sides are changed before they are compared: any of
        ``"strip"``, ``"casefold"`` and ``"nfc"``; none by default.
    :param max_removals: limit of removed leads, in percent of the managed ones, as a number, or both.
    :param max_loads: limit of loaded rows, in percent of the campaign's leads, as a number, or both.
    :param max_updates: limit of updated leads, a number.
    :param expires_after: time after which a plan is no longer applied.
    :param load_options: RingCX's options of loads by name; None for the defaults.
    :raises InvalidParameter: if one of them is not valid.
    """

    on_surplus: str | Mapping[str, str | int]
    on_missing: str = "load"
    on_changed: str = "ignore"
    compare: Sequence[str] = ()
    on_duplicate: str = "report"
    manages: str = "own"
    normalize_key: str | Sequence[str] | None = None
    max_removals: LimitValue = ("10%", 1_000)
    max_loads: LimitValue = ("50%", 20_000)
    max_updates: int | None = MAX_UPDATES
    expires_after: timedelta = timedelta(hours=12)
    load_options: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        _check_surplus(self.on_surplus)
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InvalidParameter(
                    f"{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}"
                    f"{did_you_mean(getattr(self, name), choices)}"
                )
        _check_compare(self.compare)
        if (self.on_changed == "update") != bool(self.compare):
            raise InvalidParameter('Pass compare=[...] together with on_changed="update"')
        if self.on_duplicate != "report" and self.on_surplus == "ignore":
            raise InvalidParameter(
                f'Set on_surplus to what is done with duplicates, or on_duplicate="report": '
                f'on_duplicate={self.on_duplicate!r} removes leads, and on_surplus="ignore" removes none'
            )
        normalizations = self.normalizations
        if not set(normalizations) <= set(NORMALIZATIONS):
            raise InvalidParameter(f"normalize_key must be any of {', '.join(NORMALIZATIONS)}")
        Limit.parse("max_removals", self.max_removals)
        Limit.parse("max_loads", self.max_loads)
        validate_limit("max_updates", self.max_updates)
        if not isinstance(self.expires_after, timedelta) or self.expires_after <= timedelta(0):
            raise InvalidParameter("expires_after must be a timedelta above zero")
        complete_load_options(self.load_options)

    @property
    def removal(self) -> str | None:
        """Way in which leads are removed, a key of ``ACTION_OF_REMOVAL``; None if none are."""
        if isinstance(self.on_surplus, Mapping):
            return "move"
        return None if self.on_surplus == "ignore" else self.on_surplus

    @property
    def move_target(self) -> str | int | None:
        """Campaign that removed leads are moved to; None if they are not moved."""
        return self.on_surplus["move"] if isinstance(self.on_surplus, Mapping) else None

    @property
    def normalizations(self) -> Sequence[str]:
        """The normalizations of external ids."""
        value = self.normalize_key
        return () if value is None else (value,) if isinstance(value, str) else tuple(value)

    def to_json(self) -> dict[str, Any]:
        """Return the options as JSON values."""
        values = asdict(self)
        values["expires_after"] = self.expires_after.total_seconds()
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SyncOptions:
        """Return the options that :meth:`to_json` returned.

        :param values: the JSON values.
        """
        return cls(**{**values, "expires_after": timedelta(seconds=values["expires_after"])})


def _check_surplus(value: object) -> None:
    if isinstance(value, Mapping):
        target = value.get("move")
        if list(value) == ["move"] and isinstance(target, (str, int)) and str(target).strip():
            return
    elif value == "ignore" or (value in ACTION_OF_REMOVAL and value != "move"):
        return
    raise InvalidParameter(
        'on_surplus must be "ignore", "suppress", "pause", "cancel", "delete" or {"move": "<campaign>"}, not '
        f"{value!r}"
    )


def _check_compare(fields: object) -> None:
    if isinstance(fields, str) or not isinstance(fields, Sequence):
        raise InvalidParameter('compare must be a list of fields, such as ["firstName", "leadPhone"]')
    for name in fields:
        if name not in LEAD_FIELDS and not str(name).startswith(f"{EXTENDED_DATA}."):
            raise InvalidParameter(f"compare: a lead has no field {name!r}{did_you_mean(name, LEAD_FIELDS)}")
        if name == KEY_FIELD:
            raise InvalidParameter(f"compare: {KEY_FIELD} identifies the lead and is never changed")
