"""Acting in chunks: what is sent, what is added up, and what is said when it stops half-way."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.acting import Act
from airflow_provider_engagevoice.ringcx.actions import ACTIONS
from airflow_provider_engagevoice.ringcx.errors import (
    AccessDenied,
    ActionRejected,
    InvalidParameter,
    OutcomeUnknown,
    ServiceUnavailable,
    TooManyLeads,
)
from airflow_provider_engagevoice.ringcx.selection import Selection
from airflow_provider_engagevoice.sandbox.server import SandboxServer
from tests.faults import Faults, answer, drop, obey
from tests.ringcx.clients import ACTIONS_PATH, PARAMS, Clock, act, acted, client_of, move_to

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
    sandbox: SandboxServer, ids: list[int], leads: int, size: int, requests: int
) -> None:
    done = act(client_of(sandbox.url), "CANCEL_LEADS", {"leadIds": ids[:leads]}, chunk_size=size)
    assert (done["leads_matched"], done["leads_updated"], done["requests"]) == (leads, leads, requests)
    assert acted(sandbox) == requests
    assert states(sandbox, ids[:leads]) == {"CANCELLED"}
    assert states(sandbox, ids[leads:]) == {"READY"}


def test_all_counts_are_added_up(sandbox: SandboxServer, faults: Faults, ids: list[int]) -> None:
    results = [
        {"success": True, "leadUpdateCount": 2, "leadDeleteCount": 10, "redialDeleteCount": 100},
        {"success": True, "leadUpdateCount": 3, "dialerRefreshed": True},
        {"success": True, "leadUpdateCount": None, "leadDeleteCount": -4, "redialDeleteCount": True},
    ]
    faults.on(ACTIONS_PATH, *[answer(200, result) for result in results])
    assert act(client_of(sandbox.url), "DELETE_LEADS", {"leadIds": ids[:6]}, chunk_size=2) == {
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


def test_chunks_without_a_match_are_not_sent(sandbox: SandboxServer, ids: list[int]) -> None:
    unknown = [10**9 + n for n in range(4)]
    done = act(client_of(sandbox.url), "CANCEL_LEADS", {"leadIds": unknown + ids[:2]}, chunk_size=2)
    assert (done["leads_matched"], done["leads_updated"], acted(sandbox)) == (2, 2, 1)


def test_a_pass_is_added_once_to_a_lead_with_several_numbers(sandbox: SandboxServer, ids: list[int]) -> None:
    """Two spellings of a number, or two numbers of a lead, would be the same lead in two chunks."""
    lead = next(lead for lead in sandbox.leads("Spring Renewals") if lead["leadId"] == ids[0])
    digits = "".join(letter for letter in lead["leadPhone"].partition("|")[0] if letter.isdecimal())[-10:]
    before = passes(sandbox)
    criteria = {
        "campaignIds": [lead["campaignId"]],
        "leadPhoneNumbers": [digits, "6175550000", f"+1{digits}", f"1{digits}"],
    }
    done = act(client_of(sandbox.url), "MANUAL_LEADS", criteria, chunk_size=1)
    after = passes(sandbox)
    assert {key: after[key] - before[key] for key in after if after[key] != before[key]} == {ids[0]: 1}
    assert (done["leads_matched"], done["leads_updated"], acted(sandbox)) == (1, 1, 1)


@pytest.mark.parametrize("name", ["EMAIL_LEADS", "DIALER_REFRESH"])
def test_a_mail_and_a_refresh_are_never_cut(sandbox: SandboxServer, ids: list[int], name: str) -> None:
    done = act(client_of(sandbox.url), name, {"leadIds": ids[:9]}, chunk_size=2)
    assert (done["requests"], acted(sandbox)) == (1, 1)
    mails = [mail["leads"] for mail in sandbox.outbox]
    assert mails == ([9] if name == "EMAIL_LEADS" else [])


@pytest.mark.parametrize(
    "name", ["CANCEL_LEADS", "DELETE_LEADS", "MANUAL_LEADS", "EMAIL_LEADS", "RESET_LEADS"]
)
def test_no_match_sends_no_action(sandbox: SandboxServer, name: str) -> None:
    done = act(client_of(sandbox.url), name, {"leadIds": [10**9]})
    assert (done["leads_matched"], done["requests"], acted(sandbox)) == (0, 0, 0)


def test_the_dialer_is_refreshed_without_a_match(sandbox: SandboxServer, spring: Row) -> None:
    criteria = {"campaignIds": [spring["campaignId"]], "externIds": ["nobody"]}
    done = act(client_of(sandbox.url), "DIALER_REFRESH", criteria)
    assert (done["leads_matched"], done["dialer_refreshed"], acted(sandbox)) == (0, True, 1)


@pytest.mark.parametrize(("bound", "allowed"), [(0, False), (4, False), (5, True), (6, True), (None, True)])
def test_max_leads_refuses_before_anything_is_sent(
    sandbox: SandboxServer, ids: list[int], bound: int | None, allowed: bool
) -> None:
    client = client_of(sandbox.url)
    if allowed:
        act(client, "CANCEL_LEADS", {"leadIds": ids[:5]}, chunk_size=2, max_leads=bound)
        assert acted(sandbox) == 3
        return
    with pytest.raises(TooManyLeads, match=f"act on 5 leads, more than max_leads={bound}; nothing") as caught:
        act(client, "CANCEL_LEADS", {"leadIds": ids[:5]}, chunk_size=2, max_leads=bound)
    assert not caught.value.retryable
    assert acted(sandbox) == 0


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_a_dry_run_sends_no_action(sandbox: SandboxServer, ids: list[int], name: str) -> None:
    before = sandbox.leads()
    done = act(client_of(sandbox.url), name, {"leadIds": ids[:5]}, chunk_size=2, dry_run=True)
    assert (done["dry_run"], done["leads_matched"], done["requests"], acted(sandbox)) == (True, 5, 0, 0)
    assert sandbox.leads() == before
    assert sandbox.outbox == []


def test_a_dry_run_says_that_there_are_too_many(sandbox: SandboxServer, ids: list[int]) -> None:
    with pytest.raises(TooManyLeads):
        act(client_of(sandbox.url), "CANCEL_LEADS", {"leadIds": ids[:5]}, max_leads=4, dry_run=True)


def test_an_empty_selection_sends_nothing_at_all(sandbox: SandboxServer) -> None:
    empty = Act(ACTIONS["DELETE_LEADS"], Selection({}, "leadIds is empty"), {})
    assert client_of(sandbox.url).lead_actions().perform(empty)["leads_matched"] == 0
    assert sandbox.requests == []


STOPS = {
    "rejected": (answer(200, {"success": False, "errorMessage": "Campaign is locked"}), ActionRejected),
    "denied": (answer(403, {"generalMessage": "No right"}), AccessDenied),
    "failing": (answer(503), ServiceUnavailable),
}


@pytest.mark.parametrize("stop", STOPS)
def test_a_repeatable_action_that_stops_half_way_fails_with_its_own_error(
    sandbox: SandboxServer, faults: Faults, ids: list[int], stop: str
) -> None:
    fault, kind = STOPS[stop]
    faults.on(ACTIONS_PATH, obey, obey)
    faults.on(ACTIONS_PATH, fault, forever=True)
    with pytest.raises(kind):
        act(client_of(sandbox.url), "CANCEL_LEADS", {"leadIds": ids[:7]}, chunk_size=2)
    assert states(sandbox, ids[:4]) == {"CANCELLED"}
    assert states(sandbox, ids[4:7]) == {"READY"}


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize(("done", "said"), [(1, "1 of 4"), (3, "3 of 4")])
def test_an_unrepeatable_action_that_stops_half_way_says_how_far_it_got(
    sandbox: SandboxServer, faults: Faults, ids: list[int], stop: str, done: int, said: str
) -> None:
    before = passes(sandbox)
    faults.on(ACTIONS_PATH, *[obey] * done)
    faults.on(ACTIONS_PATH, STOPS[stop][0], forever=True)
    with pytest.raises(OutcomeUnknown, match=f"{said} requests had been done") as caught:
        act(client_of(sandbox.url), "MANUAL_LEADS", {"leadIds": ids[:7]}, chunk_size=2)
    assert "look at the leads" in str(caught.value)
    assert not caught.value.retryable
    after = passes(sandbox)
    assert {key for key in after if after[key] > before[key]} == set(ids[: 2 * done])
    assert acted(sandbox) == done + 1


@pytest.mark.parametrize("applied", [True, False])
def test_a_lost_answer_half_way_says_how_far_it_got(
    sandbox: SandboxServer, faults: Faults, ids: list[int], applied: bool
) -> None:
    faults.on(ACTIONS_PATH, obey, drop(applied=applied))
    with pytest.raises(OutcomeUnknown, match="1 of 4 requests had been done"):
        act(client_of(sandbox.url), "MANUAL_LEADS", {"leadIds": ids[:7]}, chunk_size=2)
    assert acted(sandbox) == 2


@pytest.mark.parametrize("stop", STOPS)
def test_the_first_request_of_an_unrepeatable_action_fails_with_its_own_error(
    sandbox: SandboxServer, faults: Faults, ids: list[int], stop: str
) -> None:
    fault, kind = STOPS[stop]
    faults.on(ACTIONS_PATH, fault, forever=True)
    with pytest.raises(OutcomeUnknown if stop == "failing" else kind):
        act(client_of(sandbox.url), "MANUAL_LEADS", {"leadIds": ids[:7]}, chunk_size=2)
    assert acted(sandbox) == 1


def test_a_count_that_fails_sends_no_action(sandbox: SandboxServer, faults: Faults, ids: list[int]) -> None:
    faults.on("/leadSearch", obey)
    faults.on("/leadSearch", answer(503), forever=True)
    with pytest.raises(ServiceUnavailable):
        act(client_of(sandbox.url), "MANUAL_LEADS", {"leadIds": ids[:4]}, chunk_size=2)
    assert acted(sandbox) == 0


@pytest.mark.parametrize("account", ["50810001/../50810002", "5081 0001", "50810001?x=1", "¹", "-"])
def test_an_account_id_that_is_none_is_refused(sandbox: SandboxServer, account: str) -> None:
    client = client_of(sandbox.url)
    selection = Selection({"leadIds": [1]})
    with pytest.raises(InvalidParameter, match="is no RingCX sub-account id"):
        client.leads(account).count(selection)
    with pytest.raises(InvalidParameter, match="is no RingCX sub-account id"):
        client.campaigns.find("Spring Renewals", account_id=account)
    assert sandbox.requests == []


def test_an_action_names_the_account_it_was_given(sandbox: SandboxServer, clock: Clock) -> None:
    lead = sandbox.leads("Solar Consultations")[0]
    client = client_of(sandbox.url)
    other = client.lead_actions("50810002")
    selection = Selection({"leadIds": [lead["leadId"]]})
    done = other.perform(Act(ACTIONS["SUPPRESS_LEADS"], selection, {}))
    assert (done["account_id"], done["leads_updated"]) == ("50810002", 1)
    assert act(client, "SUPPRESS_LEADS", {"leadIds": [lead["leadId"]]})["leads_matched"] == 0


def test_parameters_and_criteria_arrive_as_they_were_given(
    sandbox: SandboxServer, ids: list[int], summer: Row
) -> None:
    done = act(client_of(sandbox.url), "MANUAL_LEADS", {"leadIds": ids[:1]}, PARAMS["MANUAL_LEADS"])
    assert done["leads_updated"] == 1
    row = next(lead for lead in sandbox.leads() if lead["leadId"] == ids[0])
    assert (row["leadState"], row["agentDispostion"]) == ("COMPLETE", "Sale")
    act(client_of(sandbox.url), "MOVE_TO_CAMPAIGN", {"leadIds": ids[1:2]}, move_to(summer))
    moved = next(lead for lead in sandbox.leads() if lead["leadId"] == ids[1])
    assert (moved["campaignName"], moved["listDesc"]) == ("Summer Win-Back", "Moved by a test")
