"""Validation of the options of loads and updates; imported when a DAG is parsed, so it is light."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.options import (
    is_count,
    validate_in_flight,
    validate_limit,
    validate_on_rejected,
)
from airflow_provider_engagevoice.ringcx.defaults import CHUNK_SIZE, MAX_UPDATES
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, did_you_mean
from airflow_provider_engagevoice.ringcx.leads.coercion import (
    DATETIME_HINT,
    make_coercer,
    to_ringcx_datetime,
    type_name,
)
from airflow_provider_engagevoice.ringcx.spec.load_options import (
    HOME_COUNTRY,
    LOAD_CHOICES,
    LOAD_DEFAULTS,
    LOAD_SWITCHES,
    LOAD_TEXT_LISTS,
    LOAD_TEXTS,
)

EXISTING = ("load", "skip", "update", "fail")
"""Valid values of ``existing``."""

MAX_CHUNK_SIZE = 1000
"""Most rows in one request: what public programs have used (observed). RingCX's limit is unknown."""

_to_datetime = make_coercer(to_ringcx_datetime, DATETIME_HINT, InvalidParameter)
#: Compiled on use, which a DAG without these options does not need.
_PERCENT = r"(\d+(?:\.\d+)?)\s*%"
_AT_LEAST = r">=\s*(\d+)"
_KNOWN = (*LOAD_CHOICES, *LOAD_SWITCHES, *LOAD_TEXTS, *LOAD_TEXT_LISTS)


@dataclass(frozen=True, eq=False, repr=False)
class LoadOptions:
    """Options of a load as the author gives them, checked on creation.

    :param existing: what to do about external ids that the campaign has already: ``"load"`` loads the row all
        the same, ``"skip"`` leaves it out, ``"update"`` updates the lead, ``"fail"`` raises before anything
        is sent.
    :param load_options: RingCX's own options by name; None for the defaults.
    :param chunk_size: number of rows in one request, at most 1,000.
    :param max_leads: most leads to load; None for no limit.
    :param max_updates: most leads that ``existing="update"`` may update; None for no limit.
    :param max_in_flight: most requests in flight at once, 1 to 16; None for the default.
    :param on_rejected: ``"fail"`` sends nothing if a row is wrong and stops when RingCX rejects one,
        ``"continue"`` loads the others and fails at the end, ``"ignore"`` loads the others.
    :param max_rejected: rejected rows that are accepted all the same: a number, or a percentage of the rows
        such as ``"1%"``; None for none, or with ``on_rejected="ignore"`` for any.
    :raises InvalidParameter: if one of them is not valid.
    """

    existing: str = "load"
    load_options: Mapping[str, Any] | None = None
    chunk_size: int = CHUNK_SIZE
    max_leads: int | None = None
    max_updates: int | None = MAX_UPDATES
    max_in_flight: int | None = None
    on_rejected: str = "fail"
    max_rejected: int | str | None = None

    def __post_init__(self) -> None:
        validate_load(self.existing, self.chunk_size, self.max_leads, self.max_updates)
        validate_rejections(self.on_rejected, self.max_rejected)
        validate_in_flight(self.max_in_flight)
        complete_load_options(self.load_options)

    @property
    def request_options(self) -> dict[str, Any]:
        """RingCX's options of each request."""
        return complete_load_options(self.load_options)


@dataclass(frozen=True, eq=False, repr=False)
class UpdateOptions:
    """Options of an update, checked on creation.

    :param max_updates: most leads to update; None for no limit.
    :param max_in_flight: most requests in flight at once, 1 to 16; None for the default.
    :param on_rejected: as for a load. A row whose external id no lead of the campaign has, or several, is
        rejected.
    :param max_rejected: as for a load.
    :raises InvalidParameter: if one of them is not valid.
    """

    max_updates: int | None = MAX_UPDATES
    max_in_flight: int | None = None
    on_rejected: str = "fail"
    max_rejected: int | str | None = None

    def __post_init__(self) -> None:
        validate_limit("max_updates", self.max_updates)
        validate_in_flight(self.max_in_flight)
        validate_rejections(self.on_rejected, self.max_rejected)


def validate_rejections(on_rejected: object, max_rejected: object) -> None:
    """Raise if an option for rejected rows is not valid.

    :param on_rejected: what to do about rejected rows.
    :param max_rejected: most rejected rows that are accepted; see :func:`rejected_limit`.
    :raises InvalidParameter: if one of them is not valid.
    """
    validate_on_rejected(on_rejected)
    rejected_limit(max_rejected, 1)


