"""Reading all leads of a selection while the leads and the service change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx import LeadRows, LoadOptions
from airflow_provider_engagevoice.ringcx.exceptions import LeadsChanged, UnexpectedResponse
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.support.clients import make_client
from tests.unit.ringcx.export.conftest import Export

MakeServer = Callable[..., SandboxServer]
LOADED = 3_300
_IDS = ("leadId", "leadState")


@pytest.fixture
def make_server() -> Iterator[MakeServer]:
    """Return a function that starts a sandbox with 3,300 leads in the lists of one load."""
    with ExitStack() as stack:

        def make(rows: int = LOADED, chunk_size: int = 500, **settings: Any) -> SandboxServer:
            options = Settings(**{"size": 100, "limits": "off", **settings})
            server = stack.enter_context(SandboxServer(options))
            leads = [{"externId": f"E-{n}", "leadPhone": f"303{n:07d}"} for n in range(rows)]
            make_client(server.url).load_leads(
                "Spring Renewals",
                LeadRows(leads),
                LoadOptions(chunk_size=chunk_size),
                list_name="Load",
                verify=False,
            )
            return server

        yield make


def in_spring(server: SandboxServer, **criteria: Any) -> dict[str, Any]:
    return {"campaignIds": [server.campaign("Spring Renewals")["campaignId"]], **criteria}


def lead_ids(server: SandboxServer) -> set[str]:
    return {str(lead["leadId"]) for lead in server.leads("Spring Renewals")}


def searches(server: SandboxServer) -> int:
    return sum(request.operation == "lead_search" for request in server.requests)


def assert_each_once(rows: list[dict[str, str]], ids: set[str]) -> None:
    assert Counter(row["leadId"] for row in rows) == Counter(ids)


@pytest.mark.parametrize(
    "settings",
    [{}, {"page_base": 1}, {"row_cap": 300}, {"row_cap": 1000}, {"page_base": 1, "row_cap": 700}],
    ids=str,
)
def test_every_lead_is_read_once(make_server: MakeServer, export: Export, settings: dict[str, Any]) -> None:
    server = make_server(**settings)
    result, rows = export(server, in_spring(server), fields=_IDS)
    assert_each_once(rows, lead_ids(server))
    assert (result["count"], result["complete"]) == (len(rows), True)


def test_parts_are_as_large_as_pages(make_server: MakeServer, export: Export) -> None:
    """Ten lists of 500 leads need five searches, not more."""
    server = make_server(rows=5_000)
    lists = [lead["listId"] for lead in server.leads("Spring Renewals") if lead["externId"].startswith("E-")]
    export(server, {**in_spring(server), "listIds": sorted(set(lists))}, fields=_IDS)
    assert searches(server) == 5


@pytest.mark.parametrize("chance", [0.3, 1.0])
def test_no_lead_is_lost_while_the_dialer_takes_leads(
    make_server: MakeServer, export: Export, chance: float
) -> None:
    """A filter on the state is applied here, so leads that change their state move nothing."""
    server = make_server()
    server.fault("dialer", leads=50, chance=chance, operation="lead_search")
    result, rows = export(server, in_spring(server, leadStates=["READY", "PENDING", "ACTIVE", "COMPLETE"]))
    states = {"READY", "PENDING", "ACTIVE", "COMPLETE"}
    matched_throughout = {
        str(lead["leadId"]) for lead in server.leads("Spring Renewals") if lead["leadState"] in states
    }
    counts = Counter(row["leadId"] for row in rows)
    assert set(counts) >= matched_throughout
    assert set(counts.values()) == {1}
    assert result["complete"]


def test_leads_of_other_states_are_left_out_and_counted(make_server: MakeServer, export: Export) -> None:
    server = make_server()
    result, rows = export(server, in_spring(server, leadStates=["READY"]), fields=_IDS)
    ready = {str(row["leadId"]) for row in server.leads("Spring Renewals") if row["leadState"] == "READY"}
    assert_each_once(rows, ready)
    assert result["filtered_out"] == len(lead_ids(server)) - len(ready)


def test_list_that_does_not_fit_a_page_is_read_completely(make_server: MakeServer, export: Export) -> None:
    server = make_server(rows=1_000, chunk_size=1_000)
    spring = server.campaign("Spring Renewals")["campaignId"]
    client = make_client(server.url)
    (list_id,) = {row["listId"] for row in server.leads("Spring Renewals") if row["listDesc"][:4] == "Load"}
    others = [row["leadId"] for row in server.leads() if row["campaignId"] != spring]
    client.request(
        "PUT",
        "/api/v1/admin/accounts/50810001/campaignLeads/actions",
        {"leadAction": "MOVE_TO_CAMPAIGN"},
        {
            "campaignLeadSearchCriteria": {"leadIds": others},
            "leadActionParams": {
                "paramMap": {
                    "CAMPAIGN_ID": spring,
                    "LIST_ID": list_id,
                    "CREATE_COPY_SETTING": "false",
                    "DUPLICATE_ACTION_SETTING": "MOVE",
                }
            },
        },
    )
    expected = {str(row["leadId"]) for row in server.leads("Spring Renewals") if row["listId"] == list_id}
    assert len(expected) > 1_000
    _, rows = export(server, in_spring(server, listIds=[list_id]), fields=_IDS)
    assert_each_once(rows, expected)


def test_leads_are_divided_by_time_if_no_campaign_is_named(make_server: MakeServer, export: Export) -> None:
    server = make_server()
    _, rows = export(server, {"leadPhoneNum": "303"}, fields=_IDS)
    selection = Selection({"leadPhoneNum": "303"})
    matching = {str(row["leadId"]) for row in make_client(server.url).leads().search(selection)}
    assert len(matching) > LOADED
    assert_each_once(rows, matching)


@pytest.mark.parametrize("kind", ["drop", "status", "html"])
def test_fault_on_any_page_loses_no_lead(make_server: MakeServer, export: Export, kind: str) -> None:
    server = make_server(rows=1_500)
    if kind == "html":
        server.fault(kind, operation="lead_search", at=[2])
        with pytest.raises(UnexpectedResponse):
            export(server, in_spring(server), fields=_IDS)
        return
    server.fault(kind, operation="lead_search", chance=0.4)
    _, rows = export(server, in_spring(server), fields=_IDS)
    assert_each_once(rows, lead_ids(server))


def test_short_page_is_read_again(make_server: MakeServer, export: Export) -> None:
    server = make_server(rows=900)
    server.fault("short_page", operation="lead_search", rows=5, times=2)
    _, rows = export(server, in_spring(server), fields=_IDS)
    assert_each_once(rows, lead_ids(server))


@pytest.mark.parametrize("on_changed", ["fail", "continue"])
def test_count_that_always_differs_fails_or_is_reported(
    make_server: MakeServer, export: Export, on_changed: str
) -> None:
    server = make_server(rows=600)
    wrong = len(lead_ids(server)) + 1
    server.fault("answer", operation="lead_count", body=wrong, chance=1)
    if on_changed == "fail":
        with pytest.raises(LeadsChanged, match="Run the task again, or set on_changed"):
            export(server, in_spring(server), fields=_IDS)
        return
    result, rows = export(server, in_spring(server), fields=_IDS, on_changed=on_changed)
    assert not result["complete"]
    assert_each_once(rows, lead_ids(server))


def test_leads_of_other_campaigns_are_refused(make_server: MakeServer, export: Export) -> None:
    """RingCX ignores unknown criteria, so a selection could become wider."""
    server = make_server(rows=10)
    row = {**server.leads("Summer Win-Back")[0]}
    server.fault("answer", operation="lead_search", body=[row])
    with pytest.raises(UnexpectedResponse, match="other campaigns"):
        export(server, in_spring(server), fields=_IDS)


def test_lead_that_is_deleted_while_parts_are_read_may_be_missing_or_not(
    make_server: MakeServer, export: Export
) -> None:
    server = make_server()
    client = make_client(server.url)
    victims = [row["leadId"] for row in server.leads("Spring Renewals")][:3]

    def delete() -> None:
        client.request(
            "PUT",
            "/api/v1/admin/accounts/50810001/campaignLeads/actions",
            {"leadAction": "DELETE_LEADS"},
            {
                "campaignLeadSearchCriteria": {"leadIds": victims},
                "leadActionParams": {"paramMap": {}},
            },
        )

    server.fault("meanwhile", operation="lead_search", work=delete, at=[2])
    result, rows = export(server, in_spring(server), fields=_IDS)
    remaining = lead_ids(server)
    counts = Counter(row["leadId"] for row in rows)
    assert set(counts) >= remaining
    assert set(counts) - remaining <= set(map(str, victims))
    assert result["complete"]


def test_complete_search_yields_whole_rows_of_each_lead(make_server: MakeServer) -> None:
    server = make_server(rows=1_200)
    server.fault("dialer", leads=50, chance=1, operation="lead_search")
    rows = list(make_client(server.url).lead_exporter().read(Selection(in_spring(server))))
    assert sorted(str(row["leadId"]) for row in rows) == sorted(lead_ids(server))
    assert rows[0].keys() == server.leads("Spring Renewals")[0].keys()


def delete_first(server: SandboxServer, count: int = 1) -> list[int]:
    """Delete the first leads of the campaign, as another program does; return their ids."""
    ids = sorted(int(lead_id) for lead_id in lead_ids(server))[:count]
    with server._state.store.changing() as connection:
        connection.executemany("DELETE FROM leads WHERE leadId = ?", [(lead_id,) for lead_id in ids])
    return ids


@pytest.mark.parametrize("row_cap", [100, 300])
def test_lead_that_moves_to_a_page_already_read_is_found(
    make_server: MakeServer, export: Export, row_cap: int
) -> None:
    """A deleted lead that was read hides that another one was not: the counts are the same."""
    server = make_server(rows=500, row_cap=row_cap)
    deleted: list[int] = []
    server.fault(
        "meanwhile", operation="lead_search", work=lambda: deleted.extend(delete_first(server)), at=[2]
    )
    result, rows = export(server, in_spring(server), fields=_IDS)
    assert len(deleted) == 1
    assert_each_once(rows, lead_ids(server))
    assert result["complete"]


def test_leads_of_a_large_list_that_move_between_pages_are_found(
    make_server: MakeServer, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("lead_reader", "parts"):
        monkeypatch.setattr(f"airflow_provider_engagevoice.ringcx.export.{module}.PAGE_SIZE", 100)
    server = make_server(rows=500, chunk_size=500, row_cap=100)
    (list_id,) = {
        row["listId"] for row in server.leads("Spring Renewals") if row["externId"].startswith("E-")
    }
    first = min(row["leadId"] for row in server.leads("Spring Renewals") if row["listId"] == list_id)

    def delete() -> None:
        with server._state.store.changing() as connection:
            connection.execute("DELETE FROM leads WHERE leadId = ?", (first,))

    server.fault("meanwhile", operation="lead_search", work=delete, at=[3])
    _, rows = export(server, in_spring(server, listIds=[list_id]), fields=_IDS)
    expected = {str(row["leadId"]) for row in server.leads("Spring Renewals") if row["listId"] == list_id}
    assert_each_once(rows, expected)


@pytest.mark.parametrize("campaign", [True, False])
def test_leads_without_a_time_of_load_are_read(
    make_server: MakeServer, export: Export, monkeypatch: pytest.MonkeyPatch, campaign: bool
) -> None:
    """Leads that both halves of a part have may hide that others are in neither."""
    for module in ("lead_reader", "parts"):
        monkeypatch.setattr(f"airflow_provider_engagevoice.ringcx.export.{module}.PAGE_SIZE", 100)
    server = make_server(rows=500, chunk_size=500)
    with server._state.store.changing() as connection:
        connection.execute("UPDATE leads SET loadedDts = NULL WHERE leadId % 7 = 0")
    criteria = in_spring(server) if campaign else {"leadPhoneNum": "303"}
    selection = Selection(criteria)
    matching = {str(row["leadId"]) for row in make_client(server.url).leads().search(selection)}
    assert sum(int(lead_id) % 7 == 0 for lead_id in matching) > 10
    _, rows = export(server, criteria, fields=_IDS)
    assert_each_once(rows, matching)


@pytest.mark.parametrize("delay", [2.0, 10.0])
def test_visibility_delay_loses_no_lead_and_no_change_before_it(
    make_server: MakeServer, export: Export, delay: float
) -> None:
    """Searches and counts show the leads as they were; a lead is in the file once, as it was then."""
    server = make_server(rows=1_500, visibility_delay=delay)
    server.advance(2 * delay)
    ready = {row["leadId"] for row in server.leads("Spring Renewals") if row["leadState"] == "READY"}
    server.fault("dialer", leads=50, chance=1, operation="lead_search")
    server.fault("meanwhile", operation="lead_search", work=lambda: server.advance(delay / 3), chance=1)
    expected = lead_ids(server)
    result, rows = export(server, in_spring(server, leadStates=["READY", "PENDING", "ACTIVE", "COMPLETE"]))
    counts = Counter(int(row["leadId"]) for row in rows)
    assert set(counts) >= ready
    assert set(counts.values()) == {1}
    assert set(map(str, counts)) <= expected
    assert result["complete"]


def test_leads_loaded_just_before_appear_once_they_are_visible(
    make_server: MakeServer, export: Export
) -> None:
    server = make_server(rows=600, visibility_delay=60.0)
    server.advance(120)
    visible = lead_ids(server)
    leads = [{"externId": f"N-{n}", "leadPhone": f"617{n:07d}"} for n in range(20)]
    make_client(server.url).load_leads(
        "Spring Renewals", LeadRows(leads), LoadOptions(), list_name="New", verify=False
    )
    _, rows = export(server, in_spring(server), fields=_IDS)
    assert {row["leadId"] for row in rows} >= visible
    server.advance(120)
    _, rows = export(server, in_spring(server), fields=_IDS)
    assert_each_once(rows, lead_ids(server))
    assert len(rows) == len(visible) + 20


def test_parts_are_counted_and_proven_with_two_counts_a_page(make_server: MakeServer, export: Export) -> None:
    """So that the limit of counts, three times that of searches, does not slow an export."""
    server = make_server(rows=5_000)
    export(server, in_spring(server), fields=_IDS)
    counts = sum(request.operation == "lead_count" for request in server.requests)
    assert searches(server) <= 7
    assert counts <= 2 * searches(server) + 3


def test_leads_of_no_list_are_read(make_server: MakeServer, export: Export) -> None:
    """The campaign's lists do not have them, so it is divided by time."""
    server = make_server(rows=1_500)
    with server._state.store.changing() as connection:
        connection.execute("UPDATE leads SET listId = 999999999 WHERE leadId % 5 = 0")
    _, rows = export(server, in_spring(server), fields=_IDS)
    assert_each_once(rows, lead_ids(server))
