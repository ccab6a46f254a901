"""Moves into a new list: exactly one list, reconciliation of lost responses, and move plans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidCriteria,
    InvalidParameter,
    NotFound,
    OutcomeUnknown,
    PermanentError,
)
from airflow_provider_engagevoice.ringcx.leads.moves import plan_move
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import count_action_requests, make_client, move_params, perform_action

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

Row = dict[str, Any]
Move = Callable[..., Any]


@pytest.fixture
def move(ringcx_sandbox: SandboxServer, spring: Row, summer: Row) -> Move:
    """Move leads of "Spring Renewals" into a new list of "Summer Win-Back"."""

    def run(criteria: Row, *, copy: str = "false", duplicates: str = "MOVE", **options: Any) -> Any:
        in_spring = {"campaignId": spring["campaignId"], "campaignIds": [spring["campaignId"]], **criteria}
        params = {**move_params(summer, copy=copy), "DUPLICATE_ACTION_SETTING": duplicates}
        return perform_action(
            make_client(ringcx_sandbox.url), "MOVE_TO_CAMPAIGN", in_spring, params, **options
        )

    return run


def new_lists(sandbox: SandboxServer) -> Counter[int]:
    """Return the number of leads in each list that the test's moves created, by list id."""
    leads = sandbox.leads("Summer Win-Back")
    return Counter(lead["listId"] for lead in leads if lead["listDesc"] == "Moved by a test")


def count_lists(sandbox: SandboxServer, summer: Row) -> int:
    """Return how many lists of the test's name the target has, including empty ones."""
    campaigns = make_client(sandbox.url).campaigns
    lists = campaigns.lists(campaigns.find(summer["campaignId"]))
    return sum(entry["list_name"] == "Moved by a test" for entry in lists)


def drop_after(sandbox: SandboxServer, work: Callable[[], object]) -> None:
    """Drop the next lead action before it takes effect, and run ``work`` in the meantime."""
    sandbox.fault("meanwhile", work=work, operation="lead_action")
    sandbox.fault("drop", operation="lead_action")


def test_move_in_chunks_creates_one_list(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move, summer: Row
) -> None:
    done = move({"leadIds": ids[:11]}, chunk_size=3)
    assert (done["leads_updated"], done["requests"]) == (11, 4)
    assert list(new_lists(ringcx_sandbox).values()) == [11]
    assert count_lists(ringcx_sandbox, summer) == 1


def test_move_second_run_creates_another_list(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move, summer: Row
) -> None:
    move({"leadIds": ids[:5]}, chunk_size=2)
    move({"leadIds": ids[5:12]}, chunk_size=2)
    assert sorted(new_lists(ringcx_sandbox).values()) == [5, 7]
    assert count_lists(ringcx_sandbox, summer) == 2


def test_move_first_chunk_of_duplicates_uses_no_older_list(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move
) -> None:
    """With IGNORE a chunk may have no lead to move, and then creates no list for the next chunk."""
    move({"leadIds": ids[:2]})
    nothing = {"success": True, "leadUpdateCount": 0}
    ringcx_sandbox.fault("answer", body=nothing, operation="lead_action", times=2)
    done = move({"leadIds": ids[2:12]}, duplicates="IGNORE", chunk_size=2)
    assert (done["leads_updated"], done["requests"]) == (6, 5)
    assert sorted(new_lists(ringcx_sandbox).values()) == [2, 6]


def test_move_lost_response_is_success_if_leads_have_moved(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move
) -> None:
    ringcx_sandbox.fault("drop", when="after", operation="lead_action")
    done = move({"leadIds": ids[:7]}, chunk_size=3)
    assert (done["leads_matched"], done["leads_updated"], done["requests"]) == (7, 7, 3)
    assert list(new_lists(ringcx_sandbox).values()) == [7]
    assert count_action_requests(ringcx_sandbox) == 3


def test_move_leads_gone_for_other_reasons_are_not_moved(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move
) -> None:
    """The dialer may take all READY leads although RingCX never received the move."""
    other = make_client(ringcx_sandbox.url)
    drop_after(ringcx_sandbox, lambda: perform_action(other, "PAUSE_LEADS", {"leadIds": ids}))
    with pytest.raises(OutcomeUnknown, match="0 in the new list"):
        move({"leadIds": ids[:3], "leadStates": ["READY"]})
    assert new_lists(ringcx_sandbox) == {}


@pytest.mark.parametrize("status", [503, 403])
def test_move_outcome_stays_unknown_if_search_fails(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move, status: int
) -> None:
    ringcx_sandbox.fault("drop", when="after", operation="lead_action")
    ringcx_sandbox.fault("status", status=status, operation="lead_count", skip=1, chance=1)
    ringcx_sandbox.fault("status", status=status, operation="lead_search", chance=1)
    with pytest.raises(OutcomeUnknown) as caught:
        move({"leadIds": ids[:3]})
    assert isinstance(caught.value, PermanentError)