def validate_expect_rows(expect_rows: object) -> None:
    """Raise if the expected number of rows is not valid.

    :param expect_rows: a number, ``">=1000"``, the path of a manifest, or None.
    :raises InvalidParameter: if it is none of them.
    """
    is_valid = expect_rows is None or is_count(expect_rows) or hasattr(expect_rows, "open")
    if isinstance(expect_rows, str) and expect_rows.strip():
        is_valid = expected_rows(expect_rows) is not None or expect_rows.strip()[0] not in "<>="
    if not is_valid:
        raise InvalidParameter('expect_rows must be a number, ">=1000" or the path of a manifest')


def validate_load(existing: object, chunk_size: object, max_leads: object, max_updates: object) -> None:
    """Raise if an option of a load is not valid.

    :param existing: what to do about external ids that the campaign has already.
    :param chunk_size: number of rows in one request.
    :param max_leads: most leads to load; None for no limit.
    :param max_updates: most leads to update; None for no limit.
    :raises InvalidParameter: if one of them is not valid.
    """
    if existing not in EXISTING:
        raise InvalidParameter(
            f"existing must be one of {', '.join(EXISTING)}, not {existing!r}"
            f"{did_you_mean(existing, EXISTING)}"
        )
    is_size = isinstance(chunk_size, int) and is_count(chunk_size) and 1 <= chunk_size <= MAX_CHUNK_SIZE
    if not is_size:
        raise InvalidParameter(f"chunk_size must be a whole number of rows from 1 to {MAX_CHUNK_SIZE}")
    validate_limit("max_leads", max_leads)
    validate_limit("max_updates", max_updates)


def rejected_limit(max_rejected: object, rows: int) -> int | None:
    """Return how many rejected rows ``max_rejected`` accepts.

    :param max_rejected: a number, a percentage of the rows such as ``"1%"``, or None.
    :param rows: number of rows of the source.
    :return: the number of rows; None if it is not given.
    :raises InvalidParameter: if it is neither.
    """
    if max_rejected is None:
        return None
    if isinstance(max_rejected, str):
        if percent := re.fullmatch(_PERCENT, max_rejected.strip()):
            return int(rows * float(percent[1]) / 100)
        if max_rejected.strip().isascii() and max_rejected.strip().isdecimal():
            return int(max_rejected)
    elif isinstance(max_rejected, int) and is_count(max_rejected):
        return max_rejected
    raise InvalidParameter('max_rejected must be a number of rows or a percentage such as "1%"')


def expected_rows(expect_rows: object) -> tuple[int, bool] | None:
    """Return the number of rows that the source must have.

    :param expect_rows: a number, a number as text, or ``">=1000"``.
    :return: the number, and whether more rows are valid as well; None if it is the path of a manifest.
    """
    text = str(expect_rows).strip()
    if at_least := re.fullmatch(_AT_LEAST, text):
        return int(at_least[1]), True
    return (int(text), False) if text.isascii() and text.isdecimal() else None


def complete_load_options(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the options of a load as RingCX takes them, with their defaults.

    :param options: options by name, as in RingCX's contract; None for the defaults.
    :return: the options. ``scheduleArchiveDts`` may be a datetime or text in ISO 8601.
    :raises InvalidParameter: if a name or a value is not valid.
    """
    if options is None:
        options = {}
    if not isinstance(options, Mapping):
        raise InvalidParameter(f"load_options must be a dict, not {type_name(options)}")
    return {**LOAD_DEFAULTS, **{name: _option(name, value) for name, value in options.items()}}


def is_international(options: Mapping[str, Any]) -> bool:
    """Return whether a load takes phone numbers of other countries than the United States.

    :param options: the options of the load.
    """
    country = options.get("numberOriginCountry", HOME_COUNTRY)
    return options.get("internationalNumberFormat") is True or str(country).upper() != HOME_COUNTRY


def _option(name: object, value: Any) -> Any:
    if name in LOAD_CHOICES:
        choices = LOAD_CHOICES[str(name)]
        if value not in choices:
            raise InvalidParameter(
                f"load_options: {name} must be one of {', '.join(choices)}, not {value!r}"
                f"{did_you_mean(value, choices)}"
            )
        return value
    if name in LOAD_SWITCHES:
        if not isinstance(value, bool):
            raise InvalidParameter(f"load_options: {name} must be True or False")
        return value
    if name == "scheduleArchiveDts":
        return _to_datetime(f"load_options: {name}", value)
    if name in LOAD_TEXTS:
        if not isinstance(value, str) or not value.strip():
            raise InvalidParameter(f"load_options: {name} must be text")
        return value
    if name in LOAD_TEXT_LISTS:
        is_list = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
        if not is_list or not all(isinstance(each, str) and each.strip() for each in value):
            raise InvalidParameter(f"load_options: {name} must be a list of text")
        return list(value)
    raise InvalidParameter(
        f"load_options has no option {name!r}{did_you_mean(name, _KNOWN)}; known: {', '.join(_KNOWN)}"
    )
