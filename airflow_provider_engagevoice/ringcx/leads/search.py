"""Searching and counting leads."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.endpoints import RequestFn, account_path
from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidRequest,
    ServiceUnavailable,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.ringcx.leads.selection import Selection

log = logging.getLogger(__name__)

PAGE_SIZE = 1000


@dataclass(frozen=True)
class LeadSearch:
    """Works on the leads of one sub-account.

    :param request: sends a request: method, path, and keyword arguments.
    :param account_id: the sub-account.
    """

    request: RequestFn
    account_id: str

    def count(self, selection: Selection) -> int:
        """Count leads, without fetching them where RingCX can count.

        :param selection: the leads.
        :return: their number. Source: contract, ``leadSearch?count=true``; the shape of its answer is
            stated nowhere, so a number, an object with ``totalCount`` and a list are understood.
        """
        if selection.empty:
            return 0
        answer = self._search(selection, {"count": "true"})
        if isinstance(answer, list):
            return sum(1 for _ in self._every_row(selection))
        if isinstance(answer, dict):
            answer = answer.get("totalCount")
        if isinstance(answer, bool) or not isinstance(answer, int) or answer < 0:
            raise UnexpectedResponse("RingCX answered a count of leads with something other than a number")
        return answer

    def search(self, selection: Selection) -> Iterator[dict[str, Any]]:
        """Give every lead exactly once.

        :param selection: the leads.
        :return: RingCX's own rows (contract, ``CampaignLeadSearchResultsView``).
        """
        if selection.empty:
            return
        given = 0
        for row in self._every_row(selection):
            given += 1
            yield row
        expected = self.count(selection)
        if expected != given:
            log.warning("The search gave %d leads, RingCX counts %d: they changed meanwhile", given, expected)

    def _every_row(self, selection: Selection) -> Iterator[dict[str, Any]]:
        """Read page after page.

        RingCX documents neither whether its pages begin at 0 or 1 nor how many rows one may have. So
        pages are asked from 0 on, as large as the first one turned out to be, until one is empty or two
        in a row bring nothing new.
        """
        seen: set[int] = set()
        rows_asked, page, barren = PAGE_SIZE, 0, 0
        while barren < 2:
            rows = self._page(selection, page, rows_asked)
            if not rows and page > 0:
                return
            before = len(seen)
            for row in rows:
                lead_id = _lead_id(row)
                if lead_id not in seen:
                    seen.add(lead_id)
                    yield row
            if not before and seen:
                rows_asked = len(seen)
            barren = barren + 1 if len(seen) == before else 0
            page += 1

    def _page(self, selection: Selection, page: int, rows: int) -> list[dict[str, Any]]:
        try:
            answer = self._search(selection, {"page": page, "maxRows": rows})
        except (InvalidRequest, ServiceUnavailable) as error:
            # A server that counts from 1 may well break on page 0. If all is broken, page 1 is, too.
            if page == 0 and (isinstance(error, InvalidRequest) or error.status == 500):
                return []
            raise
        if isinstance(answer, dict):
            answer = answer.get("searchResults")
        if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
            raise UnexpectedResponse(
                "RingCX answered a search of leads with something other than a list of leads"
            )
        return answer

    def _search(self, selection: Selection, params: Mapping[str, Any]) -> Any:
        return self.request(
            "POST",
            f"{account_path(self.account_id)}/campaignLeads/leadSearch",
            params=params,
            json=selection.body,
            retry_safe=True,
        )


def _lead_id(row: Mapping[str, Any]) -> int:
    lead_id = row.get("leadId")
    if isinstance(lead_id, bool) or not isinstance(lead_id, int):
        raise UnexpectedResponse("RingCX left out leadId where it belongs")
    return lead_id
