"""Reads ``page`` and ``maxRows`` of a query."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_engagevoice.sandbox.http.endpoint import Call
from airflow_provider_engagevoice.sandbox.http.errors import Invalid, read_or_refuse, refused_values
from airflow_provider_engagevoice.sandbox.http.parsing import read_integer
from airflow_provider_engagevoice.sandbox.settings import Settings

_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Page:
    """A part of an answer.

    :param limit: most rows; -1 for all.
    :param offset: rows to leave out first.
    """

    limit: int
    offset: int


EVERYTHING = Page(-1, 0)
"""No part, but the whole answer."""


def page_of(call: Call, settings: Settings) -> Page:
    """Read which page is asked for; past the last page there is nothing (assumed).

    :param call: the request. Without ``maxRows`` a page holds as many rows as the cap allows (assumed).
    :param settings: number of the first page, and the cap.
    :return: the page.
    :raises Refusal: with status 400, where a number is none, or too small.
    """
    page = _number(call, "page", settings.page_base, settings.page_base)
    rows = min(_number(call, "maxRows", 1, settings.row_cap), settings.row_cap)
    return Page(rows, (page - settings.page_base) * rows)


def _number(call: Call, name: str, smallest: int, default: int) -> int:
    """Read one number of the query."""
    text = call.query.get(name, "")
    if not text:
        return default
    number = read_or_refuse(name, text, read_integer)
    if not smallest <= number <= _LARGEST:
        problem = f"must be at least {smallest}" if number < smallest else "is too large"
        raise refused_values([Invalid.of(name, problem, text)])
    return number
