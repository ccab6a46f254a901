"""Pagination: the query parameters ``page`` and ``maxRows``."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_engagevoice.sandbox.http.errors import InvalidValue, parse_field, validation_error
from airflow_provider_engagevoice.sandbox.http.parsing import parse_integer
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.settings import Settings

_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Page:
    """A page of results.

    :param limit: maximum number of rows; -1 for all.
    :param offset: number of rows to skip.
    """

    limit: int
    offset: int


ALL_ROWS = Page(-1, 0)
"""All results on one page."""


def parse_page(request: ApiRequest, settings: Settings) -> Page:
    """Return the requested page; a page past the last one is empty (assumed).

    :param request: the request. The default of ``maxRows`` is the row cap (assumed).
    :param settings: number of the first page, and the row cap.
    :return: the page.
    :raises ApiError: with status 400, if a parameter is not a number or too small.
    """
    page = _parse_number(request, "page", settings.page_base, settings.page_base)
    rows = min(_parse_number(request, "maxRows", 1, settings.row_cap), settings.row_cap)
    return Page(rows, (page - settings.page_base) * rows)


def _parse_number(request: ApiRequest, name: str, smallest: int, default: int) -> int:
    """Return one number of the query."""
    text = request.query.get(name, "")
    if not text:
        return default
    number = parse_field(name, text, parse_integer)
    if not smallest <= number <= _LARGEST:
        problem = f"must be at least {smallest}" if number < smallest else "is too large"
        raise validation_error([InvalidValue.of(name, problem, text)])
    return number
