"""A plain script that keeps a campaign in step with a CRM: list, compare, delete, load."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import requests

from tests.support.clients import ROOT

BATCH_SIZE = 500
ATTEMPTS = 3
Row = dict[str, Any]


class NightlyScript:
    """Reads the campaign page by page until a page is empty, deletes what is surplus, loads what is missing.

    Leads whose external id is not a number are not from the CRM; they are left alone. A request is sent up to
    three times if it has no response or a server error.

    :param url: address of RingCX.
    :param campaign_id: the campaign.
    :param timeout: seconds to wait for a response.
    :param sleep: waits between two attempts.
    :param on_response: called with the URL after each response.
    """

    def __init__(
        self,
        url: str,
        campaign_id: int,
        timeout: float,
        sleep: Callable[[float], object],
        on_response: Callable[[str], object],
    ) -> None:
        self.url = url + ROOT
        self.campaign_id = campaign_id
        self.timeout = timeout
        self.sleep = sleep
        self.session = requests.Session()
        self.session.headers["X-Auth-Token"] = "sandbox-token"
        self.session.hooks["response"].append(lambda response, **_: on_response(str(response.url)))

    def run(self, rows: Sequence[Row]) -> None:
        """Make the campaign equal to the CRM.

        :param rows: the rows of the CRM.
        :raises requests.RequestException: if a request still fails at the third attempt.
        """
        wanted = {row["externId"]: row for row in rows}
        leads = [lead for lead in self.list_leads() if str(lead["externId"]).isdigit()]
        existing = {lead["externId"] for lead in leads}
        surplus = [lead["leadId"] for lead in leads if lead["externId"] not in wanted]
        missing = [row for key, row in wanted.items() if key not in existing]
        for start in range(0, len(surplus), BATCH_SIZE):
            self.delete(surplus[start : start + BATCH_SIZE])
        for start in range(0, len(missing), BATCH_SIZE):
            self.load(missing[start : start + BATCH_SIZE])

    def list_leads(self) -> Iterator[Row]:
        """Yield the leads of the campaign."""
        page = 0
        while True:
            leads = self.request(
                "POST",
                "/campaignLeads/leadSearch",
                {"campaignIds": [self.campaign_id]},
                page=page,
                maxRows=BATCH_SIZE,
            )
            if not leads:
                return
            yield from leads
            page += 1

    def delete(self, lead_ids: Sequence[int]) -> None:
        """Delete leads.

        :param lead_ids: their ids.
        """
        self.request(
            "PUT",
            "/campaignLeads/actions",
            {
                "campaignLeadSearchCriteria": {"leadIds": list(lead_ids)},
                "leadActionParams": {"paramMap": {}},
            },
            leadAction="DELETE_LEADS",
        )

    def load(self, rows: Sequence[Row]) -> None:
        """Load leads.

        :param rows: their rows.
        """
        body = {
            "description": "Nightly",
            "dialPriority": "NORMAL",
            "duplicateHandling": "RETAIN_ALL",
            "timeZoneOption": "NPA_NXX",
            "listState": "ACTIVE",
            "uploadLeads": list(rows),
        }
        self.request("POST", f"/campaigns/{self.campaign_id}/leadLoader/direct", body)

    def request(self, method: str, path: str, body: Any, **params: Any) -> Any:
        """Send a request, up to three times; return the JSON of the response.

        :param method: HTTP method.
        :param path: path after that of the sub-account.
        :param body: JSON of the request.
        :param params: the query.
        :raises requests.RequestException: if the third attempt fails, or the request is refused.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = self.session.request(
                    method, self.url + path, params=params, json=body, timeout=self.timeout
                )
                if response.status_code < 500 and response.status_code != 429:
                    break
                failure: requests.RequestException = requests.HTTPError(response=response)
            except (requests.ConnectionError, requests.Timeout) as error:
                failure = error
            if attempt == ATTEMPTS:
                raise failure
            self.sleep(2.0**attempt)
        response.raise_for_status()
        return response.json()
