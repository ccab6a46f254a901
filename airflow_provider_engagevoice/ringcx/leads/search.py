"""Lead search and count."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NamedTuple

from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.endpoints import RequestStepsFn, account_path
from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidRequest,
    ServiceUnavailable,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.leads.temporary import temporary_file_error
from airflow_provider_engagevoice.ringcx.steps import Steps, run

log = logging.getLogger(__name__)

PAGE_SIZE = 1000
"""Rows requested per page."""

#: Bytes of rows that are kept in memory; more go to a temporary file.
_IN_MEMORY = 8 << 20


class PagesRead(NamedTuple):
    """Counts of a search.

    :param found: number of leads.
    :param expected: RingCX's count of them.
    :param pages: number of responses that they were in. Leads can move between several.
    """

    found: int
    expected: int
    pages: int


@dataclass(frozen=True)
class LeadSearch:
    """Searches and counts the leads of one sub-account.

    :param request_steps: sends a request: method, path, and keyword arguments.
    :param account_id: the sub-account.
    :param cancel_token: cancels the waits of :meth:`count` and :meth:`search`.
    """

    request_steps: RequestStepsFn
    account_id: str
    cancel_token: CancelToken = field(default_factory=CancelToken)

    def count(self, selection: Selection) -> int:
        """Return the number of leads, without fetching them if RingCX can count them.

        :param selection: the leads.
        :return: their number. Source: contract, ``leadSearch?count=true``; the shape of the response is
            undocumented, so a number, an object with ``totalCount`` and a list are accepted.
        :raises UnexpectedResponse: if the response has another shape.
        """
        return run(self.count_steps(selection), self.cancel_token.sleep)

    def count_steps(self, selection: Selection) -> Steps[int]:
        """Count leads like :meth:`count`, as steps."""
        if selection.empty_reason:
            return 0
        response = yield from self._post_search(selection, {"count": "true"})
        if isinstance(response, list):
            return (yield from self._read_pages(selection, lambda row: None))[0]
        if isinstance(response, dict):
            response = response.get("totalCount")
        if isinstance(response, bool) or not isinstance(response, int) or response < 0:
            raise UnexpectedResponse("RingCX's response to a lead count is not a number")
        return response

    def search(self, selection: Selection) -> Iterator[dict[str, Any]]:
        """Yield the leads, each once.

        All pages are read into a private temporary file before the first lead is yielded, so that a caller
        who acts on leads while iterating does not shift the pages that are not read yet. A lead that another
        program moves into or out of the selection while the pages are read may be missing or not; a warning
        is logged if the number of leads differs from RingCX's count.

        :param selection: the leads.
        :return: RingCX's rows, unchanged (contract, ``CampaignLeadSearchResultsView``).
        :raises UnexpectedResponse: if a response is not a list of leads.
        :raises TransientError: if there is no room for the temporary file.
        :raises PermanentError: if the temporary file cannot be created.
        """
        with SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8") as spool:

            def write(row: Mapping[str, Any]) -> None:
                _write(spool, json.dumps(row) + "\n")

            run(self.search_steps(selection, write), self.cancel_token.sleep)
            _write(spool)
            spool.seek(0)
            for line in spool:
                yield json.loads(line)

    def search_steps(self, selection: Selection, add: Callable[[Mapping[str, Any]], object]) -> Steps[None]:
        """Search for leads like :meth:`search`, as steps.

        :param selection: the leads.
        :param add: called with each row.
        """
        found, expected, _ = yield from self.read_steps(selection, add)
        if expected != found:
            log.warning(
                "Search found %d leads, but RingCX counts %d: leads changed meanwhile",
                found,
                expected,
            )

    def read_steps(
        self,
        selection: Selection,
        add: Callable[[Mapping[str, Any]], object],
        page_size: int = PAGE_SIZE,
    ) -> Steps[PagesRead]:
        """Read leads and count them, as steps.

        :param selection: the leads.
        :param add: called with each row, once for each lead.
        :param page_size: number of rows requested in a page.
        :return: number of leads that were read, and RingCX's count.
        """
        if selection.empty_reason:
            return PagesRead(0, 0, 0)
        counted: list[int] = []
        found, pages = yield from self._read_pages(selection, add, counted, page_size)
        # Counted again if leads changed while the pages were read.
        expected = counted[0] if counted == [found] else (yield from self.count_steps(selection))
        return PagesRead(found, expected, pages)

    def _read_pages(
        self,
        selection: Selection,
        add: Callable[[Mapping[str, Any]], object],
        counted: list[int] | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Steps[tuple[int, int]]:
        """Read the distinct rows of all pages; return their number, and that of the pages with new rows.

        RingCX documents neither whether its page numbers start at 0 or 1 nor the maximum page size. So
        pages are requested from 0 on, with the size of the first page that had rows, until one is empty or
        two in a row contain no new lead. They are counted after page 0 and after the first page with rows,
        and no more pages are requested than that many leads need.

        :param counted: the count is added to it; None if RingCX does not count leads.
        :param page_size: number of rows requested in a page.
        """
        seen: set[int] = set()
        page, pages_with_new, pages_without_new = 0, 0, 0
        while pages_without_new < 2:
            rows = yield from self._fetch_page(selection, page, page_size)
            if not rows and page > 0:
                break
            before = len(seen)
            for row in rows:
                lead_id = lead_id_of(row)
                if lead_id not in seen:
                    seen.add(lead_id)
                    add(row)
            pages_with_new += len(seen) > before
            is_first = not before and bool(seen)
            if is_first:
                page_size = len(seen)
            if counted is not None and (is_first or page == 0):
                # Also if page 0 is empty: there is no lead, or the page numbers start at 1.
                counted[:] = [(yield from self.count_steps(selection))]
            if counted and len(seen) >= counted[0]:
                break
            pages_without_new = pages_without_new + 1 if len(seen) == before else 0
            page += 1
        return len(seen), pages_with_new

    def _fetch_page(self, selection: Selection, page: int, page_size: int) -> Steps[list[dict[str, Any]]]:
        try:
            response = yield from self._post_search(selection, {"page": page, "maxRows": page_size})
        except (InvalidRequest, ServiceUnavailable) as error:
            # A server whose pages start at 1 may reject page 0. Any other error recurs on page 1.
            if page == 0 and (isinstance(error, InvalidRequest) or error.status == 500):
                return []
            raise
        if isinstance(response, dict):
            response = response.get("searchResults")
        if not isinstance(response, list) or not all(isinstance(row, dict) for row in response):
            raise UnexpectedResponse("RingCX's response to a lead search is not a list of leads")
        return response

    def _post_search(self, selection: Selection, params: Mapping[str, Any]) -> Steps[Any]:
        return self.request_steps(
            "POST",
            f"{account_path(self.account_id)}/campaignLeads/leadSearch",
            params=params,
            json=selection.body,
            retry_safe=True,
        )


def _write(spool: IO[str], text: str = "") -> None:
    """Write text to the temporary file; without text, flush it."""
    try:
        if text:
            spool.write(text)
        else:
            spool.flush()
    except OSError as error:
        created = error.errno not in (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS)
        raise temporary_file_error(error.strerror or type(error).__name__, created=created) from None


def lead_id_of(row: Mapping[str, Any]) -> int:
    """Return the id of a lead that a search returned.

    :param row: RingCX's row.
    :raises UnexpectedResponse: if it has none.
    """
    lead_id = row.get("leadId")
    if isinstance(lead_id, bool) or not isinstance(lead_id, int):
        raise UnexpectedResponse("RingCX's response lacks leadId")
    return lead_id


def check_campaign(row: Mapping[str, Any], campaign_ids: Collection[int]) -> None:
    """Raise if a lead that a search returned is in another campaign than it was searched in.

    :param row: RingCX's row.
    :param campaign_ids: the campaigns.
    :raises UnexpectedResponse: if it is.
    """
    if row.get("campaignId") not in campaign_ids:
        raise UnexpectedResponse("RingCX's response to a lead search has leads of other campaigns")