@pytest.mark.parametrize(("copy", "within"), [("true", False), ("TRANSITION", False), ("false", True)])
def test_move_that_keeps_leads_in_place_is_not_reconciled(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move, summer: Row, copy: str, within: bool
) -> None:
    """Leads stay in the selection after a copy, or a move within the selected campaigns."""
    move({"leadIds": ids[:5]})  # an older list of the same name
    other = make_client(ringcx_sandbox.url)
    drop_after(ringcx_sandbox, lambda: perform_action(other, "PAUSE_LEADS", {"leadIds": ids[5:]}))
    spring_id = ringcx_sandbox.campaign("Spring Renewals")["campaignId"]
    criteria = {"leadIds": ids[5:8], "leadStates": ["READY"], "campaignIds": [spring_id]}
    if within:
        criteria["campaignIds"].append(summer["campaignId"])
    with pytest.raises(OutcomeUnknown):
        move(criteria, copy=copy)
    assert list(new_lists(ringcx_sandbox).values()) == [5]


@pytest.mark.parametrize("copy", ["false", "true"])
def test_move_unreadable_lists_between_chunks_fail_permanently(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move, copy: str
) -> None:
    ringcx_sandbox.fault("status", status=503, operation="lists", skip=1, chance=1)
    with pytest.raises(OutcomeUnknown, match="1 of 3 chunks are complete"):
        move({"leadIds": ids[:6]}, copy=copy, chunk_size=2)
    assert sum(new_lists(ringcx_sandbox).values()) == 2


def test_move_unreadable_lists_at_the_start_send_nothing(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move
) -> None:
    ringcx_sandbox.fault("status", status=403, operation="lists", chance=1)
    with pytest.raises(Exception, match="returned 403"):
        move({"leadIds": ids[:6]}, chunk_size=2)
    assert count_action_requests(ringcx_sandbox) == 0


def test_move_retries_later_chunks_once_its_list_exists(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move
) -> None:
    ringcx_sandbox.fault("drop", when="after", operation="lead_action", at=[2])
    ringcx_sandbox.fault("drop", operation="lead_action", at=[3])
    ringcx_sandbox.fault("status", status=503, operation="lead_action", at=[4])
    done = move({"leadIds": ids[:6]}, chunk_size=2)
    assert done["requests"] == 3
    assert list(new_lists(ringcx_sandbox).values()) == [6]


def plan(sandbox: SandboxServer, **arguments: Any) -> Any:
    return plan_move(make_client(sandbox.url, account_id=None).campaigns, **arguments)


def test_plan_move_resolves_names_in_few_requests(ringcx_sandbox: SandboxServer, summer: Row) -> None:
    list_id = ringcx_sandbox.leads("Summer Win-Back")[0]["listId"]
    by_id = plan(
        ringcx_sandbox,
        target_campaign="Summer Win-Back",
        source_campaign="Spring Renewals",
        target_list=str(list_id),
        account_id="50810001",
    )
    assert [request.path.rpartition("/")[2] for request in ringcx_sandbox.requests[2:]] == [
        "withChildren",
        "lists",
    ]
    assert (by_id.target["campaign_id"], by_id.list_id) == (summer["campaignId"], list_id)
    assert by_id.params(False, "MOVE") == {
        "CAMPAIGN_ID": summer["campaignId"],
        "LIST_ID": list_id,
        "CREATE_COPY_SETTING": "false",
        "DUPLICATE_ACTION_SETTING": "MOVE",
    }


def test_plan_move_into_new_list_has_its_name(ringcx_sandbox: SandboxServer, summer: Row) -> None:
    planned = plan(
        ringcx_sandbox, target_campaign=summer["campaignId"], new_list_name="July", account_id="50810001"
    )
    assert planned.params("TRANSITION", "IGNORE") == {
        "CAMPAIGN_ID": summer["campaignId"],
        "LIST_ID": "0",
        "LIST_NAME": "July",
        "CREATE_COPY_SETTING": "TRANSITION",
        "DUPLICATE_ACTION_SETTING": "IGNORE",
    }


def test_plan_move_ambiguous_or_unknown_list_is_rejected(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move, summer: Row
) -> None:
    with pytest.raises(NotFound, match="has no list 'Moved by a tset'"):
        plan(ringcx_sandbox, target_campaign=summer["campaignId"], target_list="Moved by a tset")
    move({"leadIds": ids[:1]})
    named = plan(ringcx_sandbox, target_campaign=summer["campaignId"], target_list="Moved by a test")
    assert named.list_id in new_lists(ringcx_sandbox)
    move({"leadIds": ids[1:2]})
    with pytest.raises(InvalidParameter, match="has 2 lists 'Moved by a test'; use an id: "):
        plan(ringcx_sandbox, target_campaign=summer["campaignId"], target_list="Moved by a test")


def test_plan_move_between_accounts_is_rejected(ringcx_sandbox: SandboxServer) -> None:
    with pytest.raises(InvalidCriteria, match="source is in 50810002, the target in 50810001"):
        plan(ringcx_sandbox, target_campaign="Summer Win-Back", source_campaign="Solar Consultations")
