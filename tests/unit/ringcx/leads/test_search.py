"""Lead search: every lead exactly once, for all ways in which a server may number and size its pages."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidRequest,
    PermanentError,
    ServiceUnavailable,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.steps import Call, Steps
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.support.clients import make_client, perform_action

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

ALL = Selection({"campaignIds": [1]})
SEARCH = "/leadSearch"


@dataclass
class Pages:
    """Search endpoint of a server with configurable paging.

    :param total: number of leads.
    :param cap: most rows of a page.
    :param base: number of the first page.
    :param page_zero: response to page 0 if ``base`` is 1.
    :param skips: whether the offset of a page is computed from the requested page size, not from ``cap``.
    :param overlap: rows of the previous page that a page repeats.
    :param doubled: whether a page contains every row two times.
    :param ignores: whether every page contains all leads.
    :param hidden: leads that occupy a position in a page but are left out of it.
    :param wrapped: whether rows are inside an object.
    """

    total: int
    cap: int = 5000
    base: int = 0
    page_zero: str = "400"
    skips: bool = False
    overlap: int = 0
    doubled: bool = False
    ignores: bool = False
    hidden: frozenset[int] = frozenset()
    wrapped: bool = False
    requests: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, method: str, path: str, *, params: Any, json: Any, retry_safe: bool) -> Any:
        assert (method, retry_safe, json) == ("POST", True, ALL.body)
        self.requests.append(params)
        if params.get("count") == "true":
            return len(self.leads)
        rows = self._page(params["page"], params["maxRows"])
        return {"searchResults": rows} if self.wrapped else rows

    @property
    def leads(self) -> list[int]:
        return [lead for lead in range(self.total) if lead not in self.hidden]

    def _page(self, page: int, rows: int) -> list[dict[str, int]]:
        if self.ignores:
            return [{"leadId": lead} for lead in self.leads]
        if page < self.base and self.page_zero == "400":
            raise InvalidRequest("page must be at least 1", status=400)
        if page < self.base and self.page_zero == "500":
            raise ServiceUnavailable("broken", status=500)
        if page < self.base and self.page_zero == "empty":
            return []
        returned = min(rows, self.cap)
        first = max(page - self.base, 0) * (rows if self.skips else returned)
        found = [{"leadId": lead} for lead in self.leads_between(first - self.overlap, first + returned)]
        return found + found if self.doubled else found

    def leads_between(self, start: int, end: int) -> list[int]:
        return [lead for lead in range(max(start, 0), min(end, self.total)) if lead not in self.hidden]


def lead_search(request: Callable[..., Any]) -> LeadSearch:
    """Return a search whose requests a function answers."""

    def request_steps(*args: Any, **options: Any) -> Steps[Any]:
        return (yield Call(lambda: request(*args, **options)))

    return LeadSearch(request_steps, "50810001")


def search(pages: Pages) -> list[int]:
    return [row["leadId"] for row in lead_search(pages).search(ALL)]


def isolated(total: int) -> frozenset[int]:
    """Return every third lead: so few that no page is hidden completely."""
    return frozenset(range(1, total, 3))


SERVERS = st.builds(
    Pages,
    total=st.integers(0, 120),
    cap=st.integers(1, 150),
    base=st.integers(0, 1),
    page_zero=st.sampled_from(["400", "500", "empty", "same"]),
    skips=st.booleans(),
    overlap=st.integers(0, 5),
    doubled=st.booleans(),
    ignores=st.booleans(),
    wrapped=st.booleans(),
)


@given(SERVERS)
def test_search_yields_every_lead_exactly_once(server: Pages) -> None:
    server.requests.clear()
    assert sorted(search(server)) == server.leads
    most = 5 if server.ignores else server.total // min(server.cap, 1000) + 5
    assert len(server.requests) <= most


@given(st.integers(0, 120), st.integers(3, 150), st.integers(0, 1), st.booleans())
def test_search_continues_after_incomplete_pages(total: int, cap: int, base: int, skips: bool) -> None:
    server = Pages(total, cap, base, skips=skips, hidden=isolated(total))
    assert sorted(search(server)) == server.leads


@pytest.mark.parametrize(
    ("server", "searches", "counts"),
    [
        (Pages(0), 1, 1),
        (Pages(1), 1, 1),
        (Pages(0, base=1), 1, 1),
        (Pages(1, base=1), 2, 2),
        (Pages(1000), 1, 1),
        (Pages(1001), 2, 1),
        (Pages(2500), 3, 1),
        (Pages(300, cap=100), 3, 1),
        (Pages(300, cap=100, base=1), 4, 2),
        (Pages(300, cap=100, base=1, page_zero="empty"), 4, 2),
        (Pages(300, cap=100, base=1, page_zero="same"), 4, 1),
        (Pages(300, ignores=True), 1, 1),
        (Pages(0, ignores=True), 1, 1),
    ],
)
def test_search_sends_no_more_requests_than_needed(server: Pages, searches: int, counts: int) -> None:
    assert sorted(search(server)) == server.leads
    assert sum("page" in request for request in server.requests) == searches
    assert sum("count" in request for request in server.requests) == counts


def test_search_rejected_criteria_are_an_error() -> None:
    def reject(*args: Any, **kwargs: Any) -> Any:
        raise InvalidRequest("leadStates: no such state", status=400)

    with pytest.raises(InvalidRequest, match="no such state"):
        list(lead_search(reject).search(ALL))


def test_search_empty_selection_sends_no_request() -> None:
    server = Pages(10)
    leads = lead_search(server)
    assert list(leads.search(Selection({}, "leadIds is empty"))) == []
    assert leads.count(Selection({}, "leadIds is empty")) == 0
    assert server.requests == []


def test_search_reads_all_pages_before_the_first_row() -> None:
    server = Pages(2500)
    rows = lead_search(server).search(ALL)
    assert server.requests == []
    assert next(rows) == {"leadId": 0}
    first, *others = ({"page": page, "maxRows": 1000} for page in range(3))
    assert server.requests == [first, {"count": "true"}, *others]
    assert len(list(rows)) == 2499


@pytest.mark.parametrize(
    "rows", [7, "text", None, True, {"results": []}, {"searchResults": None}, [1], [{}], [{"leadId": "7"}]]
)
def test_search_unexpected_response_is_an_error(rows: object) -> None:
    leads = lead_search(lambda *args, **kwargs: rows)
    with pytest.raises(UnexpectedResponse, match=r"lacks leadId|is not a list of leads"):
        list(leads.search(ALL))


@pytest.mark.parametrize(("shape", "expected"), [(0, 0), (7, 7), ({"totalCount": 7, "searchResults": []}, 7)])
def test_count_accepts_number_and_object(shape: object, expected: int) -> None:
    assert lead_search(lambda *args, **kwargs: shape).count(ALL) == expected


@pytest.mark.parametrize("server", [Pages(0), Pages(7), Pages(250, cap=100), Pages(250, cap=100, base=1)])
def test_count_searches_if_the_server_returns_leads(server: Pages) -> None:
    def request(*args: Any, params: Any, **options: Any) -> Any:
        if "count" in params:
            params = {"page": server.base, "maxRows": server.cap}
        return server(*args, params=params, **options)

    assert lead_search(request).count(ALL) == server.total


@pytest.mark.parametrize("shape", [None, "7", 7.0, True, -1, {}, {"totalCount": None}, {"totalCount": "7"}])
def test_count_unexpected_response_is_an_error(shape: object) -> None:
    with pytest.raises(UnexpectedResponse, match="lead count is not a number"):
        lead_search(lambda *args, **kwargs: shape).count(ALL)


def test_search_logs_difference_from_count(caplog: pytest.LogCaptureFixture) -> None:
    server = Pages(5)

    def request(*args: Any, params: Any, **options: Any) -> Any:
        return 6 if "count" in params else server(*args, params=params, **options)

    with caplog.at_level(logging.WARNING):
        assert len(list(lead_search(request).search(ALL))) == 5
    assert "found 5 leads, but RingCX counts 6" in caplog.text


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("cap", [7, 50, 70, 5000])
def test_search_reads_whole_campaign_over_http(base: int, cap: int) -> None:
    with SandboxServer(Settings(size=1000, page_base=base, row_cap=cap)) as server:
        expected = [lead["leadId"] for lead in server.leads("Spring Renewals")]
        criteria = {"campaignIds": [server.campaign("Spring Renewals")["campaignId"]]}
        leads = make_client(server.url, "api_token").leads()
        assert [row["leadId"] for row in leads.search(Selection(criteria))] == expected
        assert leads.count(Selection(criteria)) == len(expected)


def test_search_retries_failed_pages(ringcx_sandbox: SandboxServer, spring: dict[str, Any]) -> None:
    ringcx_sandbox.fault("status", status=503, operation="lead_search", at=[2])
    ringcx_sandbox.fault("rate_limited", retry_after=None, operation="lead_search", at=[3])
    criteria = Selection({"campaignIds": [spring["campaignId"]]})
    found = list(make_client(ringcx_sandbox.url).leads().search(criteria))
    assert len(found) == len(ringcx_sandbox.leads("Spring Renewals"))


def test_search_outage_is_not_treated_as_missing_page_zero(
    ringcx_sandbox: SandboxServer, spring: dict[str, Any]
) -> None:
    criteria = Selection({"campaignIds": [spring["campaignId"]]})
    ringcx_sandbox.fault("status", status=503, operation="lead_search", chance=1)
    with pytest.raises(ServiceUnavailable):
        list(make_client(ringcx_sandbox.url).leads().search(criteria))
    assert {request.query["page"] for request in ringcx_sandbox.requests if SEARCH in request.path} == {"0"}


def test_search_error_500_on_page_zero_continues_with_page_one(
    ringcx_sandbox: SandboxServer, spring: dict[str, Any]
) -> None:
    ringcx_sandbox.fault("status", status=500, operation="lead_search", where={"page": "0"}, chance=1)
    criteria = Selection({"campaignIds": [spring["campaignId"]]})
    for body in ([{"leadId": 7}], []):
        ringcx_sandbox.fault("answer", body=body, operation="lead_search")
    ringcx_sandbox.fault("answer", body=1, operation="lead_count")
    assert [row["leadId"] for row in make_client(ringcx_sandbox.url).leads().search(criteria)] == [7]


def test_search_while_acting_on_leads_misses_none(
    ringcx_sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each lead is cancelled as soon as it is read, so it leaves the selection."""
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.leads.search.PAGE_SIZE", 100)
    client, other = make_client(ringcx_sandbox.url), make_client(ringcx_sandbox.url)
    client.transport.limiter = other.transport.limiter = None
    selection = Selection({"leadStates": ["READY"]})
    total = client.leads().count(selection)
    assert total > 300
    found = []
    for number, row in enumerate(client.leads().search(selection)):
        found.append(row["leadId"])
        if number % 50 == 0:
            perform_action(other, "CANCEL_LEADS", {"leadIds": found[-50:]})
    assert len(set(found)) == total


def test_search_without_temporary_folder_names_tmpdir(
    ringcx: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.leads.search._IN_MEMORY", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(PermanentError, match=r"^Set TMPDIR to a folder that can be written to: "):
        list(make_client(ringcx.url).leads().search(Selection({"leadStates": ["READY"]})))
