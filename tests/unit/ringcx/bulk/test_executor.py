"""Acting in chunks: what is sent, what is added up, and what is said when it stops half-way."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.exceptions import (
    AccessDenied,
    ActionRejected,
    InvalidParameter,
    OutcomeUnknown,
    PermanentError,
    ServiceUnavailable,
    TooManyLeads,
)
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import PARAMS, Clock, Fault, act, acted, client_of, move_to

pytestmark = pytest.mark.usefixtures("clock", "new_process")

Row = dict[str, Any]


def states(sandbox: SandboxServer, lead_ids: list[int]) -> set[str]:
    return {lead["leadState"] for lead in sandbox.leads() if lead["leadId"] in lead_ids}


def passes(sandbox: SandboxServer) -> dict[int, int]:
    return {lead["leadId"]: lead["leadPasses"] for lead in sandbox.leads("Spring Renewals")}


@pytest.mark.parametrize(
    ("leads", "size", "requests"),
    [(1, 1, 1), (5, 5, 1), (5, 6, 1), (5, 2, 3), (6, 2, 3), (7, 1, 7), (20, 7, 3)],
)
def test_a_long_list_of_ids_is_done_in_chunks(
    ringcx_sandbox: SandboxServer, ids: list[int], leads: int, size: int, requests: int
) -> None:
    done = act(client_of(ringcx_sandbox.url), "CANCEL_LEADS", {"leadIds": ids[:leads]}, chunk_size=size)
    assert (done["leads_matched"], done["leads_updated"], done["requests"]) == (leads, leads, requests)
    assert acted(ringcx_sandbox) == requests
    assert states(ringcx_sandbox, ids[:leads]) == {"CANCELLED"}
    assert states(ringcx_sandbox, ids[leads:]) == {"READY"}


def test_all_counts_are_added_up(ringcx_sandbox: SandboxServer, ids: list[int]) -> None:
    results = [
        {"success": True, "leadUpdateCount": 2, "leadDeleteCount": 10, "redialDeleteCount": 100},
        {"success": True, "leadUpdateCount": 3, "dialerRefreshed": True},
        {"success": True, "leadUpdateCount": None, "leadDeleteCount": -4, "redialDeleteCount": True},
    ]
    for result in results:
        ringcx_sandbox.fault("answer", body=result, operation="lead_action")
    assert act(client_of(ringcx_sandbox.url), "DELETE_LEADS", {"leadIds": ids[:6]}, chunk_size=2) == {
        "lead_action": "DELETE_LEADS",
        "dry_run": False,
        "leads_matched": 6,
        "leads_updated": 5,
        "leads_deleted": 10,
        "redials_deleted": 100,
        "dialer_refreshed": True,
        "requests": 3,
        "account_id": "50810001",
    }


def test_chunks_without_a_match_are_not_sent(ringcx_sandbox: SandboxServer, ids: list[int]) -> None:
    unknown = [10**9 + n for n in range(4)]
    done = act(client_of(ringcx_sandbox.url), "CANCEL_LEADS", {"leadIds": unknown + ids[:2]}, chunk_size=2)
    assert (done["leads_matched"], done["leads_updated"], acted(ringcx_sandbox)) == (2, 2, 1)


def test_a_pass_is_added_once_to_a_lead_with_several_numbers(
    ringcx_sandbox: SandboxServer, ids: list[int]
) -> None:
    """Two spellings of a number, or two numbers of a lead, would be the same lead in two chunks."""
    lead = next(lead for lead in ringcx_sandbox.leads("Spring Renewals") if lead["leadId"] == ids[0])
    digits = "".join(letter for letter in lead["leadPhone"].partition("|")[0] if letter.isdecimal())[-10:]
    before = passes(ringcx_sandbox)
    criteria = {
        "campaignIds": [lead["campaignId"]],
        "leadPhoneNumbers": [digits, "6175550000", f"+1{digits}", f"1{digits}"],
    }
    done = act(client_of(ringcx_sandbox.url), "MANUAL_LEADS", criteria, chunk_size=1)
    after = passes(ringcx_sandbox)
    assert {key: after[key] - before[key] for key in after if after[key] != before[key]} == {ids[0]: 1}
    assert (done["leads_matched"], done["leads_updated"], acted(ringcx_sandbox)) == (1, 1, 1)


@pytest.mark.parametrize("name", ["EMAIL_LEADS", "DIALER_REFRESH"])
def test_a_mail_and_a_refresh_are_never_cut(ringcx_sandbox: SandboxServer, ids: list[int], name: str) -> None:
    done = act(client_of(ringcx_sandbox.url), name, {"leadIds": ids[:9]}, chunk_size=2)
    assert (done["requests"], acted(ringcx_sandbox)) == (1, 1)
    mails = [mail["leads"] for mail in ringcx_sandbox.outbox]
    assert mails == ([9] if name == "EMAIL_LEADS" else [])


@pytest.mark.parametrize(
    "name", ["CANCEL_LEADS", "DELETE_LEADS", "MANUAL_LEADS", "EMAIL_LEADS", "RESET_LEADS"]
)
def test_no_match_sends_no_action(ringcx_sandbox: SandboxServer, name: str) -> None:
    done = act(client_of(ringcx_sandbox.url), name, {"leadIds": [10**9]})
    assert (done["leads_matched"], done["requests"], acted(ringcx_sandbox)) == (0, 0, 0)


def test_the_dialer_is_refreshed_without_a_match(ringcx_sandbox: SandboxServer, spring: Row) -> None:
    criteria = {"campaignIds": [spring["campaignId"]], "externIds": ["nobody"]}
    done = act(client_of(ringcx_sandbox.url), "DIALER_REFRESH", criteria)
    assert (done["leads_matched"], done["dialer_refreshed"], acted(ringcx_sandbox)) == (0, True, 1)


@pytest.mark.parametrize(("bound", "allowed"), [(0, False), (4, False), (5, True), (6, True), (None, True)])
def test_max_leads_refuses_before_anything_is_sent(
    ringcx_sandbox: SandboxServer, ids: list[int], bound: int | None, allowed: bool
) -> None:
    client = client_of(ringcx_sandbox.url)
    if allowed:
        act(client, "CANCEL_LEADS", {"leadIds": ids[:5]}, chunk_size=2, max_leads=bound)
        assert acted(ringcx_sandbox) == 3
        return
    with pytest.raises(TooManyLeads, match=f"act on 5 leads, more than max_leads={bound}; nothing") as caught:
        act(client, "CANCEL_LEADS", {"leadIds": ids[:5]}, chunk_size=2, max_leads=bound)
    assert isinstance(caught.value, PermanentError)
    assert acted(ringcx_sandbox) == 0


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_a_dry_run_sends_no_action(ringcx_sandbox: SandboxServer, ids: list[int], name: str) -> None:
    before = ringcx_sandbox.leads()
    done = act(client_of(ringcx_sandbox.url), name, {"leadIds": ids[:5]}, chunk_size=2, dry_run=True)
    assert (done["dry_run"], done["leads_matched"], done["requests"], acted(ringcx_sandbox)) == (
        True,
        5,
        0,
        0,
    )
    assert ringcx_sandbox.leads() == before
    assert ringcx_sandbox.outbox == []


def test_a_dry_run_says_that_there_are_too_many(ringcx_sandbox: SandboxServer, ids: list[int]) -> None:
    with pytest.raises(TooManyLeads):
        act(client_of(ringcx_sandbox.url), "CANCEL_LEADS", {"leadIds": ids[:5]}, max_leads=4, dry_run=True)


def test_an_empty_selection_sends_nothing_at_all(ringcx_sandbox: SandboxServer) -> None:
    empty = BulkAction(ACTIONS["DELETE_LEADS"], Selection({}, "leadIds is empty"), {})
    assert client_of(ringcx_sandbox.url).lead_actions().execute(empty)["leads_matched"] == 0
    assert ringcx_sandbox.requests == []


STOPS: dict[str, tuple[Fault, type[Exception]]] = {
    "rejected": ({"kind": "rejected", "message": "Campaign is locked"}, ActionRejected),
    "denied": ({"kind": "status", "status": 403}, AccessDenied),
    "failing": ({"kind": "status", "status": 503}, ServiceUnavailable),
}


@pytest.mark.parametrize("stop", STOPS)
def test_a_repeatable_action_that_stops_half_way_fails_with_its_own_error(
    ringcx_sandbox: SandboxServer, ids: list[int], stop: str
) -> None:
    fault, kind = STOPS[stop]
    ringcx_sandbox.fault(**fault, operation="lead_action", skip=2, chance=1)
    with pytest.raises(kind):
        act(client_of(ringcx_sandbox.url), "CANCEL_LEADS", {"leadIds": ids[:7]}, chunk_size=2)
    assert states(ringcx_sandbox, ids[:4]) == {"CANCELLED"}
    assert states(ringcx_sandbox, ids[4:7]) == {"READY"}


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize(("done", "said"), [(1, "1 of 4"), (3, "3 of 4")])
def test_an_unrepeatable_action_that_stops_half_way_says_how_far_it_got(
    ringcx_sandbox: SandboxServer, ids: list[int], stop: str, done: int, said: str
) -> None:
    before = passes(ringcx_sandbox)
    ringcx_sandbox.fault(**STOPS[stop][0], operation="lead_action", skip=done, chance=1)
    with pytest.raises(OutcomeUnknown, match=f"{said} requests had been done") as caught:
        act(client_of(ringcx_sandbox.url), "MANUAL_LEADS", {"leadIds": ids[:7]}, chunk_size=2)
    assert "look at the leads" in str(caught.value)
    assert isinstance(caught.value, PermanentError)
    after = passes(ringcx_sandbox)
    assert {key for key in after if after[key] > before[key]} == set(ids[: 2 * done])
    assert acted(ringcx_sandbox) == done + 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_half_way_says_how_far_it_got(
    ringcx_sandbox: SandboxServer, ids: list[int], when: str
) -> None:
    ringcx_sandbox.fault("drop", when=when, operation="lead_action", at=[2])
    with pytest.raises(OutcomeUnknown, match="1 of 4 requests had been done"):
        act(client_of(ringcx_sandbox.url), "MANUAL_LEADS", {"leadIds": ids[:7]}, chunk_size=2)
    assert acted(ringcx_sandbox) == 2


@pytest.mark.parametrize("stop", STOPS)
def test_the_first_request_of_an_unrepeatable_action_fails_with_its_own_error(
    ringcx_sandbox: SandboxServer, ids: list[int], stop: str
) -> None:
    fault, kind = STOPS[stop]
    ringcx_sandbox.fault(**fault, operation="lead_action", chance=1)
    with pytest.raises(OutcomeUnknown if stop == "failing" else kind):
        act(client_of(ringcx_sandbox.url), "MANUAL_LEADS", {"leadIds": ids[:7]}, chunk_size=2)
    assert acted(ringcx_sandbox) == 1


@pytest.mark.parametrize("bound", [{}, {"max_leads": 100}], ids=["each-before-it-acts", "all-before-any"])
def test_a_count_that_fails_sends_no_action(
    ringcx_sandbox: SandboxServer, ids: list[int], bound: dict[str, int]
) -> None:
    """Each chunk is counted just before it acts; with a bound all are counted before any acts."""
    ringcx_sandbox.fault("status", status=503, operation="lead_count", skip=1, chance=1)
    with pytest.raises(ServiceUnavailable if bound else OutcomeUnknown):
        act(client_of(ringcx_sandbox.url), "MANUAL_LEADS", {"leadIds": ids[:4]}, chunk_size=2, **bound)
    assert acted(ringcx_sandbox) == (0 if bound else 1)


@pytest.mark.parametrize("account", ["50810001/../50810002", "5081 0001", "50810001?x=1", "¹", "-"])
def test_an_account_id_that_is_none_is_refused(ringcx_sandbox: SandboxServer, account: str) -> None:
    client = client_of(ringcx_sandbox.url)
    selection = Selection({"leadIds": [1]})
    with pytest.raises(InvalidParameter, match="is no RingCX sub-account id"):
        client.leads(account).count(selection)
    with pytest.raises(InvalidParameter, match="is no RingCX sub-account id"):
        client.campaigns.find("Spring Renewals", account_id=account)
    assert ringcx_sandbox.requests == []


def test_an_action_names_the_account_it_was_given(ringcx_sandbox: SandboxServer, clock: Clock) -> None:
    lead = ringcx_sandbox.leads("Solar Consultations")[0]
    client = client_of(ringcx_sandbox.url)
    other = client.lead_actions("50810002")
    selection = Selection({"leadIds": [lead["leadId"]]})
    done = other.execute(BulkAction(ACTIONS["SUPPRESS_LEADS"], selection, {}))
    assert (done["account_id"], done["leads_updated"]) == ("50810002", 1)
    assert act(client, "SUPPRESS_LEADS", {"leadIds": [lead["leadId"]]})["leads_matched"] == 0


def test_parameters_and_criteria_arrive_as_they_were_given(
    ringcx_sandbox: SandboxServer, ids: list[int], summer: Row
) -> None:
    done = act(client_of(ringcx_sandbox.url), "MANUAL_LEADS", {"leadIds": ids[:1]}, PARAMS["MANUAL_LEADS"])
    assert done["leads_updated"] == 1
    row = next(lead for lead in ringcx_sandbox.leads() if lead["leadId"] == ids[0])
    assert (row["leadState"], row["agentDispostion"]) == ("COMPLETE", "Sale")
    act(client_of(ringcx_sandbox.url), "MOVE_TO_CAMPAIGN", {"leadIds": ids[1:2]}, move_to(summer))
    moved = next(lead for lead in ringcx_sandbox.leads() if lead["leadId"] == ids[1])
    assert (moved["campaignName"], moved["listDesc"]) == ("Summer Win-Back", "Moved by a test")
